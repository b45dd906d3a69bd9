/* What the running edge tells of its clients, and the socket that it tells it by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "edge/edge_control.h"
#include "edge/tenant_report.h"
#include "lib/control_client.h"
#include "lib/control_socket.h"
#include "lib/deadline.h"
#include "lib/endpoint.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct edge edge;
static char directory[] = "/tmp/test_edge_control.XXXXXX", path[100], endpoint[110];

static int set_up(void **state)
{
	(void)state;
	tenant_table_init(&edge.tenants);
	outcome_table_init(&edge.outcomes);
	session_table_init(&edge.sessions);
	strcpy(strrchr(directory, '.'), ".XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/control.sock", directory);
	snprintf(endpoint, sizeof(endpoint), "unix:%s", path);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tenant_table_wipe(&edge.tenants);
	outcome_table_wipe(&edge.outcomes);
	unlink(path);
	return rmdir(directory);
}

static char *print(struct tenant_count *counts, size_t count, session_client_name *names, size_t name_count)
{
	char *text;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	tenant_report_print(out, counts, count, names, name_count);
	fclose(out);
	return text;
}

/* Every number has its own value, so that none can stand in another's place. */
static void test_line(void **state)
{
	struct tenant_count count = {
		.name = "home", .active = 2, .transactions = 3, .relayed = 4, .delayed = 5, .failed = 6,
		.refused = { [TENANT_SENDER] = 10, [TENANT_RATE] = 11, [TENANT_BOUNCES] = 12, [TENANT_CONCURRENCY] = 13,
			     [TENANT_SIZE] = 14, [TENANT_RECIPIENTS] = 15, [TENANT_SESSIONS] = 16, [TENANT_REVOKED] = 17 },
		.limits = { .rate = { 20, 21 } }, .left = 22, .last_use = 1700000000,
	};
	session_client_name names[] = { "home" };
	char *text = print(&count, 1, names, 1);

	(void)state;
	assert_string_equal(text,
		"{\"name\": \"home\", \"sessions\": 1, \"active\": 2, \"transactions\": 3, \"recipients\": {\"relayed\": 4, "
		"\"delayed\": 5, \"failed\": 6}, \"refused\": {\"domains\": 10, \"rate\": 11, \"bounces\": 12, "
		"\"concurrency\": 13, \"size\": 14, \"recipients\": 15, \"sessions\": 16, \"revoked\": 17}, "
		"\"rate\": {\"tokens\": 20, \"duration_ms\": 21, \"left\": 22}, \"last_use\": 1700000000}\n");
	free(text);
}

/* The longest line that can be fits into what the asking end takes, and is JSON. */
static void test_longest_line(void **state)
{
	struct tenant_count count = { .active = INT64_MIN, .transactions = UINT64_MAX, .relayed = UINT64_MAX,
				      .delayed = UINT64_MAX, .failed = UINT64_MAX, .left = INT64_MIN,
				      .bounces_left = INT64_MIN, .last_use = INT64_MAX,
				      .limits = { .rate = { INT64_MAX, INT64_MAX }, .bounces = { INT64_MAX, INT64_MAX } } };
	char *text;
	json_t *object;

	(void)state;
	memset(count.name, 'n', CLIENT_NAME_MAX);
	for (int i = 0; i < TENANT_REFUSALS; i++)
		count.refused[i] = UINT64_MAX;
	text = print(&count, 1, NULL, 0);
	assert_true(strlen(text) < CONTROL_LINE_MAX);
	count.limits = (struct tenant_limits){ .bounces = { 1, 2 } };
	memset(count.refused, 0, sizeof(count.refused));
	count.transactions = count.relayed = count.delayed = count.failed = 0;
	free(text);
	text = print(&count, 1, NULL, 0);
	object = json_loads(text, 0, NULL);
	assert_non_null(object);
	assert_null(json_object_get(object, "rate"));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "bounces"), "tokens")), 1);
	json_decref(object);
	free(text);
}

/* Names with counts, with tunnels, and with both, each in its place. */
static void test_merge(void **state)
{
	static const struct {
		const char *counted[4], *named[6], *expected;
	} rows[] = {
		{ { NULL }, { NULL }, "" },
		{ { "b", "a" }, { NULL }, "a 0 1,b 0 1," },
		{ { NULL }, { "b", "a", "b" }, "a 1 0,b 2 0," },
		{ { "c", "a" }, { "d", "b", "c", "a", "d" }, "a 1 1,b 1 0,c 1 1,d 2 0," },
		{ { "ab", "a" }, { "abc", "a" }, "a 1 1,ab 0 1,abc 1 0," },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct tenant_count counts[4] = { 0 };
		session_client_name names[6] = { "" };
		char *text, *line, *next, found[200] = "";
		size_t count = 0, name_count = 0;

		for (; rows[i].counted[count] != NULL; count++) {
			strcpy(counts[count].name, rows[i].counted[count]);
			counts[count].transactions = 1;
		}
		for (; rows[i].named[name_count] != NULL; name_count++)
			strcpy(names[name_count], rows[i].named[name_count]);
		text = print(counts, count, names, name_count);
		for (line = strtok_r(text, "\n", &next); line != NULL; line = strtok_r(NULL, "\n", &next)) {
			json_t *object = json_loads(line, 0, NULL);

			sprintf(found + strlen(found), "%s %d %d,", json_string_value(json_object_get(object, "name")),
				(int)json_integer_value(json_object_get(object, "sessions")),
				(int)json_integer_value(json_object_get(object, "transactions")));
			json_decref(object);
		}
		assert_string_equal(found, rows[i].expected);
		free(text);
	}
}

