/*
 * What destinations have taught: fewer places, a door that is shut, one who finds out for all, and what is remembered of it when nobody
 * is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "captured_log.h"
#include "destination_fixture.h"

static const struct destination_lesson good = { .news = DESTINATION_NEWS_GOOD }, slow = { .news = DESTINATION_NEWS_SLOW },
				       nothing = { .news = DESTINATION_NEWS_NONE },
				       rest = { .news = DESTINATION_NEWS_PAUSE, .pause_ms = 60000, .words = "mx said: 421" },
				       refused = { .news = DESTINATION_NEWS_UNREACHABLE, .words = "connect to mx: refused" };

/* So late may a busy machine come to look. */
#define LATE_MS 20000

static void must_be_closed(struct destination_table *table, const char *domain, size_t limit, int64_t for_ms, const char *words)
{
	struct destination_place place;

	assert_int_equal(try_to_enter(table, domain, limit, &place), DESTINATION_CLOSED);
	if (for_ms == 0)
		assert_int_equal(place.closed_for_ms, 0);
	else
		assert_in_range(place.closed_for_ms, for_ms > LATE_MS ? for_ms - LATE_MS : 1, for_ms);
	assert_string_equal(place.words, words);
}

static void visit(struct destination_table *table, const char *domain, size_t limit, const struct destination_lesson *lesson)
{
	struct destination_place place;

	must_enter(table, domain, limit, &place);
	destination_leave(table, &place, lesson);
}

/* The only destination's time is over. */
static void open_door(struct destination_table *table)
{
	table->by_domain->pace.closed_until_ms = deadline_now_ms();
}

static void test_fewer_places(void **state)
{
	struct destination_table table;
	struct destination_place places[4];
	struct captured_log log;

	(void)state;
	captured_log_start(&log);
	destination_table_init(&table);
	for (size_t i = 0; i < 4; i++)
		must_enter(&table, DOMAIN, 4, &places[i]);
	destination_leave(&table, &places[0], &slow);
	assert_int_equal(captured_log_count(&log, "destination " DOMAIN " asks for less: 2 deliveries at a time, after 4"), 1);
	must_be_busy(&table, DOMAIN, 4, 3, 0);
	destination_leave(&table, &places[1], &nothing);
	must_be_busy(&table, DOMAIN, 4, 2, 0);
	destination_leave(&table, &places[2], &nothing);
	must_enter(&table, DOMAIN, 4, &places[0]);
	must_be_busy(&table, DOMAIN, 4, 2, 0);
	destination_leave(&table, &places[0], &nothing);
	destination_leave(&table, &places[3], &nothing);
	/* It is known, though nobody is there. */
	assert_int_equal(destination_table_occupied(&table), 0);
	must_enter(&table, DOMAIN, 4, &places[0]);
	must_enter(&table, DOMAIN, 4, &places[1]);
	must_be_busy(&table, DOMAIN, 4, 2, 0);
	destination_leave(&table, &places[0], &nothing);
	destination_leave(&table, &places[1], &nothing);
	destination_table_wipe(&table);
	captured_log_stop(&log);
}

static void test_door_is_shut(void **state)
{
	struct destination_table table;

	(void)state;
	destination_table_init(&table);
	visit(&table, DOMAIN, 1, &refused);
	must_be_closed(&table, DOMAIN, 1, 1000, refused.words);
	visit(&table, "other.example", 1, &rest);
	must_be_closed(&table, "other.example", 1, 60000, rest.words);
	visit(&table, "third.example", 1, &good);
	assert_int_equal(destination_table_occupied(&table), 0);
	destination_table_wipe(&table);
}

