/* endpoint.c: the grammar row by row; connecting and listening on this machine's loopback only. */
#include "eventually.h"
#include "lib/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#define SOON deadline_in_ms(PATIENCE_MS)
#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

struct good_row {
	const char *text;
	const char *default_port;
	const char *printed;
};

static void reads_what_the_grammar_allows(void **state)
{
	static const struct good_row rows[] = {
		{ "mail.example:25", NULL, "mail.example:25" },
		{ "inet:mail.example:25", NULL, "mail.example:25" },
		{ "192.0.2.1:7425", NULL, "192.0.2.1:7425" },
		{ "[2001:db8::1]:7425", NULL, "[2001:db8::1]:7425" },
		{ "inet:[::]:1", NULL, "[::]:1" },
		{ "[fe80::1%eth0]:25", NULL, "[fe80::1%eth0]:25" },
		{ ":65535", NULL, ":65535" },
		{ "mail_host-1.example.", "7425", "mail_host-1.example.:7425" },
		{ "mail.example:26", "7425", "mail.example:26" },
		{ "[2001:db8::1]", "7425", "[2001:db8::1]:7425" },
		{ "unix:/run/postern/edge.sock", NULL, "unix:/run/postern/edge.sock" },
		{ "unix:/run/a b:c", NULL, "unix:/run/a b:c" },
	};
	struct endpoint endpoint;
	char error[256], out[ENDPOINT_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(endpoint_parse(&endpoint, rows[i].text, rows[i].default_port,
						error, sizeof(error)),
				 0);
		assert_string_equal(endpoint_print(&endpoint, out, sizeof(out)), rows[i].printed);
	}
}

struct bad_row {
	const char *text;
	const char *part_of_error;
};

static void refuses_the_rest_and_quotes_it(void **state)
{
	static const struct bad_row rows[] = {
		{ "", "expected host:port" },
		{ ":", "the port must be a number" },
		{ "mail.example", "the port is missing" },
		{ "mail.example:", "the port must be a number" },
		{ "mail.example:smtp", "the port must be a number" },
		{ "mail.example:0", "1..65535" },
		{ "mail.example:65536", "1..65535" },
		{ "mail.example:99999999999", "1..65535" },
		{ "mail.example:-1", "the port must be a number" },
		{ "mail.example:25 ", "the port must be a number" },
		{ "mail.example:25:26", "the port must be a number" },
		{ "mail example:25", "expected host:port" },
		{ "b\xc3\xbc" "cher.example:25", "b??cher.example" },
		{ "2001:db8::1", "in brackets" },
		{ "2001:db8::1:25", "in brackets" },
		{ "[2001:db8::1:25", "expected host:port" },
		{ "[2001:db8::1]25", "expected host:port" },
		{ "[192.0.2.1]:25", "expected host:port" },
		{ "[]:25", "expected host:port" },
		{ "10.1:25", "expected host:port" },
		{ "256.1.1.1:25", "expected host:port" },
		{ "0x7f000001:25", "expected host:port" },
		{ "2130706433:25", "expected host:port" },
		{ "-h.example:25", "expected host:port" },
		{ ".example:25", "expected host:port" },
		{ "a..example:25", "expected host:port" },
		{ "unix:relative/path", "must begin with" },
		{ "unix:", "must begin with" },
	};
	struct endpoint endpoint;
	char error[256], quoted[64];

	(void)state;
	memset(&endpoint, 'Z', sizeof(endpoint));
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(
			endpoint_parse(&endpoint, rows[i].text, NULL, error, sizeof(error)), -1);
		assert_non_null(strstr(error, rows[i].part_of_error));
		snprintf(quoted, sizeof(quoted), "\"%.4s", rows[i].text);
		if (rows[i].text[0] != '\0' && rows[i].text[1] > 0)
			assert_non_null(strstr(error, quoted));
		assert_int_equal(endpoint.host[0], 'Z');
	}
}

