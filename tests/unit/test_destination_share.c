/*
 * Fairness. Rows for the rule, and a simulation: Postfix, which hands over its queue in order, each message in a slot until
 * it is answered, against destinations of all speeds; the real rule decides, on a clock of the simulation's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/destination_share.h"

static void test_speed(void **state)
{
	static const struct {
		int64_t average_ms, inside_ms;
		enum destination_speed speed;
	} rows[] = {
		{ 0, 0, DESTINATION_UNKNOWN }, { 0, 4999, DESTINATION_UNKNOWN }, { 0, 5000, DESTINATION_SLOW },
		{ 1, 0, DESTINATION_QUICK },   { 4999, 4999, DESTINATION_QUICK }, { 5000, 0, DESTINATION_SLOW },
		{ 100, 5000, DESTINATION_SLOW },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(destination_share_speed(rows[i].average_ms, rows[i].inside_ms), rows[i].speed);
}

static void test_allows(void **state)
{
	static const struct {
		const char *name;
		struct destination_share share;
		bool allows;
	} rows[] = {
		{ "unknown, all free: the first half", { DESTINATION_UNKNOWN, false, 100, 33, 33, 0, 33, 33 }, true },
		{ "unknown, more than half of the rest", { DESTINATION_UNKNOWN, false, 100, 34, 34, 0, 34, 34 }, false },
		{ "unknown, nothing free, none yet", { DESTINATION_UNKNOWN, false, 100, 100, 100, 0, 0, 0 }, true },
		{ "unknown, nothing free, two already", { DESTINATION_UNKNOWN, false, 100, 100, 100, 0, 2, 2 }, false },
		{ "slow", { DESTINATION_SLOW, false, 100, 24, 24, 0, 24, 24 }, true },
		{ "slow, its share is used up", { DESTINATION_SLOW, false, 100, 25, 25, 0, 25, 25 }, false },
		{ "slow, three quarters are with slow ones", { DESTINATION_SLOW, false, 100, 75, 75, 0, 0, 0 }, false },
		{ "slow, room for one", { DESTINATION_SLOW, false, 100, 74, 74, 0, 0, 0 }, true },
		{ "quick: no share", { DESTINATION_QUICK, false, 100, 100, 99, 0, 99, 99 }, true },
		{ "few tunnels seen: twenty slots", { DESTINATION_UNKNOWN, false, 1, 6, 6, 0, 6, 6 }, true },
		{ "few tunnels seen: more than half", { DESTINATION_UNKNOWN, false, 1, 7, 7, 0, 7, 7 }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (destination_share_allows(&rows[i].share) != rows[i].allows)
			fail_msg("%s", rows[i].name);
}

static void test_wait(void **state)
{
	static const struct {
		const char *name;
		struct destination_share share;
		int64_t wait_max_ms;
	} rows[] = {
		{ "slots are left", { DESTINATION_SLOW, false, 100, 87, 87, 0, 20, 87 }, 30000 },
		{ "crowded, beyond its share", { DESTINATION_SLOW, false, 100, 88, 88, 0, 20, 88 }, 15000 },
		{ "crowded, unknown, beyond its share", { DESTINATION_UNKNOWN, false, 100, 100, 100, 0, 20, 100 }, 15000 },
		{ "crowded, beyond its share, others are slow", { DESTINATION_UNKNOWN, false, 100, 100, 100, 20, 20, 80 }, 6000 },
		{ "crowded, within its share", { DESTINATION_SLOW, false, 100, 90, 30, 0, 5, 5 }, 30000 },
		{ "crowded, but quick", { DESTINATION_QUICK, false, 100, 100, 0, 0, 20, 100 }, 30000 },
		{ "crowded, silent, beyond its share", { DESTINATION_UNKNOWN, true, 100, 100, 100, 0, 20, 100 }, 0 },
		{ "crowded, silent, within its share", { DESTINATION_UNKNOWN, true, 100, 90, 30, 0, 5, 5 }, 30000 },
		{ "silent, but slots are left", { DESTINATION_UNKNOWN, true, 100, 87, 87, 0, 20, 87 }, 30000 },
	};
	bool is_crowded;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (destination_share_wait_max_ms(&rows[i].share, 30000, &is_crowded) != rows[i].wait_max_ms ||
		    is_crowded != (rows[i].wait_max_ms < 30000))
			fail_msg("%s", rows[i].name);
}

/* ---- the simulation: one client, places as in destination.c, 10 ms a step ---- */

