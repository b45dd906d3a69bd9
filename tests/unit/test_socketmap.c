/* socketmap_table(5) against a server that answers as it is told, well and badly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/socketmap.h"
#include "socketmap_server.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct fixture {
	struct socketmap_server server;
	struct socketmap *map;
	char error[600];
	char *value;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	char spec[200];

	if (fixture == NULL || socketmap_server_start(&fixture->server) != 0)
		return -1;
	snprintf(spec, sizeof(spec), "unix:%s:senders", fixture->server.path);
	fixture->map = socketmap_create(spec, SOCKETMAP_TIMEOUT_MS, fixture->error, sizeof(fixture->error));
	*state = fixture;
	return fixture->map != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	socketmap_destroy(fixture->map);
	socketmap_server_stop(&fixture->server);
	free(fixture);
	return 0;
}

static enum socketmap_result find(struct fixture *fixture, const char *key)
{
	fixture->value = NULL;
	fixture->error[0] = '\0';
	return socketmap_find(fixture->map, key, &fixture->value, fixture->error, sizeof(fixture->error));
}

static void test_spec(void **state)
{
	static const struct {
		const char *spec, *expected;	/* NULL: good */
	} rows[] = {
		{ "unix:/run/x.sock:senders", NULL },
		{ "inet:127.0.0.1:8888:senders", NULL },
		{ "inet:[::1]:8888:senders", NULL },
		{ "inet:db.example.com:8888:senders", NULL },
		{ "", "write socketmap:unix:/path:name" },
		{ "unix:", "write socketmap:unix:/path:name" },
		{ "unix:/run/x.sock", "\"socketmap:unix:/run/x.sock\": " },
		{ "unix:/run/x.sock:", "the name of the map is missing" },
		{ "unix:x.sock:senders", "must begin with" },
		{ "127.0.0.1:8888:senders", "write socketmap:unix:/path:name" },
		{ "inet:127.0.0.1:8888", "the port is missing" },
		{ "inet:127.0.0.1:http:senders", "the port must be a number" },
		{ "inet::8888:senders", "write socketmap:unix:/path:name" },
		{ "inet:[::1]:8888", "the port is missing" },
		{ "unix:/run/x.sock:a b", "the name of the map is missing" },
	};
	char error[600];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct socketmap *map = socketmap_create(rows[i].spec, SOCKETMAP_TIMEOUT_MS, error, sizeof(error));

		if ((map != NULL) != (rows[i].expected == NULL))
			fail_msg("\"%s\": %s", rows[i].spec, map == NULL ? error : "accepted");
		if (map == NULL && strstr(error, rows[i].expected) == NULL)
			fail_msg("\"%s\": %s", rows[i].spec, error);
		socketmap_destroy(map);
	}
	socketmap_destroy(NULL);
}

