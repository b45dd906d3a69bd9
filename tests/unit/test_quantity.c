/* Numbers with units: read as they are written in files, printed as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/quantity.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_parse(void **state)
{
	static const struct {
		enum quantity quantity;
		const char *text;
		enum quantity_result result;
		int64_t number;
	} rows[] = {
		{ QUANTITY_PLAIN, "0", QUANTITY_OK, 0 },
		{ QUANTITY_PLAIN, "9223372036854775807", QUANTITY_OK, INT64_MAX },
		{ QUANTITY_PLAIN, "9223372036854775808", QUANTITY_TOO_BIG, 0 },
		{ QUANTITY_PLAIN, "", QUANTITY_WRONG, 0 },
		{ QUANTITY_PLAIN, "-1", QUANTITY_WRONG, 0 },
		{ QUANTITY_PLAIN, "+1", QUANTITY_WRONG, 0 },
		{ QUANTITY_PLAIN, " 1", QUANTITY_WRONG, 0 },
		{ QUANTITY_PLAIN, "1 ", QUANTITY_WRONG, 0 },
		{ QUANTITY_PLAIN, "0x10", QUANTITY_WRONG, 0 },
		{ QUANTITY_PLAIN, "1k", QUANTITY_WRONG, 0 },
		{ QUANTITY_SIZE, "1k", QUANTITY_OK, 1024 },
		{ QUANTITY_SIZE, "1K", QUANTITY_OK, 1024 },
		{ QUANTITY_SIZE, "25M", QUANTITY_OK, 25 << 20 },
		{ QUANTITY_SIZE, "8589934591G", QUANTITY_OK, INT64_C(8589934591) << 30 },
		{ QUANTITY_SIZE, "8589934592G", QUANTITY_TOO_BIG, 0 },
		{ QUANTITY_SIZE, "7", QUANTITY_OK, 7 },
		{ QUANTITY_SIZE, "1m", QUANTITY_WRONG, 0 },
		{ QUANTITY_SIZE, "1kB", QUANTITY_WRONG, 0 },
		{ QUANTITY_DURATION, "200ms", QUANTITY_OK, 200 },
		{ QUANTITY_DURATION, "30s", QUANTITY_OK, 30000 },
		{ QUANTITY_DURATION, "1w", QUANTITY_OK, 604800000 },
		{ QUANTITY_DURATION, "30", QUANTITY_WRONG, 0 },
		{ QUANTITY_DURATION, "s", QUANTITY_WRONG, 0 },
		{ QUANTITY_DURATION, "1M", QUANTITY_WRONG, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t number = -1;

		if (quantity_parse(rows[i].quantity, rows[i].text, &number) != rows[i].result ||
		    number != (rows[i].result == QUANTITY_OK ? rows[i].number : -1))
			fail_msg("\"%s\": %lld", rows[i].text, (long long)number);
	}
}

static void test_print(void **state)
{
	static const struct {
		enum quantity quantity;
		int64_t number;
		const char *text;
	} rows[] = {
		{ QUANTITY_PLAIN, 3600000, "3600000" }, { QUANTITY_SIZE, 0, "0" },
		{ QUANTITY_SIZE, 1000, "1000" },	{ QUANTITY_SIZE, 65536, "64K" },
		{ QUANTITY_SIZE, 25 << 20, "25M" },	{ QUANTITY_DURATION, 1500, "1500ms" },
		{ QUANTITY_DURATION, 90000, "90s" },	{ QUANTITY_DURATION, 3600000, "1h" },
		{ QUANTITY_DURATION, 86400000, "1d" },	{ QUANTITY_DURATION, INT64_MAX, "9223372036854775807ms" },
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_string_equal(quantity_print(rows[i].quantity, text, sizeof(text), rows[i].number), rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_parse), cmocka_unit_test(test_print) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
