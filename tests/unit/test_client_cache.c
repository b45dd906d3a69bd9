/* What is remembered of a socketmap's answers, and when its server is asked: tables with a clock of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "edge/client_cache.h"
#include "edge/question_pace.h"

static void make_key(uint8_t key[32], unsigned number)
{
	memset(key, 0, 32);
	memcpy(key, &number, sizeof(number));
}

static void put(struct client_cache *cache, unsigned number, bool is_authorized, int64_t now_ms)
{
	struct authorized_client client = { .name = "client" };
	uint8_t key[32];

	make_key(key, number);
	client.options.hello = is_authorized ? strdup("mail.example") : NULL;
	client_cache_put(cache, key, is_authorized ? &client : NULL, now_ms);
	if (is_authorized) {
		assert_null(client.options.hello);
		assert_int_equal(client.name[0], '\0');
	}
}

/* 'Y' 'N': authorised or not; lower case: old; '-': expired, '.': nothing known. */
static char look(const struct client_cache *cache, unsigned number, int64_t now_ms)
{
	const struct client_answer *answer;
	uint8_t key[32];
	bool is_yes;

	make_key(key, number);
	answer = client_cache_find(cache, key);
	if (answer == NULL)
		return '.';
	is_yes = client_answer_client(answer) != NULL;
	switch (client_answer_age(answer, now_ms)) {
	case CLIENT_ANSWER_FRESH:
		return is_yes ? 'Y' : 'N';
	case CLIENT_ANSWER_OLD:
		return is_yes ? 'y' : 'n';
	case CLIENT_ANSWER_EXPIRED:
		break;
	}
	return '-';
}

static void test_ages(void **state)
{
	static const struct {
		int64_t now_ms;
		const char *expected; /* of keys 1 (authorised at 1000), 2 (refused at 1000), 3 */
	} rows[] = {
		{ 1000, "YN." }, { 5999, "YN." }, { 6000, "yn." }, { 600999, "yn." }, { 601000, "--." },
	};
	struct client_cache cache = { 0 };

	(void)state;
	put(&cache, 1, true, 1000);
	put(&cache, 2, false, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned key = 1; key <= 3; key++)
			if (look(&cache, key, rows[i].now_ms) != rows[i].expected[key - 1])
				fail_msg("at %lld key %u is %c", (long long)rows[i].now_ms, key,
					 look(&cache, key, rows[i].now_ms));
	client_cache_expire(&cache, 600999);
	assert_int_equal(look(&cache, 1, 600999), 'y');
	client_cache_expire(&cache, 601000);
	assert_int_equal(look(&cache, 1, 601000), '.');
	assert_int_equal(look(&cache, 2, 601000), '.');
	client_cache_wipe(&cache);
}

/* Each answer replaces the one before, whichever kind it was. */
static void test_replace(void **state)
{
	struct client_cache cache = { 0 };

	(void)state;
	put(&cache, 1, true, 0);
	put(&cache, 1, true, 4000);
	assert_int_equal(look(&cache, 1, 8000), 'Y');
	put(&cache, 1, false, 8000);
	assert_int_equal(look(&cache, 1, 8000), 'N');
	put(&cache, 1, true, 9000);
	assert_int_equal(look(&cache, 1, 9000), 'Y');
	/* The oldest answer is not that of the key that was put first. */
	put(&cache, 2, true, 9500);
	put(&cache, 1, true, 10000);
	client_cache_expire(&cache, 9500 + CLIENT_CACHE_KEEP_MS);
	assert_int_equal(look(&cache, 2, 10000), '.');
	assert_int_equal(look(&cache, 1, 10000), 'Y');
	client_cache_wipe(&cache);
}

/* Strangers' keys push out one another and no client. */
static void test_bounds(void **state)
{
	struct client_cache cache = { 0 };

	(void)state;
	put(&cache, 1, true, 0);
	for (unsigned i = 0; i <= CLIENT_CACHE_REFUSED_MAX; i++)
		put(&cache, 100 + i, false, 0);
	assert_int_equal(look(&cache, 1, 0), 'Y');
	assert_int_equal(look(&cache, 100, 0), '.');
	assert_int_equal(look(&cache, 101, 0), 'N');
	for (unsigned i = 0; i < CLIENT_CACHE_AUTHORIZED_MAX; i++)
		put(&cache, 100000 + i, true, 0);
	assert_int_equal(look(&cache, 1, 0), '.');
	assert_int_equal(look(&cache, 100000, 0), 'Y');
	assert_int_equal(look(&cache, 101, 0), 'N');
	client_cache_wipe(&cache);
}

/* How many questions of one kind pass at this moment if each is answered within `took_ms`? */
static int burst(struct question_pace *pace, bool is_known, int64_t took_ms, int64_t now_ms)
{
	int count = 0;

	while (count < 10000 && question_pace_allows(pace, is_known, now_ms)) {
		question_pace_note(pace, false, took_ms, now_ms);
		count++;
	}
	return count;
}

static void test_questions_per_second(void **state)
{
	struct question_pace pace;

	(void)state;
	question_pace_init(&pace, 0);
	assert_int_equal(burst(&pace, false, 0, 0), 100);
	/* Clients that are known have the other half for themselves. */
	assert_int_equal(burst(&pace, true, 1, 0), 100);
	assert_int_equal(burst(&pace, true, 0, 9), 0);
	assert_int_equal(burst(&pace, true, 0, 10), 1);
	assert_int_equal(burst(&pace, false, 0, 1000), 0);
	assert_int_equal(burst(&pace, true, 0, 1010), 100);
	/* What was not used is kept, up to the budget. */
	assert_int_equal(burst(&pace, true, 0, 1000000000000), 200);
}

/* A server that takes 900 ms is waited for half of the time at most. */
static void test_slow_answers(void **state)
{
	struct question_pace pace;
	int64_t waited_ms = 0;

	(void)state;
	question_pace_init(&pace, 0);
	for (int64_t now_ms = 0; now_ms < 100000; now_ms++)
		if (question_pace_allows(&pace, true, now_ms)) {
			now_ms += 900;
			waited_ms += 900;
			question_pace_note(&pace, false, 900, now_ms);
		}
	assert_in_range(waited_ms, 45000, 52000);
}

static void test_pauses(void **state)
{
	/* Failures that took `took_ms`, each as soon as a question was allowed; how long that took. */
	static const struct {
		bool has_failed;
		int64_t took_ms, pause_ms;
	} rows[] = {
		{ true, 1000, 1000 }, { true, 1000, 2000 },  { true, 1000, 4000 },  { true, 1000, 8000 },
		{ true, 1000, 10000 }, { true, 1000, 10000 }, { true, 10, 0 }, { false, 1, 0 },
		{ true, 1000, 1000 }, { false, 1, 0 }, { true, 99, 0 }, { true, 100, 1000 },
	};
	struct question_pace pace;
	int64_t now_ms = 0;

	(void)state;
	question_pace_init(&pace, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ended_ms;

		now_ms += rows[i].took_ms;
		ended_ms = now_ms;
		question_pace_note(&pace, rows[i].has_failed, rows[i].took_ms, now_ms);
		while (!question_pace_allows(&pace, true, now_ms))
			now_ms++;
		/* The budget may make it longer by what the failure has cost. */
		if (now_ms - ended_ms < rows[i].pause_ms || now_ms - ended_ms > rows[i].pause_ms + 1010)
			fail_msg("row %zu: %lld ms", i, (long long)(now_ms - ended_ms));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ages),		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_bounds),		cmocka_unit_test(test_questions_per_second),
		cmocka_unit_test(test_slow_answers),	cmocka_unit_test(test_pauses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