static void test_answers(void **state)
{
	/* The server answers with the bytes themselves; length 0: up to the NUL. */
	static const struct {
		const char *answer;
		size_t length;
		enum socketmap_result result;
		const char *expected;	/* value, or part of the error */
	} rows[] = {
		{ "13:OK @a.example,", 0, SOCKETMAP_FOUND, "@a.example" },
		{ "3:OK ,", 0, SOCKETMAP_FOUND, "" },
		{ "8:OK a  b ,", 0, SOCKETMAP_FOUND, "a  b " },
		{ "9:NOTFOUND ,", 0, SOCKETMAP_NOT_FOUND, NULL },
		{ "8:NOTFOUND,", 0, SOCKETMAP_NOT_FOUND, NULL },
		{ "13:TEMP database,", 0, SOCKETMAP_TROUBLE, "the server says \"TEMP database\"" },
		{ "12:TIMEOUT slow,", 0, SOCKETMAP_TROUBLE, "the server says \"TIMEOUT slow\"" },
		{ "13:PERM no\ttable,", 0, SOCKETMAP_TROUBLE, "the server says \"PERM no?table\"" },
		{ "2:OK,", 0, SOCKETMAP_TROUBLE, "is none of socketmap_table(5)" },
		{ "0:,", 0, SOCKETMAP_TROUBLE, "is none of socketmap_table(5)" },
		{ "6:MAYBE ,", 0, SOCKETMAP_TROUBLE, "the server's answer \"MAYBE \"" },
		{ "9:NOTFOUNDX,", 0, SOCKETMAP_TROUBLE, "is none of socketmap_table(5)" },
		{ "6:OK a\0b,", 9, SOCKETMAP_TROUBLE, "has a NUL or a line break in it" },
		{ "6:OK a\nb,", 0, SOCKETMAP_TROUBLE, "has a NUL or a line break in it" },
		{ "6:OK a\rb,", 0, SOCKETMAP_TROUBLE, "has a NUL or a line break in it" },
		{ "5:OK ab;", 0, SOCKETMAP_TROUBLE, "is no netstring" },
		{ ":OK ab,", 0, SOCKETMAP_TROUBLE, "is no netstring" },
		{ "05:OK ab,", 0, SOCKETMAP_TROUBLE, "is no netstring" },
		{ "-5:OK ab,", 0, SOCKETMAP_TROUBLE, "is no netstring" },
		{ " 5:OK ab,", 0, SOCKETMAP_TROUBLE, "is no netstring" },
		{ "HTTP/1.1 400 Bad Request\r\n", 0, SOCKETMAP_TROUBLE, "is no netstring" },
		{ "100004:OK a", 0, SOCKETMAP_TROUBLE, "is no netstring" },
		{ "99999999999999999999999999:OK a", 0, SOCKETMAP_TROUBLE, "is no netstring" },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		enum socketmap_result result;

		socketmap_server_say(&fixture->server, rows[i].answer,
				     rows[i].length > 0 ? rows[i].length : strlen(rows[i].answer), SERVER_STAYS);
		result = find(fixture, "alice");
		if (result != rows[i].result)
			fail_msg("\"%s\": %d, \"%s\"", rows[i].answer, result, fixture->error);
		if (result == SOCKETMAP_FOUND)
			assert_string_equal(fixture->value, rows[i].expected);
		else if (result == SOCKETMAP_TROUBLE && strstr(fixture->error, rows[i].expected) == NULL)
			fail_msg("\"%s\": %s", rows[i].answer, fixture->error);
		if (result == SOCKETMAP_TROUBLE)
			assert_non_null(strstr(fixture->error, fixture->server.path));
		free(fixture->value);
	}
	assert_string_equal(fixture->server.question, "13:senders alice,");
}

/* The answer comes in pieces, the end of it after the end of the connection does not count. */
static void test_cut_short(void **state)
{
	static const struct {
		const char *answer, *expected;
	} rows[] = {
		{ "", "closed the connection without an answer" },
		{ "1", "is no netstring" },
		{ "13", "is no netstring" },
		{ "13:", "is no netstring" },
		{ "13:OK @a.exa", "connection closed by peer after 9 of 14 bytes" },
		{ "13:OK @a.example", "connection closed by peer after 13 of 14 bytes" },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		socketmap_server_say(&fixture->server, rows[i].answer, strlen(rows[i].answer), SERVER_CLOSES);
		assert_int_equal(find(fixture, "alice"), SOCKETMAP_TROUBLE);
		if (strstr(fixture->error, rows[i].expected) == NULL)
			fail_msg("\"%s\": %s", rows[i].answer, fixture->error);
	}
}

static void test_longest_value(void **state)
{
	struct fixture *fixture = *state;
	const size_t size = SOCKETMAP_VALUE_MAX + 32;
	char *answer = malloc(size);
	int start;

	assert_non_null(answer);
	start = snprintf(answer, size, "%d:OK ", SOCKETMAP_VALUE_MAX + 3);
	memset(answer + start, 'x', SOCKETMAP_VALUE_MAX);
	answer[start + SOCKETMAP_VALUE_MAX] = ',';
	socketmap_server_say(&fixture->server, answer, (size_t)start + SOCKETMAP_VALUE_MAX + 1, SERVER_STAYS);
	assert_int_equal(find(fixture, "alice"), SOCKETMAP_FOUND);
	assert_int_equal(strlen(fixture->value), SOCKETMAP_VALUE_MAX);
	free(fixture->value);
	socketmap_server_say(&fixture->server, "", 0, SERVER_STAYS);
	free(answer);
}

