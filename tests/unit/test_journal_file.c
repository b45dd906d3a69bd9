/*
 * Goal: the journal's file has all of its space from the start, belongs to one process, is never
 * something else than a file of its own, and a sync is believed by nobody whom it failed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "edge/journal_file.h"
#include "eventually.h"
#include "lib/deadline.h"
#include "tests/unit/fake_disk.h"

#define SLOTS 64
#define BYTES (SLOTS * JOURNAL_RECORD_BYTES)

struct world {
	char directory[48], path[64], error[300];
	struct journal_file file;
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	fake_disk_reset();
	strcpy(world->directory, "/tmp/test_journal_file.XXXXXX");
	assert_non_null(mkdtemp(world->directory));
	snprintf(world->path, sizeof(world->path), "%s/journal", world->directory);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	remove(world->path);
	assert_int_equal(rmdir(world->directory), 0);
	free(world);
	return 0;
}

static int open_file(struct world *world, uint32_t slots)
{
	world->error[0] = '\0';
	return journal_file_open(&world->file, world->path, slots, world->error, sizeof(world->error));
}

static void open_well(struct world *world, uint32_t slots)
{
	if (open_file(world, slots) < 0)
		fail_msg("%s", world->error);
}

static void check_refused(struct world *world, const char *words)
{
	assert_int_equal(open_file(world, SLOTS), -1);
	assert_ptr_equal(strstr(world->error, world->path), world->error);
	if (strstr(world->error, words) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", world->error, words);
}

static struct stat status_of(const struct world *world)
{
	struct stat status;

	assert_int_equal(lstat(world->path, &status), 0);
	return status;
}

static void make_file(const struct world *world, size_t length)
{
	FILE *out = fopen(world->path, "w");

	assert_non_null(out);
	for (size_t i = 0; i < length; i++)
		fputc((int)(1 + i / JOURNAL_RECORD_BYTES), out);
	assert_int_equal(fclose(out), 0);
}

static void check_slot(const struct world *world, uint32_t slot, uint8_t byte)
{
	uint8_t got[JOURNAL_RECORD_BYTES], meant[JOURNAL_RECORD_BYTES];

	memset(meant, byte, sizeof(meant));
	assert_int_equal(journal_file_read(&world->file, slot, got), 0);
	assert_memory_equal(got, meant, sizeof(got));
}

/* ---- opening ---- */

static void test_new(void **state)
{
	struct world *world = *state;
	mode_t mask = umask(0);
	struct stat status;

	open_well(world, SLOTS);
	umask(mask);
	status = status_of(world);
	assert_int_equal(status.st_mode, S_IFREG | 0600);
	assert_int_equal(status.st_size, BYTES);
	assert_true(status.st_blocks * 512 >= BYTES);
	assert_int_equal(world->file.slots, SLOTS);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		check_slot(world, slot, 0);
	assert_int_equal(fcntl(world->file.fd, F_GETFD), FD_CLOEXEC);
	journal_file_close(&world->file);
}