#define STEP_MS 10
#define PLACES 20
#define DESTINATIONS_MAX 40
#define SLOTS_MAX 200
#define WAIT_LIMIT_MS 120000

struct place {
	int destination;		/* -1: free */
	bool is_active;
	int64_t queued_ms, since_ms, active_ms;	/* in the queue, in the slot, at the destination */
};

struct mail {
	int destination;
	int64_t queued_ms;
};

struct world {
	size_t slots;
	struct place place[SLOTS_MAX];
	int64_t greets_ms[DESTINATIONS_MAX];	/* after the connection */
	int64_t takes_ms[DESTINATIONS_MAX];	/* one delivery; beyond WAIT_LIMIT_MS: in progress, the slot is given back */
	size_t active[DESTINATIONS_MAX], waiting[DESTINATIONS_MAX], gone_on[DESTINATIONS_MAX];
	int64_t entered_sum_ms[DESTINATIONS_MAX], average_ms[DESTINATIONS_MAX], left_ms[DESTINATIONS_MAX];
	int64_t called_ms[DESTINATIONS_MAX];	/* the first connection; nobody has greeted before greets_ms */
	int64_t now_ms;
	/* results, per destination */
	size_t sent[DESTINATIONS_MAX], deferred[DESTINATIONS_MAX];
	int64_t *delays_ms;		/* of those sent to destinations from `watched` on, in the queue and in the slot */
	size_t delays, watched;
};

static int64_t age_ms(const struct world *world, int d)
{
	int64_t age = 0;

	if (world->active[d] > 0)
		age = world->now_ms - world->entered_sum_ms[d] / (int64_t)world->active[d];
	return world->now_ms - world->left_ms[d] < age ? world->now_ms - world->left_ms[d] : age;
}

static enum destination_speed speed(const struct world *world, int d)
{
	return destination_share_speed(world->average_ms[d], age_ms(world, d));
}

static bool is_silent(const struct world *world, int d)
{
	int64_t called_ms = world->called_ms[d];

	return called_ms > 0 && world->average_ms[d] == 0 && world->now_ms - called_ms >= DESTINATION_SILENT_MS &&
	       world->now_ms - called_ms < world->greets_ms[d];
}

static struct destination_share share(const struct world *world, int d)
{
	struct destination_share share = { .speed = speed(world, d), .is_silent = is_silent(world, d), .slots = world->slots, .active = world->active[d],
					   .held = world->active[d] + world->waiting[d] };

	for (int i = 0; i < DESTINATIONS_MAX; i++) {
		share.busy += world->active[i] + world->waiting[i];
		if (i == d || speed(world, i) != DESTINATION_QUICK)
			share.not_quick += world->active[i] + world->waiting[i];
		if (i != d && speed(world, i) == DESTINATION_SLOW)
			share.slow += world->active[i] + world->waiting[i];
	}
	return share;
}

static bool is_crowded(const struct world *world)
{
	size_t busy = 0;

	for (size_t i = 0; i < world->slots; i++)
		busy += world->place[i].destination >= 0;
	return destination_share_is_crowded(world->slots, busy);
}

static bool is_too_long(const struct world *world, int d)
{
	struct destination_share now = share(world, d);
	int64_t service = age_ms(world, d) > world->average_ms[d] ? age_ms(world, d) : world->average_ms[d];
	bool counts_itself_out;
	int64_t wait_max = destination_share_wait_max_ms(&now, 30000, &counts_itself_out);

	return (int64_t)world->waiting[d] * service / (world->active[d] > 0 ? (int64_t)world->active[d] : 1) + (counts_itself_out ? service : 0) > wait_max;
}

static void let_in(struct world *world, int d)
{
	while (world->waiting[d] > 0 && world->active[d] < PLACES) {
		struct destination_share now = share(world, d);
		struct place *first = NULL;

		if (!destination_share_allows(&now))
			return;
		for (size_t i = 0; i < world->slots; i++)
			if (world->place[i].destination == d && !world->place[i].is_active &&
			    (first == NULL || world->place[i].since_ms < first->since_ms))
				first = &world->place[i];
		first->is_active = true;
		first->active_ms = world->now_ms;
		world->waiting[d]--;
		world->active[d]++;
		world->entered_sum_ms[d] += world->now_ms;
		if (world->called_ms[d] == 0)
			world->called_ms[d] = world->now_ms;
	}
}

