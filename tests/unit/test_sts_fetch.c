/*
 * postern-sts-fetch as it is installed, against HTTPS servers that misbehave: cases 81 to 83; and
 * what it has given up by the time it talks to them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "edge/sts_fetch/confinement.h"
#include "edge/sts_fetch_status.h"
#include "lib/deadline.h"
#include "tests/fake/policy_host.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define POLICY "version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 86400\n"
#define NOBODY 65534

struct outcome {
	int status;
	char text[70000]; /* stdout and stderr, of which only one is written to */
	size_t length;
};

/* The program with these arguments, as of a shell. */
static void run(const struct policy_host *host, const char *arguments, struct outcome *outcome)
{
	char command[1500];
	FILE *pipe;

	snprintf(command, sizeof(command), "%s %s 2>&1", host->helper, arguments);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	outcome->length = fread(outcome->text, 1, sizeof(outcome->text) - 1, pipe);
	outcome->text[outcome->length] = '\0';
	outcome->status = WEXITSTATUS(pclose(pipe));
}

static void fetch(const struct policy_host *host, int port, const char *domain,
		  struct outcome *outcome)
{
	char arguments[500];

	snprintf(arguments, sizeof(arguments),
		 "--allow 127.0.0.0/8 --ca-file %s --port %d %s 127.0.0.1", host->ca_file, port,
		 domain);
	run(host, arguments, outcome);
}

/* By the name of the fault in tests/fake/policy_host.py. */
static const struct {
	const char *name;
	enum sts_fetch_status status;
	const char *words; /* part of them; DONE: the policy, if not the usual one */
} faults[] = {
	{ "good", STS_FETCH_STATUS_DONE, NULL },
	{ "parameters", STS_FETCH_STATUS_DONE, NULL },
	{ "identity", STS_FETCH_STATUS_DONE, NULL },
	{ "chunked", STS_FETCH_STATUS_DONE, NULL },
	{ "wildcard", STS_FETCH_STATUS_DONE, NULL },
	{ "empty", STS_FETCH_STATUS_DONE, "" },
	/* Case 81: certificates. */
	{ "wrong-name", STS_FETCH_STATUS_CERTIFICATE, "hostname mismatch" },
	{ "name-without-prefix", STS_FETCH_STATUS_CERTIFICATE, "hostname mismatch" },
	{ "partial-wildcard", STS_FETCH_STATUS_CERTIFICATE, "hostname mismatch" },
	{ "cn-only", STS_FETCH_STATUS_CERTIFICATE, "hostname mismatch" },
	{ "expired", STS_FETCH_STATUS_CERTIFICATE, "certificate has expired" },
	{ "not-yet", STS_FETCH_STATUS_CERTIFICATE, "not yet valid" },
	{ "self-signed", STS_FETCH_STATUS_CERTIFICATE, "self-signed certificate" },
	{ "other-authority", STS_FETCH_STATUS_CERTIFICATE, "local issuer certificate" },
	/* Case 81: answers. */
	{ "status404", STS_FETCH_STATUS_UNAVAILABLE, "HTTP status 404 instead of 200" },
	{ "status500", STS_FETCH_STATUS_UNAVAILABLE, "HTTP status 500 instead of 200" },
	{ "status301", STS_FETCH_STATUS_UNAVAILABLE, "HTTP status 301 instead of 200 (redirects" },
	{ "status302", STS_FETCH_STATUS_UNAVAILABLE, "HTTP status 302 instead of 200 (redirects" },
	{ "status204", STS_FETCH_STATUS_UNAVAILABLE, "HTTP status 204 instead of 200" },
	{ "status206", STS_FETCH_STATUS_UNAVAILABLE, "HTTP status 206 instead of 200" },
	{ "cut", STS_FETCH_STATUS_UNAVAILABLE, "remaining to read" },
	{ "garbage", STS_FETCH_STATUS_UNAVAILABLE, "HTTP/0.9" },
	/* Case 82. */
	{ "one-too-many", STS_FETCH_STATUS_NO_POLICY, "longer than 65536 bytes" },
	{ "endless-chunks", STS_FETCH_STATUS_NO_POLICY, "longer than 65536 bytes" },
	{ "endless-body", STS_FETCH_STATUS_NO_POLICY, "longer than 65536 bytes" },
	{ "endless-header", STS_FETCH_STATUS_NO_POLICY, "HTTP header is longer" },
	{ "endless-100", STS_FETCH_STATUS_NO_POLICY, "HTTP header is longer" },
	{ "html", STS_FETCH_STATUS_NO_POLICY, "media type is \"text/html\" instead of text/plain" },
	{ "empty-html", STS_FETCH_STATUS_NO_POLICY, "media type is \"text/html\"" },
	{ "text-other", STS_FETCH_STATUS_NO_POLICY, "media type is \"text/plainer\"" },
	{ "no-type", STS_FETCH_STATUS_NO_POLICY, "media type is \"\"" },
	{ "control", STS_FETCH_STATUS_NO_POLICY, "media type is \"text/?[31mred\"" },
	{ "gzip", STS_FETCH_STATUS_NO_POLICY, "encoded (\"gzip\")" },
};

