/*
 * Goal of this test: a From field is taken only if everybody reads the same addresses in it; what is refused is refused for the
 * reason that is told. Cases 133, 135, 136 and 139 of the catalogue of hostile input; tests/differential has many more fields.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "milter/address_list.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *value;
	const char *addresses;	/* with a space behind each */
} accepted[] = {
	{ "me@example.com", "me@example.com " },
	{ "<me@example.com>", "me@example.com " },
	{ " \tMe <Me@Example.COM> ", "me@example.com " },
	{ "Me M. Myself <me@example.com>", "me@example.com " },
	{ "Me<me@example.com>", "me@example.com " },
	{ "\"Myself, Me\" <me@example.com>", "me@example.com " },
	{ "\"Me \\\"Mimi\\\" Myself\" <me@example.com>", "me@example.com " },
	{ "\"ceo@bank.example\" <me@example.com>", "me@example.com " },	/* case 134: for another rule */
	{ "root@host.example.com (Cron Daemon)", "root@host.example.com " },
	{ "me@example.com (a (b) c)", "me@example.com " },
	{ "(a) Me (b) Myself (c) <me@example.com> (d)", "me@example.com " },
	{ "<\"me\"@example.com>", "me@example.com " },
	{ "<me@[192.0.2.1]>", "me@[192.0.2.1] " },
	{ "=?utf-8?q?M=C3=BCller=2C_Me?= <me@example.com>", "me@example.com " },
	{ "ceo%bank.example@example.com", "ceo%bank.example@example.com " },
	/* case 133: each address counts */
	{ "me@example.com, Ceo <ceo@bank.example>", "me@example.com ceo@bank.example " },
	{ "Us: me@example.com, Ceo <ceo@bank.example>;", "me@example.com ceo@bank.example " },
	{ "Us: me@example.com;, <ceo@bank.example>", "me@example.com ceo@bank.example " },
	{ "Us:;", "" },
	{ "Us: ;", "" },
	{ "Us:;, me@example.com", "me@example.com " },
	/* case 139: folding */
	{ "Me\r\n <me@example.com>", "me@example.com " },
	{ "Me\n\t<me@example.com>,\n you@example.com", "me@example.com you@example.com " },
	{ "\r\n me@example.com", "me@example.com " },
};

static void print_addresses(char *out, size_t size, const struct address_list *list)
{
	size_t length = 0;

	out[0] = '\0';
	for (size_t i = 0; i < list->count; i++) {
		length += (size_t)snprintf(out + length, size - length, "%s ", list->items[i].address.text);
		assert_string_equal(list->items[i].address.domain, strrchr(list->items[i].address.text, '@') + 1);
	}
}

static void test_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		struct address_list list;
		char reason[300] = "", addresses[2000];

		if (address_list_parse(&list, accepted[i].value, strlen(accepted[i].value), false, reason, sizeof(reason)) != 0)
			fail_msg("%s: %s", accepted[i].value, reason);
		print_addresses(addresses, sizeof(addresses), &list);
		assert_string_equal(addresses, accepted[i].addresses);
		address_list_wipe(&list);
	}
}

