/*
 * Running postern-sts-fetch: the real one once, and programs in its place that hang, crash, talk
 * without end or are not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "edge/sts_fetcher.h"
#include "eventually.h"
#include "lib/thread.h"
#include "tests/fake/policy_host.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define POLICY "version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 86400\n"

static char *allow_items[] = { (char *)(uintptr_t) "127.0.0.0/8", (char *)(uintptr_t) "fd00::/8" };
static const struct conf_list allow = { allow_items, 2 };

static struct sockaddr_storage addresses[2];

/* A fetcher whose program is this shell script. */
static struct sts_fetcher *fetcher_of(const struct policy_host *host, const char *script)
{
	char text[1000], path[128];
	struct sts_fetcher *fetcher;

	snprintf(text, sizeof(text), "#!/bin/sh\ncd %s\n%s\n", host->directory, script);
	policy_host_write(host, "script", text);
	snprintf(path, sizeof(path), "%s/script", host->directory);
	chmod(path, 0755);
	fetcher = sts_fetcher_create(path);
	assert_non_null(fetcher);
	return fetcher;
}

static struct sts_fetch_request request_for(const struct policy_host *host, const char *domain)
{
	return (struct sts_fetch_request){ domain, addresses, 1, &allow, host->ca_file };
}

static void run(const struct policy_host *host, struct sts_fetcher *fetcher, const char *domain,
		int64_t time_ms, struct sts_fetch_result *result)
{
	struct sts_fetch_request request = request_for(host, domain);

	sts_fetcher_run(fetcher, &request, deadline_in_ms(time_ms), result);
}

static void test_real(void **state)
{
	const struct policy_host *host = *state;
	struct sts_fetcher *fetcher = sts_fetcher_create(host->wrapper);
	struct sts_fetch_result result;

	run(host, fetcher, "good.example", PATIENCE_MS, &result);
	assert_int_equal(result.status, STS_FETCH_STATUS_DONE);
	assert_int_equal(result.length, strlen(POLICY));
	assert_memory_equal(result.bytes, POLICY, result.length);
	sts_fetch_result_wipe(&result);
	run(host, fetcher, "just-fits.example", PATIENCE_MS, &result);
	assert_int_equal(result.status, STS_FETCH_STATUS_DONE);
	assert_int_equal(result.length, 65536);
	sts_fetch_result_wipe(&result);
	run(host, fetcher, "expired.example", PATIENCE_MS, &result);
	assert_int_equal(result.status, STS_FETCH_STATUS_CERTIFICATE);
	assert_string_equal(result.reason, "mta-sts.expired.example: SSL certificate problem: "
					   "certificate has expired");
	sts_fetch_result_wipe(&result);
	sts_fetcher_destroy(fetcher);
}

#define LATE "postern-sts-fetch was killed: it did not end in time"

/* What programs do, what comes of it. Those that are late have 2 s; the others end before any of the former would. */
static const struct {
	const char *script;
	enum sts_fetch_status status;
	const char *words; /* of the policy, or of the reason */
} programs[] = {
	{ "printf %s a; printf %s b", STS_FETCH_STATUS_DONE, "ab" },
	{ "echo ignored >&2; printf c", STS_FETCH_STATUS_DONE, "c" },
	{ ":", STS_FETCH_STATUS_DONE, "" },
	{ "printf '%s ' \"$@\"", STS_FETCH_STATUS_DONE,
	  "--allow 127.0.0.0/8 --allow fd00::/8 --ca-file - -- a.example 127.0.0.1 " },
	{ "tr '\\0' '\\n' </proc/$$/environ", STS_FETCH_STATUS_DONE, "" },
	/* 3 is the directory itself. */
	{ "exec ls /proc/self/fd", STS_FETCH_STATUS_DONE, "0\n1\n2\n3\n" },
	/* A file that this program might not be allowed to open. */
	{ "cat", STS_FETCH_STATUS_DONE, "authorities" },
	/* The C library ignores two of its own beyond these. */
	{ "grep -E '^Sig(Blk|Ign)' /proc/$$/status | sed 's/.*\\(.......\\)$/\\1/' | tr -d '0\\n'",
	  STS_FETCH_STATUS_DONE, "" },
	{ "echo partial; echo why >&2; echo more >&2; exit 69", STS_FETCH_STATUS_UNAVAILABLE,
	  "why" },
	{ "printf '\\033[31mred\\377\\nx' >&2; exit 76", STS_FETCH_STATUS_CERTIFICATE,
	  "?[31mred?" },
	{ "exit 65", STS_FETCH_STATUS_NO_POLICY, "postern-sts-fetch ended with status 65" },
	{ "echo boom >&2; exit 3", STS_FETCH_STATUS_LOCAL,
	  "postern-sts-fetch ended with status 3 (boom)" },
	{ "kill -SEGV $$", STS_FETCH_STATUS_LOCAL, "postern-sts-fetch was ended by signal 11" },
	{ "echo half; kill -KILL $$", STS_FETCH_STATUS_LOCAL,
	  "postern-sts-fetch was ended by signal 9" },
	{ "exec yes", STS_FETCH_STATUS_LOCAL,
	  "postern-sts-fetch was killed: it wrote more than a policy can have" },
	{ "head -c 65537 /dev/zero", STS_FETCH_STATUS_LOCAL,
	  "postern-sts-fetch was killed: it wrote more than a policy can have" },
	{ "exec yes >&2", STS_FETCH_STATUS_LOCAL,
	  "postern-sts-fetch was killed: it never stopped complaining" },
	{ "exec sleep 1000", STS_FETCH_STATUS_UNAVAILABLE, LATE },
	{ "exec >&- 2>&-; exec sleep 1000", STS_FETCH_STATUS_UNAVAILABLE, LATE },
	{ "trap '' TERM; while echo; do sleep 0.1; done", STS_FETCH_STATUS_UNAVAILABLE, LATE },
	/* Who holds the pipes open does not count once the program has ended. */
	{ "sleep 1000 & echo $! >holder; printf d", STS_FETCH_STATUS_DONE, "d" },
};

