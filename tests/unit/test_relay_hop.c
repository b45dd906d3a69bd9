/* A relay as it is written: destination, options, and what may not be said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "edge/relay_hop.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_destination(void **state)
{
	static const struct {
		const char *text, *next_hop, *host;
		bool is_host;
		int port;
	} rows[] = {
		{ "[smtp.example.com]:587", "[smtp.example.com]:587", "smtp.example.com", true, 587 },
		{ "[SMTP.Example.com.]:submission", "[smtp.example.com]:587", "smtp.example.com", true,
		  587 },
		{ "[smtp.example.com]", "[smtp.example.com]:25", "smtp.example.com", true, 25 },
		{ "[localhost]:smtp", "[localhost]:25", "localhost", true, 25 },
		{ "example.com", "example.com:25", "example.com", false, 25 },
		{ "example.com:submissions", "example.com:465", "example.com", false, 465 },
		{ "example.com:smtps", "example.com:465", "example.com", false, 465 },
		{ "[192.0.2.1]:2525", "[192.0.2.1]:2525", "[192.0.2.1]", true, 2525 },
		{ "[2001:DB8:0::1]:587", "[IPv6:2001:db8::1]:587", "[IPv6:2001:db8::1]", true, 587 },
		{ "[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]:25", "[IPv6:2001:db8::1]", true, 25 },
		{ "[ipv6:2001:db8::1]:65535", "[IPv6:2001:db8::1]:65535", "[IPv6:2001:db8::1]", true,
		  65535 },
	};
	struct relay_destination destination;
	char error[400];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (relay_destination_parse(&destination, rows[i].text, error, sizeof(error)) < 0)
			fail_msg("%s", error);
		assert_string_equal(destination.next_hop, rows[i].next_hop);
		assert_string_equal(destination.host, rows[i].host);
		assert_int_equal(destination.is_host, rows[i].is_host);
		assert_int_equal(destination.port, rows[i].port);
	}
}

static void test_no_destination(void **state)
{
	static const char *const rows[] = {
		"", ":587", "[]:587", "[smtp.example.com", "smtp.example.com]", "[smtp.example.com]587",
		"[smtp.example.com]:", "[smtp.example.com]:0", "[smtp.example.com]:65536",
		"[smtp.example.com]:99999999999", "[smtp.example.com]:58x", "[smtp.example.com]:smpt",
		"192.0.2.1:587", "192.0.2.1.:587", "[192.0.2.1.]:587", "2001:db8::1", "[2001:db8::g]", "smtp:example.com:587", "a b",
		"[a/b]:25", "[-]:25:25", "user@example.com", "inet:example.com:25", "*",
		"[1234567890.1234567890.1234567890.1234567890.1234567890.1234567890.1234567890."
		"1234567890.1234567890.1234567890.1234567890.1234567890.1234567890.1234567890."
		"1234567890.1234567890.1234567890.1234567890.1234567890.1234567890.1234567890."
		"1234567890.123456789]:587",
	};
	struct relay_destination destination;
	char error[600];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		error[0] = '\0';
		if (relay_destination_parse(&destination, rows[i], error, sizeof(error)) == 0)
			fail_msg("taken: %s", rows[i]);
		assert_string_not_equal(error, "");
	}
}

static int parse(struct relay_hop *hop, const char *text, char *error, size_t error_size)
{
	char value[600];

	snprintf(value, sizeof(value), "%s", text);
	return relay_hop_parse(hop, value, 7, error, error_size);
}

static void test_options(void **state)
{
	static const struct {
		const char *text;
		enum tls_level level;
		bool is_wrapped;
		enum relay_auth auth;
		size_t names;
	} rows[] = {
		{ "[a.example]:587", TLS_SECURE, false, RELAY_AUTH_YES, 0 },
		{ "[a.example]:587 auth=no", TLS_SECURE, false, RELAY_AUTH_NO, 0 },
		{ "[a.example]:2587", TLS_SECURE, false, RELAY_AUTH_IF_PASSWORD, 0 },
		{ "a.example", TLS_SECURE, false, RELAY_AUTH_IF_PASSWORD, 0 },
		{ "[a.example]:465", TLS_SECURE, true, RELAY_AUTH_YES, 0 },
		{ "[a.example]:465 wrapper=no", TLS_SECURE, false, RELAY_AUTH_YES, 0 },
		{ "[a.example]:2465 wrapper=YES", TLS_SECURE, true, RELAY_AUTH_IF_PASSWORD, 0 },
		{ "a.example tls=verify auth=yes", TLS_VERIFY, false, RELAY_AUTH_YES, 0 },
		/* The level counts from the first word on, wherever it stands. */
		{ "[a.example]:587 match=b.example:.c.example tls=verify", TLS_VERIFY, false,
		  RELAY_AUTH_YES, 2 },
		{ "[a.example] tls=dane-only", TLS_DANE_ONLY, false, RELAY_AUTH_IF_PASSWORD, 0 },
		{ "[a.example] tls=dane auth=no", TLS_DANE, false, RELAY_AUTH_NO, 0 },
		{ "[a.example] tls=may auth=no", TLS_MAY, false, RELAY_AUTH_NO, 0 },
		{ "[a.example] tls=none auth=no", TLS_NONE, false, RELAY_AUTH_NO, 0 },
		{ "[a.example] auth=Unverified tls=encrypt", TLS_ENCRYPT, false, RELAY_AUTH_UNVERIFIED,
		  0 },
		{ "[192.0.2.1]:587 match=a.example", TLS_SECURE, false, RELAY_AUTH_YES, 1 },
		{ "[192.0.2.1] tls=may auth=no", TLS_MAY, false, RELAY_AUTH_NO, 0 },
	};
	struct relay_hop hop;
	char error[400];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (parse(&hop, rows[i].text, error, sizeof(error)) < 0)
			fail_msg("%s: %s", rows[i].text, error);
		if (hop.tls.level != rows[i].level || hop.is_wrapped != rows[i].is_wrapped ||
		    hop.auth != rows[i].auth || hop.tls.match_count != rows[i].names)
			fail_msg("%s: level %d, wrapper %d, auth %d, %zu names", rows[i].text,
				 hop.tls.level, hop.is_wrapped, hop.auth, hop.tls.match_count);
		assert_int_equal(hop.tls.line, 7);
	}
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "", "no relay after the domain" },
		{ "example.com:x", "no port that is known" },
		{ "[a.example]:587 secure", "unknown option \"secure\"" },
		{ "[a.example]:587 tsl=may", "known are tls=, auth=" },
		{ "[a.example]:587 tls=strong", "is no level" },
		{ "[a.example]:587 tls=verify tls=may", "twice" },
		{ "[a.example]:587 auth=maybe", "auth is yes, no or unverified" },
		{ "[a.example]:587 wrapper=1", "wrapper is yes or no" },
		{ "[a.example]:587 tls=fingerprint", "needs match=" },
		{ "[a.example]:587 tls=may auth=no match=b.example", "match= means nothing" },
		/* Nobody's password goes to nobody knows whom by an oversight. */
		{ "[a.example]:587 tls=encrypt", "write auth=no, or auth=unverified" },
		{ "[a.example]:587 tls=may auth=yes", "does not make sure who the server is" },
		{ "[a.example]:587 tls=dane", "does not make sure who the server is" },
		{ "[a.example]:587 tls=none", "write auth=no" },
		{ "[a.example]:587 tls=none auth=unverified", "write auth=no" },
		{ "[a.example]:465 tls=may auth=no", "lowest level is encrypt" },
		{ "[a.example]:465 tls=none auth=no", "lowest level is encrypt" },
		{ "[192.0.2.1]:587", "add match=NAME" },
		{ "[192.0.2.1]:587 tls=verify", "add match=NAME" },
		{ "[a.example]:587 match=\"b.example", "open quote" },
	};
	struct relay_hop hop;
	char error[400];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (parse(&hop, rows[i].text, error, sizeof(error)) == 0)
			fail_msg("taken: %s", rows[i].text);
		if (strstr(error, rows[i].expected) == NULL)
			fail_msg("%s: %s", rows[i].text, error);
	}
}