static void lengths_are_bounded(void **state)
{
	char text[400], error[64];
	struct endpoint endpoint;

	(void)state;
	snprintf(text, sizeof(text), "unix:/%0106d", 1);
	assert_int_equal(endpoint_parse(&endpoint, text, NULL, error, sizeof(error)), 0);
	snprintf(text, sizeof(text), "unix:/%0107d", 1);
	assert_int_equal(endpoint_parse(&endpoint, text, NULL, error, sizeof(error)), -1);
	memset(text, 'a', 255);
	strcpy(text + 255, ":25");
	assert_int_equal(endpoint_parse(&endpoint, text, NULL, error, sizeof(error)), 0);
	memset(text, 'a', 256);
	strcpy(text + 256, ":25");
	assert_int_equal(endpoint_parse(&endpoint, text, NULL, error, sizeof(error)), -1);
	assert_true(strlen(error) < sizeof(error));
}

static void addresses_print_bare(void **state)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	char out[SOCKADDR_TEXT_MAX];

	(void)state;
	inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
	assert_string_equal(endpoint_print_address((struct sockaddr *)&v4, out, sizeof(out)),
			    "192.0.2.1");
	inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
	assert_string_equal(endpoint_print_address((struct sockaddr *)&v6, out, sizeof(out)),
			    "2001:db8::1");
	inet_pton(AF_INET6, "::ffff:192.0.2.7", &v6.sin6_addr);
	assert_string_equal(endpoint_print_address((struct sockaddr *)&v6, out, sizeof(out)),
			    "192.0.2.7");
	assert_string_equal(endpoint_print_address((struct sockaddr *)&local, out, sizeof(out)),
			    "local");
}

/* Listens on a port of the kernel's choice and writes that port into the endpoint. */
static int listen_anywhere(struct endpoint *endpoint, const char *host)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	char error[256];
	int fd;

	*endpoint = (struct endpoint){ .port = "0" };
	snprintf(endpoint->host, sizeof(endpoint->host), "%s", host);
	if (endpoint_listen(endpoint, &fd, 1, error, sizeof(error)) != 1)
		return -1;
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	/* the port has the same place in sockaddr_in6 */
	snprintf(endpoint->port, sizeof(endpoint->port), "%u",
		 ntohs(((struct sockaddr_in *)(void *)&address)->sin_port));
	return fd;
}

static void assert_flags(int fd)
{
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void connects_by_address_and_by_name(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "::1", "localhost" };

	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct endpoint endpoint;
		char error[256] = "";
		int listener = listen_anywhere(&endpoint, hosts[i]), fd, value;
		socklen_t size = sizeof(value);

		if (listener < 0 && strchr(hosts[i], ':') != NULL) {
			print_message("SKIPPED: this machine has no ::1\n");
			continue;
		}
		assert_true(listener >= 0);
		assert_flags(listener);
		fd = endpoint_connect(&endpoint, SOON, error, sizeof(error));
		assert_string_equal(error, "");
		assert_true(fd >= 0);
		assert_flags(fd);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
		assert_true(value);
		close(fd);
		close(listener);
	}
}

static void a_refused_connection_names_address_and_reason(void **state)
{
	struct endpoint endpoint;
	char error[256], expected[256];
	int listener = listen_anywhere(&endpoint, "127.0.0.1");

	(void)state;
	close(listener);
	assert_int_equal(endpoint_connect(&endpoint, SOON, error, sizeof(error)), -1);
	snprintf(expected, sizeof(expected),
		 "cannot connect to 127.0.0.1:%s [127.0.0.1]: Connection refused", endpoint.port);
	assert_string_equal(error, expected);
}

