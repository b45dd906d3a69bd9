/* What an attempt makes of an edge's health, and when which edge may be tried: rows, without any file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "transport/edge_health.h"

#define NOW INT64_C(1000000)

static void note(struct edge_health *health, enum edge_health_event event, int64_t now_ms,
		 int64_t took_ms, bool was_claimed, uint32_t chance)
{
	const struct edge_health_attempt attempt = { .event = event,
						     .now_ms = now_ms,
						     .took_ms = took_ms,
						     .was_claimed = was_claimed,
						     .chance = chance };

	edge_health_note(health, &attempt);
}

/* Nothing is known: it is up, and nobody probes it. */
static void test_unknown(void **state)
{
	const struct edge_health health = { 0 };

	(void)state;
	assert_false(health.is_down);
	assert_false(edge_health_is_due(&health, NOW));
	assert_false(edge_health_is_due_at_last(&health, NOW));
	assert_int_equal(edge_health_left_ms(&health, NOW), 0);
}

/* The pause doubles from 1 s to 60 s, by a quarter more or less. */
static void test_pauses(void **state)
{
	static const int64_t pauses_ms[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000 };
	struct edge_health low = { 0 }, high = { 0 };
	int64_t now_ms = NOW;

	(void)state;
	for (size_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]); i++) {
		note(&low, EDGE_HEALTH_FAILED, now_ms, 5, true, 0);
		note(&high, EDGE_HEALTH_FAILED, now_ms, 5, true, 1023);
		assert_int_equal(edge_health_left_ms(&low, now_ms), pauses_ms[i] * 3 / 4);
		assert_in_range(edge_health_left_ms(&high, now_ms), pauses_ms[i] * 5 / 4 - pauses_ms[i] / 1000,
				pauses_ms[i] * 5 / 4);
		assert_false(edge_health_is_due(&low, now_ms + pauses_ms[i] * 3 / 4 - 1));
		assert_true(edge_health_is_due(&low, now_ms + pauses_ms[i] * 3 / 4));
		now_ms += 100000;
	}
	assert_int_equal(low.since_ms, NOW);
	assert_int_equal(low.outages, 1);
	assert_int_equal(low.failed, 9);
}

/* Twenty processes that were on their way when it went down are one failure. */
static void test_parallel_failures(void **state)
{
	struct edge_health health = { 0 };

	(void)state;
	for (int i = 0; i < 20; i++)
		note(&health, EDGE_HEALTH_FAILED, NOW + i, 2000, false, 0);
	assert_int_equal(health.failures, 1);
	assert_int_equal(health.failed, 20);
	assert_int_equal(health.outages, 1);
	assert_int_equal(edge_health_left_ms(&health, NOW), 750);
}

static void test_back(void **state)
{
	struct edge_health health = { 0 };

	(void)state;
	note(&health, EDGE_HEALTH_OPENED, NOW, 30, false, 0);
	note(&health, EDGE_HEALTH_FAILED, NOW + 1000, 2000, false, 0);
	assert_true(health.is_down && edge_health_is_silent(&health));
	edge_health_claim(&health, NOW + 2000, 2000);
	note(&health, EDGE_HEALTH_OPENED, NOW + 2100, 90, true, 0);
	assert_false(health.is_down || edge_health_is_silent(&health));
	assert_int_equal(health.since_ms, NOW + 2100);
	assert_int_equal(health.failures, 0);
	assert_int_equal(health.open_ms, 90);
	assert_int_equal(health.opened, 2);
	assert_false(edge_health_is_claimed(&health, NOW + 2100));
	note(&health, EDGE_HEALTH_FAILED, NOW + 9000, 1, false, 0);
	assert_int_equal(health.outages, 2);
	assert_int_equal(edge_health_left_ms(&health, NOW + 9000), 750);
	assert_false(edge_health_is_silent(&health)); /* it refused at once */
	/* It answers, and has no room: that is not down, nor a tunnel. */
	note(&health, EDGE_HEALTH_BUSY, NOW + 9500, 80, true, 0);
	assert_false(health.is_down);
	assert_int_equal(health.opened, 2);
	note(&health, EDGE_HEALTH_BUSY, NOW + 9600, 80, false, 0);
	assert_int_equal(health.since_ms, NOW + 9500);
}

