/* EHLO keywords: which words count, and that no SIZE can mislead us (case 31). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "edge/smtp_capability.h"

static struct smtp_capabilities parse(const char *const *lines)
{
	struct smtp_capabilities capabilities = { 0 };

	for (size_t i = 0; lines[i] != NULL; i++)
		smtp_capability_line(&capabilities, i, lines[i], strlen(lines[i]));
	return capabilities;
}

static void test_all_keywords(void **state)
{
	struct smtp_capabilities capabilities = parse((const char *const[]){
		"mx.example.net Hello [192.0.2.1], pleased to meet you", "PIPELINING",
		"size 10240000", "VRFY", "ETRN", "StartTLS", "8bitmime", "ENHANCEDSTATUSCODES",
		"DSN", "SMTPUTF8", "REQUIRETLS", "CHUNKING", NULL });

	(void)state;
	assert_string_equal(capabilities.domain, "mx.example.net");
	assert_int_equal(capabilities.size_max, 10240000);
	assert_true(capabilities.pipelining && capabilities.size && capabilities.starttls);
	assert_true(capabilities.eightbitmime && capabilities.enhancedstatuscodes &&
		    capabilities.dsn);
	assert_true(capabilities.smtputf8 && capabilities.requiretls && capabilities.chunking);
	assert_false(capabilities.esmtp);	/* whoever sent EHLO sets it */
}

static void test_what_does_not_count(void **state)
{
	static const char *const lines[] = {
		"XPIPELINING", "PIPELINING2",  "STARTTL",      "STARTTLS;", "",
		" ",	       "DSN-",	       "8BITMIMES",    "SMTPUTF",   "XSIZE 10",
		"SIZE=10",     "X PIPELINING", "AUTH=STARTTLS"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct smtp_capabilities capabilities = { 0 }, none = { 0 };

		smtp_capability_line(&capabilities, 1, lines[i], strlen(lines[i]));
		if (memcmp(&capabilities, &none, sizeof(none)) != 0)
			fail_msg("\"%s\" was taken for a keyword", lines[i]);
	}
}

static void test_greeting_line_is_no_keyword(void **state)
{
	struct smtp_capabilities capabilities = parse((const char *const[]){ "STARTTLS", NULL });

	(void)state;
	assert_false(capabilities.starttls);
	assert_string_equal(capabilities.domain, "STARTTLS");
}

static void test_mechanisms(void **state)
{
	static const struct {
		const char *line;
		bool auth, is_plain, is_login;
	} rows[] = {
		{ "AUTH PLAIN LOGIN", true, true, true },
		{ "auth  login\tplain", true, true, true },
		{ "AUTH LOGIN", true, false, true },
		{ "AUTH=PLAIN", false, true, false },
		{ "AUTH=LOGIN PLAIN", false, true, true },
		{ "AUTH CRAM-MD5 XOAUTH2", true, false, false },
		{ "AUTH PLAINX XPLAIN LOGIN-", true, false, false },
		{ "AUTH", true, false, false },
		{ "AUTH=", false, false, false },
		{ "AUTHPLAIN", false, false, false },
		{ "XAUTH PLAIN", false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_capabilities capabilities = { 0 };

		smtp_capability_line(&capabilities, 1, rows[i].line, strlen(rows[i].line));
		if (capabilities.auth != rows[i].auth || capabilities.auth_plain != rows[i].is_plain ||
		    capabilities.auth_login != rows[i].is_login)
			fail_msg("\"%s\": %d %d %d", rows[i].line, capabilities.auth,
				 capabilities.auth_plain, capabilities.auth_login);
	}
}

/* case 31 */
static void test_size(void **state)
{
	static const struct {
		const char *line;
		uint64_t size_max;
	} rows[] = {
		{ "SIZE", 0 },
		{ "SIZE ", 0 },
		{ "SIZE 0", 0 },
		{ "SIZE -1", 0 },
		{ "SIZE +1", 0 },
		{ "SIZE abc", 0 },
		{ "SIZE 10k", 0 },
		{ "SIZE 52428800", 52428800 },
		{ "SIZE  52428800 ", 52428800 },
		{ "SIZE\t1000 extra", 1000 },
		{ "SIZE 18446744073709551615", UINT64_MAX },
		{ "SIZE 18446744073709551616", 0 },
		{ "SIZE 99999999999999999999", 0 },
		{ "SIZE 999999999999999999999999999999999999999999", 0 },
		{ "SIZE 00000000000000000000000000000000001000", 1000 },
		{ "SIZE 0x1000", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_capabilities capabilities = { 0 };

		smtp_capability_line(&capabilities, 1, rows[i].line, strlen(rows[i].line));
		assert_true(capabilities.size);
		if (capabilities.size_max != rows[i].size_max)
			fail_msg("\"%s\": %llu", rows[i].line,
				 (unsigned long long)capabilities.size_max);
	}
}

static void test_domain_is_printable_and_cut(void **state)
{
	char text[400], domain[256];

	(void)state;
	smtp_capability_domain(domain, sizeof(domain), "a\0b\033[2J\377 x", 9);
	assert_string_equal(domain, "a?b?[2J?");
	smtp_capability_domain(domain, sizeof(domain), "", 0);
	assert_string_equal(domain, "");
	memset(text, 'a', sizeof(text));
	smtp_capability_domain(domain, sizeof(domain), text, sizeof(text));
	assert_int_equal(strlen(domain), 255);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_keywords),
		cmocka_unit_test(test_what_does_not_count),
		cmocka_unit_test(test_greeting_line_is_no_keyword),
		cmocka_unit_test(test_mechanisms),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_domain_is_printable_and_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
