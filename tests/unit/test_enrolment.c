/*
 * A key takes the place of an invite: once, in time, by one that may; and what cannot be written to
 * its end does not count.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "captured_log.h"
#include "edge/enrolment.h"
#include "file_place.h"
#include "tunnel/base64_key.h"
#include "tunnel/enrolled_keys.h"
#include "tunnel/noise.h"

enum { INVITE, ALICE, BOB, CAROL, EDGE, KEYS };
#define RIVALS 6

struct fixture {
	struct file_place place; /* of the allow-list */
	char path[128]; /* of the enrolled keys */
	struct noise_keypair keys[KEYS];
	char text[KEYS][BASE64_KEY_TEXT + 1], reason[1024];
	struct client_list *list;
	struct enrolment enrolment;
	struct captured_log log;
};

/* carol is a client. */
static void put_list(struct fixture *fixture, const char *options)
{
	char content[500];

	snprintf(content, sizeof(content), "%s guest %s\n%s carol disabled\n",
		 fixture->text[INVITE], options, fixture->text[CAROL]);
	file_place_write(&fixture->place, content, 0644);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (file_place_init(&fixture->place, "clients") != 0)
		return -1;
	snprintf(fixture->path, sizeof(fixture->path), "%s/enrolled", fixture->place.directory);
	for (int i = 0; i < KEYS; i++) {
		noise_keypair_generate(&fixture->keys[i]);
		base64_key_encode(fixture->text[i], fixture->keys[i].public_key);
	}
	put_list(fixture, "invite=2999-01-01T00:00:00Z");
	fixture->list = client_list_create(fixture->place.path, fixture->path,
					   fixture->keys[EDGE].public_key, fixture->place.error,
					   sizeof(fixture->place.error));
	assert_non_null(fixture->list);
	enrolment_open(&fixture->enrolment, fixture->path, false);
	captured_log_start(&fixture->log);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	captured_log_stop(&fixture->log);
	enrolment_close(&fixture->enrolment);
	client_list_destroy(fixture->list);
	file_place_wipe(&fixture->place);
	free(fixture);
	return 0;
}

static void enrol(struct fixture *fixture, int who, enum enrolment_result expected,
		  const char *reason)
{
	enum enrolment_result result = enrolment_add(
		&fixture->enrolment, fixture->list, fixture->keys[INVITE].public_key,
		fixture->keys[who].public_key, fixture->reason, sizeof(fixture->reason));

	if (result != expected || strstr(fixture->reason, reason) == NULL)
		fail_msg("%d and \"%s\" in place of %d and \"%s\"", result, fixture->reason,
			 expected, reason);
}

static bool may_deliver(struct fixture *fixture, int who)
{
	return client_list_find(fixture->list, fixture->keys[who].public_key, NULL);
}

static long size_of(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 ? (long)status.st_size : -1;
}

static void append(struct fixture *fixture, const char *text, size_t length)
{
	FILE *file = fopen(fixture->path, "a");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	fclose(file);
}

static void test_once(void **state)
{
	struct fixture *fixture = *state;
	long size;

	assert_false(may_deliver(fixture, ALICE));
	enrol(fixture, ALICE, ENROLMENT_DONE, "was enrolled");
	assert_true(may_deliver(fixture, ALICE));
	assert_false(may_deliver(fixture, INVITE));
	size = size_of(fixture->path);
	assert_int_equal(size, ENROLLED_KEYS_LINE_MAX - 1);
	enrol(fixture, ALICE, ENROLMENT_DONE, "enrolled before");
	enrol(fixture, BOB, ENROLMENT_USED, "this invite was used at 2");
	assert_false(may_deliver(fixture, BOB));
	/* Also when its time is over. */
	put_list(fixture, "invite=2001-01-01T00:00:00Z");
	enrol(fixture, ALICE, ENROLMENT_DONE, "enrolled before");
	enrol(fixture, BOB, ENROLMENT_USED, "this invite was used at 2");
	assert_int_equal(size_of(fixture->path), size);
}

