/* The table of TLS policies: what its lines mean, which line counts, and that a mistake changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edge/tls_policy_table.h"
#include "file_place.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEX32 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void test_protocols(void **state)
{
	static const struct {
		const char *text;
		unsigned protocols;	/* 0 = refused */
	} rows[] = {
		{ ">=TLSv1.2", TLS_V1_2 | TLS_V1_3 },
		{ ">=TLSv1", TLS_V1_0 | TLS_V1_1 | TLS_V1_2 | TLS_V1_3 },
		{ ">=SSLv3", TLS_V1_0 | TLS_V1_1 | TLS_V1_2 | TLS_V1_3 },
		{ "<=TLSv1.2", TLS_V1_0 | TLS_V1_1 | TLS_V1_2 },
		{ ">=TLSv1.1:<=TLSv1.2", TLS_V1_1 | TLS_V1_2 },
		{ "TLSv1.2, TLSv1.3", TLS_V1_2 | TLS_V1_3 },
		{ "tlsv1.3", TLS_V1_3 },
		{ "!SSLv2:!SSLv3:!TLSv1:!TLSv1.1", TLS_V1_2 | TLS_V1_3 },
		{ "!TLSv1.2", TLS_V1_0 | TLS_V1_1 | TLS_V1_3 },
		{ "", TLS_V1_0 | TLS_V1_1 | TLS_V1_2 | TLS_V1_3 },
		{ "TLSv1.4", 0 },
		{ ">=", 0 },
		{ "!", 0 },
		{ "SSLv3", 0 },
		{ "TLSv1.2:!TLSv1.2", 0 },
		{ "<=SSLv3", 0 },
	};
	char error[300];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned protocols = 0;
		int result = tls_protocols_parse(&protocols, rows[i].text, error, sizeof(error));

		if ((result == 0 ? protocols : 0) != rows[i].protocols)
			fail_msg("\"%s\": %d, %u", rows[i].text, result, protocols);
	}
}

static void test_parse(void **state)
{
	struct tls_policy policy;
	char error[300], value[300];

	(void)state;
	for (int level = 0; level < TLS_FINGERPRINT; level++) {
		snprintf(value, sizeof(value), "%s", tls_level_names[level]);
		assert_int_equal(tls_policy_parse(&policy, value, error, sizeof(error)), 0);
		assert_int_equal(policy.level, level);
		assert_int_equal(policy.match_count + policy.fingerprint_count + policy.protocols, 0);
	}
	snprintf(value, sizeof(value), "Secure match=MX.Example.com:.example.net match=nexthop "
				       "protocols=TLSv1.3 ciphers=high");
	assert_int_equal(tls_policy_parse(&policy, value, error, sizeof(error)), 0);
	assert_int_equal(policy.level, TLS_SECURE);
	assert_int_equal(policy.match_count, 3);
	assert_string_equal(policy.match[0], "mx.example.com");
	assert_string_equal(policy.match[1], ".example.net");
	assert_string_equal(policy.match[2], "nexthop");
	assert_int_equal(policy.protocols, TLS_V1_3);
	assert_true(policy.has_ciphers);
	assert_int_equal(policy.ciphers, TLS_CIPHERS_HIGH);
}

static void test_fingerprints(void **state)
{
	static const char *const texts[] = {
		"fingerprint match=" HEX32,
		"fingerprint match=" HEX32 "|" HEX32,
		"fingerprint match=00:11:22:33:44:55:66:77:88:99:aa:BB:cc:dd:ee:ff:"
		"00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff",
	};
	static const size_t counts[] = { 1, 2, 1 };
	struct tls_policy policy;
	char error[300], value[300];

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		snprintf(value, sizeof(value), "%s", texts[i]);
		if (tls_policy_parse(&policy, value, error, sizeof(error)) != 0)
			fail_msg("%s", error);
		assert_int_equal(policy.fingerprint_count, counts[i]);
		assert_int_equal(policy.fingerprints[counts[i] - 1][0], 0x00);
		assert_int_equal(policy.fingerprints[counts[i] - 1][11], 0xbb);
		assert_int_equal(policy.fingerprints[counts[i] - 1][31], 0xff);
	}
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *value, *expected;
	} rows[] = {
		{ "", "no level" },
		{ "tls", "levels are none, may, encrypt" },
		{ "dane match=mx.example.com", "match= means nothing at level dane" },
		{ "may matches=x", "unknown attribute \"matches=x\"" },
		{ "secure match=*.example.com", "neither a host name" },
		{ "secure match=a/b", "neither a host name" },
		{ "secure match=.", "neither a host name" },
		{ "encrypt ciphers=low", "medium or high" },
		{ "encrypt protocols=TLS1.2", "no TLS version" },
		{ "encrypt protocols=SSLv3", "no TLS version is left" },
		{ "fingerprint", "needs match=" },
		{ "fingerprint match=0011", "no SHA-256 fingerprint" },
		{ "fingerprint match=" HEX32 "00", "no SHA-256 fingerprint" },
		{ "fingerprint match=zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		  "no SHA-256 fingerprint" },
		{ "secure match=\"open", "open quote" },
	};
	struct tls_policy policy;
	char error[300], value[300];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(value, sizeof(value), "%s", rows[i].value);
		if (tls_policy_parse(&policy, value, error, sizeof(error)) == 0)
			fail_msg("accepted: %s", rows[i].value);
		if (strstr(error, rows[i].expected) == NULL)
			fail_msg("\"%s\": %s", rows[i].value, error);
	}
}

