/*
 * The tunnels that are up: limits, waking the idle ones, leaving the busy ones alone, and the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/session_table.h"
#include "eventually.h"

static const struct session_limits many = { .in_all = 1000, .per_client = 1000 };

struct session {
	struct session_entry entry;
	int ours, theirs;
};

static struct authorized_client client_named(const char *name)
{
	struct authorized_client client = { .line = 1 };

	snprintf(client.name, sizeof(client.name), "%s", name);
	client.public_key[0] = (uint8_t)name[0];
	return client;
}

static void open_session(struct session_table *table, struct session *session, const char *name)
{
	struct authorized_client client = client_named(name);
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	session->ours = ends[0];
	session->theirs = ends[1];
	assert_true(session_table_add(table, &session->entry));
	assert_int_equal(session_table_admit(table, &session->entry, session->ours, &client, many),
			 SESSION_ADMITTED);
}

static void close_session(struct session_table *table, struct session *session)
{
	session_table_release(table, &session->entry);
	close(session->ours);
	close(session->theirs);
	session_table_remove(table, &session->entry);
}

/* Has the reading half of our socket been shut down? */
static bool is_awake(const struct session *session)
{
	char byte;

	return recv(session->ours, &byte, 1, MSG_DONTWAIT) == 0;
}

static bool name_is(void *context, const struct authorized_client *client)
{
	return strcmp(context, client->name) == 0;
}

static bool everybody(void *context, const struct authorized_client *client)
{
	(void)context;
	(void)client;
	return true;
}

/* Handshakes that are under way are none of its tunnels, however many. */
static void test_limits(void **state)
{
	static const struct {
		const char *client;
		enum session_admission expected;
	} rows[] = {
		{ "mail", SESSION_ADMITTED }, { "mail", SESSION_ADMITTED },
		/* by name: two keys of one host (key rotation) share */
		{ "mail", SESSION_TOO_MANY_OF_CLIENT }, { "other", SESSION_ADMITTED },
		{ "third", SESSION_TOO_MANY },
	};
	const struct session_limits limits = { .in_all = 3, .per_client = 2 };
	struct authorized_client client;
	struct session_entry entries[10];
	struct session_table table;

	(void)state;
	session_table_init(&table);
	for (size_t i = 0; i < 10; i++)
		assert_true(session_table_add(&table, &entries[i]));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		client = client_named(rows[i].client);
		client.public_key[0] ^= (uint8_t)i;
		assert_int_equal(session_table_admit(&table, &entries[i], -1, &client, limits),
				 rows[i].expected);
		assert_int_equal(entries[i].counts != NULL, rows[i].expected == SESSION_ADMITTED);
	}
	session_table_remove(&table, &entries[1]);	/* from the middle */
	assert_int_equal(session_table_admit(&table, &entries[4], -1, &client, limits),
			 SESSION_ADMITTED);
	session_table_remove(&table, &entries[0]);
	for (size_t i = 2; i < 10; i++)
		session_table_remove(&table, &entries[i]);
	assert_int_equal(table.count, 0);
	assert_null(table.first);
}

/*
 * Case 95: the idle tunnel of a revoked client ends at once, the busy one after its transaction,
 * those of others not at all.
 */
/* A client's tunnels, and how many of them have a message; handshakes and others' do not count. */
static void test_count(void **state)
{
	struct session busy = { 0 }, idle = { 0 }, other = { 0 };
	struct session_entry in_handshake = { 0 };
	struct session_table table;
	size_t count;

	(void)state;
	session_table_init(&table);
	open_session(&table, &busy, "mail");
	open_session(&table, &idle, "mail");
	open_session(&table, &other, "other");
	assert_true(session_table_add(&table, &in_handshake));
	assert_int_equal(session_table_begin(&table, &busy.entry), 0);
	assert_int_equal(session_table_begin(&table, &other.entry), 0);
	assert_int_equal(session_table_count(&table, "mail", &count), 2);
	assert_int_equal(count, 1);
	assert_int_equal(session_table_finish(&table, &busy.entry), 0);
	assert_int_equal(session_table_count(&table, "mail", &count), 2);
	assert_int_equal(count, 0);
	assert_int_equal(session_table_count(&table, "nobody", NULL), 0);
	session_table_remove(&table, &in_handshake);
	assert_int_equal(session_table_begin(&table, &busy.entry), 0);
	close_session(&table, &busy);	/* in the middle of a message */
	assert_int_equal(session_table_count(&table, "mail", &count), 1);
	assert_int_equal(count, 0);
	close_session(&table, &idle);
	close_session(&table, &other);
}