static void test_faults(void **state)
{
	const struct policy_host *host = *state;
	struct outcome outcome;

	for (size_t i = 0; i < COUNT(faults); i++) {
		char domain[100], named[120];
		const char *words = faults[i].words != NULL ? faults[i].words : POLICY;

		snprintf(domain, sizeof(domain), "%s.example", faults[i].name);
		snprintf(named, sizeof(named), "mta-sts.%s: ", domain);
		fetch(host, host->port, domain, &outcome);
		if (outcome.status != (int)faults[i].status)
			fail_msg("%s: %d: %.200s", domain, outcome.status, outcome.text);
		if (outcome.status == STS_FETCH_STATUS_DONE)
			assert_string_equal(outcome.text, words);
		else if (strncmp(outcome.text, named, strlen(named)) != 0 ||
			 strstr(outcome.text, words) == NULL ||
			 strchr(outcome.text, '\n') != outcome.text + outcome.length - 1)
			fail_msg("%s: %.200s", domain, outcome.text);
	}
	/* A redirect points there; it was asked once, by the first row. */
	assert_int_equal(policy_host_requests(host, "mta-sts.good.example"), 1);
}

static void test_biggest(void **state)
{
	const struct policy_host *host = *state;
	struct outcome outcome;

	fetch(host, host->port, "just-fits.example", &outcome);
	assert_int_equal(outcome.status, STS_FETCH_STATUS_DONE);
	assert_int_equal(outcome.length, 65536);
}

static void test_connection(void **state)
{
	const struct policy_host *host = *state;
	int64_t started_ms = deadline_now_ms();
	struct outcome outcome;

	fetch(host, host->old_port, "old.example", &outcome);
	assert_int_equal(outcome.status, STS_FETCH_STATUS_UNAVAILABLE);
	assert_non_null(strstr(outcome.text, "protocol version"));
	fetch(host, 1, "nobody.example", &outcome);
	assert_int_equal(outcome.status, STS_FETCH_STATUS_UNAVAILABLE);
	assert_non_null(strstr(outcome.text, "mta-sts.nobody.example: Failed to connect"));
	/* Case 81: TLS stall. */
	fetch(host, host->silent_port, "stall.example", &outcome);
	assert_int_equal(outcome.status, STS_FETCH_STATUS_UNAVAILABLE);
	assert_non_null(strstr(outcome.text, "timeout"));
	assert_in_range(deadline_now_ms() - started_ms, 9000, 100000);
}

