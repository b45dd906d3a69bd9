/* How fast a destination is, from those who came out and those who did not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "edge/destination_service.h"

#define START_MS 1000000

/* Enters and leaves after so long; nobody else is there. Returns the clock. */
static int64_t pass(struct destination_service *service, int64_t now_ms, int64_t inside_ms)
{
	destination_service_enter(service, now_ms);
	destination_service_leave(service, now_ms, now_ms + inside_ms);
	return now_ms + inside_ms;
}

static void test_average(void **state)
{
	struct destination_service service = { 0 };
	int64_t now_ms = START_MS;

	(void)state;
	assert_int_equal(destination_service_ms(&service, now_ms), 0);
	assert_int_equal(destination_service_speed(&service, now_ms), DESTINATION_UNKNOWN);
	now_ms = pass(&service, now_ms, 800);
	assert_int_equal(destination_service_ms(&service, now_ms), 800);
	assert_int_equal(destination_service_speed(&service, now_ms), DESTINATION_QUICK);
	now_ms = pass(&service, now_ms, 1600);	/* each counts for an eighth */
	assert_int_equal(destination_service_ms(&service, now_ms), 900);
	now_ms = pass(&service, now_ms, 100);
	assert_int_equal(destination_service_ms(&service, now_ms), 800);
	now_ms = pass(&service, now_ms, 8 * DESTINATION_SLOW_MS);
	assert_int_equal(destination_service_speed(&service, now_ms), DESTINATION_SLOW);
}

/* Whoever takes no time at all has been there. */
static void test_at_once(void **state)
{
	struct destination_service service = { 0 };

	(void)state;
	assert_int_equal(destination_service_speed(&service, pass(&service, START_MS, 0)), DESTINATION_QUICK);
}

/* Nobody comes back: the mean of those inside counts, as soon as it is more than what was seen before. */
static void test_tarpit(void **state)
{
	struct destination_service service = { 0 };
	int64_t now_ms = pass(&service, START_MS, 500);

	(void)state;
	destination_service_enter(&service, now_ms);
	destination_service_enter(&service, now_ms + 200);
	assert_int_equal(destination_service_ms(&service, now_ms + 300), 500);
	assert_int_equal(destination_service_ms(&service, now_ms + 1100), 1000);
	assert_int_equal(destination_service_speed(&service, now_ms + DESTINATION_SLOW_MS + 99), DESTINATION_QUICK);
	assert_int_equal(destination_service_speed(&service, now_ms + DESTINATION_SLOW_MS + 100), DESTINATION_SLOW);
}

/* One is stuck, but others come out. */
static void test_one_is_stuck(void **state)
{
	struct destination_service service = { 0 };
	int64_t now_ms = START_MS;

	(void)state;
	destination_service_enter(&service, now_ms);
	now_ms += 2 * DESTINATION_SLOW_MS;
	assert_int_equal(destination_service_speed(&service, now_ms), DESTINATION_SLOW);
	now_ms = pass(&service, now_ms, 100);
	assert_int_equal(destination_service_ms(&service, now_ms), 100);
	assert_int_equal(destination_service_speed(&service, now_ms), DESTINATION_QUICK);
	/* It has its time of grace from then on. */
	assert_int_equal(destination_service_ms(&service, now_ms + 3000), 3000);
	destination_service_leave(&service, START_MS, now_ms + 3000);
	assert_int_equal(service.active, 0);
	assert_int_equal(service.entered_sum_ms, 0);
}

/* Nobody is greeted: from the first connection that was made, or begun if none was; a greeting ends it, and so does an outcome. */
static void test_silence(void **state)
{
	struct destination_service service = { 0 };
	int64_t now_ms = START_MS;

	(void)state;
	assert_int_equal(destination_service_until_silent_ms(&service, now_ms), -1);
	destination_service_enter(&service, now_ms);
	assert_int_equal(destination_service_until_silent_ms(&service, now_ms), -1);
	destination_service_note(&service, DESTINATION_CONNECTS, now_ms);
	assert_int_equal(destination_service_until_silent_ms(&service, now_ms + 100), DESTINATION_SILENT_MS - 100);
	destination_service_note(&service, DESTINATION_CONNECTS, now_ms + 100);
	assert_int_equal(destination_service_until_silent_ms(&service, now_ms + DESTINATION_SILENT_MS), 0);
	destination_service_note(&service, DESTINATION_CONNECTED, now_ms + 300);
	destination_service_note(&service, DESTINATION_CONNECTED, now_ms + 400);
	destination_service_note(&service, DESTINATION_CONNECTS, now_ms + 500);
	assert_int_equal(destination_service_until_silent_ms(&service, now_ms + 500), DESTINATION_SILENT_MS - 200);
	destination_service_note(&service, DESTINATION_GREETED, now_ms + 600);
	assert_int_equal(destination_service_until_silent_ms(&service, now_ms + 9000), -1);
	destination_service_note(&service, DESTINATION_CONNECTS, now_ms + 9000);
	assert_int_equal(destination_service_until_silent_ms(&service, now_ms + 9000), DESTINATION_SILENT_MS);
	destination_service_enter(&service, now_ms);
	destination_service_leave(&service, now_ms, now_ms + 9000);
	assert_int_equal(destination_service_until_silent_ms(&service, now_ms + 19000), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_average),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_tarpit),
		cmocka_unit_test(test_one_is_stuck),
		cmocka_unit_test(test_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
