/* The control socket: what it answers, whom it lets in, and that no client can hold it up for long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/control_client.h"
#include "lib/deadline.h"
#include "lib/endpoint.h"
#include "lib/log.h"
#include "limits_fixture.h"
#include "milter/control.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Nobody's waiting ends by time then. */
static atomic_bool does_time_stand_still;

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

	return (int)syscall(SYS_ppoll, fds, count, timeout_ms < 0 || does_time_stand_still ? NULL : &timeout, NULL, (size_t)0);
}

static struct limits_fixture fixture;
static struct rate_limits *limits;
static struct control_socket *control;
static char path[100], endpoint[110];

static int set_up(void **state)
{
	static const char table[] = "login:* messages=4/1d recipients=9/1h\n";
	char error[400];

	(void)state;
	limits_fixture_create(&fixture);
	limits_fixture_write(fixture.table, table, strlen(table));
	limits = rate_limits_create(fixture.table, fixture.state, error, sizeof(error));
	snprintf(path, sizeof(path), "%s/control", fixture.directory);
	snprintf(endpoint, sizeof(endpoint), "unix:%s", path);
	control = limits != NULL ? control_start(endpoint, limits, error, sizeof(error)) : NULL;
	if (control == NULL)
		fail_msg("%s", error);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	control_socket_close(control);
	control = NULL;
	rate_limits_destroy(limits);
	limits_fixture_destroy(&fixture);
	return access(fixture.directory, F_OK) == 0;	/* nothing is left behind */
}

static void send_as(const char *who)
{
	struct client client = limits_fixture_client(who);
	const struct rate_subject subject = { .client = &client, .sender_domain = "" };
	char reason[300];

	assert_int_equal(rate_limits_message(limits, &subject, reason, sizeof(reason)), RATE_OK);
}

struct said {
	int exit_code;
	char *out, *err;
};

static struct said ask(const char *request)
{
	struct said said = { 0 };
	size_t out_length;
	FILE *out = open_memstream(&said.out, &out_length);

	said.err = calloc(1, CONTROL_LINE_MAX);
	said.exit_code = control_client_ask(endpoint, "postern-milter", request, out, said.err, CONTROL_LINE_MAX);
	fclose(out);
	return said;
}

static void expect(const char *request, int exit_code, const char *out, const char *err)
{
	struct said said = ask(request);

	if (said.exit_code != exit_code || strstr(said.out, out) == NULL || strstr(said.err, err) == NULL ||
	    (out[0] == '\0' && said.out[0] != '\0') || (err[0] == '\0' && said.err[0] != '\0'))
		fail_msg("%s: %d, \"%s\", \"%s\"", request, said.exit_code, said.out, said.err);
	free(said.out);
	free(said.err);
}

static int connect_to_it(void)
{
	struct endpoint parsed;
	char error[300];
	int fd;

	assert_int_equal(endpoint_parse(&parsed, endpoint, NULL, error, sizeof(error)), 0);
	fd = endpoint_connect(&parsed, deadline_in_ms(5000), error, sizeof(error));
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	return fd;
}

/* What the socket says to these bytes, until it closes. */
static void raw(const char *bytes, size_t length, char *answer, size_t size)
{
	int fd = connect_to_it();
	size_t used = 0;
	ssize_t got;

	assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), length);
	while ((got = read(fd, answer + used, size - 1 - used)) > 0)
		used += (size_t)got;
	answer[used] = '\0';
	close(fd);
}

static void test_answers(void **state)
{
	(void)state;
	expect("limits show", EX_OK, "", "");
	send_as("alice");
	send_as("bob");
	send_as("a b");
	expect("limits show", EX_OK,
	       "login:a b messages=4/1d: 3 left, full again in 6h\nlogin:alice messages=4/1d: 3 left", "");
	expect("limits reset login:a b", EX_OK, "login:a b: 1 limits start afresh\n", "");
	expect("limits reset login:ALICE", EX_OK, "login:ALICE: 1 limits start afresh\n", "");
	expect("limits reset login:alice", EX_OK, "login:alice: nothing was used up\n", "");
	expect("limits show", EX_OK, "login:bob messages=4/1d: 3 left, full again in 6h\n", "");
	expect("limits reset *", EX_OK, "*: 1 limits start afresh\n", "");
	expect("limits reset alice", EX_DATAERR, "", "\"alice\" is none of login:NAME, client:ADDRESS");
	expect("limits reset ", EX_DATAERR, "", "is none of");
	expect("limits", EX_DATAERR, "", "unknown request \"limits\"");
	expect("limits show all", EX_DATAERR, "", "unknown request");
	expect("\x1b[2J", EX_DATAERR, "", "unknown request \"?[2J\"");
}

static void test_wire(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *answer;
	} rows[] = {
		{ "limits show\r\n", 13, "ok 0\n" },
		{ "limits reset *\nlimits show\n", 27, "*: nothing was used up\nok 1\n" },
		{ "limits\0show\n", 12, "error a NUL in the request\n" },
		{ "\n", 1, "error unknown request \"\"\n" },
	};
	char answer[300], *big = malloc(100000);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		raw(rows[i].bytes, rows[i].length, answer, sizeof(answer));
		assert_string_equal(answer, rows[i].answer);
	}
	memset(big, 'a', 100000);
	raw(big, 2 * CONTROL_LINE_MAX, answer, sizeof(answer));
	assert_string_equal(answer, "error the request is too long\n");
	free(big);
	expect("limits show", EX_OK, "", "");
}