/* Case 83; and the next address is tried when one is refused. */
static void test_addresses(void **state)
{
	const struct policy_host *host = *state;
	struct outcome outcome;
	char arguments[300];

	run(host, "private.example 10.1.2.3", &outcome);
	assert_int_equal(outcome.status, STS_FETCH_STATUS_REFUSED);
	assert_string_equal(outcome.text,
			    "mta-sts.private.example: 10.1.2.3 is a private address (RFC 1918)\n");
	run(host, "private.example 127.0.0.1 ::1 169.254.169.254 ::ffff:10.0.0.1", &outcome);
	assert_int_equal(outcome.status, STS_FETCH_STATUS_REFUSED);
	snprintf(arguments, sizeof(arguments),
		 "--allow 127.0.0.0/8 --ca-file /etc/passwd --port %d good.example 127.0.0.1",
		 host->port);
	run(host, arguments, &outcome);
	assert_int_equal(outcome.status, STS_FETCH_STATUS_CONFIG);
	assert_string_equal(outcome.text, "/etc/passwd: no certificates in it\n");
	snprintf(arguments, sizeof(arguments), "--ca-file %s --port %d good.example 127.0.0.1",
		 host->ca_file, host->port);
	run(host, arguments, &outcome);
	assert_int_equal(outcome.status, STS_FETCH_STATUS_REFUSED);
	snprintf(arguments, sizeof(arguments),
		 "--allow 127.0.0.0/8 --ca-file %s --port %d good.example 10.1.2.3 fd00::1 "
		 "127.0.0.1",
		 host->ca_file, host->port);
	run(host, arguments, &outcome);
	assert_int_equal(outcome.status, STS_FETCH_STATUS_DONE);
}

/* Nothing of the environment counts: no proxy, no key log, no other authorities. */
static void test_environment(void **state)
{
	const struct policy_host *host = *state;
	struct outcome outcome;
	char key_log[128], netrc[128];

	snprintf(key_log, sizeof(key_log), "%s/key-log", host->directory);
	snprintf(netrc, sizeof(netrc), "machine mta-sts.netrc.example login a password b\n");
	policy_host_write(host, ".netrc", netrc);
	setenv("https_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	setenv("SSLKEYLOGFILE", key_log, 1);
	setenv("HOME", host->directory, 1);
	setenv("CURL_CA_BUNDLE", "/nonexistent", 1);
	fetch(host, host->port, "netrc.example", &outcome);
	unsetenv("https_proxy");
	unsetenv("ALL_PROXY");
	unsetenv("SSLKEYLOGFILE");
	unsetenv("CURL_CA_BUNDLE");
	assert_int_equal(outcome.status, STS_FETCH_STATUS_DONE);
	assert_int_equal(access(key_log, F_OK), -1);
}

static void test_usage(void **state)
{
	static const struct {
		const char *arguments;
		int status;
		const char *words;
	} rows[] = {
		{ "", EX_USAGE, "usage:" },
		{ "a.example", EX_USAGE, "usage:" },
		{ "--bad a.example 192.0.2.1", EX_USAGE, "usage:" },
		{ "a.example mx.example", EX_USAGE, "no address: \"mx.example\"" },
		{ "a.example 192.0.2", EX_USAGE, "no address" },
		{ "a.example 192.0.2.1,192.0.2.2", EX_USAGE, "no address" },
		{ "'*.example' 192.0.2.1", EX_USAGE, "no domain" },
		{ "'a.example/x?' 192.0.2.1", EX_USAGE, "no domain" },
		{ "'a.example:1' 192.0.2.1", EX_USAGE, "no domain" },
		{ "'u@a.example' 192.0.2.1", EX_USAGE, "no domain" },
		{ "--port 0 a.example 192.0.2.1", EX_USAGE, "no port" },
		{ "--port 65536 a.example 192.0.2.1", EX_USAGE, "no port" },
		{ "--allow 10/8/1 a.example 192.0.2.1", EX_CONFIG, "not a network" },
		{ "--ca-file /nonexistent a.example 192.0.2.1", EX_CONFIG,
		  "/nonexistent: No such" },
		{ "--ca-file /dev/zero a.example 192.0.2.1", EX_CONFIG, "not a regular file" },
		{ "--help", EX_OK, "--ca-file" },
		{ "--version", EX_OK, "postern-sts-fetch " },
	};
	struct outcome outcome;

	for (size_t i = 0; i < COUNT(rows); i++) {
		run(*state, rows[i].arguments, &outcome);
		if (outcome.status != rows[i].status || strstr(outcome.text, rows[i].words) == NULL)
			fail_msg("%s: %d: %s", rows[i].arguments, outcome.status, outcome.text);
	}
}

/* ---- confinement ---- */

static int listen_on_loopback(uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

/* 0 or errno. */
static int try_connect(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				       .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : errno;
}

/* 0 or errno. */
static int try_open(const char *path, int flags)
{
	return open(path, flags, 0600) >= 0 ? 0 : errno;
}

/* What a process that has been confined can still do: the first check that fails, or 0. */
static int check_begun(int open_fd)
{
	char error[200];
	struct rlimit limit;
	int signal_number = 0;

	if (confinement_begin(error, sizeof(error)) != 0)
		return 1;
	if (fcntl(open_fd, F_GETFD) != -1 || errno != EBADF)
		return 2;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE) != 0)
		return 3;
	if (prctl(PR_GET_PDEATHSIG, &signal_number) != 0 || signal_number != SIGKILL)
		return 4;
	if (fork() != -1 || errno != EAGAIN)
		return 5;
	if (getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_max != 0)
		return 6;
	if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_max != 0)
		return 7;
	return 0;
}

