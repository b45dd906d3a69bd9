/* Moments: one spelling each, and none that does not exist. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/utc_time.h"

static void good(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-23T03:05:00Z", 1795403100 },
		{ "2028-02-29T23:59:59Z", 1835481599 },
		{ "9999-12-31T23:59:59Z", 253402300799 },
	};
	char text[UTC_TIME_TEXT + 1];
	int64_t seconds;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(utc_time_parse(&seconds, rows[i].text), 0);
		assert_int_equal(seconds, rows[i].seconds);
		assert_string_equal(utc_time_print(rows[i].seconds, text), rows[i].text);
	}
	assert_string_equal(utc_time_print(-5, text), "1970-01-01T00:00:00Z");
	assert_string_equal(utc_time_print(INT64_MAX, text), "9999-12-31T23:59:59Z");
}

static void bad(void **state)
{
	static const char *const rows[] = {
		"", "tomorrow", "2026-11-23", "2026-11-23T03:05:00", "2026-11-23T03:05:00z", "2026-11-23 03:05:00Z",
		"2026-11-23T03:05:00+00:00", "2026-11-23T03:05:00Z ", " 2026-11-23T03:05:00Z", "2026-11-23T3:05:00Z",
		"2026-02-30T03:05:00Z", "2027-02-29T03:05:00Z", "2026-11-23T24:05:00Z", "2026-11-23T03:60:00Z",
		"2026-11-23T03:05:60Z", "2026-13-23T03:05:00Z", "1969-12-31T23:59:59Z", "2026-11- 3T03:05:00Z",
	};
	int64_t seconds = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (utc_time_parse(&seconds, rows[i]) != -1 || seconds != 42)
			fail_msg("\"%s\" is taken for %lld", rows[i], (long long)seconds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