static void test_not(void **state)
{
	struct fixture *fixture = *state;
	uint8_t secret[32];

	enrol(fixture, CAROL, ENROLMENT_REFUSED, "in this edge's list already");
	enrol(fixture, INVITE, ENROLMENT_REFUSED, "in this edge's list already");
	memcpy(secret, fixture->keys[ALICE].public_key, sizeof(secret));
	memcpy(fixture->keys[ALICE].public_key, fixture->keys[ALICE].secret_key, sizeof(secret));
	enrol(fixture, ALICE, ENROLMENT_REFUSED, "no public key of a mail host");
	memcpy(fixture->keys[ALICE].public_key, secret, sizeof(secret));
	assert_int_equal(enrolment_add(&fixture->enrolment, fixture->list,
				       fixture->keys[INVITE].public_key, NULL, fixture->reason,
				       sizeof(fixture->reason)),
			 ENROLMENT_REFUSED);
	assert_int_equal(enrolment_add(&fixture->enrolment, NULL, fixture->keys[INVITE].public_key,
				       fixture->keys[BOB].public_key, fixture->reason,
				       sizeof(fixture->reason)),
			 ENROLMENT_REFUSED);
	put_list(fixture, "invite=2001-01-01T00:00:00Z");
	enrol(fixture, ALICE, ENROLMENT_EXPIRED,
	      "expired at 2001-01-01T00:00:00Z; the edge's clock says 2");
	put_list(fixture, "invite=2999-01-01T00:00:00Z disabled");
	enrol(fixture, ALICE, ENROLMENT_REFUSED, "does not know this invite any more");
	put_list(fixture, "");
	enrol(fixture, ALICE, ENROLMENT_REFUSED, "does not know this invite any more");
	assert_int_equal(size_of(fixture->path), 0);
	assert_false(may_deliver(fixture, ALICE));
}

/* Whatever a killed edge left at the end: it never counts, and what comes after it does. */
static void test_torn(void **state)
{
	struct fixture *fixture = *state;
	char line[ENROLLED_KEYS_LINE_MAX];

	snprintf(line, sizeof(line), "%s %s 2026-11-22T03:05:00Z\n", fixture->text[INVITE],
		 fixture->text[BOB]);
	for (size_t length = 1; length < strlen(line); length++) {
		assert_int_equal(truncate(fixture->path, 0), 0);
		append(fixture, line, length);
		assert_false(may_deliver(fixture, BOB));
		enrol(fixture, ALICE, ENROLMENT_DONE, "was enrolled");
		assert_true(may_deliver(fixture, ALICE));
		assert_false(may_deliver(fixture, BOB));
		enrol(fixture, BOB, ENROLMENT_USED, "was used");
	}
}

static void test_full_disk(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit limit = { 150, RLIM_INFINITY };
	char garbage[60];

	signal(SIGXFSZ, SIG_IGN);
	memset(garbage, 'x', sizeof(garbage));
	append(fixture, garbage, sizeof(garbage));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0); /* 90 bytes of the line fit */
	enrol(fixture, ALICE, ENROLMENT_REFUSED,
	      "cannot write down the new key: No space left on device");
	enrol(fixture, ALICE, ENROLMENT_REFUSED, "cannot write down the new key: File too large");
	assert_int_equal(size_of(fixture->path), 150);
	assert_false(may_deliver(fixture, ALICE));
	limit.rlim_cur = RLIM_INFINITY;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	signal(SIGXFSZ, SIG_DFL);
	enrol(fixture, ALICE, ENROLMENT_DONE, "was enrolled");
	assert_true(may_deliver(fixture, ALICE));
}

