/*
 * Places and lines of destinations: the limit, whose turn it is, when nobody may wait, and that
 * nothing is left of a destination that is idle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>

#include "destination_fixture.h"

/* Everybody has left: nothing may be remembered. */
static void wipe(struct destination_table *table)
{
	assert_null(table->by_domain);
	destination_table_wipe(table);
}

/* ---- places ---- */

static void test_limit_holds(void **state)
{
	struct destination_table table;
	struct destination_place places[4];

	(void)state;
	destination_table_init(&table);
	for (size_t i = 0; i < 3; i++)
		must_enter(&table, DOMAIN, 3, &places[i]);
	must_be_busy(&table, DOMAIN, 3, 3, 0);
	destination_leave(&table, &places[1], NULL);
	must_enter(&table, DOMAIN, 3, &places[3]);
	must_be_busy(&table, DOMAIN, 3, 3, 0);
	destination_leave(&table, &places[0], NULL);
	destination_leave(&table, &places[2], NULL);
	destination_leave(&table, &places[3], NULL);
	wipe(&table);
}

static void test_domains_are_independent(void **state)
{
	struct destination_table table;
	struct destination_place one, two;

	(void)state;
	destination_table_init(&table);
	must_enter(&table, DOMAIN, 1, &one);
	must_enter(&table, "other.example", 1, &two);
	must_be_busy(&table, DOMAIN, 1, 1, 0);
	destination_leave(&table, &one, NULL);
	must_be_busy(&table, "other.example", 1, 1, 0);
	destination_leave(&table, &two, NULL);
	wipe(&table);
}

static void test_case_of_letters(void **state)
{
	struct destination_table table;
	struct destination_place place;

	(void)state;
	destination_table_init(&table);
	must_enter(&table, "Example.COM", 1, &place);
	must_be_busy(&table, "example.com", 1, 1, 0);
	must_be_busy(&table, "EXAMPLE.com", 1, 1, 0);
	destination_leave(&table, &place, NULL);
	wipe(&table);
}

/* ---- the line ---- */

static void test_leaving_lets_in(void **state)
{
	struct destination_table table;
	struct destination_place place;
	struct standing standing;

	(void)state;
	destination_table_init(&table);
	must_enter(&table, DOMAIN, 1, &place);
	line_up(&standing, &table, 1, 1);
	destination_leave(&table, &place, NULL);
	/* Given at once, not when somebody looks again. */
	pthread_mutex_lock(&table.lock);
	assert_int_equal(table.by_domain->service.active, 1);
	assert_int_equal(table.by_domain->waiting, 0);
	pthread_mutex_unlock(&table.lock);
	must_have(&standing, DESTINATION_ENTERED);
	must_be_busy(&table, DOMAIN, 1, 1, 0);
	destination_leave(&table, &standing.place, NULL);
	wipe(&table);
}

static void test_first_come_first_served(void **state)
{
	struct destination_table table;
	struct destination_place place;
	struct standing standing[3];

	(void)state;
	destination_table_init(&table);
	must_enter(&table, DOMAIN, 1, &place);
	for (size_t i = 0; i < 3; i++)
		line_up(&standing[i], &table, 1, i + 1);
	for (size_t i = 0; i < 3; i++) {
		destination_leave(&table, i == 0 ? &place : &standing[i - 1].place, NULL);
		/* the place is taken at once, before the thread runs: nobody overtakes */
		must_be_busy(&table, DOMAIN, 1, 1, 2 - i);
		must_have(&standing[i], DESTINATION_ENTERED);
	}
	destination_leave(&table, &standing[2].place, NULL);
	wipe(&table);
}

/* A reload: the last limit heard of holds, for those in line too. */
static void test_limit_changes(void **state)
{
	struct destination_table table;
	struct destination_place places[2], late;
	struct standing standing;

	(void)state;
	destination_table_init(&table);
	must_enter(&table, DOMAIN, 1, &places[0]);
	line_up(&standing, &table, 1, 1);
	must_enter(&table, DOMAIN, 3, &places[1]);
	must_have(&standing, DESTINATION_ENTERED);
	must_be_busy(&table, DOMAIN, 1, 3, 0);
	destination_leave(&table, &places[0], NULL);
	destination_leave(&table, &places[1], NULL);
	must_be_busy(&table, DOMAIN, 1, 1, 0);
	destination_leave(&table, &standing.place, NULL);
	must_enter(&table, DOMAIN, 1, &late);
	destination_leave(&table, &late, NULL);
	wipe(&table);
}

/* ---- when nobody waits, or nobody waits longer ---- */

/* Told BUSY, who would wait for so long: at once, or has he waited for it? */
static bool must_be_busy_after_waiting(struct destination_table *table, size_t limit, int64_t wait_max_ms,
				       struct deadline deadline)
{
	struct destination_place place;
	unsigned before = waits;

	assert_int_equal(destination_enter(table, &(struct destination_request){
		.domain = DOMAIN,
		.limit = limit,
		.wait_max_ms = wait_max_ms,
		.deadline = deadline,
	}, &place), DESTINATION_BUSY);
	return waits != before;
}

/* Nobody has come out yet, and those inside have been there for longer than one would wait. */
static void test_tarpit(void **state)
{
	struct destination_table table;
	struct destination_place place;

	(void)state;
	destination_table_init(&table);
	must_enter(&table, DOMAIN, 1, &place);
	make_older(&place, DESTINATION_WAIT_MAX_MS + 100);
	assert_false(must_be_busy_after_waiting(&table, 1, DESTINATION_WAIT_MAX_MS, DEADLINE_NEVER));
	make_older(&place, -(DESTINATION_WAIT_MAX_MS + 100));
	destination_leave(&table, &place, NULL);
	wipe(&table);
}

