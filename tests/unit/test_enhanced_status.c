/* Goal of this test: only class.subject.detail as RFC 3463 writes it is an enhanced status; its class follows the code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/enhanced_status.h"

static void assert_same_status(struct enhanced_status a, struct enhanced_status b)
{
	assert_int_equal(a.class, b.class);
	assert_int_equal(a.subject, b.subject);
	assert_int_equal(a.detail, b.detail);
}

static void test_parse(void **state)
{
	static const struct { const char *text; size_t used; struct enhanced_status status; } rows[] = {
		{ "2.1.5", 5, { 2, 1, 5 } }, { "5.7.26 no", 6, { 5, 7, 26 } }, { "4.0.0\tx", 5, { 4, 0, 0 } },
		{ "5.999.999", 9, { 5, 999, 999 } }, { "5.1000.1", 0, { 0, 0, 0 } }, { "5.1.1000", 0, { 0, 0, 0 } },
		{ "3.1.1", 0, { 0, 0, 0 } }, { "1.1.1", 0, { 0, 0, 0 } }, { "5.01.1", 0, { 0, 0, 0 } },
		{ "5.1.00", 0, { 0, 0, 0 } }, { "5.1.1.", 0, { 0, 0, 0 } }, { "5.1.1.1", 0, { 0, 0, 0 } },
		{ "5.1.1foo", 0, { 0, 0, 0 } }, { "5.1.1:", 0, { 0, 0, 0 } }, { "5..1", 0, { 0, 0, 0 } },
		{ "5.1.", 0, { 0, 0, 0 } }, { "5.1", 0, { 0, 0, 0 } }, { "5", 0, { 0, 0, 0 } }, { "", 0, { 0, 0, 0 } },
		{ " 5.1.1", 0, { 0, 0, 0 } }, { "55.1.1", 0, { 0, 0, 0 } }, { "5-1-1", 0, { 0, 0, 0 } },
		{ "5.-1.1", 0, { 0, 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct enhanced_status status = ENHANCED_STATUS_NONE;
		char printed[ENHANCED_STATUS_TEXT_MAX];

		if (enhanced_status_parse(&status, rows[i].text, strlen(rows[i].text)) != rows[i].used)
			fail_msg("%s", rows[i].text);
		assert_same_status(status, rows[i].status);
		assert_int_equal(enhanced_status_is_given(status), rows[i].used > 0);
		if (rows[i].used > 0)
			assert_memory_equal(enhanced_status_print(status, printed, sizeof(printed)), rows[i].text,
					    rows[i].used);
	}
}

static void test_length_is_the_end(void **state)
{
	struct enhanced_status status;

	(void)state;
	assert_int_equal(enhanced_status_parse(&status, "5.1.123", 5), 5);
	assert_int_equal(status.detail, 1);
	assert_int_equal(enhanced_status_parse(&status, "5.1.1", 4), 0);
	assert_int_equal(enhanced_status_parse(&status, "5.1.1\0", 6), 0);
}

static void test_class_follows_code(void **state)
{
	static const struct { struct enhanced_status given; int code; struct enhanced_status expected; } rows[] = {
		{ { 5, 1, 1 }, 550, { 5, 1, 1 } }, { { 5, 2, 2 }, 452, { 4, 2, 2 } }, { { 4, 4, 2 }, 250, { 2, 4, 2 } },
		{ { 0, 0, 0 }, 550, { 5, 0, 0 } }, { { 0, 0, 0 }, 421, { 4, 0, 0 } }, { { 2, 0, 0 }, 354, { 0, 0, 0 } },
		{ { 5, 1, 1 }, 0, { 0, 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_same_status(enhanced_status_for_code(rows[i].given, rows[i].code), rows[i].expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_length_is_the_end),
		cmocka_unit_test(test_class_follows_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