static void test_end(void **state)
{
	struct session_entry in_handshake;
	struct session idle, busy, other, gone;
	struct session_table table;

	(void)state;
	session_table_init(&table);
	open_session(&table, &idle, "mail");
	open_session(&table, &busy, "mail");
	open_session(&table, &other, "other");
	open_session(&table, &gone, "mail");
	assert_true(session_table_add(&table, &in_handshake));
	assert_int_equal(session_table_begin(&table, &busy.entry), 0);
	session_table_release(
		&table, &gone.entry); /* its number may be another's by now: not to be touched */
	assert_int_equal(
		session_table_end(&table, name_is, (void *)(uintptr_t) "mail", CLOSE_REVOKED), 3);
	assert_true(is_awake(&idle));
	assert_false(is_awake(&busy));
	assert_false(is_awake(&other));
	assert_false(is_awake(&gone));
	assert_int_equal(session_table_end_reason(&table, &idle.entry), CLOSE_REVOKED);
	assert_int_equal(session_table_begin(&table, &idle.entry), CLOSE_REVOKED);
	assert_false(idle.entry.is_busy);
	assert_int_equal(session_table_end_reason(&table, &other.entry), 0);
	assert_int_equal(session_table_end_reason(&table, &in_handshake), 0);
	/* what was ended is not ended again */
	assert_int_equal(
		session_table_end(&table, name_is, (void *)(uintptr_t) "mail", CLOSE_REVOKED), 0);
	assert_int_equal(session_table_finish(&table, &busy.entry), CLOSE_REVOKED);
	assert_int_equal(session_table_begin(&table, &other.entry), 0);
	assert_int_equal(session_table_finish(&table, &other.entry), 0);
	assert_int_equal(session_table_end(&table, everybody, NULL, CLOSE_IDLE), 1);
	assert_true(is_awake(&other));	/* finished: idle again */
	/* our half is only shut for reading: it can still say why */
	assert_int_equal(send(idle.ours, "x", 1, MSG_NOSIGNAL), 1);
	session_table_remove(&table, &in_handshake);
	close_session(&table, &idle);
	close_session(&table, &busy);
	close_session(&table, &other);
	close_session(&table, &gone);
	assert_int_equal(table.count, 0);
}

static void test_stop(void **state)
{
	struct authorized_client mail = client_named("mail");
	struct session_entry in_handshake, late;
	struct session idle, busy;
	struct session_table table;

	(void)state;
	session_table_init(&table);
	open_session(&table, &idle, "mail");
	open_session(&table, &busy, "mail");
	assert_true(session_table_add(&table, &in_handshake));
	assert_int_equal(session_table_begin(&table, &busy.entry), 0);
	session_table_stop(&table);
	assert_true(is_awake(&idle));
	assert_false(is_awake(&busy));
	assert_false(session_table_add(&table, &late));
	assert_int_equal(session_table_admit(&table, &in_handshake, -1, &mail, many),
			 SESSION_STOPPING);
	assert_int_equal(session_table_end_reason(&table, &in_handshake), CLOSE_SHUTDOWN);
	assert_int_equal(session_table_begin(&table, &idle.entry), CLOSE_SHUTDOWN);
	session_table_cut(&table);
	assert_true(is_awake(&busy));
	assert_int_equal(send(busy.ours, "x", 1, MSG_NOSIGNAL), 1);	/* it can still answer */
	assert_int_equal(session_table_finish(&table, &busy.entry), CLOSE_SHUTDOWN);
	session_table_remove(&table, &in_handshake);
	close_session(&table, &idle);
	close_session(&table, &busy);
}

static void test_wait_empty_gives_up(void **state)
{
	struct session_entry entries[2];
	struct session_table table;
	int64_t before_ms;

	(void)state;
	session_table_init(&table);
	assert_int_equal(session_table_wait_empty(&table, DEADLINE_NEVER), 0);
	assert_true(session_table_add(&table, &entries[0]));
	assert_true(session_table_add(&table, &entries[1]));
	assert_int_equal(session_table_wait_empty(&table, deadline_in_ms(0)), 2);
	session_table_remove(&table, &entries[0]);
	before_ms = deadline_now_ms();
	assert_int_equal(session_table_wait_empty(&table, deadline_in_ms(120)), 1);
	assert_true(deadline_now_ms() - before_ms >= 119);
	session_table_remove(&table, &entries[1]);
}

