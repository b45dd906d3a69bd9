/*
 * Goal: what one transport process knows of an edge, all know; whatever happens to the file or to a
 * process in between, mail goes on, and nothing wrong is believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "captured_log.h"
#include "file_place.h"
#include "lib/deadline.h"
#include "lib/log.h"
#include "transport/edge_state.h"

#define HOUR_MS 3600000
#define NOW_MS INT64_C(100000000000)

struct world {
	struct file_place place;
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	if (file_place_init(&world->place, "edges.state") != 0)
		return -1;
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	file_place_wipe(&world->place);
	free(world);
	return 0;
}

/* Keys of the same group differ in their last byte alone. */
static struct edge_state_entry make_entry(uint16_t group, uint8_t number, const char *edge,
					  int64_t since_ms)
{
	struct edge_state_entry entry = { .kind = EDGE_STATE_OUTCOME, .since_ms = since_ms };

	entry.key[0] = (uint8_t)(group >> 8);
	entry.key[1] = (uint8_t)group;
	entry.key[EDGE_STATE_KEY_BYTES - 1] = number;
	snprintf(entry.edge, sizeof(entry.edge), "%s", edge);
	memcpy(entry.edge_id, edge, strlen(edge) < 8 ? strlen(edge) : 8);
	return entry;
}

static void open_state(struct world *world, struct edge_state *state)
{
	if (edge_state_open(state, world->place.path, true) < 0)
		fail_msg("%s", state->error);
}

static int put(struct world *world, const struct edge_state_entry *entry, struct edge_state_entry *evicted)
{
	struct edge_state state;
	int result;

	open_state(world, &state);
	result = edge_state_put(&state, entry, NOW_MS, evicted);
	edge_state_close(&state);
	return result;
}

static void put_good(struct world *world, struct edge_state_entry entry)
{
	struct edge_state_entry evicted;

	assert_int_equal(put(world, &entry, &evicted), 0);
	assert_int_equal(evicted.kind, EDGE_STATE_FREE);
}

static int find(struct world *world, const struct edge_state_entry *entry,
		struct edge_state_entry found[EDGE_STATE_GROUP_RECORDS])
{
	struct edge_state state;
	int count;

	assert_int_equal(edge_state_open(&state, world->place.path, false), 0);
	count = edge_state_find(&state, entry->key, found);
	edge_state_close(&state);
	return count;
}

static int count_of(struct world *world, struct edge_state_entry entry)
{
	struct edge_state_entry found[EDGE_STATE_GROUP_RECORDS];

	return find(world, &entry, found);
}

/* ---- records ---- */

static void test_record(void **state)
{
	struct edge_state_entry entry = make_entry(7, 1, "us", NOW_MS), got;
	uint8_t bytes[EDGE_STATE_RECORD_BYTES];

	(void)state;
	entry.is_answered = true;
	memset(entry.edge, 'x', EDGE_NAME_MAX);
	edge_state_record_write(bytes, &entry, 40);
	assert_int_equal(edge_state_record_read(&got, bytes, 40), EDGE_STATE_READ_OK);
	assert_memory_equal(&got.key, &entry.key, sizeof(got.key));
	assert_string_equal(got.edge, entry.edge);
	assert_int_equal(got.since_ms, NOW_MS);
	assert_true(got.is_answered);
	assert_int_equal(edge_state_record_read(&got, bytes, 41), EDGE_STATE_READ_DAMAGED);
	assert_int_equal(got.kind, EDGE_STATE_FREE);
	for (size_t i = 0; i < sizeof(bytes); i++)
		for (int bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1 << bit);
			assert_int_equal(edge_state_record_read(&got, bytes, 40), EDGE_STATE_READ_DAMAGED);
			bytes[i] ^= (uint8_t)(1 << bit);
		}
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(edge_state_record_read(&got, bytes, 40), EDGE_STATE_READ_OK);
	assert_int_equal(got.kind, EDGE_STATE_FREE);
}

/*
 * Case 106: no wall clock is asked; the monotonic one starts anew at a boot. The age is never more
 * than the truth, so no hold ends early.
 */