static int ask(const char *request, char **text, char *error, size_t error_size)
{
	size_t length;
	FILE *out = open_memstream(text, &length);
	int result = control_client_ask(endpoint, "postern-edge", request, out, error, error_size);

	fclose(out);
	return result;
}

static void expect(const char *request, int exit_code, const char *wanted)
{
	char error[1200] = "", *text;
	int result = ask(request, &text, error, sizeof(error));

	if (result != exit_code || strstr(result == EX_OK ? text : error, wanted) == NULL)
		fail_msg("%s: %d, \"%s\", \"%s\"", request, result, text, error);
	free(text);
}

/* Over the socket, as `postern peers` asks. */
static void test_questions(void **state)
{
	struct tenant_terms shop = { .tenant.name = "shop" };
	struct tenant_admission admission;
	struct authorized_client home = { .name = "home" };
	struct session_entry entry;
	char error[300];
	struct control_socket *control = control_socket_open(endpoint, error, sizeof(error));

	(void)state;
	assert_non_null(control);
	assert_int_equal(control_socket_serve(control, edge_control_answer, &edge, error, sizeof(error)), 0);
	expect("peers", EX_OK, "");
	tenant_row_leave(tenant_table_enter(&edge.tenants, &shop, false, deadline_now_ms(), &admission), true);
	tenant_table_count_refusal(&edge.tenants, "gone", TENANT_REVOKED);
	assert_true(session_table_add(&edge.sessions, &entry));
	expect("peers", EX_OK, "{\"name\": \"gone\"");
	assert_int_equal(session_table_admit(&edge.sessions, &entry, -1, &home, (struct session_limits){ 9, 9 }),
			 SESSION_ADMITTED);
	expect("peers", EX_OK, "{\"name\": \"home\", \"sessions\": 1, \"active\": 0, \"transactions\": 0");
	expect("peers", EX_OK, "{\"name\": \"shop\", \"sessions\": 0, \"active\": 0, \"transactions\": 1");
	expect("peers", EX_OK, "\"revoked\": 1}");
	expect("peer", EX_DATAERR, "unknown request \"peer\"");
	expect("peers ", EX_DATAERR, "unknown request \"peers \"");
	expect("", EX_DATAERR, "unknown request \"\"");
	expect("a\tb\x7f", EX_DATAERR, "unknown request \"a?b?\"");
	session_table_remove(&edge.sessions, &entry);
	control_socket_close(control);
	expect("peers", EX_UNAVAILABLE, "is postern-edge running");
}

/* A file that a killed edge left is replaced; one that lives is not, at start or at the end. */
static void test_whose_socket(void **state)
{
	struct control_socket *first, *second;
	struct endpoint parsed;
	struct stat status;
	char error[300];
	int fd;

	(void)state;
	assert_int_equal(endpoint_parse(&parsed, endpoint, NULL, error, sizeof(error)), 0);
	assert_int_equal(endpoint_listen(&parsed, &fd, 1, error, sizeof(error)), 1);
	close(fd);
	assert_int_equal(access(path, F_OK), 0);
	first = control_socket_open(endpoint, error, sizeof(error));
	assert_non_null(first);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_null(control_socket_open(endpoint, error, sizeof(error)));
	assert_non_null(strstr(error, "Address already in use"));
	assert_int_equal(access(path, F_OK), 0);
	/* Removed by somebody; another one listens there now. */
	assert_int_equal(unlink(path), 0);
	second = control_socket_open(endpoint, error, sizeof(error));
	assert_non_null(second);
	control_socket_close(first);
	assert_int_equal(access(path, F_OK), 0);
	control_socket_close(second);
	assert_int_equal(access(path, F_OK), -1);
	/* No socket is nobody's to remove. */
	fclose(fopen(path, "w"));
	assert_null(control_socket_open(endpoint, error, sizeof(error)));
	assert_int_equal(access(path, F_OK), 0);
	assert_null(control_socket_open("unix:/nowhere/at/all", error, sizeof(error)));
	assert_non_null(strstr(error, "No such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_longest_line),
		cmocka_unit_test(test_merge),
		cmocka_unit_test_setup_teardown(test_questions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_whose_socket, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