/* ---- threads: sessions as the edge runs them ---- */

struct shared {
	struct session_table table;
	atomic_int served;		/* transactions */
};

struct served {
	struct shared *shared;
	struct session_entry entry;
	int fd;
};

/* Reads a byte, "delivers", reads the next, until it is told to end. */
static void *serve(void *argument)
{
	struct served *session = argument;
	struct session_table *table = &session->shared->table;
	char byte;

	while (recv(session->fd, &byte, 1, 0) == 1) {
		if (session_table_begin(table, &session->entry) != 0)
			break;
		usleep(byte == 's' ? 20000 : 100);
		atomic_fetch_add(&session->shared->served, 1);
		if (session_table_finish(table, &session->entry) != 0)
			break;
	}
	if (session_table_end_reason(table, &session->entry) == 0)
		abort();	/* nobody else ends them here */
	session_table_release(table, &session->entry);
	close(session->fd);
	session_table_remove(table, &session->entry);
	free(session);
	return NULL;
}

static int start_session(struct shared *shared, pthread_t *thread, const char *name)
{
	struct served *session = calloc(1, sizeof(*session));
	struct authorized_client client = client_named(name);
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	session->shared = shared;
	session->fd = ends[0];
	assert_true(session_table_add(&shared->table, &session->entry));
	assert_int_equal(session_table_admit(&shared->table, &session->entry, session->fd, &client,
					     many),
			 SESSION_ADMITTED);
	assert_int_equal(pthread_create(thread, NULL, serve, session), 0);
	return ends[1];
}

#define THREADS 40

/*
 * Half revoked, then all stopped, while they work: everyone ends, nobody is forgotten, a
 * transaction under way is finished.
 */
static void test_threads_end(void **state)
{
	struct shared *shared = calloc(1, sizeof(*shared));
	pthread_t threads[THREADS];
	int fds[THREADS];
	ssize_t sent;

	(void)state;
	session_table_init(&shared->table);
	for (size_t i = 0; i < THREADS; i++)
		fds[i] = start_session(shared, &threads[i], i % 2 == 0 ? "even" : "odd");
	for (size_t i = 0; i < THREADS; i++) {
		sent = send(fds[i], "ffffffffff", 10, MSG_NOSIGNAL);
		assert_int_equal(sent, 10);
	}
	EVENTUALLY(shared->served > 0);
	session_table_end(&shared->table, name_is, (void *)(uintptr_t)"even", CLOSE_REVOKED);
	for (size_t i = 0; i < THREADS; i += 2)
		pthread_join(threads[i], NULL);
	assert_int_equal(session_table_wait_empty(&shared->table, deadline_in_ms(0)), THREADS / 2);
	for (size_t i = 1; i < THREADS; i += 2)
		send(fds[i], "s", 1, MSG_NOSIGNAL);
	usleep(1000);
	session_table_stop(&shared->table);
	assert_int_equal(session_table_wait_empty(&shared->table, deadline_in_ms(PATIENCE_MS)), 0);
	for (size_t i = 1; i < THREADS; i += 2)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < THREADS; i++)
		close(fds[i]);
	assert_true(atomic_load(&shared->served) > 0);
	free(shared);
}

/* wait_empty returns with the last session, not with the deadline. */
static void test_wait_empty_wakes_up(void **state)
{
	struct shared *shared = calloc(1, sizeof(*shared));
	struct deadline patience = deadline_in_ms(PATIENCE_MS);
	pthread_t thread;
	int fd;

	(void)state;
	session_table_init(&shared->table);
	fd = start_session(shared, &thread, "mail");
	assert_int_equal(send(fd, "s", 1, 0), 1);
	session_table_stop(&shared->table);
	assert_int_equal(session_table_wait_empty(&shared->table, patience), 0);
	assert_false(deadline_has_passed(patience));
	pthread_join(thread, NULL);
	close(fd);
	free(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_wait_empty_gives_up),
		cmocka_unit_test(test_threads_end),
		cmocka_unit_test(test_wait_empty_wakes_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