/* In another process: its exit status is 0 if it is told that the file has an owner. */
static int open_elsewhere(struct world *world)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(open_file(world, SLOTS) == 0 ? 1 :
		      strstr(world->error, "another postern-edge is using this journal") == NULL ? 2 : 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void test_one_process(void **state)
{
	struct world *world = *state;
	int ready[2];
	pid_t child;
	char byte;

	open_well(world, SLOTS);
	assert_int_equal(open_elsewhere(world), 0);
	journal_file_close(&world->file);
	open_well(world, SLOTS);
	journal_file_close(&world->file);
	/* an owner that was killed is none */
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		open_well(world, SLOTS);
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	check_refused(world, "another postern-edge is using this journal");
	assert_true(journal_file_is_used(world->path));
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(journal_file_is_used(world->path));
	assert_false(journal_file_is_used("/nonexistent/journal"));
	open_well(world, SLOTS);
	journal_file_close(&world->file);
	close(ready[0]);
	close(ready[1]);
}

static void test_no_file(void **state)
{
	struct world *world = *state;
	char target[80];

	snprintf(target, sizeof(target), "%s/target", world->directory);
	assert_int_equal(symlink(target, world->path), 0);
	check_refused(world, "symbolic link");
	assert_int_equal(access(target, F_OK), -1);
	unlink(world->path);
	assert_int_equal(mkdir(world->path, 0700), 0);
	check_refused(world, "directory");
	rmdir(world->path);
	assert_int_equal(mkfifo(world->path, 0600), 0);
	check_refused(world, "is not a regular file");
	unlink(world->path);
	snprintf(world->path, sizeof(world->path), "%s/no/journal", world->directory);
	check_refused(world, "No such file or directory");
}

/* ---- sizes ---- */

static void test_larger(void **state)
{
	struct world *world = *state;

	make_file(world, BYTES + 3 * JOURNAL_RECORD_BYTES);
	open_well(world, SLOTS);
	assert_int_equal(world->file.slots, SLOTS + 3);
	check_slot(world, SLOTS + 2, SLOTS + 3);
	journal_file_close(&world->file);
	/* half a record at the end is none */
	make_file(world, BYTES + 3 * JOURNAL_RECORD_BYTES + 100);
	open_well(world, SLOTS);
	assert_int_equal(world->file.slots, SLOTS + 3);
	journal_file_close(&world->file);
}

static void test_smaller(void **state)
{
	struct world *world = *state;

	make_file(world, 3 * JOURNAL_RECORD_BYTES);
	open_well(world, SLOTS);
	assert_int_equal(world->file.slots, SLOTS);
	assert_int_equal(status_of(world).st_size, BYTES);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		check_slot(world, slot, slot < 3 ? (uint8_t)(slot + 1) : 0);
	journal_file_close(&world->file);
}

/* Holes take no space until they are written to, perhaps when there is none. */
static void test_holes_are_filled(void **state)
{
	struct world *world = *state;

	make_file(world, 0);
	assert_int_equal(truncate(world->path, BYTES), 0);
	open_well(world, SLOTS);
	assert_true(status_of(world).st_blocks * 512 >= BYTES);
	journal_file_close(&world->file);
}

static int status_of_child(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_no_space_by_limit(void **state)
{
	struct world *world = *state;
	pid_t child = fork();

	if (child == 0) {
		const struct rlimit limit = { BYTES / 2, BYTES / 2 };

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(open_file(world, SLOTS) == -1 && strstr(world->error, "no space for 32768 bytes (journal_size): ") != NULL ? 0 : 1);
	}
	assert_int_equal(status_of_child(child), 0);
	/* as soon as there is space */
	open_well(world, SLOTS);
	assert_int_equal(status_of(world).st_size, BYTES);
	journal_file_close(&world->file);
}

#define CANNOT_MOUNT 77

/* A disk of half the size, in a mount namespace of the child's own. */
static void test_no_space_on_the_disk(void **state)
{
	struct world *world = *state;
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		    mount("tmpfs", world->directory, "tmpfs", 0, "size=16k") != 0)
			_exit(CANNOT_MOUNT);
		if (open_file(world, SLOTS) != -1 ||
		    strstr(world->error, "no space for 32768 bytes (journal_size): No space left on device") == NULL)
			_exit(1);
		_exit(open_file(world, 16) == 0 ? 0 : 2);
	}
	status = status_of_child(child);
	if (status == CANNOT_MOUNT) {
		fprintf(stderr, "SKIPPED: a tmpfs cannot be mounted here (not root)\n");
		skip();
	}
	assert_int_equal(status, 0);
}

/* ---- records ---- */

static void test_slots(void **state)
{
	struct world *world = *state;
	uint8_t record[JOURNAL_RECORD_BYTES];

	open_well(world, SLOTS);
	for (uint32_t slot = 0; slot < SLOTS; slot += 3) {
		memset(record, (int)slot + 1, sizeof(record));
		assert_int_equal(journal_file_write(&world->file, slot, record), 0);
	}
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		check_slot(world, slot, slot % 3 == 0 ? (uint8_t)(slot + 1) : 0);
	assert_int_equal(status_of(world).st_size, BYTES);
	/* cut by somebody else */
	assert_int_equal(truncate(world->path, BYTES / 2 + 100), 0);
	assert_int_equal(journal_file_read(&world->file, SLOTS / 2 - 1, record), 0);
	assert_int_equal(journal_file_read(&world->file, SLOTS / 2, record), -1);
	assert_int_equal(errno, EIO);
	fake_disk.write_error = ENOSPC;
	assert_int_equal(journal_file_write(&world->file, 0, record), -1);
	assert_int_equal(errno, ENOSPC);
	journal_file_close(&world->file);
}

/* ---- syncs ---- */

struct syncer {
	struct world *world;
	pthread_t thread;
	uint64_t failures;
	int result, reason;
};

static void *run_syncer(void *argument)
{
	struct syncer *syncer = argument;

	syncer->result = journal_file_sync(&syncer->world->file, syncer->failures);
	syncer->reason = errno;
	return NULL;
}

static void start_syncer(struct world *world, struct syncer *syncer)
{
	*syncer = (struct syncer){ .world = world, .failures = journal_file_failures(&world->file) };
	assert_int_equal(pthread_create(&syncer->thread, NULL, run_syncer, syncer), 0);
}

static unsigned count_waiting(struct world *world)
{
	unsigned count = 0;

	pthread_mutex_lock(&world->file.lock);
	for (const struct journal_waiter *waiter = world->file.waiting; waiter != NULL; waiter = waiter->next)
		count++;
	pthread_mutex_unlock(&world->file.lock);
	return count;
}

