/* deadline.c: the arithmetic at both ends of time. */
#include "lib/deadline.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

static void passes_when_its_time_has_come(void **state)
{
	struct deadline deadline = deadline_in_ms(30), far = deadline_in_ms(1000000);
	const struct timespec nap = { 0, 40 * 1000 * 1000 };

	(void)state;
	assert_false(deadline_has_passed(far));
	assert_in_range(deadline_left_ms(far), 1, 1000000);
	assert_in_range(deadline_poll_ms(far), 1, 1000000);
	nanosleep(&nap, NULL);
	assert_in_range(deadline_left_ms(far), 1, 1000000 - 40);
	assert_true(deadline_has_passed(deadline));
	assert_int_equal(deadline_left_ms(deadline), 0);
	assert_int_equal(deadline_poll_ms(deadline), 0);
}

static void past_is_now(void **state)
{
	(void)state;
	assert_true(deadline_has_passed(deadline_in_ms(0)));
	assert_true(deadline_has_passed(deadline_in_ms(-5)));
	assert_true(deadline_has_passed(deadline_in_ms(INT64_MIN)));
}

static void never_does_not_pass_and_sums_do_not_wrap(void **state)
{
	(void)state;
	assert_false(deadline_has_passed(DEADLINE_NEVER));
	assert_int_equal(deadline_poll_ms(DEADLINE_NEVER), -1);
	assert_true(deadline_left_ms(DEADLINE_NEVER) == INT64_MAX);
	assert_true(deadline_in_ms(INT64_MAX).at_ms == INT64_MAX);
	assert_true(deadline_in_ms(INT64_MAX - 1).at_ms == INT64_MAX);
}

static void a_wait_longer_than_an_int_is_cut(void **state)
{
	(void)state;
	assert_int_equal(deadline_poll_ms(deadline_in_ms((int64_t)INT_MAX + 100000)), INT_MAX);
}

static void the_earlier_of_two(void **state)
{
	struct deadline soon = { 10 }, late = { 20 };

	(void)state;
	assert_int_equal(deadline_earlier(soon, late).at_ms, 10);
	assert_int_equal(deadline_earlier(late, soon).at_ms, 10);
	assert_int_equal(deadline_earlier(DEADLINE_NEVER, late).at_ms, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_when_its_time_has_come),
		cmocka_unit_test(past_is_now),
		cmocka_unit_test(never_does_not_pass_and_sums_do_not_wrap),
		cmocka_unit_test(a_wait_longer_than_an_int_is_cut),
		cmocka_unit_test(the_earlier_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
