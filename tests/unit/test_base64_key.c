/* Keys as text: every key has one spelling, everything else is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tunnel/base64_key.h"

static void round_trip(void **state)
{
	uint8_t key[32], again[32];
	char text[BASE64_KEY_TEXT + 1];

	(void)state;
	for (int fill = 0; fill < 256; fill++) {
		for (size_t i = 0; i < sizeof(key); i++)
			key[i] = (uint8_t)(fill + 37 * i);
		base64_key_encode(text, key);
		assert_int_equal(strlen(text), BASE64_KEY_TEXT);
		assert_int_equal(base64_key_decode(again, text, strlen(text)), 0);
		assert_memory_equal(key, again, sizeof(key));
	}
}

static void known_values(void **state)
{
	uint8_t key[32];
	char text[BASE64_KEY_TEXT + 1];

	(void)state;
	memset(key, 0xff, sizeof(key));
	base64_key_encode(text, key);
	assert_string_equal(text, "//////////////////////////////////////////8=");
	memset(key, 0, sizeof(key));
	base64_key_encode(text, key);
	assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
}

static void refused(void **state)
{
	static const char *const rows[] = {
		"",
		"AAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* no padding */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", /* 31 bytes */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* 33 bytes */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", /* unused bits set */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
		" AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAA-_AAAAAAAAAAAAAAAAAAAAA=", /* base64url */
		"AAAAAAAAAAAAAAAAAAAAAAAA=AAAAAAAAAAAAAAAAAA=",
		("\xc3\xa4"
		 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
	};
	uint8_t key[32], untouched[32];

	(void)state;
	memset(key, 0x5a, sizeof(key));
	memcpy(untouched, key, sizeof(key));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(base64_key_decode(key, rows[i], strlen(rows[i])), -1);
		assert_memory_equal(key, untouched, sizeof(key));
	}
	/* A NUL in the middle. */
	assert_int_equal(
		base64_key_decode(key, "AAAAAAAAAAAAAAAAAAAA\0AAAAAAAAAAAAAAAAAAAAAA=", 44), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(known_values),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