static int setup(void **state)
{
	return file_place_make(state, "tls_policy");
}

/* The level for a domain, or -1. */
static int level_of(struct tls_policy_table *table, const char *domain)
{
	struct tls_policy policy;

	return tls_policy_table_find(table, domain, &policy) ? (int)policy.level : -1;
}

static void test_find(void **state)
{
	struct file_place *place = *state;
	struct tls_policy_table *table;
	struct tls_policy policy;

	file_place_write(place, "# policies\n"
			     "Example.com\tencrypt\n"
			     ".example.com\tsecure\n"
			     ".deep.example.com\n"
			     "  verify match=nexthop\n"
			     "[192.0.2.1] none\n"
			     "[IPv6:2001:db8::1] encrypt\n"
			     "* dane-only\n", 0644);
	table = tls_policy_table_create(place->path, place->error, sizeof(place->error));
	if (table == NULL)
		fail_msg("%s", place->error);
	assert_int_equal(level_of(table, "example.com"), TLS_ENCRYPT);
	assert_int_equal(level_of(table, "a.example.com"), TLS_SECURE);
	assert_int_equal(level_of(table, "deep.example.com"), TLS_SECURE);
	assert_int_equal(level_of(table, "a.deep.example.com"), TLS_VERIFY);
	assert_int_equal(level_of(table, "a.b.deep.example.com"), TLS_VERIFY);
	assert_int_equal(level_of(table, "notexample.com"), TLS_DANE_ONLY);
	assert_int_equal(level_of(table, "com"), TLS_DANE_ONLY);
	assert_int_equal(level_of(table, "[192.0.2.1]"), TLS_NONE);
	assert_int_equal(level_of(table, "[192.0.2.2]"), TLS_DANE_ONLY);
	assert_int_equal(level_of(table, "[IPv6:2001:db8::1]"), TLS_ENCRYPT);
	assert_true(tls_policy_table_find(table, "x.deep.example.com", &policy));
	assert_int_equal(policy.line, 4);
	assert_string_equal(policy.match[0], "nexthop");
	tls_policy_table_destroy(table);
}

static void test_no_file(void **state)
{
	struct file_place *place = *state;
	struct tls_policy_table *table =
		tls_policy_table_create(place->path, place->error, sizeof(place->error));

	assert_non_null(table);
	assert_int_equal(level_of(table, "example.com"), -1);
	file_place_write(place, "example.com encrypt\n", 0644);
	assert_int_equal(level_of(table, "example.com"), TLS_ENCRYPT);
	tls_policy_table_destroy(table);
}

static void test_bad_file_at_start(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "example.com encrypt\nexample.net encrpyt\n", ":2: \"encrpyt\" is no level" },
		{ "a.example may\n\nb.example none\nA.example encrypt\n",
		  ":4: \"a.example\" stands in line 1 already" },
		{ "*.example.com may\n", ":1: \"*.example.com\" is neither a domain" },
		{ "example.com\n", ":1: no level" },
		{ "b\xc3\xbc" "cher.example may\n", ":1: \"b\xc3\xbc" "cher.example\" must be written in A-labels" },
	};
	struct file_place *place = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		file_place_write(place, rows[i].text, 0644);
		assert_null(tls_policy_table_create(place->path, place->error,
						    sizeof(place->error)));
		assert_non_null(strstr(place->error, place->path));
		if (strstr(place->error, rows[i].expected) == NULL)
			fail_msg("%s", place->error);
	}
}

/* A policy is never lost by a slip, nor by an editor that moves the file away for a moment. */
static void test_change(void **state)
{
	struct file_place *place = *state;
	struct tls_policy_table *table;

	file_place_write(place, "example.com encrypt\n", 0644);
	table = tls_policy_table_create(place->path, place->error, sizeof(place->error));
	assert_non_null(table);
	file_place_write(place, "example.com may\nexample.net\n", 0644);
	assert_int_equal(level_of(table, "example.com"), TLS_ENCRYPT);
	unlink(place->path);
	assert_int_equal(level_of(table, "example.com"), TLS_ENCRYPT);
	sleep(1);	/* a bad file is not looked at again at once */
	assert_int_equal(level_of(table, "example.com"), TLS_ENCRYPT);
	sleep(1);
	file_place_write(place, "example.com secure\n", 0644);
	assert_int_equal(level_of(table, "example.com"), TLS_SECURE);
	tls_policy_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_fingerprints),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test_setup_teardown(test_find, setup, file_place_remove),
		cmocka_unit_test_setup_teardown(test_no_file, setup, file_place_remove),
		cmocka_unit_test_setup_teardown(test_bad_file_at_start, setup, file_place_remove),
		cmocka_unit_test_setup_teardown(test_change, setup, file_place_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