static void end(struct world *world, struct place *place)
{
	int d = place->destination;
	int64_t took = world->now_ms - place->active_ms;

	world->average_ms[d] = world->average_ms[d] == 0 ? took : world->average_ms[d] + (took - world->average_ms[d]) / 8;
	world->active[d]--;
	world->entered_sum_ms[d] -= place->active_ms;
	world->left_ms[d] = world->now_ms;
	world->sent[d]++;
	place->destination = -1;
}

static void turn_away(struct world *world, struct place *place)
{
	world->waiting[place->destination]--;
	world->deferred[place->destination]++;
	place->destination = -1;
}

static void step_slots(struct world *world)
{
	for (size_t i = 0; i < world->slots; i++) {
		struct place *place = &world->place[i];
		int d = place->destination;

		if (d < 0)
			continue;
		if (place->is_active && world->now_ms - place->active_ms >= world->takes_ms[d]) {
			end(world, place);
			if ((size_t)d >= world->watched)
				world->delays_ms[world->delays++] = world->now_ms - place->queued_ms;
		} else if (place->is_active &&
			   (world->now_ms - place->since_ms >= WAIT_LIMIT_MS ||
			    (world->now_ms - place->since_ms >= DESTINATION_CROWDED_PATIENCE_MS && is_crowded(world)))) {
			/* In progress: it goes on in the edge, where it keeps its place, but not its slot. */
			world->gone_on[d]++;
			world->deferred[d]++;
			place->destination = -1;
		} else if (!place->is_active && (world->now_ms - place->since_ms >= 30000 ||
						 ((world->now_ms % 500 == 0 || is_silent(world, d)) && is_too_long(world, d)))) {
			turn_away(world, place);
		}
	}
	for (int d = 0; d < DESTINATIONS_MAX; d++)
		let_in(world, d);
}

/* Postfix gives each free slot the next message. A refusal comes back in the same step: some hundred a second per slot. */
static size_t fill_slots(struct world *world, const struct mail *queue, size_t next, size_t count)
{
	for (size_t i = 0; i < world->slots; i++) {
		struct place *place = &world->place[i];

		while (place->destination < 0 && next < count && queue[next].queued_ms <= world->now_ms) {
			int d = queue[next++].destination;

			*place = (struct place){ .destination = d, .queued_ms = queue[next - 1].queued_ms, .since_ms = world->now_ms };
			world->waiting[d]++;
			let_in(world, d);
			if (!place->is_active && is_too_long(world, d)) {
				turn_away(world, place);
				break;	/* one refusal a step */
			}
		}
	}
	return next;
}

static void run(struct world *world, const struct mail *queue, size_t count, int64_t until_ms)
{
	size_t next = 0;

	for (size_t i = 0; i < world->slots; i++)
		world->place[i].destination = -1;
	world->delays_ms = calloc(count, sizeof(*world->delays_ms));
	for (world->now_ms = STEP_MS; world->now_ms <= until_ms; world->now_ms += STEP_MS) {
		step_slots(world);
		next = fill_slots(world, queue, next, count);
	}
}

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return left < right ? -1 : left > right;
}

static int64_t percentile(struct world *world, size_t percent)
{
	qsort(world->delays_ms, world->delays, sizeof(*world->delays_ms), compare);
	return world->delays == 0 ? -1 : world->delays_ms[(world->delays * percent + 99) / 100 - 1];
}

static size_t total(const size_t *counts, size_t from, size_t to)
{
	size_t sum = 0;

	while (from < to)
		sum += counts[from++];
	return sum;
}

/* Ten tarpits with 500 messages each, and twenty others with one message each 50 ms in all, from the beginning on. */
#define TARPITS 10
#define EACH 500
#define OTHERS 1200

static int compare_mail(const void *a, const void *b)
{
	const struct mail *left = a, *right = b;

	return left->queued_ms < right->queued_ms ? -1 : left->queued_ms > right->queued_ms;
}