/* 0: it has not written it down yet. */
static int read_pid(const struct policy_host *host, const char *name)
{
	char path[128];
	FILE *file;
	int pid = 0;

	snprintf(path, sizeof(path), "%s/%s", host->directory, name);
	file = fopen(path, "r");
	if (file != NULL && fscanf(file, "%d", &pid) != 1)
		pid = 0;
	if (file != NULL)
		fclose(file);
	return pid;
}

static void check_program(const struct policy_host *host, size_t i)
{
	struct sts_fetcher *fetcher = fetcher_of(host, programs[i].script);
	struct sts_fetch_result result;
	struct sts_fetch_request request = request_for(host, "a.example");
	bool is_late = strcmp(programs[i].words, LATE) == 0;
	char text[400] = "", ca_file[128];

	snprintf(ca_file, sizeof(ca_file), "%s/authorities", host->directory);
	policy_host_write(host, "authorities", "authorities");
	request.ca_file = ca_file;
	sts_fetcher_run(fetcher, &request, deadline_in_ms(is_late ? 2000 : PATIENCE_MS), &result);
	if (result.status == STS_FETCH_STATUS_DONE)
		snprintf(text, sizeof(text), "%.*s", (int)result.length, result.bytes);
	else
		snprintf(text, sizeof(text), "%s", result.reason);
	if (result.status != programs[i].status || strcmp(text, programs[i].words) != 0)
		fail_msg("%s: %d, \"%s\"", programs[i].script, (int)result.status, text);
	sts_fetch_result_wipe(&result);
	sts_fetcher_destroy(fetcher);
}

/* As in the edge: signals blocked or ignored, descriptors open that are not to be inherited. */
static void test_programs(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (size_t i = 0; i < COUNT(programs); i++)
		check_program(*state, i);
	assert_int_equal(kill(read_pid(*state, "holder"), SIGKILL), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(fd);
}

static void test_ca_file(void **state)
{
	static const char without[] =
		" --allow 127.0.0.0/8 --allow fd00::/8 -- a.example 127.0.0.1";
	const struct policy_host *host = *state;
	struct sts_fetcher *fetcher = fetcher_of(host, "cat; printf ' %s' \"$*\"");
	struct sts_fetch_request request = request_for(host, "a.example");
	struct sts_fetch_result result;

	request.ca_file = NULL;
	sts_fetcher_run(fetcher, &request, deadline_in_ms(PATIENCE_MS), &result);
	assert_int_equal(result.status, STS_FETCH_STATUS_DONE);
	assert_int_equal(result.length, strlen(without));
	assert_memory_equal(result.bytes, without, result.length);
	sts_fetch_result_wipe(&result);
	request.ca_file = "/nonexistent/authorities";
	sts_fetcher_run(fetcher, &request, deadline_in_ms(PATIENCE_MS), &result);
	assert_int_equal(result.status, STS_FETCH_STATUS_CONFIG);
	assert_string_equal(result.reason, "/nonexistent/authorities: No such file or directory");
	sts_fetch_result_wipe(&result);
	sts_fetcher_destroy(fetcher);
}

static void test_no_program(void **state)
{
	const struct policy_host *host = *state;
	struct sts_fetcher *fetcher = sts_fetcher_create("/nonexistent/postern-sts-fetch");
	struct sts_fetch_result result;

	run(host, fetcher, "a.example", PATIENCE_MS, &result);
	assert_int_equal(result.status, STS_FETCH_STATUS_LOCAL);
	assert_string_equal(result.reason, "/nonexistent/postern-sts-fetch cannot be started: No "
					   "such file or directory");
	sts_fetcher_destroy(fetcher);
	fetcher = sts_fetcher_create(host->ca_file);
	run(host, fetcher, "a.example", PATIENCE_MS, &result);
	assert_int_equal(result.status, STS_FETCH_STATUS_LOCAL);
	assert_non_null(strstr(result.reason, "cannot be started: Permission denied"));
	sts_fetcher_destroy(fetcher);
}

/* A killed program is gone, and was waited for. It needs some of its time to get as far as to say who it is. */
static void test_killed(void **state)
{
	const struct policy_host *host = *state;
	struct sts_fetcher *fetcher = fetcher_of(host, "echo $$ >pid; exec sleep 1000");
	struct sts_fetch_result result;
	int pid = 0;

	for (int64_t time_ms = 500; pid == 0 && time_ms < PATIENCE_MS; time_ms *= 4) {
		run(host, fetcher, "a.example", time_ms, &result);
		assert_int_equal(result.status, STS_FETCH_STATUS_UNAVAILABLE);
		pid = read_pid(host, "pid");
	}
	assert_true(pid > 0);
	assert_int_equal(kill(pid, 0), -1);
	sts_fetcher_destroy(fetcher);
}

struct job {
	const struct policy_host *host;
	struct sts_fetcher *fetcher;
	int64_t time_ms;
	struct sts_fetch_result result;
	pthread_t thread;
};

static void *run_job(void *argument)
{
	struct job *job = argument;

	run(job->host, job->fetcher, "a.example", job->time_ms, &job->result);
	return NULL;
}

static void start_jobs(struct job *jobs, size_t count, const struct policy_host *host,
		       struct sts_fetcher *fetcher, int64_t time_ms)
{
	for (size_t i = 0; i < count; i++) {
		jobs[i] = (struct job){ .host = host, .fetcher = fetcher, .time_ms = time_ms };
		assert_int_equal(thread_start(&jobs[i].thread, run_job, &jobs[i]), 0);
	}
}

static void join_jobs(struct job *jobs, size_t count, enum sts_fetch_status status)
{
	for (size_t i = 0; i < count; i++) {
		pthread_join(jobs[i].thread, NULL);
		if (jobs[i].result.status != status)
			fail_msg("%zu: %s", i, jobs[i].result.reason);
	}
}

static void test_at_most_eight(void **state)
{
	struct sts_fetcher *fetcher =
		fetcher_of(*state, "mkdir run.$$; ls -d run.* | wc -l; sleep 0.3; rmdir run.$$");
	struct job jobs[20];
	int most = 0;

	start_jobs(jobs, COUNT(jobs), *state, fetcher, PATIENCE_MS);
	join_jobs(jobs, COUNT(jobs), STS_FETCH_STATUS_DONE);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		int seen = jobs[i].result.length > 0 ? jobs[i].result.bytes[0] - '0' : 0;

		assert_true(jobs[i].result.length == 2);
		most = seen > most ? seen : most;
		sts_fetch_result_wipe(&jobs[i].result);
	}
	assert_in_range(most, 2, STS_FETCHERS_MAX);
	sts_fetcher_destroy(fetcher);
}

