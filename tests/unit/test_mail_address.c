/*
 * Goal of this test: mailboxes and paths are taken as RFC 5321 4.1.2 writes them and refused otherwise, with a reason.
 * Covers case 119 of the catalogue of hostile input, as far as it is about addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mail_address.h"

#define A10 "aaaaaaaaaa"
#define A60 A10 A10 A10 A10 A10 A10
#define A64 A60 "aaaa"
#define Q10 "\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\""
#define Q60 Q10 Q10 Q10 Q10 Q10 Q10
#define LABEL63 A60 "aaa"
#define DOMAIN255 LABEL63 "." LABEL63 "." LABEL63 "." LABEL63

struct row {
	const char *text;
	bool allow_utf8;
	const char *local_part;		/* NULL: refused */
	const char *domain;		/* or the reason */
};

static const struct row mailboxes[] = {
	{ "user@example.com", false, "user", "example.com" },
	{ "a.b.c@example.com", false, "a.b.c", "example.com" },
	{ "!#$%&'*+-/=?^_`{|}~@example.com", false, "!#$%&'*+-/=?^_`{|}~", "example.com" },
	/* case 119: what a shell would love is a plain address, or none */
	{ "\"a b\"@d", false, "\"a b\"", "d" },
	{ "$(id)@example.com", false, NULL, "bad character in local part" },
	{ "\"$(id)\"@example.com", false, "\"$(id)\"", "example.com" },
	{ "-oX@example.com", false, "-oX", "example.com" },
	{ "u@-oX", false, NULL, "domain label begins or ends with a hyphen" },
	{ "u;v@example.com", false, NULL, "bad character in local part" },
	{ "u@example.com;v", false, NULL, "text after the address" },
	{ "u\n@example.com", false, NULL, "bad character in local part" },
	{ "u@exam\nple.com", false, NULL, "text after the address" },
	{ "\"u\nv\"@example.com", false, NULL, "malformed quoted local part" },
	{ "\"u\\\nv\"@example.com", false, NULL, "malformed quoted local part" },
	{ "\"u\x7fv\"@example.com", false, NULL, "malformed quoted local part" },
	/* quoted strings */
	{ "\"\"@d", false, "\"\"", "d" },
	{ "\"a\\\"b\\\\c>d\"@d", false, "\"a\\\"b\\\\c>d\"", "d" },
	{ "\"a@b\"@d", false, "\"a@b\"", "d" },
	{ "\"a\"b@d", false, NULL, "bad character in local part" },
	{ "\"a@d", false, NULL, "local part without its closing quote" },
	{ "\"a\\", false, NULL, "malformed quoted local part" },
	{ "\"a\\\"@d", false, NULL, "local part without its closing quote" },
	{ "\"", false, NULL, "local part without its closing quote" },
	/* dots */
	{ ".a@d", false, NULL, "empty or malformed local part" },
	{ "a.@d", false, NULL, "empty or malformed local part" },
	{ "a..b@d", false, NULL, "empty or malformed local part" },
	{ "", false, NULL, "empty or malformed local part" },
	{ "@d", false, NULL, "empty or malformed local part" },
	{ "postmaster", false, NULL, "address without a domain" },
	{ "u@", false, NULL, "empty label or bad character in domain" },
	{ "u@.d", false, NULL, "empty label or bad character in domain" },
	{ "u@d..e", false, NULL, "empty label or bad character in domain" },
	{ "u@example.com.", false, NULL, "empty label or bad character in domain" },
	{ "u@_dmarc.exa_mple.com", false, "u", "_dmarc.exa_mple.com" },
	{ "u@a-b.c--d", false, "u", "a-b.c--d" },
	{ "u@a-.b", false, NULL, "domain label begins or ends with a hyphen" },
	{ "u@a@b", false, NULL, "text after the address" },
	/* lengths; the limit counts what is meant, not how it is written */
	{ A64 "@d", false, A64, "d" },
	{ A64 "a@d", false, NULL, "local part longer than 64 octets" },
	{ "\"" A64 "\"@d", false, "\"" A64 "\"", "d" },
	{ "\"" A64 "a\"@d", false, NULL, "local part longer than 64 octets" },
	{ "\"" Q60 "\\\"\\\"\\\"\\\"\"@d", false, "\"" Q60 "\\\"\\\"\\\"\\\"\"", "d" },
	{ "\"" Q60 "\\\"\\\"\\\"\\\"\\\"\"@d", false, NULL, "local part longer than 64 octets" },
	{ "u@" LABEL63, false, "u", LABEL63 },
	{ "u@" LABEL63 "a", false, NULL, "domain label longer than 63 octets" },
	{ "u@" DOMAIN255, false, "u", DOMAIN255 },
	{ "u@a." DOMAIN255, false, NULL, "domain longer than 255 octets" },
	/* literals */
	{ "u@[192.0.2.1]", false, "u", "[192.0.2.1]" },
	{ "u@[IPv6:::1]", false, "u", "[IPv6:::1]" },
	{ "u@[ipv6:2001:db8::192.0.2.1]", false, "u", "[ipv6:2001:db8::192.0.2.1]" },
	{ "u@[2001:db8::1]", false, NULL, "malformed address literal" },
	{ "u@[192.0.2.256]", false, NULL, "malformed address literal" },
	{ "u@[192.0.2]", false, NULL, "malformed address literal" },
	{ "u@[192.0.2.1", false, NULL, "address literal without its closing bracket" },
	{ "u@[IPv6:fe80::1%eth0]", false, NULL, "malformed address literal" },
	{ "u@[x400:foo]", false, NULL, "malformed address literal" },
	{ "u@[]", false, NULL, "malformed address literal" },
	{ "u@[192.0.2.1].d", false, NULL, "text after the address" },
	/* UTF-8, RFC 6531 */
	{ "\xd8\xaf@example.com", true, "\xd8\xaf", "example.com" },
	{ "u@b\xc3\xbc" "cher.example", true, "u", "b\xc3\xbc" "cher.example" },
	{ "\"\xe2\x82\xac \xf0\x9f\x93\xa7\"@d", true, "\"\xe2\x82\xac \xf0\x9f\x93\xa7\"", "d" },
	{ "\xd8\xaf@example.com", false, NULL, "non-ASCII address without SMTPUTF8" },
	{ "u@b\xc3\xbc" "cher.example", false, NULL, "non-ASCII address without SMTPUTF8" },
	{ "\xc0\xaf@d", true, NULL, "malformed UTF-8" },		/* overlong */
	{ "\xe0\x9f\xbf@d", true, NULL, "malformed UTF-8" },
	{ "\xf0\x8f\xbf\xbf@d", true, NULL, "malformed UTF-8" },
	{ "\xed\xa0\x80@d", true, NULL, "malformed UTF-8" },		/* surrogate */
	{ "\xf4\x90\x80\x80@d", true, NULL, "malformed UTF-8" },	/* beyond U+10FFFF */
	{ "\xff@d", true, NULL, "malformed UTF-8" },
	{ "\x80@d", true, NULL, "malformed UTF-8" },
	{ "\xe2\x82@d", true, NULL, "malformed UTF-8" },
	{ "u@d\xe2\x82", true, NULL, "malformed UTF-8" },
	{ "\xf4\x8f\xbf\xbf@\xee\x80\x80", true, "\xf4\x8f\xbf\xbf", "\xee\x80\x80" },
};

