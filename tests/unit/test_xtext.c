/* Goal of this test: xtext is read and written as RFC 3461 4 says, the utf-8 address type as RFC 6533 3 says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/xtext.h"

static void test_decode(void **state)
{
	static const struct { const char *text, *decoded; } rows[] = {
		{ "", "" }, { "abc", "abc" }, { "a+2Bb+3D", "a+b=" }, { "a+20b", "a b" }, { "+2b", "+" }, { "!~", "!~" },
		{ "+C3+A9", "\xc3\xa9" }, { "+", NULL }, { "+2", NULL }, { "a+2G", NULL }, { "a=b", NULL }, { "a b", NULL },
		{ "a\x7f", NULL }, { "a\tb", NULL }, { "\xc3\xa9", NULL }, { "+ 1", NULL }, { "+-1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[32];
		size_t length = strlen(rows[i].text);
		ssize_t decoded = xtext_decode(out, sizeof(out), rows[i].text, length);

		assert_int_equal(xtext_is_valid(rows[i].text, length), rows[i].decoded != NULL);
		if (rows[i].decoded == NULL) {
			assert_int_equal(decoded, -1);
			continue;
		}
		assert_int_equal(decoded, strlen(rows[i].decoded));
		assert_string_equal(out, rows[i].decoded);
		assert_int_equal(xtext_decode(out, (size_t)decoded + 1, rows[i].text, length), decoded);
		assert_int_equal(xtext_decode(out, (size_t)decoded, rows[i].text, length), -1);
	}
}

static void test_every_byte_comes_back(void **state)
{
	char bytes[256], text[3 * 256 + 1], back[257];
	ssize_t length;

	(void)state;
	for (int i = 0; i < 256; i++)
		bytes[i] = (char)i;
	length = xtext_encode(text, sizeof(text), bytes, sizeof(bytes));
	assert_int_equal(length, strlen(text));
	assert_true(xtext_is_valid(text, (size_t)length));
	assert_int_equal(xtext_decode(back, sizeof(back), text, (size_t)length), sizeof(bytes));
	assert_memory_equal(back, bytes, sizeof(bytes));
	assert_int_equal(xtext_encode(text, (size_t)length, bytes, sizeof(bytes)), -1);
	assert_int_equal(xtext_encode(text, sizeof(text), "+=\x0a", 3), 9);
	assert_string_equal(text, "+2B+3D+0A");
	assert_int_equal(xtext_encode(text, 0, "", 0), -1);
}

static void test_utf8_address(void **state)
{
	static const struct { const char *text; bool ascii, utf8; const char *printed; } rows[] = {
		{ "u@d", true, true, "u@d" },
		{ "\xc3\xa9@d", false, true, "\\x{E9}@d" },
		{ "\xe2\x82\xac\xf0\x9f\x93\xa7@d", false, true, "\\x{20AC}\\x{1F4E7}@d" },
		{ "\\x{E9}@d", true, true, "\\x{E9}@d" },
		{ "a\\x{2B}b\\x{10FFFF}@d", true, true, "a\\x{2B}b\\x{10FFFF}@d" },
		{ "a+2Bb@d", true, true, "a+2Bb@d" },
		{ "\xc2\x80@d", false, true, "\\x{80}@d" },
		{ "", false, false, "" }, { "a+b@d", false, false, NULL }, { "a=b@d", false, false, NULL },
		{ "a b@d", false, false, NULL }, { "\\@d", false, false, NULL }, { "\\x{}@d", false, false, NULL },
		{ "\\x{9}@d", false, false, NULL }, { "\\x{0A}@d", false, false, NULL }, { "\\x{7F}", false, false, NULL },
		{ "\\x{D800}@d", false, false, NULL }, { "\\x{110000}@d", false, false, NULL },
		{ "\\x{0000E9}@d", true, true, "\\x{0000E9}@d" }, { "\\x{00000E9}@d", false, false, NULL },
		{ "\\x{E9", false, false, NULL }, { "\\x{E9@d", false, false, NULL }, { "\xc3", false, false, NULL },
		{ "\xed\xa0\x80", false, false, NULL }, { "a\nb", false, false, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t length = strlen(rows[i].text);
		char out[64];
		ssize_t printed = xtext_utf8_address_to_ascii(out, sizeof(out), rows[i].text, length);

		if (xtext_utf8_address_is_valid(rows[i].text, length, false) != rows[i].ascii ||
		    xtext_utf8_address_is_valid(rows[i].text, length, true) != rows[i].utf8)
			fail_msg("%s", rows[i].text);
		if (rows[i].printed == NULL) {
			assert_int_equal(printed, -1);
			continue;
		}
		assert_string_equal(out, rows[i].printed);
		assert_int_equal(printed, strlen(out));
		assert_int_equal(xtext_utf8_address_to_ascii(out, (size_t)printed, rows[i].text, length), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_every_byte_comes_back),
		cmocka_unit_test(test_utf8_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
