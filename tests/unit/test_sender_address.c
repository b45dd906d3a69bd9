/* Goal of this test: rights are compared in one form; addresses that mean the same have it, others never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "milter/sender_address.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NO_DOMAIN "no domain that IDNA2008 allows"
#define OTHER_DOMAIN "old software takes this for another domain; write it in A-labels (xn--...)"
#define LOOKS "local part with characters that look like others or are not seen"

static const struct {
	const char *written;
	const char *text;	/* NULL: refused */
	const char *reason;	/* what it begins with */
} rows[] = {
	{ "Alice@Example.COM", "alice@example.com", NULL },
	{ "\"Alice\"@example.com", "alice@example.com", NULL },
	{ "\"A\\l\\ice\"@example.com", "alice@example.com", NULL },
	{ "\"a.b\"@example.com", "a.b@example.com", NULL },
	/* quotes that mean something stay */
	{ "\"a..b\"@example.com", "\"a..b\"@example.com", NULL },
	{ "\".a\"@example.com", "\".a\"@example.com", NULL },
	{ "\"A B\"@example.com", "\"a b\"@example.com", NULL },
	{ "\"\"@example.com", "\"\"@example.com", NULL },
	{ "\"a\\@b.example\"@example.com", "\"a@b.example\"@example.com", NULL },
	{ "\"a@d\"@example.com", "\"a@d\"@example.com", NULL },
	{ "\"a\\\"b\\\\c\\d\"@example.com", "\"a\\\"b\\\\cd\"@example.com", NULL },
	{ "\"\\\"a\\\"\"@example.com", "\"\\\"a\\\"\"@example.com", NULL },
	/* domains */
	{ "a@m\xc3\xbcnchen.Example", "a@xn--mnchen-3ya.example", NULL },
	{ "a@XN--mnchen-3YA.example", "a@xn--mnchen-3ya.example", NULL },
	{ "a@under_score.r3---x.example", "a@under_score.r3---x.example", NULL },
	{ "a@xn--strae-oqa.example", "a@xn--strae-oqa.example", NULL },
	{ "a@[192.0.2.1]", "a@[192.0.2.1]", NULL },
	{ "a@[IPv6:2001:DB8::1]", "a@[ipv6:2001:db8::1]", NULL },
	{ "a@M\xc3\x9cNCHEN.example", NULL, NO_DOMAIN },		/* capitals beyond ASCII */
	{ "a@mu\xcc\x88nchen.example", NULL, NO_DOMAIN },		/* not NFC */
	{ "a@\xef\xbd\x82" "ank.example", NULL, NO_DOMAIN },		/* full-width b */
	{ "a@bank\xe3\x80\x82" "example", NULL, NO_DOMAIN },		/* ideographic full stop */
	{ "a@ba\xc2\xadnk.example", NULL, NO_DOMAIN },			/* soft hyphen */
	{ "a@ba\xe2\x80\x8bnk.example", NULL, NO_DOMAIN },		/* zero-width space */
	{ "a@xn--a.example", NULL, NO_DOMAIN },			/* no A-label of anything */
	{ "a@xn--1.example", NULL, NO_DOMAIN },
	{ "a@stra\xc3\x9f" "e.example", NULL, OTHER_DOMAIN },		/* IDNA2003: strasse */
	{ "a@\xce\xb1\xcf\x82.example", NULL, OTHER_DOMAIN },		/* final sigma */
	{ "a@b\xe2\x80\x8d" "c.example", NULL, OTHER_DOMAIN },		/* joiner */
	/* local parts beyond ASCII: as they are, unless they deceive */
	{ "J\xc3\xb6rg@example.com", "j\xc3\xb6rg@example.com", NULL },
	{ "\"J\xc3\xb6rg\"@example.com", "j\xc3\xb6rg@example.com", NULL },
	{ "\xc3\x96@example.com", "\xc3\x96@example.com", NULL },
	{ "ceo\xef\xbc\xa0" "bank@example.com", NULL, LOOKS },		/* full-width @ */
	{ "a\xe2\x80\x8b@example.com", NULL, LOOKS },			/* zero-width space */
	{ "a\xe2\x80\xae@example.com", NULL, LOOKS },			/* right-to-left override */
	{ "a\xc2\x85@example.com", NULL, LOOKS },			/* C1 */
	{ "a\xc2\xa0@example.com", NULL, LOOKS },			/* no-break space */
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sender_address address = { .domain = NULL }, copy;
		struct mailbox mailbox;
		char reason[400] = "";
		int result;

		if (mailbox_parse(&mailbox, rows[i].written, strlen(rows[i].written), true, reason, sizeof(reason)) != 0)
			fail_msg("%s: %s", rows[i].written, reason);
		result = sender_address_from_mailbox(&address, &mailbox, reason, sizeof(reason));
		if (result != (rows[i].text != NULL ? 0 : -1))
			fail_msg("%s: %d %s", rows[i].written, result, reason);
		if (rows[i].text == NULL) {
			if (strncmp(reason, rows[i].reason, strlen(rows[i].reason)) != 0)
				fail_msg("%s: %s", rows[i].written, reason);
			continue;
		}
		if (rows[i].text[0] != '\0')
			assert_string_equal(address.text, rows[i].text);
		assert_ptr_equal(address.domain, strrchr(address.text, '@') + 1);
		sender_address_copy(&copy, &address);
		assert_string_equal(copy.text, address.text);
		assert_ptr_equal(copy.domain, strrchr(copy.text, '@') + 1);
	}
}

static void test_domain(void **state)
{
	char out[SMTP_DOMAIN_MAX + 1], reason[400], large[400];

	(void)state;
	assert_int_equal(sender_address_fold_domain(out, sizeof(out), "M\xc3\xbc.Example", reason, sizeof(reason)), 0);
	assert_string_equal(out, "xn--m-eha.example");
	assert_int_equal(sender_address_fold_domain(out, sizeof(out), "", reason, sizeof(reason)), -1);
	assert_int_equal(sender_address_fold_domain(out, 5, "abcde", reason, sizeof(reason)), -1);
	assert_int_equal(sender_address_fold_domain(out, 10, "m\xc3\xbc.example", reason, sizeof(reason)), -1);
	memset(large, 'a', sizeof(large));
	large[SMTP_DOMAIN_MAX + 1] = '\0';
	assert_int_equal(sender_address_fold_domain(out, sizeof(out), large, reason, sizeof(reason)), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