static void test_only_for_the_owner(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
}

static void test_long_answer(void **state)
{
	size_t lines = 0;
	struct said said;
	char name[40];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "user%05d", i);
		send_as(name);
	}
	said = ask("limits show");
	assert_int_equal(said.exit_code, EX_OK);
	for (const char *at = said.out; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	assert_int_equal(lines, 20000);
	free(said.out);
	free(said.err);
}

/* Neither one that is silent nor one that does not read keeps the next one out for long: who waits has patience for three of them. */
static void test_slow_clients(void **state)
{
	int silent, deaf, gone;
	int64_t before_ms;
	char name[40];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "user%05d", i);
		send_as(name);
	}
	gone = connect_to_it();
	close(gone);
	before_ms = deadline_now_ms();
	silent = connect_to_it();
	expect("limits reset login:user00000", EX_OK, "afresh", "");
	assert_true(deadline_now_ms() - before_ms >= CONTROL_TIMEOUT_MS - 500);
	before_ms = deadline_now_ms();
	deaf = connect_to_it();
	assert_int_equal(write(deaf, "limits show\n", 12), 12);
	expect("limits reset *", EX_OK, "19999 limits start afresh", "");
	assert_true(deadline_now_ms() - before_ms >= CONTROL_TIMEOUT_MS - 500);
	close(silent);
	close(deaf);
}

/* Stopping does not wait for a client: this one's time would never end. */
static void test_stop_is_at_once(void **state)
{
	int silent;

	(void)state;
	does_time_stand_still = true;
	silent = connect_to_it();
	usleep(100000);
	control_socket_close(control);
	control = NULL;
	does_time_stand_still = false;
	assert_int_equal(access(path, F_OK), -1);
	close(silent);
	expect("limits show", EX_UNAVAILABLE, "", "is postern-milter running (systemctl status postern-milter)");
}

/* ---- a server that is not ours, or dies ---- */

struct impostor {
	int listen_fd;
	const char *answer;
};

static void *answer_once(void *argument)
{
	struct impostor *impostor = argument;
	char request[100];
	int fd = -1;

	while (fd < 0)
		fd = accept(impostor->listen_fd, NULL, NULL);
	if (recv(fd, request, sizeof(request), 0) > 0)
		send(fd, impostor->answer, strlen(impostor->answer), MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

static void test_answers_that_break_off(void **state)
{
	static const struct {
		const char *answer, *out;
		int exit_code;
	} rows[] = {
		{ "", "", EX_TEMPFAIL },
		{ "a\nb\n", "a\n", EX_TEMPFAIL },
		{ "a\nb\nok 3\n", "a\nb\n", EX_TEMPFAIL },
		{ "a\nb\nok 2", "a\n", EX_TEMPFAIL },
		{ "ok\n", "", EX_TEMPFAIL },
		{ "a\nb\nok 2\n", "a\nb\n", EX_OK },
	};
	struct endpoint parsed;
	char error[300];

	(void)state;
	control_socket_close(control);
	control = NULL;
	assert_int_equal(endpoint_parse(&parsed, endpoint, NULL, error, sizeof(error)), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct impostor impostor = { .answer = rows[i].answer };
		pthread_t thread;

		assert_int_equal(endpoint_listen(&parsed, &impostor.listen_fd, 1, error, sizeof(error)), 1);
		assert_int_equal(pthread_create(&thread, NULL, answer_once, &impostor), 0);
		expect("limits show", rows[i].exit_code, rows[i].out, rows[i].exit_code == EX_OK ? "" : "broke off");
		pthread_join(thread, NULL);
		close(impostor.listen_fd);
	}
	unlink(path);
}

static void test_start_failures(void **state)
{
	char error[300], long_request[CONTROL_LINE_MAX + 1];

	(void)state;
	assert_null(control_start("inet:localhost:25", limits, error, sizeof(error)));
	assert_non_null(strstr(error, "is not unix:/path"));
	assert_null(control_start("unix:/nowhere/at/all", limits, error, sizeof(error)));
	assert_non_null(strstr(error, "cannot listen on unix:/nowhere/at/all: No such file"));
	/* Another one serves already. */
	assert_null(control_start(endpoint, limits, error, sizeof(error)));
	assert_non_null(strstr(error, "Address already in use"));
	memset(long_request, 'a', CONTROL_LINE_MAX);
	long_request[CONTROL_LINE_MAX] = '\0';
	expect(long_request, EX_USAGE, "", "a request of more than 1022 bytes");
	expect("limits reset login:a\nb", EX_USAGE, "", "line feed");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers),	     TEST(test_wire),		       TEST(test_only_for_the_owner),
		TEST(test_long_answer),	     TEST(test_slow_clients),	       TEST(test_stop_is_at_once),
		TEST(test_answers_that_break_off), TEST(test_start_failures),
	};

	log_open("test", LOG_TARGET_STDERR, LOG_LEVEL_WARNING);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
