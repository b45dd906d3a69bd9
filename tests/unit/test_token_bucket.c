/* Token buckets: nothing is gained or lost by rounding, by asking often, or by clocks that jump. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "lib/token_bucket.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MINUTE 60000
#define START 5000000

static const struct token_rate sixty_a_minute = { 60, MINUTE };
static const struct token_rate largest = { TOKEN_RATE_TOKENS_MAX, TOKEN_RATE_DURATION_MAX_MS };

/* Takes tokens until there is none; how many there were. */
static int drain(struct token_bucket *bucket)
{
	int count = 0;

	for (; token_bucket_has_token(bucket); count++)
		token_bucket_take(bucket);
	return count;
}

static void test_holds_and_refills(void **state)
{
	static const struct {
		int64_t after_ms;
		int tokens;
	} rows[] = {
		{ 0, 0 }, { 999, 0 }, { 1000, 1 }, { 1999, 1 }, { 59999, 59 }, { 60000, 60 }, { INT64_C(1) << 50, 60 }
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct token_bucket bucket;

		token_bucket_init(&bucket, sixty_a_minute, START);
		assert_true(token_bucket_is_full(&bucket));
		assert_int_equal(drain(&bucket), 60);
		assert_int_equal(token_bucket_wait_ms(&bucket), 1000);
		assert_int_equal(token_bucket_full_in_ms(&bucket), MINUTE);
		token_bucket_refill(&bucket, START + rows[i].after_ms);
		assert_int_equal(drain(&bucket), rows[i].tokens);
	}
}

/* Refilled every millisecond at a rate that divides nothing, and by all of it at once. */
static void test_asking_often_changes_nothing(void **state)
{
	const struct token_rate odd = { 7, 1013 };
	struct token_bucket often, once;

	(void)state;
	token_bucket_init(&often, odd, START);
	token_bucket_init(&once, odd, START);
	drain(&often);
	drain(&once);
	for (int64_t now = START + 1; now <= START + 1012; now++)
		token_bucket_refill(&often, now);
	token_bucket_refill(&once, START + 1012);
	assert_true(often.level == once.level);
	assert_false(token_bucket_is_full(&often));
	token_bucket_refill(&often, START + 1013);
	assert_true(token_bucket_is_full(&often));
}

static void test_waiting_is_enough_and_not_too_much(void **state)
{
	static const struct token_rate rates[] = { { 60, MINUTE },
						   { 7, 1013 },
						   { 1, 1 },
						   { 1000, 1 },
						   { TOKEN_RATE_TOKENS_MAX, TOKEN_RATE_DURATION_MAX_MS },
						   { 3, 86400000 } };

	(void)state;
	for (size_t i = 0; i < COUNT(rates); i++) {
		struct token_bucket bucket;
		int64_t wait_ms, full_ms;

		token_bucket_restore(&bucket, rates[i], 0, 0, START);
		wait_ms = token_bucket_wait_ms(&bucket);
		full_ms = token_bucket_full_in_ms(&bucket);
		assert_true(wait_ms > 0 && full_ms >= wait_ms && full_ms == rates[i].duration_ms);
		token_bucket_refill(&bucket, START + wait_ms - 1);
		assert_false(token_bucket_has_token(&bucket));
		token_bucket_refill(&bucket, START + wait_ms);
		assert_true(token_bucket_has_token(&bucket));
		token_bucket_refill(&bucket, START + full_ms);
		assert_true(token_bucket_is_full(&bucket));
		assert_int_equal(token_bucket_wait_ms(&bucket), 0);
		assert_int_equal(token_bucket_full_in_ms(&bucket), 0);
	}
}

/* Back by a year: nothing is lost, and what is missing comes within one full refill. Ahead: full, no more. */
static void test_clock_jumps(void **state)
{
	const int64_t year = INT64_C(365) * 86400000;
	struct token_bucket bucket;

	(void)state;
	token_bucket_init(&bucket, sixty_a_minute, year);
	for (int i = 0; i < 30; i++)
		token_bucket_take(&bucket);
	token_bucket_refill(&bucket, 0);
	assert_int_equal(token_bucket_level_milli(&bucket), 30000);
	token_bucket_refill(&bucket, 30000);
	assert_true(token_bucket_is_full(&bucket));
	token_bucket_refill(&bucket, year * 100);
	assert_int_equal(drain(&bucket), 60);
}

