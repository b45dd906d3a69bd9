/*
 * Sessions between two messages, with a server that says EHLO's answer and then reads: what is kept, what is given out, what is ended and
 * how.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/connection_cache.h"
#include "eventually.h"
#include "lib/thread.h"

#define GENEROUS { .total = 10, .per_host = 10, .messages = 100, .idle_ms = 60000, .age_ms = 60000 }

static const struct tls_terms terms = { .level = TLS_NONE, .label = "none", .note = "" };
static const struct smtp_client_params params = { .ehlo_name = "edge.example.org", .terms = &terms, .cancel_fd = -1,
						  .deadline = DEADLINE_NEVER };

/* The answer to EHLO must not be there before the question. */
static void *answer_ehlo(void *argument)
{
	int fd = *(int *)argument;
	char line[100];

	if (read(fd, line, sizeof(line)) > 0)
		assert_int_equal(write(fd, "250 mx\r\n", 8), 8);
	return NULL;
}

/* A session over which one message went: the client's side, and the server's descriptor. */
static int open_session(struct smtp_client *client)
{
	struct smtp_event event;
	pthread_t thread;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(write(fds[1], "220 mx\r\n", 8), 8);
	assert_int_equal(thread_start(&thread, answer_ehlo, &fds[1]), 0);
	assert_int_equal(smtp_client_open(client, fds[0], &params, &event), 0);
	pthread_join(thread, NULL);
	client->is_clean = true;
	client->messages = 1;
	return fds[1];
}

static struct sockaddr_storage address_of(const char *text)
{
	struct sockaddr_storage address = { 0 };
	struct sockaddr_in *four = (struct sockaddr_in *)&address;

	four->sin_family = AF_INET;
	four->sin_port = htons(25);
	inet_pton(AF_INET, text, &four->sin_addr);
	return address;
}

static struct buffer key_of(const char *text)
{
	struct buffer key;

	buffer_init(&key, 100);
	buffer_put(&key, text, strlen(text));
	return key;
}

static int give(struct connection_cache *cache, const char *address, const char *key_text,
		struct connection_limits limits)
{
	struct sockaddr_storage where = address_of(address);
	struct buffer key = key_of(key_text);
	struct smtp_client client;
	int server = open_session(&client);

	connection_cache_give(cache, &where, &key, &limits, &client);
	assert_false(client.is_open);
	buffer_wipe(&key);
	return server;
}

static bool take(struct connection_cache *cache, const char *address, const char *key_text, struct smtp_client *client)
{
	struct sockaddr_storage where = address_of(address);
	struct buffer key = key_of(key_text);
	bool taken = connection_cache_take(cache, &where, &key, &params, client);

	buffer_wipe(&key);
	return taken;
}

/* How many of this key there were. */
static size_t take_all(struct connection_cache *cache, const char *address, const char *key_text)
{
	struct smtp_client client;
	size_t count = 0;

	for (; take(cache, address, key_text, &client); count++)
		smtp_client_close(&client);
	return count;
}

/* What the server gets within the time: "QUIT" and the end, or nothing. */
static const char *hear(int server, int wait_ms)
{
	struct pollfd fd = { .fd = server, .events = POLLIN };
	char text[20] = "";

	if (poll(&fd, 1, wait_ms) == 0)
		return "nothing";
	if (read(server, text, 6) != 6 || strcmp(text, "QUIT\r\n") != 0)
		return "something else";
	return poll(&fd, 1, wait_ms) == 1 && read(server, text, 1) == 0 ? "QUIT" : "QUIT, but no end";
}

static void test_taken_by_key_and_host(void **state)
{
	struct connection_cache *cache = connection_cache_create();
	int server = give(cache, "192.0.2.1", "a", (struct connection_limits)GENEROUS);
	struct smtp_client client;

	(void)state;
	assert_false(take(cache, "192.0.2.1", "b", &client));
	assert_false(take(cache, "192.0.2.2", "a", &client));
	assert_true(take(cache, "192.0.2.1", "a", &client));
	assert_true(client.is_open && client.is_reused);
	assert_ptr_equal(client.params.terms, &terms);
	/* One session, one user. */
	assert_false(take(cache, "192.0.2.1", "a", &(struct smtp_client){ 0 }));
	smtp_client_close(&client);
	close(server);
	connection_cache_destroy(cache);
}