/* A listener whose queue is full swallows the SYN: no answer, as from behind a firewall. */
static void a_silent_address_meets_the_deadline(void **state)
{
	struct endpoint endpoint;
	char error[256];
	int listener = listen_anywhere(&endpoint, "127.0.0.1"), fds[8];
	int64_t begin_ms = deadline_now_ms();
	size_t opened = 0;

	(void)state;
	assert_int_equal(listen(listener, 0), 0);
	while (opened < COUNT(fds)) {
		fds[opened] = endpoint_connect(&endpoint, deadline_in_ms(60), error, sizeof(error));
		if (fds[opened] < 0)
			break;
		opened++;
	}
	assert_true(opened < COUNT(fds));
	/* the kernel would go on for two minutes */
	assert_in_range(deadline_now_ms() - begin_ms, 55, 30000);
	assert_non_null(strstr(error, "[127.0.0.1]: Connection timed out"));
	while (opened > 0)
		close(fds[--opened]);
	close(listener);
}

static void an_unknown_name_is_named(void **state)
{
	struct endpoint endpoint = { .host = "no-such-host.invalid", .port = "25" };
	char error[256];

	(void)state;
	assert_int_equal(endpoint_connect(&endpoint, SOON, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "cannot look up \"no-such-host.invalid\": "));
}

static void a_busy_port_is_an_error_and_leaves_nothing_open(void **state)
{
	struct endpoint endpoint;
	char error[256];
	int listener = listen_anywhere(&endpoint, "127.0.0.1"), fds[4] = { -1, -1, -1, -1 }, before,
	    after;

	(void)state;
	before = dup(listener);
	close(before);
	assert_int_equal(endpoint_listen(&endpoint, fds, 4, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "cannot listen on 127.0.0.1:"));
	assert_non_null(strstr(error, "Address already in use"));
	after = dup(listener);
	close(after);
	assert_int_equal(before, after);
	close(listener);
}

static void all_addresses_are_both_families(void **state)
{
	struct endpoint endpoint = { .port = "0" };
	char error[256];
	int fds[8], count = endpoint_listen(&endpoint, fds, 8, error, sizeof(error));

	(void)state;
	assert_in_range(count, 1, 2);
	while (count > 0)
		close(fds[--count]);
}

static void not_our_address_is_an_error(void **state)
{
	struct endpoint endpoint = { .host = "192.0.2.1", .port = "7425" };
	char error[256];
	int fd;

	(void)state;
	assert_int_equal(endpoint_listen(&endpoint, &fd, 1, error, sizeof(error)), -1);
	assert_string_equal(error,
			    "cannot listen on 192.0.2.1:7425: Cannot assign requested address");
}

/* Case 155: free, in use, absent; and a trial is in nobody's way. */
static void a_trial_takes_nothing(void **state)
{
	struct endpoint endpoint = { .host = "127.0.0.1", .port = "7427" };
	struct endpoint absent = { .host = "192.0.2.1", .port = "7427" };
	char error[256];
	int fd;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(endpoint_try_listen(&endpoint, error, sizeof(error)), 0);
	assert_int_equal(endpoint_listen(&endpoint, &fd, 1, error, sizeof(error)), 1);
	assert_int_equal(endpoint_try_listen(&endpoint, error, sizeof(error)), -1);
	assert_string_equal(error, "Address already in use");
	close(fd);
	assert_int_equal(endpoint_try_listen(&endpoint, error, sizeof(error)), 0);
	assert_int_equal(endpoint_try_listen(&absent, error, sizeof(error)), -1);
	assert_string_equal(error, "Cannot assign requested address");
}