/* When the time is over one goes in, and the others wait for what it finds out. */
static void test_one_finds_out(void **state)
{
	static const struct {
		const struct destination_lesson *before, *found;
		int64_t closed_for_ms;	/* afterwards; 0: it is open */
	} rows[] = {
		{ &refused, &good, 0 },	   { &refused, &nothing, 0 }, { &rest, &good, 0 },
		{ &rest, &nothing, 0 },	   { &rest, &slow, 0 },	      { &refused, &refused, 2000 },
		{ &refused, &rest, 60000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct destination_table table;
		struct destination_place probe, next, last;

		destination_table_init(&table);
		visit(&table, DOMAIN, 9, rows[i].before);
		open_door(&table);
		must_enter(&table, DOMAIN, 9, &probe);
		assert_true(probe.is_probe);
		must_be_closed(&table, DOMAIN, 9, 0, rows[i].before->words);
		destination_leave(&table, &probe, rows[i].found);
		if (rows[i].closed_for_ms > 0) {
			must_be_closed(&table, DOMAIN, 9, rows[i].closed_for_ms, rows[i].found->words);
		} else {
			must_enter(&table, DOMAIN, 9, &next);
			assert_false(next.is_probe);
			must_enter(&table, DOMAIN, 9, &last);
			destination_leave(&table, &next, NULL);
			destination_leave(&table, &last, NULL);
		}
		destination_table_wipe(&table);
	}
}

/* Those in line are told when the door is shut; these would never look again. */
static void test_line_is_told(void **state)
{
	struct destination_table table;
	struct destination_place place;
	struct standing standing[2];

	(void)state;
	destination_table_init(&table);
	must_enter(&table, DOMAIN, 1, &place);
	line_up(&standing[0], &table, 1, 1);
	line_up(&standing[1], &table, 1, 2);
	destination_leave(&table, &place, &refused);
	must_have(&standing[0], DESTINATION_CLOSED);
	must_have(&standing[1], DESTINATION_CLOSED);
	destination_table_wipe(&table);
}

/* That it is slow is remembered: nobody need find it out again by standing in line. */
static void test_slow_is_remembered(void **state)
{
	struct destination_table table;
	struct destination_place place, next;
	unsigned before = waits;

	(void)state;
	destination_table_init(&table);
	must_enter(&table, DOMAIN, 1, &place);
	make_older(&place, DESTINATION_SLOW_MS + 1000);
	destination_leave(&table, &place, &good);
	assert_int_equal(destination_table_occupied(&table), 0);
	must_enter(&table, DOMAIN, 1, &place);
	assert_int_equal(destination_enter(&table, &(struct destination_request){
		.domain = DOMAIN,
		.limit = 1,
		.wait_max_ms = DESTINATION_SLOW_MS,
		.deadline = DEADLINE_NEVER,
	}, &next), DESTINATION_BUSY);
	assert_int_equal(waits, before);
	destination_leave(&table, &place, &good);
	destination_table_wipe(&table);
}

/* Memory has an end: the one left first goes first, and each after its time. */
static void test_memory_ends(void **state)
{
	struct destination_table table;
	struct destination_place place;
	char domain[40];

	(void)state;
	destination_table_init(&table);
	for (int i = 0; i <= DESTINATIONS_REMEMBERED_MAX; i++) {
		snprintf(domain, sizeof(domain), "d%d.example", i);
		visit(&table, domain, 1, &rest);
	}
	assert_int_equal(table.remembered_count, DESTINATIONS_REMEMBERED_MAX);
	must_be_closed(&table, "d1.example", 1, rest.pause_ms, rest.words);
	must_enter(&table, "d0.example", 1, &place);
	assert_false(place.is_probe);
	destination_leave(&table, &place, NULL);
	/* d2's time is over when somebody leaves anywhere. */
	table.remembered->service.left_ms -= DESTINATION_REMEMBERED_MS + LATE_MS;
	visit(&table, DOMAIN, 1, &rest);
	assert_int_equal(table.remembered_count, DESTINATIONS_REMEMBERED_MAX);
	visit(&table, "d2.example", 1, NULL);
	destination_table_wipe(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fewer_places),	   cmocka_unit_test(test_door_is_shut),
		cmocka_unit_test(test_one_finds_out),	   cmocka_unit_test(test_line_is_told),
		cmocka_unit_test(test_slow_is_remembered), cmocka_unit_test(test_memory_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