/* order 0: tarpit after tarpit; 1: all mixed. */
static int64_t simulate_tarpits(size_t slots, int order, bool with_tarpits, size_t *refused)
{
	static struct mail queue[TARPITS * EACH + OTHERS];
	struct world *world = calloc(1, sizeof(*world));
	size_t count = 0;
	int64_t p99;

	world->slots = slots;
	world->watched = TARPITS;
	for (int d = 0; d < DESTINATIONS_MAX; d++)
		world->takes_ms[d] = d < TARPITS ? 360000 : 200;
	for (int i = 0; with_tarpits && i < TARPITS * EACH; i++)
		queue[count++] = (struct mail){ .destination = order == 0 ? i / EACH : i % TARPITS };
	for (int i = 0; i < OTHERS; i++)
		queue[count++] = (struct mail){ .destination = TARPITS + i % 20, .queued_ms = 60000 + i * 50 };
	qsort(queue, count, sizeof(*queue), compare_mail);
	run(world, queue, count, 300000);
	assert_int_equal(total(world->sent, TARPITS, DESTINATIONS_MAX), OTHERS);
	p99 = percentile(world, 99);
	*refused = total(world->deferred, TARPITS, DESTINATIONS_MAX);
	free(world->delays_ms);
	free(world);
	return p99;
}

/* A minute after the tarpits' mail came, that of the others goes through as if they were not there. */
static void test_tarpits(void **state)
{
	static const size_t slots[] = { 20, 100, 200 };
	size_t refused;

	(void)state;
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		int64_t without = simulate_tarpits(slots[i], 0, false, &refused);

		for (int order = 0; order < 2; order++) {
			int64_t with = simulate_tarpits(slots[i], order, true, &refused);

			if (with > 2 * without || refused > 0)
				fail_msg("%zu slots, order %d: p99 %lld ms instead of %lld, %zu refused", slots[i], order,
					 (long long)with, (long long)without, refused);
		}
	}
}

/*
 * The first seconds: a queue for one tarpit is released, and others' mail comes in while nobody knows yet what it is. The last of it
 * that is held up came before the silence was long enough; there is no more to know before.
 */
static void test_first_seconds(void **state)
{
	static struct mail queue[EACH + OTHERS];
	int64_t slowest_ms;

	(void)state;
	for (int greets = 0; greets < 2; greets++) {
		struct world *world = calloc(1, sizeof(*world));

		world->slots = 100;
		world->watched = 1;
		for (int d = 0; d < DESTINATIONS_MAX; d++)
			world->takes_ms[d] = d == 0 ? 360000 : 200;
		world->greets_ms[0] = greets == 0 ? 60000 : 100;
		for (int i = 0; i < EACH + OTHERS; i++)
			queue[i] = i < EACH ? (struct mail){ .destination = 0 } :
					      (struct mail){ .destination = 1 + i % 20, .queued_ms = 10 + (i - EACH) * 50 };
		run(world, queue, EACH + OTHERS, 300000);
		assert_int_equal(total(world->sent, 1, DESTINATIONS_MAX), OTHERS);
		slowest_ms = percentile(world, 100);
		/* One that greets and is slow only then is found out later. */
		if (greets == 0 ? slowest_ms > DESTINATION_SILENT_MS + 500 : slowest_ms < 2 * DESTINATION_SILENT_MS)
			fail_msg("%s tarpit: %lld ms", greets == 0 ? "silent" : "greeting", (long long)slowest_ms);
		free(world->delays_ms);
		free(world);
	}
}

/* 2,000 messages at once to one destination: nobody is deferred, as long as it is no slower than this. */
static void test_burst(void **state)
{
	static const struct {
		int64_t greets_ms, takes_ms;
	} rows[] = { { 10, 10 }, { 50, 100 }, { 300, 500 }, { DESTINATION_SILENT_MS, 1000 } };
	static struct mail queue[2000];

	(void)state;
	for (size_t i = 0; i < 2000; i++)
		queue[i] = (struct mail){ .destination = 0 };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t slots = 20; slots <= 200; slots += 90) {
			struct world *world = calloc(1, sizeof(*world));

			world->slots = slots;
			world->greets_ms[0] = rows[i].greets_ms;
			world->takes_ms[0] = rows[i].takes_ms;
			run(world, queue, 2000, 2000 * rows[i].takes_ms / PLACES + 30000);
			if (world->sent[0] != 2000 || world->deferred[0] > 0)
				fail_msg("%lld ms, %zu slots: %zu sent, %zu deferred", (long long)rows[i].takes_ms, slots,
					 world->sent[0], world->deferred[0]);
			free(world->delays_ms);
			free(world);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_speed),
		cmocka_unit_test(test_allows),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_tarpits),
		cmocka_unit_test(test_first_seconds),
		cmocka_unit_test(test_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