static void test_mailboxes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mailboxes) / sizeof(mailboxes[0]); i++) {
		const struct row *row = &mailboxes[i];
		struct mailbox mailbox = { .domain = "untouched" };
		char error[100] = "", printed[MAILBOX_TEXT_MAX];
		int result = mailbox_parse(&mailbox, row->text, strlen(row->text), row->allow_utf8, error, sizeof(error));

		if (result != (row->local_part != NULL ? 0 : -1))
			fail_msg("%s: %d, %s", row->text, result, error);
		if (row->local_part == NULL) {
			assert_string_equal(error, row->domain);
			assert_string_equal(mailbox.domain, "untouched");
			continue;
		}
		assert_string_equal(mailbox.local_part, row->local_part);
		assert_string_equal(mailbox.domain, row->domain);
		assert_int_equal(mailbox.is_literal, row->domain[0] == '[');
		assert_int_equal(mailbox.is_utf8, row->allow_utf8);
		assert_string_equal(mailbox_print(&mailbox, printed, sizeof(printed)), row->text);
	}
}

static void test_length_is_the_end(void **state)
{
	struct mailbox mailbox;
	char error[100];

	(void)state;
	assert_int_equal(mailbox_parse(&mailbox, "u@example.com", 9, false, error, sizeof(error)), 0);
	assert_string_equal(mailbox.domain, "example");
	assert_int_equal(mailbox_parse(&mailbox, "u@d\0e", 5, false, error, sizeof(error)), -1);
	assert_int_equal(mailbox_parse(&mailbox, "u\0v@d", 5, false, error, sizeof(error)), -1);
	assert_int_equal(mailbox_parse(&mailbox, "\"u\0v\"@d", 7, false, error, sizeof(error)), -1);
	assert_int_equal(mailbox_parse(&mailbox, "u@[192.0.2.1\0]", 14, false, error, sizeof(error)), -1);
	assert_int_equal(mailbox_parse(&mailbox, "\xe2\x82\xac@d", 2, true, error, sizeof(error)), -1);
	assert_int_equal(mailbox_parse(&mailbox, NULL, 0, false, error, sizeof(error)), -1);
}