static void test_restore(void **state)
{
	static const struct {
		int64_t level_milli, age_ms;
		int tokens;
	} rows[] = {
		{ 12500, 0, 12 },
		{ 12500, 500, 13 },
		{ 12500, -86400000, 12 },	/* written in the future */
		{ 0, INT64_MIN, 0 },
		{ 0, INT64_MAX, 60 },
		{ 60000, 1000, 60 },
		{ 0, MINUTE, 60 },
		{ 0, MINUTE - 1, 59 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct token_bucket bucket;
		int tokens;

		token_bucket_restore(&bucket, sixty_a_minute, rows[i].level_milli, rows[i].age_ms, START);
		assert_int_equal(bucket.at_ms, START);
		assert_true(token_bucket_full_in_ms(&bucket) <= MINUTE);
		tokens = drain(&bucket);
		if (tokens != rows[i].tokens)
			fail_msg("row %zu: %d", i, tokens);
	}
}

/* What was taken stays taken. */
static void test_another_rate(void **state)
{
	static const struct {
		struct token_rate to;
		int64_t level_milli;
	} rows[] = {
		{ { 60, MINUTE }, 20000 },
		{ { 100, MINUTE }, 60000 },
		{ { 100, 86400000 }, 60000 },
		{ { 41, MINUTE }, 1000 },
		{ { 30, MINUTE }, 0 },
		{ { 1, 1 }, 0 },
		{ { TOKEN_RATE_TOKENS_MAX, TOKEN_RATE_DURATION_MAX_MS },
		  INT64_C(1000) * TOKEN_RATE_TOKENS_MAX - 40000 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct token_bucket bucket;

		token_bucket_init(&bucket, sixty_a_minute, START);
		for (int k = 0; k < 40; k++)
			token_bucket_take(&bucket);
		token_bucket_set_rate(&bucket, rows[i].to);
		assert_int_equal(token_bucket_level_milli(&bucket), rows[i].level_milli);
	}
}

/* Attempts at an empty bucket take what has trickled in, and never more than that. */
static void test_taking_from_an_empty_one(void **state)
{
	struct token_bucket bucket;

	(void)state;
	token_bucket_restore(&bucket, sixty_a_minute, 0, 0, START);
	for (int64_t now = START; now < START + 10000; now += 500) {
		token_bucket_refill(&bucket, now);
		assert_false(token_bucket_has_token(&bucket));
		token_bucket_take(&bucket);
		assert_int_equal(bucket.level, 0);
	}
	assert_int_equal(token_bucket_wait_ms(&bucket), 1000);
}

static void test_bounds(void **state)
{
	struct token_bucket bucket;

	(void)state;
	assert_true(token_rate_is_valid(largest));
	assert_false(token_rate_is_valid((struct token_rate){ 0, 1 }));
	assert_false(token_rate_is_valid((struct token_rate){ 1, 0 }));
	assert_false(token_rate_is_valid((struct token_rate){ TOKEN_RATE_TOKENS_MAX + 1, 1 }));
	assert_false(token_rate_is_valid((struct token_rate){ 1, TOKEN_RATE_DURATION_MAX_MS + 1 }));
	token_bucket_init(&bucket, largest, START);
	token_bucket_take(&bucket);
	assert_int_equal(token_bucket_level_milli(&bucket), INT64_C(1000) * (TOKEN_RATE_TOKENS_MAX - 1));
	token_bucket_refill(&bucket, START + 1);
	token_bucket_refill(&bucket, START + TOKEN_RATE_DURATION_MAX_MS);
	assert_true(token_bucket_is_full(&bucket));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holds_and_refills),
		cmocka_unit_test(test_asking_often_changes_nothing),
		cmocka_unit_test(test_waiting_is_enough_and_not_too_much),
		cmocka_unit_test(test_clock_jumps),
		cmocka_unit_test(test_restore),
		cmocka_unit_test(test_another_rate),
		cmocka_unit_test(test_taking_from_an_empty_one),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