/* One process probes; if it dies over it another may when its time is up. */
static void test_claim(void **state)
{
	struct edge_health health = { 0 };

	(void)state;
	note(&health, EDGE_HEALTH_FAILED, NOW, 5, false, 0);
	assert_true(edge_health_is_due(&health, NOW + 1000));
	edge_health_claim(&health, NOW + 1000, 2000);
	assert_true(edge_health_is_claimed(&health, NOW + 2999));
	assert_false(edge_health_is_due(&health, NOW + 2999));
	assert_false(edge_health_is_due_at_last(&health, NOW + 2999));
	assert_false(edge_health_is_claimed(&health, NOW + 3000));
	assert_true(edge_health_is_due(&health, NOW + 3000));
	assert_true(edge_health_is_due_at_last(&health, NOW + 3000));
}

/* Without another edge: as soon as the time that the last attempt took has passed again, at most 1 s. */
static void test_at_last(void **state)
{
	static const struct {
		int64_t cost_ms, pause_ms;
	} rows[] = { { 0, 0 }, { 30, 30 }, { 999, 999 }, { 2000, 1000 }, { 15000, 1000 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct edge_health health = { .failures = 6, .is_down = true };

		note(&health, EDGE_HEALTH_FAILED, NOW, rows[i].cost_ms, true, 0);
		assert_true(edge_health_left_ms(&health, NOW) > 40000);
		if (rows[i].pause_ms > 0)
			assert_false(edge_health_is_due_at_last(&health, NOW + rows[i].pause_ms - 1));
		assert_true(edge_health_is_due_at_last(&health, NOW + rows[i].pause_ms));
		assert_false(edge_health_is_due(&health, NOW + rows[i].pause_ms));
	}
}

/* After a boot the clock begins anew: what seems to lie far ahead is long past. */
static void test_earlier_boot(void **state)
{
	struct edge_health health = { 0 };

	(void)state;
	note(&health, EDGE_HEALTH_FAILED, NOW, 5000, false, 0);
	edge_health_claim(&health, NOW, 2000);
	assert_false(edge_health_is_claimed(&health, 1000));
	assert_int_equal(edge_health_left_ms(&health, 1000), 0);
	assert_true(edge_health_is_due(&health, 1000));
	assert_true(edge_health_is_due_at_last(&health, 1000));
}

static void test_try_ms(void **state)
{
	static const struct {
		bool is_down, has_others;
		uint32_t open_ms;
		int64_t expected_ms;
	} rows[] = {
		{ false, false, 0, 15000 },   { false, false, 90, 4000 },  { false, false, 900, 7200 },
		{ false, true, 0, 2000 },
		{ false, true, 90, 2000 },    { false, true, 900, 3600 },  { false, true, 90000, 15000 },
		{ true, false, 0, 15000 },    { true, false, 90, 2000 },   { true, true, 0, 2000 },
		{ true, true, 900, 3600 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct edge_health health = { .is_down = rows[i].is_down,
						    .open_ms = rows[i].open_ms };

		assert_int_equal(edge_health_try_ms(&health, rows[i].has_others, 15000),
				 rows[i].expected_ms);
	}
	assert_int_equal(edge_health_try_ms(&(struct edge_health){ 0 }, true, 100), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown), cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_parallel_failures), cmocka_unit_test(test_back),
		cmocka_unit_test(test_claim), cmocka_unit_test(test_at_last),
		cmocka_unit_test(test_earlier_boot), cmocka_unit_test(test_try_ms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