/* One is on its way to the disk and stays there, `count` wait behind it. */
static void pile_up(struct world *world, struct syncer *first, struct syncer *others, unsigned count)
{
	struct deadline end = deadline_in_ms(PATIENCE_MS);

	fake_disk.holds_syncs = true;
	start_syncer(world, first);
	while (fake_disk.syncs == 0)
		assert_false(deadline_has_passed(end));
	for (unsigned i = 0; i < count; i++)
		start_syncer(world, &others[i]);
	while (count_waiting(world) < count) {
		assert_false(deadline_has_passed(end));
		sched_yield();
	}
}

#define WAITING 7

static void join(struct syncer *syncers, unsigned count, int result)
{
	for (unsigned i = 0; i < count; i++)
		pthread_join(syncers[i].thread, NULL);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(syncers[i].result, result);
		if (result < 0)
			assert_int_equal(syncers[i].reason, EIO);
	}
}

/* What was written while a sync was under way needs another; one for all of them. */
static void test_shared_sync(void **state)
{
	struct syncer first, others[WAITING];
	struct world *world = *state;

	open_well(world, SLOTS);
	pile_up(world, &first, others, WAITING);
	fake_disk.holds_syncs = false;
	join(others, WAITING, 0);
	join(&first, 1, 0);
	assert_int_equal(fake_disk.syncs, 2);
	assert_int_equal(journal_file_sync(&world->file, 0), 0);
	assert_int_equal(fake_disk.syncs, 3);
	journal_file_close(&world->file);
}

/* The kernel tells of a failure once: all who shared the sync must hear of it, and nobody later. */
static void test_failed_sync(void **state)
{
	struct syncer first, others[WAITING];
	struct world *world = *state;

	open_well(world, SLOTS);
	pile_up(world, &first, others, WAITING);
	fake_disk.sync_error = EIO;
	fake_disk.holds_syncs = false;
	join(others, WAITING, -1);
	join(&first, 1, -1);
	fake_disk.sync_error = 0;
	assert_int_equal(journal_file_sync(&world->file, journal_file_failures(&world->file)), 0);
	journal_file_close(&world->file);
}

/* Only the first one fails. What the others had written by then may have gone with it. */
static void test_failed_sync_of_another(void **state)
{
	struct syncer first, others[WAITING];
	struct world *world = *state;

	open_well(world, SLOTS);
	pile_up(world, &first, others, WAITING);
	fake_disk.sync_errors_left = 1;
	fake_disk.sync_error = EIO;
	fake_disk.holds_syncs = false;
	join(&first, 1, -1);
	join(others, WAITING, -1);
	journal_file_close(&world->file);
}

/* ---- many threads ---- */

#define THREADS 8
#define ROUNDS 100

struct writer {
	struct world *world;
	uint32_t slot;
	pthread_t thread;
	bool is_well;
};

static void *run_writer(void *argument)
{
	struct writer *writer = argument;
	uint8_t record[JOURNAL_RECORD_BYTES], got[JOURNAL_RECORD_BYTES];

	writer->is_well = true;
	for (int i = 1; i <= ROUNDS; i++) {
		uint64_t failures = journal_file_failures(&writer->world->file);

		memset(record, i, sizeof(record));
		if (journal_file_write(&writer->world->file, writer->slot, record) < 0 ||
		    journal_file_sync(&writer->world->file, failures) < 0 ||
		    journal_file_read(&writer->world->file, writer->slot, got) < 0 ||
		    memcmp(got, record, sizeof(got)) != 0)
			writer->is_well = false;
	}
	return NULL;
}

static void test_many_threads(void **state)
{
	struct writer writers[THREADS];
	struct world *world = *state;

	open_well(world, SLOTS);
	for (uint32_t i = 0; i < THREADS; i++) {
		writers[i] = (struct writer){ .world = world, .slot = i };
		assert_int_equal(pthread_create(&writers[i].thread, NULL, run_writer, &writers[i]), 0);
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(writers[i].thread, NULL);
		assert_true(writers[i].is_well);
		check_slot(world, i, ROUNDS);
	}
	assert_true(fake_disk.syncs >= ROUNDS && fake_disk.syncs <= THREADS * ROUNDS);
	assert_int_equal(count_waiting(world), 0);
	assert_false(world->file.is_syncing);
	journal_file_close(&world->file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new),
		TEST(test_one_process),
		TEST(test_no_file),
		TEST(test_larger),
		TEST(test_smaller),
		TEST(test_holes_are_filled),
		TEST(test_no_space_by_limit),
		TEST(test_no_space_on_the_disk),
		TEST(test_slots),
		TEST(test_shared_sync),
		TEST(test_failed_sync),
		TEST(test_failed_sync_of_another),
		TEST(test_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
