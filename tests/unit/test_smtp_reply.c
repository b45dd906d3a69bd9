/* Goal of this test: replies print as they were read, and know what their first digit means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/smtp_reply.h"

static void test_print(void **state)
{
	static const struct { struct smtp_reply reply; const char *printed; } rows[] = {
		{ { 250, { 2, 0, 0 }, "2.0.0 Ok" }, "250 2.0.0 Ok" },
		{ { 250, { 0, 0, 0 }, "Ok" }, "250 Ok" },
		{ { 250, { 0, 0, 0 }, "" }, "250" },
		{ { 550, { 5, 1, 1 }, "no such user" }, "550 5.1.1 no such user" },	/* status came with a later line */
		{ { 550, { 5, 1, 1 }, "" }, "550 5.1.1" },
		{ { 550, { 5, 1, 1 }, "4.1.1 no such user" }, "550 5.1.1 4.1.1 no such user" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char printed[SMTP_REPLY_TEXT_MAX + 32];

		assert_string_equal(smtp_reply_print(&rows[i].reply, printed, sizeof(printed)), rows[i].printed);
		assert_int_equal(strlen(smtp_reply_print(&rows[i].reply, printed, 4)), 3);
	}
}

static void test_severity(void **state)
{
	const struct smtp_reply go_ahead = { .code = 354 }, none = { .code = 0 }, full = { .code = 452 };

	(void)state;
	assert_int_equal(smtp_reply_severity(&go_ahead), REPLY_INTERMEDIATE);
	assert_true(smtp_reply_is(&full, REPLY_TRANSIENT));
	assert_false(smtp_reply_is(&full, REPLY_PERMANENT));
	for (int severity = REPLY_COMPLETION; severity <= REPLY_PERMANENT; severity++)
		assert_false(smtp_reply_is(&none, (enum reply_severity)severity));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_severity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
