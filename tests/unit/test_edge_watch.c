/*
 * The health of edges in the shared state: of many processes exactly one has each probe, what one
 * learns the others know, and outcomes are not pushed out by it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "captured_log.h"
#include "file_place.h"
#include "lib/deadline.h"
#include "lib/log.h"
#include "transport/edge_state.h"
#include "transport/edge_watch.h"

#define PROCESSES 16

struct world {
	struct file_place place;
	struct edge edge;
	struct edge_health health;
	struct captured_log log;
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	if (file_place_init(&world->place, "edges.state") != 0)
		return -1;
	strcpy(world->edge.name, "us");
	strcpy(world->edge.endpoint.host, "192.0.2.1");
	strcpy(world->edge.endpoint.port, "7843");
	captured_log_start(&world->log);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	captured_log_stop(&world->log);
	file_place_wipe(&world->place);
	free(world);
	return 0;
}

static void note(struct world *world, enum edge_health_event event, int64_t ago_ms, bool was_claimed)
{
	const struct edge_health_attempt attempt = { .event = event,
						     .now_ms = deadline_now_ms() - ago_ms,
						     .took_ms = 7,
						     .was_claimed = was_claimed };

	edge_watch_note(world->place.path, &world->edge, &attempt, &world->health);
}

static void test_everybody_knows(void **state)
{
	struct world *world = *state;
	struct edge other;

	note(world, EDGE_HEALTH_OPENED, 0, false);
	note(world, EDGE_HEALTH_FAILED, 0, false);
	note(world, EDGE_HEALTH_FAILED, 0, true);
	edge_watch_read(world->place.path, &world->edge, &world->health);
	assert_true(world->health.is_down);
	assert_int_equal(world->health.open_ms, 7);
	assert_int_equal(world->health.failed, 2);
	assert_int_equal(world->health.failures, 2);
	assert_int_equal(world->health.opened, 1);
	assert_int_equal(world->health.outages, 1);
	/* The name is not what it is known by; key and place are. */
	other = world->edge;
	strcpy(other.name, "renamed");
	edge_watch_read(world->place.path, &other, &world->health);
	assert_true(world->health.is_down);
	strcpy(other.endpoint.port, "7844");
	edge_watch_read(world->place.path, &other, &world->health);
	assert_false(world->health.is_down);
	other = world->edge;
	other.public_key[31] = 1;
	edge_watch_read(world->place.path, &other, &world->health);
	assert_false(world->health.is_down);
	note(world, EDGE_HEALTH_OPENED, 0, true);
	assert_int_equal(captured_log_count(&world->log, "edge=us is down; the next attempt is due in "), 1);
	assert_int_equal(captured_log_count(&world->log, "edge=us is back after 0 s"), 1);
}

/* All at once: one has it. Then it is claimed for all of them, until it is over. */
static int claims(struct world *world, bool is_last)
{
	int won = 0, status, go[2];
	char byte;

	assert_int_equal(pipe(go), 0);
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0) {
			close(go[1]);
			if (read(go[0], &byte, 1) < 0)
				_exit(2);
			_exit(edge_watch_claim(world->place.path, &world->edge, is_last, 10000, &world->health));
		}
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < PROCESSES; i++) {
		assert_true(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) < 2);
		won += WEXITSTATUS(status);
	}
	return won;
}

static void test_one_probes(void **state)
{
	struct world *world = *state;

	note(world, EDGE_HEALTH_FAILED, 0, false);
	assert_int_equal(claims(world, false), 0); /* not due */
	note(world, EDGE_HEALTH_OPENED, 5000, true);
	note(world, EDGE_HEALTH_FAILED, 4000, false);
	assert_int_equal(claims(world, false), 1);
	assert_int_equal(claims(world, false), 0);
	assert_int_equal(claims(world, true), 0);
	note(world, EDGE_HEALTH_FAILED, 30, true);
	assert_int_equal(claims(world, false), 0);
	assert_int_equal(claims(world, true), 1);
	assert_int_equal(claims(world, true), 0);
	note(world, EDGE_HEALTH_OPENED, 0, true);
	assert_int_equal(claims(world, true), 0); /* it is up: nothing to probe */
}

/* A group full of outcomes that somebody may ask for has no room for health. */
static void test_outcomes_stay(void **state)
{
	struct world *world = *state;
	struct edge_state_entry entry = { .kind = EDGE_STATE_OUTCOME }, evicted,
				found[EDGE_STATE_GROUP_RECORDS];
	struct edge_state shared;
	uint8_t numbers[2] = { 0 };

	assert_int_equal(edge_state_open(&shared, world->place.path, true), 0);
	entry.since_ms = deadline_now_ms();
	for (int group = 0; group < EDGE_STATE_GROUPS; group++)
		for (int i = 0; i < EDGE_STATE_GROUP_RECORDS; i++) {
			numbers[0] = (uint8_t)(group >> 8);
			numbers[1] = (uint8_t)group;
			memcpy(entry.key, numbers, sizeof(numbers));
			entry.edge_id[0] = (uint8_t)i;
			edge_state_put(&shared, &entry, entry.since_ms, &evicted);
		}
	edge_state_close(&shared);
	note(world, EDGE_HEALTH_FAILED, 0, false);
	edge_watch_read(world->place.path, &world->edge, &world->health);
	assert_false(world->health.is_down);
	assert_int_equal(edge_state_open(&shared, world->place.path, false), 0);
	for (int group = 0; group < EDGE_STATE_GROUPS; group++) {
		numbers[0] = (uint8_t)(group >> 8);
		numbers[1] = (uint8_t)group;
		memset(entry.key, 0, sizeof(entry.key));
		memcpy(entry.key, numbers, sizeof(numbers));
		assert_int_equal(edge_state_find(&shared, entry.key, found), EDGE_STATE_GROUP_RECORDS);
	}
	edge_state_close(&shared);
}

/* Nothing can be remembered: every edge is up, and may be tried by everybody. */
static void test_no_state(void **state)
{
	struct world *world = *state;

	snprintf(world->place.path, sizeof(world->place.path), "%s/none/edges.state", world->place.directory);
	note(world, EDGE_HEALTH_FAILED, 0, false);
	edge_watch_read(world->place.path, &world->edge, &world->health);
	assert_false(world->health.is_down);
	assert_true(edge_watch_claim(world->place.path, &world->edge, true, 1000, &world->health));
	assert_true(edge_watch_claim(NULL, &world->edge, false, 1000, &world->health));
	edge_watch_read(NULL, &world->edge, &world->health);
	assert_false(world->health.is_down);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_everybody_knows),
		TEST(test_one_probes),
		TEST(test_outcomes_stay),
		TEST(test_no_state),
	};

	log_open("test", LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
