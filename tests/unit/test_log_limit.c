/* Strangers cannot fill the log, and what was left out is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "edge/log_limit.h"

/*
 * Asks `count` times at this moment; returns how often it was allowed, and what was logged
 * meanwhile.
 */
static unsigned ask(struct log_limit *limit, int64_t now_ms, unsigned count, char *text,
		    size_t size)
{
	int ends[2], saved;
	unsigned allowed = 0;
	ssize_t got;

	assert_int_equal(pipe(ends), 0);
	saved = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	for (unsigned i = 0; i < count; i++)
		allowed += log_limit_allows(limit, now_ms);
	dup2(saved, STDERR_FILENO);
	close(saved);
	got = read(ends[0], text, size - 1);
	close(ends[0]);
	text[got > 0 ? got : 0] = '\0';
	return allowed;
}

static void test_windows(void **state)
{
	static const struct {
		int64_t now_ms;
		unsigned asked, allowed;
		const char *logged;
	} rows[] = {
		{ 1000, 5, 5, "" },
		{ 30000, 20, 15, "" },
		{ 60999, 3, 0, "" },
		{ 61000, 1, 1, "8 more failed handshakes were not logged one by one\n" },
		{ 61001, 19, 19, "" },
		{ 100000, 1000000, 0, "" },
		/* nobody came for an hour: the number is not forgotten, and not said twice */
		{ 3700000, 1, 1, "1000000 more failed handshakes were not logged one by one\n" },
		{ 3800000, 21, 20, "" },
		{ 3860000, 1, 1, "1 more failed handshakes were not logged one by one\n" },
	};
	struct log_limit limit;
	char text[1000];

	(void)state;
	assert_int_equal(LOG_LIMIT_LINES_PER_MINUTE, 20);
	log_limit_init(&limit);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(ask(&limit, rows[i].now_ms, rows[i].asked, text, sizeof(text)),
				 rows[i].allowed);
		assert_string_equal(text, rows[i].logged);
	}
}

struct asker {
	struct log_limit *limit;
	unsigned allowed;
};

static void *ask_often(void *argument)
{
	struct asker *asker = argument;

	for (int i = 0; i < 1000; i++)
		asker->allowed += log_limit_allows(asker->limit, 5000);
	return NULL;
}

static void test_threads(void **state)
{
	struct log_limit limit;
	struct asker askers[4];
	pthread_t threads[4];
	unsigned allowed = 0;

	(void)state;
	log_limit_init(&limit);
	for (size_t i = 0; i < 4; i++) {
		askers[i] = (struct asker){ &limit, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &askers[i]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		allowed += askers[i].allowed;
	}
	assert_int_equal(allowed, LOG_LIMIT_LINES_PER_MINUTE);
	assert_int_equal(limit.suppressed, 4000 - LOG_LIMIT_LINES_PER_MINUTE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