/* Two ports are two servers. */
static void test_port_belongs_to_the_host(void **state)
{
	struct connection_cache *cache = connection_cache_create();
	int server = give(cache, "192.0.2.1", "a", (struct connection_limits)GENEROUS);
	struct sockaddr_storage where = address_of("192.0.2.1");
	const struct sockaddr_storage *addresses[] = { &where };
	struct buffer key = key_of("a");
	struct smtp_client client;

	(void)state;
	((struct sockaddr_in *)&where)->sin_port = htons(587);
	assert_int_equal(connection_cache_find_host(cache, addresses, 1), 1);
	assert_false(connection_cache_take(cache, &where, &key, &params, &client));
	buffer_wipe(&key);
	assert_true(take(cache, "192.0.2.1", "a", &client));
	smtp_client_close(&client);
	close(server);
	connection_cache_destroy(cache);
}

static void test_newest_first(void **state)
{
	struct connection_cache *cache = connection_cache_create();
	int old = give(cache, "192.0.2.1", "a", (struct connection_limits)GENEROUS);
	int new = give(cache, "192.0.2.1", "a", (struct connection_limits)GENEROUS);
	struct smtp_client client;

	(void)state;
	assert_true(take(cache, "192.0.2.1", "a", &client));
	smtp_client_leave(&client);
	assert_string_equal(hear(new, PATIENCE_MS), "QUIT");
	assert_string_equal(hear(old, 50), "nothing");
	close(old);
	close(new);
	connection_cache_destroy(cache);
}

static void test_dead_ones_are_dropped(void **state)
{
	struct connection_cache *cache = connection_cache_create();
	int good = give(cache, "192.0.2.1", "a", (struct connection_limits)GENEROUS);
	int closed = give(cache, "192.0.2.1", "a", (struct connection_limits)GENEROUS);
	int spoken = give(cache, "192.0.2.1", "a", (struct connection_limits)GENEROUS);
	struct smtp_client client;

	(void)state;
	close(closed);
	assert_int_equal(write(spoken, "421 4.4.2 idle\r\n", 16), 16);
	assert_true(take(cache, "192.0.2.1", "a", &client));
	assert_false(take(cache, "192.0.2.1", "a", &(struct smtp_client){ 0 }));
	smtp_client_leave(&client);
	assert_string_equal(hear(good, PATIENCE_MS), "QUIT");
	close(good);
	close(spoken);
	connection_cache_destroy(cache);
}