/* Sessions are kept apart by it. */
static void test_print(void **state)
{
	static const char *const rows[] = {
		"[a.example]:587", "[a.example]:465", "[a.example]:465 wrapper=no",
		"[a.example]:587 auth=no", "[a.example]:587 auth=unverified", "a.example:587",
		"[a.example]:25", "[a.example]:25 auth=yes",
	};
	char texts[COUNT(rows)][RELAY_HOP_TEXT_MAX], error[400];
	struct relay_hop hop;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(parse(&hop, rows[i], error, sizeof(error)), 0);
		relay_hop_print(&hop, texts[i], sizeof(texts[i]));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(texts[i], texts[j]);
	}
}

static void test_same(void **state)
{
	static const struct {
		const char *a, *b;
		bool is_same;
	} rows[] = {
		{ "[a.example]:587", "[A.example]:submission tls=secure wrapper=no", true },
		{ "[a.example]:587 match=x.example", "[a.example]:587 match=X.example", true },
		{ "[a.example]:587", "[a.example]:465", false },
		{ "[a.example]:587", "a.example:587", false },
		{ "[a.example]:587", "[a.example]:587 auth=yes", true },
		{ "[a.example]:25", "[a.example]:25 auth=yes", false },
		{ "[a.example]:587", "[a.example]:587 tls=verify", false },
		{ "[a.example]:587", "[a.example]:587 match=x.example", false },
		{ "[a.example]:587", "[a.example]:587 wrapper=yes", false },
	};
	struct relay_hop a, b;
	char error[400];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(parse(&a, rows[i].a, error, sizeof(error)), 0);
		assert_int_equal(parse(&b, rows[i].b, error, sizeof(error)), 0);
		b.tls.line = 99;
		if (relay_hop_is_same(&a, &b) != rows[i].is_same)
			fail_msg("%s and %s", rows[i].a, rows[i].b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_destination),
		cmocka_unit_test(test_no_destination),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
