/*
 * Whose deliveries they are: each mail host's slots are shared among the destinations that it has mail for, as
 * destination_share.h says, and nobody else's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "destination_fixture.h"

#define PLACES 40

/* What a test has entered, to be left at its end. */
struct guests {
	struct destination_table table;
	struct destination_place places[100];
	size_t count;
};

static void leave_all(struct guests *guests)
{
	while (guests->count > 0)
		destination_leave(&guests->table, &guests->places[--guests->count], NULL);
	destination_table_wipe(&guests->table);
	assert_null(guests->table.clients);
}

/* As many as are let in, without waiting. Returns how many that were. */
static size_t fill(struct guests *guests, const char *client, const char *domain, size_t slots)
{
	size_t before = guests->count;

	while (destination_enter(&guests->table, &(struct destination_request){
		       .domain = domain,
		       .limit = PLACES,
		       .wait_max_ms = DESTINATION_WAIT_MAX_MS,
		       .deadline = deadline_in_ms(0),
		       .client = client,
		       .slots = slots,
	       }, &guests->places[guests->count]) == DESTINATION_ENTERED)
		guests->count++;
	return guests->count - before;
}

/* Destinations of which nothing is known: each gets half of what is free then. */
static void test_shares_of_the_unknown(void **state)
{
	struct guests guests = { .count = 0 };

	(void)state;
	destination_table_init(&guests.table);
	assert_int_equal(fill(&guests, "home", "a.example", 20), 7);
	assert_int_equal(fill(&guests, "home", "b.example", 20), 5);
	/* Another mail host has slots of its own, and nobody's mail is not counted. */
	assert_int_equal(fill(&guests, "away", "a.example", 20), 7);
	assert_int_equal(fill(&guests, NULL, "a.example", 20), PLACES - 14);
	leave_all(&guests);
}

/* More slots as soon as it is known that there are more. */
static void test_slots_are_those_of_the_last_request(void **state)
{
	struct guests guests = { .count = 0 };

	(void)state;
	destination_table_init(&guests.table);
	assert_int_equal(fill(&guests, "home", "a.example", 1), 7);
	assert_int_equal(fill(&guests, "home", "a.example", 50), 10);
	leave_all(&guests);
}

/* One that has shown that it is quick is bounded by its places alone, and takes nothing from the others' share. */
static void test_quick(void **state)
{
	struct guests guests = { .count = 0 };

	(void)state;
	destination_table_init(&guests.table);
	assert_int_equal(fill(&guests, "home", "quick.example", 20), 7);
	destination_leave(&guests.table, &guests.places[--guests.count], NULL);
	assert_int_equal(fill(&guests, "home", "quick.example", 20), PLACES - 6);
	assert_int_equal(fill(&guests, "home", "a.example", 20), 7);
	leave_all(&guests);
}

/* The first one has been inside for so long, and no longer. */
static void make_age(struct guests *guests, int64_t ms)
{
	pthread_mutex_lock(&guests->table.lock);
	make_older(&guests->places[0], guests->places[0].entered_ms - deadline_now_ms() + ms);
	pthread_mutex_unlock(&guests->table.lock);
}

/*
 * A line that was short turns out to be long, as its destination is slow: with hardly a slot left, some of those who stand in it have to go,
 * and no more of them than that there are slots again.
 */
static void test_line_of_a_slow_one(void **state)
{
	struct guests guests = { .count = 0 };
	struct standing standing[17];
	size_t gone = 0;

	(void)state;
	destination_table_init(&guests.table);
	assert_int_equal(destination_enter(&guests.table, &(struct destination_request){
		.domain = DOMAIN,
		.limit = 1,
		.wait_max_ms = 0,
		.deadline = DEADLINE_NEVER,
		.client = "home",
	}, &guests.places[0]), DESTINATION_ENTERED);
	for (size_t i = 0; i < 17; i++) {
		make_age(&guests, 0);
		standing[i] = (struct standing){ .table = &guests.table, .limit = 1, .client = "home", .looks_again = true };
		start_standing(&standing[i], i + 1);
	}
	make_age(&guests, DESTINATION_SLOW_MS + 1000);
	EVENTUALLY(count_waiting(&guests.table) < 17);
	destination_table_stop(&guests.table);
	for (size_t i = 0; i < 17; i++) {
		pthread_join(standing[i].thread, NULL);
		gone += standing[i].result == DESTINATION_BUSY;
		if (standing[i].result != DESTINATION_BUSY)
			assert_int_equal(standing[i].result, DESTINATION_CANCELLED);
	}
	assert_int_equal(gone, 1);
	/* The first is served soon enough. */
	assert_int_equal(standing[0].result, DESTINATION_CANCELLED);
	guests.count = 1;
	leave_all(&guests);
}

#define SLOTS 24
#define INSIDE 4

struct visitor {
	struct destination_table *table;
	pthread_t thread;
	enum destination_result result;
	struct destination_place place;
	int64_t ended_ms;
};

static void *visit(void *argument)
{
	struct visitor *visitor = argument;

	visitor->result = destination_enter(visitor->table, &(struct destination_request){
		.domain = DOMAIN,
		.limit = INSIDE,
		.wait_max_ms = DESTINATION_WAIT_MAX_MS,
		.deadline = DEADLINE_NEVER,
		.client = "home",
		.slots = SLOTS,
	}, &visitor->place);
	visitor->ended_ms = deadline_now_ms();
	return NULL;
}

static void visit_domain(struct destination_table *table, struct destination_place *place, const char *domain)
{
	assert_int_equal(destination_enter(table, &(struct destination_request){
				.domain = domain, .limit = 1, .deadline = deadline_in_ms(0), .client = "home", .slots = SLOTS },
				place), DESTINATION_ENTERED);
}