static void test_age(void **state)
{
	static const struct {
		int64_t since_ms, now_ms, age_ms;
	} rows[] = {
		{ 1000, 1000, 0 },	    { 1000, 4000, 3000 },
		{ 5000, 4000, 4000 },	    /* a boot in between: at least the time since then */
		{ INT64_MAX, 4000, 4000 },  { -1, 4000, 4000 },
		{ INT64_MIN, 4000, 4000 },  { 0, INT64_MAX, INT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(edge_state_age_ms(rows[i].since_ms, rows[i].now_ms), rows[i].age_ms);
}

/* ---- the file ---- */

static void test_put_find_remove(void **state)
{
	struct world *world = *state;
	struct edge_state_entry found[EDGE_STATE_GROUP_RECORDS], one = make_entry(3, 1, "us", NOW_MS);
	struct edge_state file;

	assert_int_equal(count_of(world, one), 0); /* reading makes no file */
	assert_int_equal(access(world->place.path, F_OK), -1);
	put_good(world, one);
	put_good(world, make_entry(3, 2, "us", NOW_MS));
	put_good(world, make_entry(3, 1, "de", NOW_MS));
	one.since_ms++;
	put_good(world, one); /* in place of the first */
	assert_int_equal(find(world, &one, found), 2);
	assert_string_equal(found[0].edge, "us");
	assert_int_equal(found[0].since_ms, NOW_MS + 1);
	assert_string_equal(found[1].edge, "de");
	open_state(world, &file);
	assert_int_equal(edge_state_remove(&file, one.key, one.edge_id), 0);
	assert_int_equal(edge_state_find(&file, one.key, found), 1);
	assert_string_equal(found[0].edge, "de");
	assert_int_equal(edge_state_remove(&file, one.key, NULL), 0);
	assert_int_equal(edge_state_find(&file, one.key, found), 0);
	edge_state_close(&file);
	assert_int_equal(count_of(world, make_entry(3, 2, "us", 0)), 1);
}

static void test_size_and_mode(void **state)
{
	struct world *world = *state;
	struct stat status;

	for (uint16_t group = 0; group < 600; group++)
		put_good(world, make_entry(group, 1, "us", NOW_MS));
	assert_int_equal(stat(world->place.path, &status), 0);
	assert_int_equal(status.st_size, EDGE_STATE_BYTES);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_true(status.st_blocks * 512 >= EDGE_STATE_BYTES); /* a disk that fills up later does not matter */
}

/* Bounded: the oldest gives way, one that Postfix was told of before one that it was not. */
static void test_eviction(void **state)
{
	struct world *world = *state;
	struct edge_state_entry evicted, entry;

	for (uint8_t i = 0; i < EDGE_STATE_GROUP_RECORDS; i++) {
		entry = make_entry(9, i, "us", NOW_MS - 1000 * (i + 1));
		entry.is_answered = i == 4 || i == 5;
		put_good(world, entry);
	}
	put_good(world, make_entry(9, 100, "us", NOW_MS));
	assert_int_equal(count_of(world, make_entry(9, 5, "us", 0)), 0); /* silently: the older answered one */
	put_good(world, make_entry(9, 101, "us", NOW_MS));
	entry = make_entry(9, 102, "us", NOW_MS);
	assert_int_equal(put(world, &entry, &evicted), 0);
	assert_int_equal(evicted.kind, EDGE_STATE_OUTCOME);
	assert_int_equal(evicted.key[EDGE_STATE_KEY_BYTES - 1], EDGE_STATE_GROUP_RECORDS - 1);
	assert_int_equal(count_of(world, make_entry(9, 0, "us", 0)), 1);
	/* what is older than mail gets means nothing */
	entry = make_entry(10, 0, "us", NOW_MS - EDGE_STATE_KEEP_MS - 1);
	put_good(world, entry);
	for (uint8_t i = 1; i < EDGE_STATE_GROUP_RECORDS; i++)
		put_good(world, make_entry(10, i, "us", NOW_MS));
	put_good(world, make_entry(10, 99, "us", NOW_MS));
	assert_int_equal(count_of(world, entry), 0);
}

/* A later version's kinds are neither read nor overwritten. */
static void test_other_kinds(void **state)
{
	struct world *world = *state;
	struct edge_state_entry evicted, entry = make_entry(11, 0, "us", NOW_MS);
	uint8_t bytes[EDGE_STATE_RECORD_BYTES];
	uint32_t slot = EDGE_STATE_HEADER_BYTES / EDGE_STATE_RECORD_BYTES + 11 * EDGE_STATE_GROUP_RECORDS;
	int fd;

	put_good(world, make_entry(0, 0, "us", 0));
	fd = open(world->place.path, O_WRONLY);
	entry.kind = 77;
	for (uint32_t i = 0; i < EDGE_STATE_GROUP_RECORDS; i++) {
		edge_state_record_write(bytes, &entry, slot + i);
		assert_int_equal(pwrite(fd, bytes, sizeof(bytes), (off_t)(slot + i) * EDGE_STATE_RECORD_BYTES),
				 sizeof(bytes));
	}
	close(fd);
	assert_int_equal(count_of(world, entry), 0);
	entry.kind = EDGE_STATE_OUTCOME;
	assert_int_equal(put(world, &entry, &evicted), -1);
}

static void damage(struct world *world, off_t at, const char *bytes, size_t length)
{
	int fd = open(world->place.path, O_WRONLY);

	assert_int_equal(pwrite(fd, bytes, length, at), (ssize_t)length);
	close(fd);
}

/* One warning, then as good as new. */
static void test_damage(void **state)
{
	struct world *world = *state;
	struct captured_log log;
	off_t group = EDGE_STATE_HEADER_BYTES + (off_t)5 * EDGE_STATE_GROUP_RECORDS * EDGE_STATE_RECORD_BYTES;

	for (uint8_t i = 0; i < 4; i++)
		put_good(world, make_entry(5, i, "us", NOW_MS));
	damage(world, group + EDGE_STATE_RECORD_BYTES + 50, "garbage", 7);
	damage(world, group + 3 * EDGE_STATE_RECORD_BYTES + 5, "garbage", 7);
	captured_log_start(&log);
	put_good(world, make_entry(5, 9, "us", NOW_MS));
	put_good(world, make_entry(5, 8, "us", NOW_MS));
	assert_int_equal(captured_log_count(&log, "2 damaged records are ignored"), 1);
	assert_int_equal(captured_log_count(&log, ""), 1);
	captured_log_stop(&log);
	assert_int_equal(count_of(world, make_entry(5, 1, "us", 0)), 0);
	assert_int_equal(count_of(world, make_entry(5, 2, "us", 0)), 1);
	assert_int_equal(count_of(world, make_entry(5, 9, "us", 0)), 1);
}

static void check_made_anew(struct world *world, const char *what)
{
	struct captured_log log;

	assert_int_equal(count_of(world, make_entry(5, 1, "us", 0)), 0);
	captured_log_start(&log);
	put_good(world, make_entry(5, 2, "us", NOW_MS));
	put_good(world, make_entry(5, 1, "us", NOW_MS));
	assert_int_equal(captured_log_count(&log, what), 1);
	assert_int_equal(captured_log_count(&log, ""), 1);
	captured_log_stop(&log);
	assert_int_equal(count_of(world, make_entry(5, 1, "us", 0)), 1);
	assert_int_equal(count_of(world, make_entry(5, 2, "us", 0)), 1);
}

static void test_started_anew(void **state)
{
	struct world *world = *state;

	check_made_anew(world, "is missing or empty: it is made anew");
	damage(world, 0, "postern edges.state 2\n", 22);
	check_made_anew(world, "is damaged: it is made anew");
	assert_int_equal(truncate(world->place.path, EDGE_STATE_BYTES - 1), 0);
	check_made_anew(world, "is damaged: it is made anew");
	assert_int_equal(truncate(world->place.path, 0), 0);
	check_made_anew(world, "is missing or empty: it is made anew");
	assert_int_equal(unlink(world->place.path), 0);
	check_made_anew(world, "is missing or empty: it is made anew");
}

/* Whatever was cut off while it was made: the header is written last. */
static void test_killed_while_making(void **state)
{
	struct world *world = *state;

	put_good(world, make_entry(5, 1, "us", NOW_MS));
	damage(world, 0, "\0\0\0\0\0\0\0\0", 8);
	check_made_anew(world, "is damaged: it is made anew");
}

static void test_unusable(void **state)
{
	struct world *world = *state;
	struct edge_state file;
	char link[120];

	assert_int_equal(edge_state_open(&file, "/nonexistent/edges.state", true), -1);
	assert_non_null(strstr(file.error, "/nonexistent/edges.state: No such file"));
	edge_state_close(&file);
	assert_int_equal(edge_state_open(&file, world->place.directory, true), -1);
	edge_state_close(&file);
	snprintf(link, sizeof(link), "%s/link", world->place.directory);
	assert_int_equal(symlink(world->place.path, link), 0);
	assert_int_equal(edge_state_open(&file, link, true), -1);
	edge_state_close(&file);
	unlink(link);
	assert_int_equal(mkfifo(world->place.path, 0600), 0);
	assert_int_equal(edge_state_open(&file, world->place.path, true), -1);
	edge_state_close(&file);
}

static void test_counters(void **state)
{
	struct world *world = *state;
	struct edge_state file;

	open_state(world, &file);
	for (int i = 0; i < 3; i++)
		edge_state_count(&file, EDGE_STATE_DUPLICATES);
	edge_state_count(&file, EDGE_STATE_EVICTIONS);
	edge_state_close(&file);
	assert_int_equal(edge_state_open(&file, world->place.path, false), 0);
	assert_int_equal(edge_state_counted(&file, EDGE_STATE_DUPLICATES), 3);
	assert_int_equal(edge_state_counted(&file, EDGE_STATE_EVICTIONS), 1);
	edge_state_close(&file);
}

/* ---- several processes ---- */

#define PROCESSES 8
#define ROUNDS 200

/* Puts and removes in groups that all processes use; leaves one entry of its own. */
static void work(struct world *world, uint8_t number)
{
	struct edge_state_entry found[EDGE_STATE_GROUP_RECORDS];

	for (uint16_t i = 0; i < ROUNDS; i++) {
		struct edge_state_entry entry = make_entry(i % 4, number, "us", NOW_MS + i);
		struct edge_state state;

		put_good(world, entry);
		if (find(world, &entry, found) != 1 || found[0].since_ms != NOW_MS + i)
			_exit(1);
		open_state(world, &state);
		if (edge_state_remove(&state, entry.key, NULL) < 0)
			_exit(2);
		edge_state_close(&state);
	}
	put_good(world, make_entry(1, number, "us", NOW_MS));
	_exit(0);
}

static void test_processes(void **state)
{
	struct world *world = *state;
	pid_t pids[PROCESSES];
	int status;

	for (uint8_t i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			work(world, i);
	}
	for (int i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	for (uint8_t i = 0; i < PROCESSES; i++)
		assert_int_equal(count_of(world, make_entry(1, i, "us", 0)), 1);
	assert_int_equal(count_of(world, make_entry(0, 1, "us", 0)), 0);
}

/* Killed at any moment, again and again: what others put stays, and no record is ever half. */
static void test_killed(void **state)
{
	struct world *world = *state;
	struct captured_log log;

	put_good(world, make_entry(2, 200, "us", NOW_MS));
	captured_log_start(&log);
	for (int round = 0; round < 40; round++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			for (;;)
				put_good(world, make_entry(2, 1, round % 2 == 0 ? "us" : "de", NOW_MS));
		usleep(1000 + 100 * (useconds_t)round);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_int_equal(count_of(world, make_entry(2, 200, "us", 0)), 1);
		assert_true(count_of(world, make_entry(2, 1, "us", 0)) <= 2);
	}
	assert_int_equal(captured_log_count(&log, ""), 0);
	captured_log_stop(&log);
}

/* Case 177: a process that is stopped with the lock in its hands holds nobody up for long. */
static void test_lock_is_held_by_a_stopped_process(void **state)
{
	struct world *world = *state;
	struct edge_state file;
	int64_t began_ms;
	struct captured_log log;
	int ready[2];
	pid_t pid;
	char byte;

	put_good(world, make_entry(2, 2, "us", NOW_MS));
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		open_state(world, &file);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	kill(pid, SIGSTOP);
	began_ms = deadline_now_ms();
	captured_log_start(&log);
	put_good(world, make_entry(2, 1, "us", NOW_MS));
	assert_int_equal(captured_log_count(&log, "cannot be locked"), 1);
	captured_log_stop(&log);
	assert_true(deadline_now_ms() - began_ms < 30000);
	/* What it holds may be half made: it is not made anew under its hands. */
	damage(world, 0, "?", 1);
	assert_int_equal(edge_state_open(&file, world->place.path, true), -1);
	assert_non_null(strstr(file.error, "cannot be locked"));
	edge_state_close(&file);
	damage(world, 0, "p", 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(count_of(world, make_entry(2, 1, "us", 0)), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_age),
		TEST(test_put_find_remove),
		TEST(test_size_and_mode),
		TEST(test_eviction),
		TEST(test_other_kinds),
		TEST(test_damage),
		TEST(test_started_anew),
		TEST(test_killed_while_making),
		TEST(test_unusable),
		TEST(test_counters),
		TEST(test_processes),
		TEST(test_killed),
		TEST(test_lock_is_held_by_a_stopped_process),
	};

	log_open("test", LOG_TARGET_STDERR, LOG_LEVEL_WARNING);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