/* A connection is used again; one that the server has closed is replaced, and nobody notices. */
static void test_idle_connections(void **state)
{
	static const char answer[] = "4:OK x,";
	struct fixture *fixture = *state;

	socketmap_server_say(&fixture->server, answer, strlen(answer), SERVER_STAYS);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(find(fixture, "alice"), SOCKETMAP_FOUND);
		free(fixture->value);
	}
	assert_int_equal(socketmap_server_connections(&fixture->server), 1);

	/* Closed while idle, seen before it is used. */
	socketmap_server_drop(&fixture->server);
	assert_int_equal(find(fixture, "alice"), SOCKETMAP_FOUND);
	free(fixture->value);
	assert_int_equal(socketmap_server_connections(&fixture->server), 2);

	/* Closed when the question comes: asked once more, and once only. */
	socketmap_server_say(&fixture->server, answer, strlen(answer), SERVER_CLOSES_ONCE);
	assert_int_equal(find(fixture, "alice"), SOCKETMAP_FOUND);
	free(fixture->value);
	assert_int_equal(socketmap_server_connections(&fixture->server), 3);
	socketmap_server_say(&fixture->server, "", 0, SERVER_CLOSES);
	assert_int_equal(find(fixture, "alice"), SOCKETMAP_TROUBLE);
	assert_int_equal(socketmap_server_connections(&fixture->server), 4);
	assert_int_equal(find(fixture, "alice"), SOCKETMAP_TROUBLE);
	assert_int_equal(socketmap_server_connections(&fixture->server), 5);

	/* A connection on which something was wrong is not used again, nor one with an answer too many. */
	socketmap_server_say(&fixture->server, "4:OK x;", 7, SERVER_STAYS);
	assert_int_equal(find(fixture, "alice"), SOCKETMAP_TROUBLE);
	socketmap_server_say(&fixture->server, "4:OK x,4:OK y,", 14, SERVER_STAYS);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(find(fixture, "alice"), SOCKETMAP_FOUND);
		assert_string_equal(fixture->value, "x");
		free(fixture->value);
	}
	assert_int_equal(socketmap_server_connections(&fixture->server), 9);
}

static void *ask_often(void *argument)
{
	struct fixture *fixture = argument;
	char error[600], *value;

	for (int i = 0; i < 50; i++) {
		if (socketmap_find(fixture->map, "alice", &value, error, sizeof(error)) != SOCKETMAP_FOUND)
			return NULL;
		free(value);
	}
	return fixture;
}

static void test_threads(void **state)
{
	struct fixture *fixture = *state;
	pthread_t threads[20];
	void *done;

	socketmap_server_say(&fixture->server, "4:OK x,", 7, SERVER_STAYS);
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, fixture), 0);
	for (size_t i = 0; i < COUNT(threads); i++) {
		pthread_join(threads[i], &done);
		assert_ptr_equal(done, fixture);
	}
}

/* Nobody waits longer than it was promised, and a slow answer is not asked for twice. */
static void test_silent(void **state)
{
	struct fixture *fixture = *state;
	int64_t begin = deadline_now_ms();

	socketmap_server_say(&fixture->server, "4:OK x,", 7, SERVER_STAYS);
	assert_int_equal(find(fixture, "alice"), SOCKETMAP_FOUND);
	free(fixture->value);
	socketmap_server_say(&fixture->server, "4:O", 3, SERVER_STAYS);
	assert_int_equal(find(fixture, "alice"), SOCKETMAP_TROUBLE);
	assert_non_null(strstr(fixture->error, "did not answer in time"));
	assert_in_range(deadline_now_ms() - begin, SOCKETMAP_TIMEOUT_MS - 500, 10 * SOCKETMAP_TIMEOUT_MS);
	assert_int_equal(socketmap_server_connections(&fixture->server), 1);
}

static void test_no_server(void **state)
{
	struct fixture *fixture = *state;
	char error[600], *value = NULL;
	struct socketmap *map = socketmap_create("unix:/nonexistent/socket:senders", SOCKETMAP_TIMEOUT_MS, error, sizeof(error));

	(void)fixture;
	assert_non_null(map);
	assert_int_equal(socketmap_find(map, "alice", &value, error, sizeof(error)), SOCKETMAP_TROUBLE);
	assert_null(value);
	assert_non_null(strstr(error, "socketmap unix:/nonexistent/socket senders: "));
	assert_non_null(strstr(error, "No such file or directory"));
	socketmap_destroy(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spec),
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_short, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest_value, setup, teardown),
		cmocka_unit_test_setup_teardown(test_idle_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_server, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