static void unix_sockets(void **state)
{
	struct endpoint endpoint = { .is_unix = 1 };
	char directory[] = "/tmp/postern-endpoint-XXXXXX", error[256];
	int fd, second, client;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(endpoint.host, sizeof(endpoint.host), "%s/sock", directory);
	assert_int_equal(endpoint_connect(&endpoint, SOON, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "/sock: No such file or directory"));
	assert_int_equal(endpoint_listen(&endpoint, &fd, 1, error, sizeof(error)), 1);
	assert_flags(fd);
	client = endpoint_connect(&endpoint, SOON, error, sizeof(error));
	assert_true(client >= 0);
	assert_flags(client);
	endpoint_set_keepalive(client, 60);
	close(client);
	/* in use: kept; left behind by a dead owner: replaced; not a socket: kept */
	assert_int_equal(endpoint_listen(&endpoint, &second, 1, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "Address already in use"));
	close(fd);
	assert_int_equal(endpoint_listen(&endpoint, &fd, 1, error, sizeof(error)), 1);
	close(fd);
	unlink(endpoint.host);
	close(open(endpoint.host, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(endpoint_listen(&endpoint, &fd, 1, error, sizeof(error)), -1);
	assert_int_equal(access(endpoint.host, F_OK), 0);
	unlink(endpoint.host);
	rmdir(directory);
}

static void a_unix_socket_with_a_full_queue_meets_the_deadline(void **state)
{
	struct endpoint endpoint = { .is_unix = 1 };
	char directory[] = "/tmp/postern-endpoint-XXXXXX", error[256];
	int listener, fds[8];
	size_t opened = 0;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(endpoint.host, sizeof(endpoint.host), "%s/sock", directory);
	assert_int_equal(endpoint_listen(&endpoint, &listener, 1, error, sizeof(error)), 1);
	assert_int_equal(listen(listener, 0), 0);
	while (opened < COUNT(fds)) {
		fds[opened] = endpoint_connect(&endpoint, deadline_in_ms(40), error, sizeof(error));
		if (fds[opened] < 0)
			break;
		opened++;
	}
	assert_true(opened < COUNT(fds));
	assert_non_null(strstr(error, "/sock: Connection timed out"));
	assert_int_equal(endpoint_connect(&endpoint, deadline_in_ms(0), error, sizeof(error)), -1);
	while (opened > 0)
		close(fds[--opened]);
	close(listener);
	unlink(endpoint.host);
	rmdir(directory);
}

struct keepalive_row {
	int seconds;
	int longest;	/* idle + probes * interval must not exceed it */
};

static void keepalive_finds_a_dead_peer_in_time(void **state)
{
	static const struct keepalive_row rows[] = {
		{ 60, 60 }, { 90, 90 }, { 7, 7 }, { 4, 4 }, { 1, 4 }
	};
	struct endpoint endpoint;
	char error[256];
	int listener = listen_anywhere(&endpoint, "127.0.0.1");
	int fd = endpoint_connect(&endpoint, SOON, error, sizeof(error));

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int on, idle, interval, probes;
		unsigned int timeout;
		socklen_t size = sizeof(int);

		endpoint_set_keepalive(fd, rows[i].seconds);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size), 0);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, &size), 0);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, &size), 0);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, &size), 0);
		assert_true(on);
		assert_true(idle + probes * interval <= rows[i].longest);
		assert_int_equal(timeout, rows[i].seconds * 1000);
	}
	close(fd);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_the_grammar_allows),
		cmocka_unit_test(refuses_the_rest_and_quotes_it),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(addresses_print_bare),
		cmocka_unit_test(connects_by_address_and_by_name),
		cmocka_unit_test(a_refused_connection_names_address_and_reason),
		cmocka_unit_test(a_silent_address_meets_the_deadline),
		cmocka_unit_test(an_unknown_name_is_named),
		cmocka_unit_test(a_busy_port_is_an_error_and_leaves_nothing_open),
		cmocka_unit_test(all_addresses_are_both_families),
		cmocka_unit_test(not_our_address_is_an_error),
		cmocka_unit_test(a_trial_takes_nothing),
		cmocka_unit_test(unix_sockets),
		cmocka_unit_test(a_unix_socket_with_a_full_queue_meets_the_deadline),
		cmocka_unit_test(keepalive_finds_a_dead_peer_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