static const struct row forward_paths[] = {
	{ "<u@d>", false, "u", "d" },
	{ "<@a,@b:u@d>", false, "u", "d" },				/* case 119 */
	{ "<@a:\"a>b\"@d>", false, "\"a>b\"", "d" },
	{ "<@b\xc3\xbc.example:u@d>", true, "u", "d" },
	{ "<@a,b:u@d>", false, NULL, "malformed source route" },
	{ "<@a,:u@d>", false, NULL, "malformed source route" },
	{ "<@:u@d>", false, NULL, "empty label or bad character in domain" },
	{ "<@a u@d>", false, NULL, "malformed source route" },
	{ "<postmaster>", false, NULL, "address without a domain" },
	{ "<>", false, NULL, "empty or malformed local part" },
	{ "u@d", false, NULL, "address is not in angle brackets" },
	{ "<u@d", false, NULL, "bad character in domain" },
	{ "<u@d >", false, NULL, "bad character in domain" },
	{ "< u@d>", false, NULL, "empty or malformed local part" },
	{ "<u@d> ", false, NULL, "text after the address" },
	{ "<u@d>>", false, NULL, "text after the address" },
	{ "<<u@d>>", false, NULL, "empty or malformed local part" },
	{ "", false, NULL, "address is not in angle brackets" },
};

static void test_forward_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(forward_paths) / sizeof(forward_paths[0]); i++) {
		const struct row *row = &forward_paths[i];
		struct mailbox mailbox;
		char error[100] = "";
		int result = forward_path_parse(&mailbox, row->text, strlen(row->text), row->allow_utf8, error,
						sizeof(error));

		if (result != (row->local_part != NULL ? 0 : -1))
			fail_msg("%s: %d, %s", row->text, result, error);
		if (row->local_part == NULL) {
			assert_string_equal(error, row->domain);
			continue;
		}
		assert_string_equal(mailbox.local_part, row->local_part);
		assert_string_equal(mailbox.domain, row->domain);
		assert_false(mailbox.is_utf8);		/* a route that is ignored does not count */
	}
}

static void test_reverse_path(void **state)
{
	struct reverse_path path;
	char error[100], printed[MAILBOX_TEXT_MAX];

	(void)state;
	assert_int_equal(reverse_path_parse(&path, "<>", 2, false, error, sizeof(error)), 0);	/* case 119 */
	assert_true(path.is_null);
	assert_string_equal(reverse_path_print(&path, printed, sizeof(printed)), "");
	assert_int_equal(reverse_path_parse(&path, "<u@d>", 5, false, error, sizeof(error)), 0);
	assert_false(path.is_null);
	assert_string_equal(reverse_path_print(&path, printed, sizeof(printed)), "u@d");
	assert_int_equal(reverse_path_parse(&path, "< >", 3, false, error, sizeof(error)), -1);
	assert_string_equal(path.mailbox.domain, "d");
}

static bool same(const char *one, const char *two)
{
	struct mailbox a, b;
	char error[100];

	assert_int_equal(mailbox_parse(&a, one, strlen(one), true, error, sizeof(error)), 0);
	assert_int_equal(mailbox_parse(&b, two, strlen(two), true, error, sizeof(error)), 0);
	return mailbox_is_same(&a, &b);
}

static void test_is_same(void **state)
{
	(void)state;
	assert_true(same("u@Example.COM", "u@eXAMPLE.com"));
	assert_false(same("U@example.com", "u@example.com"));
	assert_false(same("u@example.com", "u@example.co"));
	assert_false(same("u@example.co", "u@example.com"));
	assert_false(same("u@\xc3\xa9.example", "u@\xc3\x89.example"));
}

static void test_literal_address(void **state)
{
	struct mailbox mailbox = { .is_literal = true };
	char address[64];

	(void)state;
	strcpy(mailbox.domain, "[192.0.2.1]");
	assert_int_equal(mailbox_literal_address(&mailbox, address, sizeof(address)), 0);
	assert_string_equal(address, "192.0.2.1");
	assert_int_equal(mailbox_literal_address(&mailbox, address, 9), -1);
	strcpy(mailbox.domain, "[IPv6:2001:db8::1]");
	assert_int_equal(mailbox_literal_address(&mailbox, address, sizeof(address)), 0);
	assert_string_equal(address, "2001:db8::1");
	mailbox.is_literal = false;
	assert_int_equal(mailbox_literal_address(&mailbox, address, sizeof(address)), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mailboxes),
		cmocka_unit_test(test_length_is_the_end),
		cmocka_unit_test(test_forward_paths),
		cmocka_unit_test(test_reverse_path),
		cmocka_unit_test(test_is_same),
		cmocka_unit_test(test_literal_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