static const struct {
	const char *value, *reason;
} refused[] = {
	/* case 135 */
	{ "ceo@bank.example <me@example.com>", "address where the name of another should be; it needs quotes" },
	{ "<ceo@bank.example> <me@example.com>", "text after an address" },
	{ "<me@example.com>ceo@bank.example", "text after an address" },
	{ "me@example.com(<ceo@bank.example>)", "comment with an angle bracket, a quote or a backslash in it" },
	{ "me@example.com (a \\) b)", "comment with an angle bracket, a quote or a backslash in it" },
	{ "me@example.com (, ceo@bank.example)", "comment with an address and punctuation in it" },
	{ "me@example.com (a(ceo@bank.example))", "comment with an address and punctuation in it" },
	{ "me@example.com (a", "comment without its closing parenthesis" },
	{ "me@example.com (a(b)", "comment without its closing parenthesis" },
	{ "Me) <me@example.com>", "\")\" where a name or \"<\" should be; names with punctuation need quotes" },
	{ "\"ceo@bank.example\" me@example.com", "\"@\" where a name or \"<\" should be; what is no address needs quotes" },
	{ "Me \\<me@example.com>", "\"\\\" where a name or \"<\" should be; names with punctuation need quotes" },
	{ "\"Me <me@example.com>", "quoted string without its closing quote" },
	{ "\"Me\\", "quoted string without its closing quote" },
	{ "\"Me\\\" <me@example.com>", "quoted string without its closing quote" },
	{ "\"Me\\\\\" <me@example.com>", "quoted string that ends in a backslash" },
	{ "\"<ceo@bank.example>\" <me@example.com>", "address in angle brackets inside a quoted string" },
	{ "\"\\\" ceo@bank.example\" <me@example.com>", "backslash and address in the same quoted string" },
	{ "Me.<me@example.com>", "name that ends in a dot without white space behind it" },
	{ ".Me <me@example.com>", "name that begins with a dot" },
	/* case 133 */
	{ "<@bank.example:me@example.com>", "source route: <@bank.example:me@example.com>" },
	{ "me@example.com,", "empty place in the list of addresses" },
	{ ",me@example.com", "empty place in the list of addresses" },
	{ "me@example.com;", "semicolon outside a group" },
	{ "Us: me@example.com", "group without its closing semicolon, or text after an address in it" },
	{ "Us: You: me@example.com;;", "\":\" where a name or \"<\" should be; names with punctuation need quotes" },
	{ "Us: me@example.com; (x)", "text after an address" },
	{ "Us: \"x;y\" <me@example.com>;", "quoted string with a semicolon or a backslash in it inside a group" },
	{ "Us: \"x\\y\" <me@example.com>;", "quoted string with a semicolon or a backslash in it inside a group" },
	{ "Us: (x;y) me@example.com;", "comment with a semicolon in it inside a group" },
	{ "Us:; , me@example.com", "white space between a group and a comma" },
	{ ": me@example.com;", "\":\" where a name or \"<\" should be; names with punctuation need quotes" },
	{ "<>", "empty angle brackets" },
	{ "<me@example.com", "\"<\" without \">\"" },
	{ "me", "name without an address, or address without a domain" },
	{ "", "empty" },
	{ " \t", "empty" },
	{ "\"me\"@example.com", "\"@\" where a name or \"<\" should be; what is no address needs quotes" },
	{ "<\"m e\"@example.com>", "white space or a comment inside an address: \"\"m e\"@example.com\"" },
	{ "<\"m..e\"@example.com>", "local part that needs its quotes: \"\"m..e\"@example.com\"" },
	{ "<\"ceo@bank.example\"@example.com>", "local part that needs its quotes: \"\"ceo@bank.example\"@example.com\"" },
	{ "<\"m\\e\"@example.com>", "local part that needs its quotes: \"\"m\\e\"@example.com\"" },
	{ "me@[192.0.2.1]", "address literal without angle brackets: \"me@[192.0.2.1]\"" },
	/* case 139 */
	{ "< me@example.com>", "white space or a comment inside an address: \" me@example.com\"" },
	{ "<me\t@example.com>", "white space or a comment inside an address: \"me?@example.com\"" },
	{ "<me(x)@example.com>", "white space or a comment inside an address: \"me(x)@example.com\"" },
	{ "me @example.com", "\"@\" where a name or \"<\" should be; what is no address needs quotes" },
	{ "me@example.com\r\n \r\n (x)", "folded line of nothing but white space" },
	{ "me@example.com\n\t\n", "folded line of nothing but white space" },
	{ "me@example.com\r\n ", "folded line of nothing but white space" },
	{ "me@example.com\r\n", "line break that does not fold the line" },
	{ "me@example.com\nBcc: x@y", "line break that does not fold the line" },
	{ "me@example.com\r (x)", "carriage return outside a line break" },
	{ "me@example.com\r", "carriage return outside a line break" },
	{ "me@example.com\x01", "control character U+0001" },
	{ "me@example.com\x7f", "control character U+007F" },
	/* case 136 */
	{ "J\xc3\xb6rg <me@example.com>", "octets beyond ASCII; names need encoded words (RFC 2047)" },
	/* encoded words */
	{ "=?utf-8?q?ceo?=@bank.example", "encoded word inside an address: \"=?utf-8?q?ceo?=@bank.example\"" },
	{ "=?utf-8?q?=3E?= <me@example.com>", "encoded word with an angle bracket in it" },
	{ "=?utf-7?q?+ADw-?= <me@example.com>", "encoded word with an angle bracket in it" },
	{ "=?x?q?=3E?= <me@example.com>", "encoded word with an angle bracket in it" },
	{ "=?utf-8?b?DQo=?= <me@example.com>", "encoded word with a control character in it" },
	{ "me@example.com (=?utf-8?q?=00?=)", "encoded word with a control character in it" },
	{ "=?utf-8?q?ceo=40bank.example=2C?= <me@example.com>", "encoded word with an address and punctuation in it" },
	{ "=?utf-8?q?ceo?= =?utf-8?q?=40bank.example=2C?= <me@example.com>",
	  "encoded word with an address and punctuation in it" },
	{ "=?utf-8?q?x <me@example.com>", "malformed encoded word" },
	{ "=?utf-8?q?x y?= <me@example.com>", "malformed encoded word" },
	{ "x?= =?utf-8?q?y?= <me@example.com>", "malformed encoded word" },
	{ "=?utf-8?x?y?= <me@example.com>", "malformed encoded word" },
};