static void test_no_file(void **state)
{
	struct fixture *fixture = *state;

	/* Somebody took it away, or put another one in its place, under a running edge. */
	assert_int_equal(unlink(fixture->path), 0);
	enrol(fixture, ALICE, ENROLMENT_REFUSED, "cannot write down");
	append(fixture, "", 0);
	enrol(fixture, ALICE, ENROLMENT_REFUSED, "cannot write down");
	assert_int_equal(captured_log_count(&fixture->log, "restart the edge"), 2);
	enrolment_close(&fixture->enrolment);
	assert_int_equal(unlink(fixture->path), 0);
	enrolment_open(&fixture->enrolment, fixture->path, true);
	assert_int_equal(size_of(fixture->path), -1);
	enrol(fixture, ALICE, ENROLMENT_REFUSED, "No such file");
	enrolment_close(&fixture->enrolment);
	enrolment_open(&fixture->enrolment, fixture->path, false);
	enrol(fixture, ALICE, ENROLMENT_DONE, "was enrolled");
}

/* 0: done; 1: used; 2: else. */
static int rival(struct fixture *fixture, int ready)
{
	struct noise_keypair own;
	struct enrolment enrolment;
	struct client_list *list = client_list_create(
		fixture->place.path, fixture->path, fixture->keys[EDGE].public_key,
		fixture->place.error, sizeof(fixture->place.error));
	enum enrolment_result result;
	char go;

	noise_keypair_generate(&own);
	enrolment_open(&enrolment, fixture->path, false);
	if (read(ready, &go, 1) != 0)
		return 2;
	result = enrolment_add(&enrolment, list, fixture->keys[INVITE].public_key, own.public_key,
			       fixture->reason, sizeof(fixture->reason));
	if (result == ENROLMENT_DONE)
		return client_list_find(list, own.public_key, NULL) ? 0 : 2;
	return result == ENROLMENT_USED ? 1 : 2;
}

/* Processes that use one invite in the same moment: one of them has it. */
static void test_rivals(void **state)
{
	struct fixture *fixture = *state;
	int ready[2], status, results[3] = { 0 };

	for (int round = 0; round < 10; round++) {
		assert_int_equal(truncate(fixture->path, 0), 0);
		assert_int_equal(pipe(ready), 0);
		memset(results, 0, sizeof(results));
		for (int i = 0; i < RIVALS; i++) {
			if (fork() == 0) {
				close(ready[1]);
				_exit(rival(fixture, ready[0]));
			}
		}
		close(ready[0]);
		close(ready[1]);
		for (int i = 0; i < RIVALS; i++) {
			assert_true(wait(&status) > 0 && WIFEXITED(status) &&
				    WEXITSTATUS(status) < 3);
			results[WEXITSTATUS(status)]++;
		}
		assert_int_equal(results[0], 1);
		assert_int_equal(results[1], RIVALS - 1);
		assert_int_equal(size_of(fixture->path), ENROLLED_KEYS_LINE_MAX - 1);
	}
}

/* Another edge is at it: what it writes meanwhile counts. */
static void test_waits_for_another(void **state)
{
	struct fixture *fixture = *state;
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char line[ENROLLED_KEYS_LINE_MAX];
	int fd = open(fixture->path, O_RDWR | O_APPEND), status;
	pid_t child;

	assert_int_equal(fcntl(fd, F_OFD_SETLK, &whole), 0);
	child = fork();
	if (child == 0) {
		enum enrolment_result result;

		close(fd);
		result = enrolment_add(
			&fixture->enrolment, fixture->list, fixture->keys[INVITE].public_key,
			fixture->keys[ALICE].public_key, fixture->reason, sizeof(fixture->reason));
		_exit(result == ENROLMENT_USED ? 0 : 1);
	}
	usleep(200 * 1000);
	snprintf(line, sizeof(line), "%s %s 2026-11-22T03:05:00Z\n", fixture->text[INVITE],
		 fixture->text[BOB]);
	append(fixture, line, strlen(line));
	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	/* One that keeps the lock for ever keeps nobody waiting for ever. */
	fd = open(fixture->path, O_RDWR | O_APPEND);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &whole), 0);
	enrol(fixture, ALICE, ENROLMENT_REFUSED, "cannot write down");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_torn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rivals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_waits_for_another, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