/* Those inside have just come, but those before them took long: half of it with two places. */
static void test_line_too_long(void **state)
{
	struct destination_table table;
	struct destination_place places[2], next[2];
	struct standing standing;

	(void)state;
	destination_table_init(&table);
	must_enter(&table, DOMAIN, 2, &places[0]);
	must_enter(&table, DOMAIN, 2, &places[1]);
	for (size_t i = 0; i < 2; i++) {
		make_older(&places[i], 32000);
		destination_leave(&table, &places[i], NULL);
		must_enter(&table, DOMAIN, 2, &next[i]);
	}
	assert_false(must_be_busy_after_waiting(&table, 2, 15000, DEADLINE_NEVER));
	assert_true(must_be_busy_after_waiting(&table, 2, 28000, deadline_in_ms(100)));
	line_up(&standing, &table, 2, 1);
	/* Two in line, so the wait is twice as long. */
	assert_false(must_be_busy_after_waiting(&table, 2, 28000, DEADLINE_NEVER));
	destination_leave(&table, &next[0], NULL);
	must_have(&standing, DESTINATION_ENTERED);
	destination_leave(&table, &next[1], NULL);
	destination_leave(&table, &standing.place, NULL);
	destination_table_wipe(&table);	/* that it is slow is remembered */
}

/* Whichever ends first; who waited for the other would be here for longer than this program may run. */
static void test_deadline(void **state)
{
	struct destination_table table;
	struct destination_place place;
	int64_t before_ms = deadline_now_ms();

	(void)state;
	destination_table_init(&table);
	must_enter(&table, DOMAIN, 1, &place);
	assert_true(must_be_busy_after_waiting(&table, 1, 1000000, deadline_in_ms(300)));
	assert_true(deadline_now_ms() - before_ms >= 290);
	/* As if it had come in only later: it has been there for less time than anybody would wait. */
	make_older(&place, -PATIENCE_MS);
	before_ms = deadline_now_ms();
	assert_true(must_be_busy_after_waiting(&table, 1, 300, DEADLINE_NEVER));
	assert_true(deadline_now_ms() - before_ms >= 290);
	make_older(&place, PATIENCE_MS);
	destination_leave(&table, &place, NULL);
	wipe(&table);
}

static void test_stop(void **state)
{
	struct destination_table table;
	struct destination_place place, late;
	struct standing standing[2];

	(void)state;
	destination_table_init(&table);
	must_enter(&table, DOMAIN, 1, &place);
	line_up(&standing[0], &table, 1, 1);
	line_up(&standing[1], &table, 1, 2);
	destination_table_stop(&table);
	must_have(&standing[0], DESTINATION_CANCELLED);
	must_have(&standing[1], DESTINATION_CANCELLED);
	assert_int_equal(enter(&table, DOMAIN, 1, DEADLINE_NEVER, &late), DESTINATION_CANCELLED);
	destination_leave(&table, &place, NULL);
	wipe(&table);
}

/* ---- all at once ---- */

#define CROWD 16
#define ROUNDS 300
#define CROWD_LIMIT 3

struct crowd {
	struct destination_table table;
	_Atomic int inside, most, entered, busy;
};

static void note_most(struct crowd *crowd, int inside)
{
	int most = atomic_load(&crowd->most);

	while (inside > most && !atomic_compare_exchange_weak(&crowd->most, &most, inside))
		;
}

/* Every third time without patience, so that waits end both ways while places are given. */
static void *jostle(void *argument)
{
	struct crowd *crowd = argument;
	struct destination_place place;

	for (int i = 0; i < ROUNDS; i++) {
		struct deadline deadline = i % 3 == 0 ? deadline_in_ms(1) : DEADLINE_NEVER;

		is_only_called = i % 3 != 0;
		if (enter(&crowd->table, DOMAIN, CROWD_LIMIT, deadline, &place) !=
		    DESTINATION_ENTERED) {
			atomic_fetch_add(&crowd->busy, 1);
			continue;
		}
		atomic_fetch_add(&crowd->entered, 1);
		note_most(crowd, atomic_fetch_add(&crowd->inside, 1) + 1);
		usleep(200);
		atomic_fetch_sub(&crowd->inside, 1);
		destination_leave(&crowd->table, &place, NULL);
	}
	return NULL;
}

static void test_crowd(void **state)
{
	struct crowd crowd = { 0 };
	pthread_t threads[CROWD];

	(void)state;
	destination_table_init(&crowd.table);
	for (size_t i = 0; i < CROWD; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, jostle, &crowd), 0);
	for (size_t i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(crowd.most, CROWD_LIMIT);
	assert_int_equal(crowd.entered + crowd.busy, CROWD * ROUNDS);
	/* only the impatient ones were sent away */
	assert_true(crowd.busy <= CROWD * ROUNDS / 3);
	wipe(&crowd.table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit_holds),
		cmocka_unit_test(test_domains_are_independent),
		cmocka_unit_test(test_case_of_letters),
		cmocka_unit_test(test_leaving_lets_in),
		cmocka_unit_test(test_first_come_first_served),
		cmocka_unit_test(test_limit_changes),
		cmocka_unit_test(test_tarpit),
		cmocka_unit_test(test_line_too_long),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