static void check_refused(const char *value, size_t length, bool allow_utf8, const char *expected)
{
	struct address_list list;
	char reason[300] = "";

	if (address_list_parse(&list, value, length, allow_utf8, reason, sizeof(reason)) == 0)
		fail_msg("%s: accepted", value);
	if (strcmp(reason, expected) != 0)
		fail_msg("%s: %s", value, reason);
	assert_int_equal(list.count, 0);
	assert_null(list.items);
}

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++)
		check_refused(refused[i].value, strlen(refused[i].value), false, refused[i].reason);
	check_refused("me@example.com\0 <ceo@bank.example>", 33, false, "control character U+0000");
}

/* Case 136: RFC 6532 only where it is asked for, and only as it is written there. */
static void test_utf8(void **state)
{
	static const char good[] = "J\xc3\xb6rg <j\xc3\xb6rg@m\xc3\xbcnchen.example>";
	struct address_list list;
	char reason[300];

	(void)state;
	assert_int_equal(address_list_parse(&list, good, strlen(good), true, reason, sizeof(reason)), 0);
	assert_string_equal(list.items[0].address.text, "j\xc3\xb6rg@xn--mnchen-3ya.example");
	assert_string_equal(list.items[0].mailbox.domain, "m\xc3\xbcnchen.example");
	assert_string_equal(list.items[0].display_name, "J\xc3\xb6rg");
	address_list_wipe(&list);
	check_refused("J\xf6rg <me@example.com>", 21, true, "malformed UTF-8");
	check_refused("Me\xc2\x85 <me@example.com>", 21, true, "control character U+0085");
	check_refused("Me\xe2\x80\xa8 <me@example.com>", 22, true, "control character U+2028");
}

static void test_items(void **state)
{
	static const char value[] = "(one) \"My \\\"self\" \r\n =?utf-8?q?x?= (two) <me@example.com> (three),"
				    " Us (four): you@example.com (five), They<they@example.com>;";
	struct address_list list;
	char reason[300];

	(void)state;
	assert_int_equal(address_list_parse(&list, value, strlen(value), false, reason, sizeof(reason)), 0);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.groups, 1);
	assert_string_equal(list.items[0].display_name, "\"My \\\"self\" =?utf-8?q?x?=");
	assert_string_equal(list.items[0].remarks, "one two three");
	assert_true(list.items[0].has_brackets);
	assert_false(list.items[0].is_in_group);
	assert_string_equal(list.items[1].display_name, "");
	assert_string_equal(list.items[1].remarks, "Us  four five");
	assert_false(list.items[1].has_brackets);
	assert_true(list.items[1].is_in_group);
	assert_string_equal(list.items[2].display_name, "They");
	assert_string_equal(list.items[2].remarks, "Us  four");
	assert_true(list.items[2].is_in_group);
	address_list_wipe(&list);
}

/* Bounds: the number of addresses; depth costs no stack, and a megabyte no more than a moment. */
static void test_bounds(void **state)
{
	size_t size = 1 << 20;
	char *value = malloc(size), reason[300];
	struct address_list list;
	clock_t start = clock();
	size_t length = 0;

	(void)state;
	for (int i = 0; i < ADDRESS_LIST_MAX; i++)
		length += (size_t)sprintf(value + length, "%sa%d@d", i > 0 ? "," : "", i);
	assert_int_equal(address_list_parse(&list, value, length, false, reason, sizeof(reason)), 0);
	assert_int_equal(list.count, ADDRESS_LIST_MAX);
	assert_string_equal(list.items[99].address.text, "a99@d");
	address_list_wipe(&list);
	memcpy(value + length, ",x@d", 4);
	check_refused(value, length + 4, false, "more than 100 addresses");
	memset(value, '(', size);
	check_refused(value, size, false, "comment without its closing parenthesis");
	memset(value, '<', size);
	check_refused(value, size, false, "\"<\" without \">\"");
	memset(value, 'a', size);
	check_refused(value, size, false, "name without an address, or address without a domain");
	for (size_t i = 0; i + 8 <= size; i += 8)
		memcpy(value + i, "=?a?q?x ", 8);
	check_refused(value, size, false, "malformed encoded word");
	for (size_t i = 0; i + 8 <= size; i += 8)
		memcpy(value + i, "=?a?q?" "?=", 8);
	check_refused(value, size, false, "name without an address, or address without a domain");
	free(value);
	assert_in_range((clock() - start) / CLOCKS_PER_SEC, 0, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused), cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_items),	 cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