/* Files in the host's directory that begin so. */
static size_t count_files(const struct policy_host *host, const char *begin)
{
	DIR *directory = opendir(host->directory);
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL)
		count += strncmp(entry->d_name, begin, strlen(begin)) == 0;
	closedir(directory);
	return count;
}

/* All places are taken until this test says so. */
static void test_no_place_in_time(void **state)
{
	const struct policy_host *host = *state;
	struct sts_fetcher *fetcher = fetcher_of(host, ": >began.$$; until [ -e over ]; do sleep 0.1; done");
	struct sts_fetch_result result;
	struct job jobs[STS_FETCHERS_MAX];

	start_jobs(jobs, COUNT(jobs), host, fetcher, PATIENCE_MS);
	EVENTUALLY(count_files(host, "began.") == COUNT(jobs));
	run(host, fetcher, "a.example", 200, &result);
	assert_int_equal(result.status, STS_FETCH_STATUS_UNAVAILABLE);
	assert_non_null(strstr(result.reason, "too many policies"));
	policy_host_write(host, "over", "");
	join_jobs(jobs, COUNT(jobs), STS_FETCH_STATUS_DONE);
	for (size_t i = 0; i < COUNT(jobs); i++)
		sts_fetch_result_wipe(&jobs[i].result);
	sts_fetcher_destroy(fetcher);
}

/* More than run at once: those that wait end as well, and none because its own time is over. */
static void test_cancel(void **state)
{
	struct sts_fetcher *fetcher = fetcher_of(*state, "exec sleep 1000");
	struct sts_fetch_result result;
	struct job jobs[STS_FETCHERS_MAX + 3];

	start_jobs(jobs, COUNT(jobs), *state, fetcher, PATIENCE_MS);
	usleep(300000);
	sts_fetcher_cancel(fetcher);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		pthread_join(jobs[i].thread, NULL);
		assert_non_null(strstr(jobs[i].result.reason, "the edge is being stopped"));
	}
	run(*state, fetcher, "a.example", PATIENCE_MS, &result);
	assert_string_equal(result.reason, "the edge is being stopped");
	sts_fetcher_destroy(fetcher);
}

static int set_up(void **state)
{
	struct sockaddr_in *address = (struct sockaddr_in *)(void *)&addresses[0];

	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	signal(SIGPIPE, SIG_IGN);
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
		cmocka_unit_test(test_real),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_ca_file),
		cmocka_unit_test(test_no_program),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_at_most_eight),
		cmocka_unit_test(test_no_place_in_time),
		cmocka_unit_test(test_cancel),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