/* Nobody inside is thought silent while the line forms. */
static void postpone_silence(struct destination_table *table, struct destination *destination)
{
	pthread_mutex_lock(&table->lock);
	destination->service.stepped_ms = deadline_now_ms() + PATIENCE_MS;
	pthread_mutex_unlock(&table->lock);
}

/* How many are in line, as if all inside had come 300 ms ago: nobody goes because they have been there for long. */
static size_t count_waiting_for_young(struct destination_table *table, struct destination *destination)
{
	pthread_mutex_lock(&table->lock);
	destination->service.entered_sum_ms = INSIDE * (deadline_now_ms() - 300);
	pthread_mutex_unlock(&table->lock);
	return count_waiting(table);
}

/* As if all inside had connected 300 ms ago, however long the line took to get here; and one of them is now at `step`. */
static int64_t begin_silence(struct destination_table *table, struct destination *destination, enum destination_step step)
{
	int64_t now_ms, began_ms;

	pthread_mutex_lock(&table->lock);
	now_ms = deadline_now_ms();
	began_ms = now_ms - 300;
	destination->service.stepped_ms = began_ms;
	destination_service_note(&destination->service, step, now_ms);
	pthread_mutex_unlock(&table->lock);
	return began_ms;
}

/*
 * All slots of a client are with one destination: four inside, who connect, the rest in a line that would be served in time as far as
 * anybody knows. After 300 ms one of those inside has come to `step`. How many are sent away - all of `expected`, or a second and a half later -
 * and how soon is the first? Before that, or all the while, the client has one delivery elsewhere, or none but to the same.
 */
enum others { OTHERS_NONE, OTHERS_SAME, OTHERS_BEFORE, OTHERS_NOW };

static size_t sent_away(enum destination_step step, enum others others, size_t expected, int64_t *first_ms)
{
	struct visitor visitors[SLOTS];
	struct destination_place other;
	struct destination_table table;
	int64_t began_ms;
	size_t away = 0;

	destination_table_init(&table);
	*first_ms = INT64_MAX;
	if (others == OTHERS_BEFORE || others == OTHERS_SAME) {
		visit_domain(&table, &other, others == OTHERS_SAME ? DOMAIN : "other.example");
		destination_leave(&table, &other, NULL);
	}
	for (size_t i = 0; i < SLOTS; i++) {
		visitors[i] = (struct visitor){ .table = &table };
		if (i >= INSIDE) {
			assert_int_equal(pthread_create(&visitors[i].thread, NULL, visit, &visitors[i]), 0);
			EVENTUALLY(count_waiting_for_young(&table, visitors[0].place.destination) == i - INSIDE + 1);
			continue;
		}
		visit(&visitors[i]);
		assert_int_equal(visitors[i].result, DESTINATION_ENTERED);
		destination_note(&table, &visitors[i].place, DESTINATION_CONNECTS);
		postpone_silence(&table, visitors[i].place.destination);
		if (i == 0 && others == OTHERS_NOW)
			visit_domain(&table, &other, "other.example");
	}
	began_ms = begin_silence(&table, visitors[0].place.destination, step);
	EVENTUALLY(count_waiting_for_young(&table, visitors[0].place.destination) <= SLOTS - INSIDE - expected);
	for (int i = 0; i < 150; i++) {	/* nobody else goes */
		usleep(10000);
		count_waiting_for_young(&table, visitors[0].place.destination);
	}
	destination_table_stop(&table);
	for (size_t i = INSIDE; i < SLOTS; i++) {
		pthread_join(visitors[i].thread, NULL);
		if (visitors[i].result == DESTINATION_CANCELLED)
			continue;
		assert_int_equal(visitors[i].result, DESTINATION_BUSY);
		away++;
		if (visitors[i].ended_ms - began_ms < *first_ms)
			*first_ms = visitors[i].ended_ms - began_ms;
	}
	for (size_t i = 0; i < INSIDE; i++)
		destination_leave(&table, &visitors[i].place, NULL);
	if (others == OTHERS_NOW)
		destination_leave(&table, &other, NULL);
	destination_table_wipe(&table);
	return away;
}

/* Those go who make the crowd: seven eighths of 24 are 21. */
static void test_silence(void **state)
{
	int64_t first_ms;

	(void)state;
	assert_int_equal(sent_away(DESTINATION_CONNECTS, OTHERS_BEFORE, 4, &first_ms), 4);
	assert_true(first_ms >= DESTINATION_SILENT_MS);
	assert_int_equal(sent_away(DESTINATION_CONNECTED, OTHERS_BEFORE, 4, &first_ms), 4);
	assert_true(first_ms >= DESTINATION_SILENT_MS + 250);
	assert_int_equal(sent_away(DESTINATION_GREETED, OTHERS_BEFORE, 0, &first_ms), 0);
	assert_int_equal(sent_away(DESTINATION_CONNECTS, OTHERS_NOW, 5, &first_ms), 5);
	/* Nobody would have anything of it. */
	assert_int_equal(sent_away(DESTINATION_CONNECTS, OTHERS_NONE, 0, &first_ms), 0);
	assert_int_equal(sent_away(DESTINATION_CONNECTS, OTHERS_SAME, 0, &first_ms), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares_of_the_unknown),
		cmocka_unit_test(test_slots_are_those_of_the_last_request),
		cmocka_unit_test(test_quick),
		cmocka_unit_test(test_line_of_a_slow_one),
		cmocka_unit_test(test_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