static int check_sealed(long landlock, uint16_t allowed_port, uint16_t other_port)
{
	char error[200];

	if (confinement_seal(allowed_port, error, sizeof(error)) != 0)
		return 11;
	if (landlock >= 1 && (try_open("/etc/passwd", O_RDONLY) != EACCES ||
			      try_open("/", O_RDONLY | O_DIRECTORY) != EACCES ||
			      try_open("/tmp/x", O_WRONLY | O_CREAT) != EACCES ||
			      try_open("/proc/self/mem", O_RDWR) != EACCES))
		return 12;
	if (try_connect(allowed_port) != 0)
		return 13;
	if (landlock >= 4 && try_connect(other_port) != EACCES)
		return 14;
	if (landlock >= 6 && (kill(getppid(), 0) != -1 || errno != EPERM))
		return 15;
	return 0;
}

/* In a child, as somebody without root's exemptions; its output is a pipe as under the edge. */
static int confined_child(long landlock, uint16_t allowed_port, uint16_t other_port, int open_fd)
{
	int ends[2], failed;

	if (pipe(ends) != 0 || dup2(ends[1], STDOUT_FILENO) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
		return 21;
	if (getuid() == 0 &&
	    (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0))
		return 22;
	prctl(PR_SET_DUMPABLE, 1);
	failed = check_begun(open_fd);
	return failed != 0 ? failed : check_sealed(landlock, allowed_port, other_port);
}

static void test_confinement(void **state)
{
	long landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
	uint16_t allowed_port, other_port;
	int allowed = listen_on_loopback(&allowed_port), other = listen_on_loopback(&other_port);
	int status = 0;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(confined_child(landlock, allowed_port, other_port, other));
	assert_int_equal(waitpid(child, &status, 0), child);
	close(allowed);
	close(other);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	if (landlock < 6)
		print_message("SKIPPED: Landlock in part; this kernel has version %ld\n", landlock);
}

static int set_up(void **state)
{
	*state = policy_host_start();
	return 0;
}

static int tear_down(void **state)
{
	policy_host_stop(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults),	    cmocka_unit_test(test_biggest),
		cmocka_unit_test(test_connection),  cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_environment), cmocka_unit_test(test_usage),
		cmocka_unit_test(test_confinement),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
