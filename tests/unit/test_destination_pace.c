/* How a destination's places and its door follow what happens there: one history per row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "edge/destination_pace.h"
#include "edge/walk_lesson.h"

#define LIMIT 20

/* G good, s slow, u unreachable, n nothing, p pause of 5 s; "~": of a delivery that began before the last news without it. 1 s passes before each. */
struct row {
	const char *history;
	size_t places;
	int64_t closed_for_ms;		/* right after the last */
};

static void play(const struct row *row)
{
	struct destination_pace pace;
	int64_t now_ms = 1000000, began_ms, last_ms = 0;

	destination_pace_init(&pace, LIMIT);
	for (const char *c = row->history; *c != '\0'; c++) {
		enum destination_news news = *c == 'G'	 ? DESTINATION_NEWS_GOOD
					     : *c == 's' ? DESTINATION_NEWS_SLOW
					     : *c == 'u' ? DESTINATION_NEWS_UNREACHABLE
					     : *c == 'p' ? DESTINATION_NEWS_PAUSE
							 : DESTINATION_NEWS_NONE;
		bool is_late = *c == '~';

		if (is_late)
			news = *++c == 's' ? DESTINATION_NEWS_SLOW : DESTINATION_NEWS_UNREACHABLE;
		now_ms += 1000;
		began_ms = is_late ? last_ms - 1 : now_ms - 10;
		destination_pace_learn(&pace, LIMIT, news, 5000, began_ms, now_ms);
		last_ms = is_late ? last_ms : now_ms;
	}
	if (destination_pace_places(&pace, LIMIT) != row->places ||
	    destination_pace_closed_for_ms(&pace, now_ms) != row->closed_for_ms)
		fail_msg("\"%s\": %zu places, closed for %lld", row->history, destination_pace_places(&pace, LIMIT),
			 (long long)destination_pace_closed_for_ms(&pace, now_ms));
	assert_int_equal(destination_pace_closed_for_ms(&pace, now_ms + row->closed_for_ms), 0);
}

static void test_histories(void **state)
{
	static const struct row rows[] = {
		{ "", 20, 0 },
		{ "GGGG", 20, 0 },
		{ "nnnn", 20, 0 },
		{ "s", 10, 0 },
		{ "ss", 5, 0 },
		{ "sssssssss", 1, 0 },
		{ "s~s~s~s", 10, 0 },		/* those under way together count once */
		{ "sGGGGGGGGGG", 10, 0 },	/* ten successes at ten places: nearly one more */
		{ "sGGGGGGGGGGG", 11, 0 },
		{ "sssssG", 2, 0 },
		{ "ssnnnn", 5, 0 },
		{ "u", 10, 1000 },
		{ "uu", 5, 2000 },
		{ "uuu", 2, 4000 },
		{ "uuuuuu", 1, 32000 },
		{ "uuuuuuu", 1, 60000 },
		{ "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu", 1, 60000 },
		{ "u~u~u", 10, 0 },		/* those under way together shut it once, 2 s ago */
		{ "uuuGu", 1, 1000 },		/* it was reached: from the beginning */
		{ "uuunu", 1, 1000 },
		{ "p", 10, 5000 },
		{ "ps", 5, 4000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		play(&rows[i]);
}

static void test_never_below_one_never_above_the_limit(void **state)
{
	struct destination_pace pace;

	(void)state;
	destination_pace_init(&pace, 1);
	for (int i = 0; i < 1000; i++) {
		destination_pace_learn(&pace, 1, i % 3 == 0 ? DESTINATION_NEWS_GOOD : DESTINATION_NEWS_SLOW, 0, i, i);
		assert_int_equal(destination_pace_places(&pace, 1), 1);
	}
	destination_pace_init(&pace, 20);
	assert_int_equal(destination_pace_places(&pace, 5), 5);	/* the limit was lowered */
	assert_true(destination_pace_is_fresh(&pace, 20));
	destination_pace_learn(&pace, 20, DESTINATION_NEWS_SLOW, 0, 1, 1);
	assert_false(destination_pace_is_fresh(&pace, 20));
	for (int i = 0; i < 1000; i++)
		destination_pace_learn(&pace, 20, DESTINATION_NEWS_GOOD, 0, i + 2, i + 2);
	assert_int_equal(destination_pace_places(&pace, 20), 20);
	assert_true(destination_pace_is_fresh(&pace, 20));
}

/* ---- what a walk makes of several hosts ---- */

static struct smtp_event reply_at(enum delivery_stage stage, int code)
{
	return (struct smtp_event){ .stage = stage, .reply = { .code = code } };
}

static struct smtp_event failure(enum smtp_failure failure)
{
	return (struct smtp_event){ .stage = STAGE_CONNECT, .failure = failure, .detail = "Connection refused" };
}

static void test_lessons(void **state)
{
	const struct smtp_event refused = failure(SMTP_FAILURE_CONNECT), silent = failure(SMTP_FAILURE_TIMEOUT),
				cancelled = failure(SMTP_FAILURE_CANCELLED), sent = reply_at(STAGE_AFTER_FINAL_DOT, 250),
				unknown = reply_at(STAGE_RCPT, 550), busy = reply_at(STAGE_RCPT, 421),
				later = reply_at(STAGE_RCPT, 450);
	const struct {
		const struct smtp_event *events[3];
		enum destination_news news;
	} rows[] = {
		{ { &refused }, DESTINATION_NEWS_UNREACHABLE },
		{ { &refused, &refused }, DESTINATION_NEWS_UNREACHABLE },
		{ { &refused, &sent }, DESTINATION_NEWS_GOOD },
		{ { &sent, &refused }, DESTINATION_NEWS_GOOD },
		{ { &refused, &unknown }, DESTINATION_NEWS_NONE },
		{ { &unknown, &refused }, DESTINATION_NEWS_NONE },
		{ { &unknown, &sent }, DESTINATION_NEWS_GOOD },
		{ { &busy, &sent }, DESTINATION_NEWS_SLOW },
		{ { &silent }, DESTINATION_NEWS_SLOW },
		{ { &later }, DESTINATION_NEWS_NONE },	/* greylisting is no wish for less */
		{ { &cancelled }, DESTINATION_NEWS_NONE },
	};

	char error[200];
	struct reply_rules *rules = reply_rules_create("/no/such/file", error, sizeof(error));

	(void)state;
	assert_non_null(rules);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct destination_lesson lesson = { .news = DESTINATION_NEWS_NONE };

		for (size_t j = 0; j < 3 && rows[i].events[j] != NULL; j++)
			walk_lesson_note(&lesson, rules, rows[i].events[j], "mx.example.net", "192.0.2.1");
		if (lesson.news != rows[i].news)
			fail_msg("row %zu: %d", i, (int)lesson.news);
		if (lesson.news == DESTINATION_NEWS_UNREACHABLE)
			assert_string_equal(lesson.words, "connect to mx.example.net[192.0.2.1]: Connection refused");
	}
	reply_rules_destroy(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histories),
		cmocka_unit_test(test_never_below_one_never_above_the_limit),
		cmocka_unit_test(test_lessons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