static void test_limits(void **state)
{
	static const struct {
		const char *name;
		struct connection_limits limits;
		int given;
		size_t kept;
		const char *first, *last;	/* what the first and the last server hear */
	} rows[] = {
		{ "none", { .total = 0, .per_host = 9, .messages = 9, .idle_ms = 60000, .age_ms = 60000 }, 1, 0, "QUIT", "QUIT" },
		{ "total: the oldest goes", { .total = 2, .per_host = 9, .messages = 9, .idle_ms = 60000, .age_ms = 60000 }, 3, 2,
		  "QUIT", "nothing" },
		{ "host: the newest goes", { .total = 9, .per_host = 2, .messages = 9, .idle_ms = 60000, .age_ms = 60000 }, 3, 2,
		  "nothing", "QUIT" },
		{ "one message", { .total = 9, .per_host = 9, .messages = 1, .idle_ms = 60000, .age_ms = 60000 }, 1, 0, "QUIT",
		  "QUIT" },
		{ "too old", { .total = 9, .per_host = 9, .messages = 9, .idle_ms = 60000, .age_ms = 0 }, 1, 0, "QUIT", "QUIT" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct connection_cache *cache = connection_cache_create();
		int servers[3] = { -1, -1, -1 };
		size_t kept;

		for (int j = 0; j < rows[i].given; j++)
			servers[j] = give(cache, "192.0.2.1", "a", rows[i].limits);
		if (rows[i].given > 1)
			assert_string_equal(hear(servers[0], 50), rows[i].first);
		assert_string_equal(hear(servers[rows[i].given - 1], 50), rows[i].last);
		kept = take_all(cache, "192.0.2.1", "a");
		if (kept != rows[i].kept)
			fail_msg("%s: %zu kept", rows[i].name, kept);
		for (int j = 0; j < rows[i].given; j++)
			close(servers[j]);
		connection_cache_destroy(cache);
	}
}

/* Nobody comes: the server hears QUIT soon after the idle time. */
static void test_idle_ones_end(void **state)
{
	struct connection_cache *cache = connection_cache_create();
	struct connection_limits limits = GENEROUS, brief = GENEROUS;
	struct smtp_client client;
	int stays, idle, old;

	(void)state;
	stays = give(cache, "192.0.2.1", "a", limits);
	brief.idle_ms = 100;
	idle = give(cache, "192.0.2.1", "b", brief);
	limits.age_ms = 100;
	old = give(cache, "192.0.2.2", "c", limits);
	assert_string_equal(hear(idle, PATIENCE_MS), "QUIT");
	assert_string_equal(hear(old, PATIENCE_MS), "QUIT");
	assert_false(take(cache, "192.0.2.1", "b", &client));
	assert_false(take(cache, "192.0.2.2", "c", &client));
	assert_string_equal(hear(stays, 10), "nothing");
	connection_cache_stop(cache);
	assert_string_equal(hear(stays, PATIENCE_MS), "QUIT");
	close(stays);
	/* Too late. */
	stays = give(cache, "192.0.2.1", "a", (struct connection_limits)GENEROUS);
	assert_string_equal(hear(stays, PATIENCE_MS), "QUIT");
	close(stays);
	close(idle);
	close(old);
	connection_cache_destroy(cache);
}

/* Nobody gets one whose time is over, though the thread that ends them has not come round yet. */
static void test_ended_ones_are_not_taken(void **state)
{
	struct connection_limits brief = GENEROUS;

	(void)state;
	brief.idle_ms = 1;
	for (int round = 0; round < 5; round++) {
		struct connection_cache *cache = connection_cache_create();
		int server = give(cache, "192.0.2.1", "a", brief);

		usleep(2000);
		assert_int_equal(take_all(cache, "192.0.2.1", "a"), 0);
		close(server);
		connection_cache_destroy(cache);
	}
}

static void test_find_host(void **state)
{
	struct connection_cache *cache = connection_cache_create();
	struct sockaddr_storage a = address_of("192.0.2.1"), b = address_of("192.0.2.2"), c = address_of("192.0.2.3");
	const struct sockaddr_storage *addresses[] = { &a, &b, &c };
	struct smtp_client client;
	int server;

	(void)state;
	assert_int_equal(connection_cache_find_host(cache, addresses, 3), 3);
	server = give(cache, "192.0.2.2", "a", (struct connection_limits)GENEROUS);
	assert_int_equal(connection_cache_find_host(cache, addresses, 3), 1);
	assert_true(take(cache, "192.0.2.2", "a", &client));
	assert_int_equal(connection_cache_find_host(cache, addresses, 3), 3);
	smtp_client_close(&client);
	close(server);
	connection_cache_destroy(cache);
}

/* For the sanitizers: many threads take and give the same few sessions, while time ends some. */
#define THREADS 8

struct crowd {
	struct connection_cache *cache;
	_Atomic unsigned taken;
};

static void *take_and_give(void *argument)
{
	struct crowd *crowd = argument;
	struct connection_cache *cache = crowd->cache;
	struct sockaddr_storage where = address_of("192.0.2.1");
	struct buffer key = key_of("a");
	struct connection_limits limits = { .total = 4, .per_host = 3, .messages = 1000000, .idle_ms = 20, .age_ms = 60000 };
	struct smtp_client client;

	for (int i = 0; i < 2000; i++)
		if (connection_cache_take(cache, &where, &key, &params, &client)) {
			crowd->taken++;
			client.is_clean = true;
			connection_cache_give(cache, &where, &key, &limits, &client);
		}
	buffer_wipe(&key);
	return NULL;
}

static void test_many_threads(void **state)
{
	struct connection_cache *cache = connection_cache_create();
	struct crowd crowd = { .cache = cache };
	pthread_t threads[THREADS];
	int servers[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		servers[i] = give(cache, "192.0.2.1", "a", (struct connection_limits)GENEROUS);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(thread_start(&threads[i], take_and_give, &crowd), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(crowd.taken >= 1);
	connection_cache_destroy(cache);
	for (int i = 0; i < 3; i++) {
		assert_string_equal(hear(servers[i], PATIENCE_MS), "QUIT");
		close(servers[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken_by_key_and_host),
		cmocka_unit_test(test_port_belongs_to_the_host),
		cmocka_unit_test(test_newest_first),
		cmocka_unit_test(test_dead_ones_are_dropped),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_idle_ones_end),
		cmocka_unit_test(test_ended_ones_are_not_taken),
		cmocka_unit_test(test_find_host),
		cmocka_unit_test(test_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
