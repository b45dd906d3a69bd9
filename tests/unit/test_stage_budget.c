/* Goal: nothing is begun that cannot end in the time that is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "edge/stage_budget.h"

#define DAY_MS 86400000
#define LIMIT 900000

/* The least time that is enough; a millisecond less is not. */
static void test_least(void **state)
{
	static const struct {
		const char *name;
		enum delivery_stage stage;
		uint64_t bytes;
		int64_t limit_ms, least_ms;
	} rows[] = {
		{ "a connection", STAGE_CONNECT, 0, LIMIT, 5000 },
		{ "TLS counts as part of it", STAGE_TLS, 0, LIMIT, 5000 },
		{ "a small message costs nothing", STAGE_CONNECT, 9999, LIMIT, 5000 },
		{ "50 MB must go through", STAGE_CONNECT, 50000000, LIMIT, 10000 },
		{ "a transaction", STAGE_MAIL, 0, LIMIT, 2000 },
		{ "RCPT without PIPELINING", STAGE_RCPT, 0, LIMIT, 2000 },
		{ "DATA", STAGE_DATA, 0, LIMIT, 1000 },
		{ "DATA of 4 GB", STAGE_DATA, UINT64_C(4000000000), LIMIT, 401000 },
		{ "content is under way", STAGE_CONTENT, 50000000, LIMIT, 1 },
		{ "the dot has its own time", STAGE_AFTER_FINAL_DOT, 50000000, LIMIT, 1 },
		{ "the shortest limit", STAGE_CONNECT, 0, 10000, 100 },
		{ "a short limit", STAGE_MAIL, 0, 60000, 600 },
		{ "a short limit, a large message", STAGE_DATA, 10000000, 60000, 1600 },
		{ "no limit is known", STAGE_CONNECT, 50000000, 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t least_ms = stage_budget_least_ms(rows[i].stage, rows[i].bytes, rows[i].limit_ms);

		if (least_ms != rows[i].least_ms)
			fail_msg("%s: %lld ms", rows[i].name, (long long)least_ms);
		assert_true(stage_budget_suffices(rows[i].stage, rows[i].bytes, rows[i].limit_ms, least_ms));
		assert_false(stage_budget_suffices(rows[i].stage, rows[i].bytes, rows[i].limit_ms,
						   least_ms - 1));
	}
}

/* In every stage: never without any time, never less for what comes before it, and days are enough. */
static void test_order(void **state)
{
	(void)state;
	for (int stage = 0; stage < STAGE_COUNT; stage++) {
		assert_false(stage_budget_suffices((enum delivery_stage)stage, 0, LIMIT, 0));
		assert_false(stage_budget_suffices((enum delivery_stage)stage, 0, 0, 0));
		assert_true(stage_budget_suffices((enum delivery_stage)stage, UINT64_C(4) << 30, LIMIT, DAY_MS));
		if (stage > 0)
			assert_true(stage_budget_least_ms((enum delivery_stage)stage, 1000000, LIMIT) <=
				    stage_budget_least_ms((enum delivery_stage)(stage - 1), 1000000, LIMIT));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
