/*
 * The store of MTA-STS policies with everything real around it: a DNS server, HTTPS servers,
 * postern-sts-fetch, the file. Cases 80 to 84, 87 and 89.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/stat.h>

#include "edge/edge_setup.h"
#include "edge/sts_store.h"
#include "eventually.h"
#include "lib/thread.h"
#include "tests/fake/fake_dns.h"
#include "tests/fake/policy_host.h"
#include "tests/unit/captured_log.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define TXT(name, id)                                                                              \
	"query _mta-sts." name ".example TXT\nanswer @ 5 IN TXT \"v=STSv1; id=" id "\"\n"
#define HOSTS "query * A\nanswer @ 5 IN A 127.0.0.1\nquery * AAAA\n"

static const char replay[] = TXT("good", "1") TXT("expired", "1") TXT("status404", "1") TXT(
	"html", "1") TXT("wrong-syntax",
			 "1") TXT("slow", "1") TXT("slow2", "1") TXT("slow3", "1") TXT("short", "1")
	TXT("second", "1") "query _mta-sts.two.example TXT\n"
			   "answer @ 5 IN TXT \"v=STSv1; id=1\"\n"
			   "answer @ 5 IN TXT \"v=STSv1; id=2\"\n"
			   "query _mta-sts.alias.example TXT\n"
			   "answer @ 5 IN CNAME _mta-sts.good.example.\n"
			   "answer _mta-sts.good.example. 5 IN TXT \"v=STSv1; id=1\"\n"
			   "query _mta-sts.gone.example TXT\n"
			   "rcode NXDOMAIN\n"
			   "query _mta-sts.servfail.example TXT\n"
			   "rcode SERVFAIL\n" TXT("no-address", "1")
				   TXT("private", "1") "query mta-sts.no-address.example A\n"
						       "query mta-sts.no-address.example AAAA\n"
						       "query mta-sts.private.example A\n"
						       "answer @ 5 IN A 10.1.2.3\n"
						       "query mta-sts.private.example AAAA\n" HOSTS;

static const char newer_replay[] = TXT("good", "2") TXT("second", "2") HOSTS;
static const char all_gone_replay[] = "query * TXT\nrcode NXDOMAIN\nquery * A\nrcode NXDOMAIN\n"
				      "query * AAAA\nrcode NXDOMAIN\n";
static const char no_text_replay[] = "query * TXT\nrcode SERVFAIL\n" HOSTS;

/* Everything at once, so that a test need not wait. */
static const struct sts_times quick = {
	.fetch = 20000,
	.look = 50,
	.refetch = 600000,
	.unasked = 1000,
	.unused = 1000000,
	.retry = 50,
	.retry_max = 100,
	.negative = 1000,
	.unknown = 200,
	.save = 10,
};

struct world {
	struct policy_host *host;
	struct fake_dns *dns;
	struct edge_setup *setup;
	char file[128];
	struct sts_store *store;
	struct captured_log log;
};

static struct edge_setup *setup_for(struct policy_host *host, const struct fake_dns *dns)
{
	char text[500], path[128], error[300];
	struct edge_setup *setup;

	snprintf(text, sizeof(text),
		 "ehlo_name = \"edge.example.com\";\nresolvers = [\"%s\"];\n"
		 "allow_destinations = [\"127.0.0.0/8\"];\ntls_ca_file = \"%s\";\n",
		 dns->address, host->ca_file);
	policy_host_write(host, "edge.conf", text);
	snprintf(path, sizeof(path), "%s/edge.conf", host->directory);
	setup = edge_setup_create(path, error, sizeof(error));
	if (setup == NULL)
		fail_msg("%s", error);
	return setup;
}

static struct sts_store *create(struct world *world, const char *file,
				const struct sts_times *times)
{
	char error[300];
	struct sts_store *store =
		sts_store_create(file, world->host->wrapper, times, error, sizeof(error));

	if (store == NULL)
		fail_msg("%s", error);
	return store;
}

/* Another DNS from now on; the old one is gone. */
static void change_dns(struct world *world, const char *text)
{
	edge_setup_release(world->setup);
	fake_dns_stop(world->dns);
	world->dns = fake_dns_start(text);
	world->setup = setup_for(world->host, world->dns);
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	signal(SIGPIPE, SIG_IGN);
	world->host = policy_host_start();
	world->dns = fake_dns_start(replay);
	world->setup = setup_for(world->host, world->dns);
	snprintf(world->file, sizeof(world->file), "%s/sts", world->host->directory);
	captured_log_start(&world->log);
	world->store = create(world, "", &quick);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	sts_store_destroy(world->store);
	assert_int_equal(atomic_load(&world->setup->references), 1);
	captured_log_stop(&world->log);
	edge_setup_release(world->setup);
	fake_dns_stop(world->dns);
	policy_host_stop(world->host);
	free(world);
	return 0;
}

static enum sts_finding find_in(struct world *world, struct sts_store *store, const char *domain,
				int64_t time_ms, struct sts_answer *answer)
{
	sts_store_find(store, world->setup, domain, deadline_in_ms(time_ms), answer);
	sts_policy_wipe(&answer->policy);
	return answer->finding;
}

static enum sts_finding find(struct world *world, const char *domain)
{
	struct sts_answer answer;

	return find_in(world, world->store, domain, PATIENCE_MS, &answer);
}

/* Asks until the policy has this mode; what it says until then is another policy, never none. */
static void await_mode(struct world *world, const char *domain, enum sts_mode mode)
{
	struct deadline deadline = deadline_in_ms(PATIENCE_MS);
	enum sts_mode found;

	do {
		struct sts_answer answer;

		sts_store_find(world->store, world->setup, domain, deadline, &answer);
		assert_int_equal(answer.finding, STS_FOUND);
		found = answer.policy.mode;
		sts_answer_wipe(&answer);
		usleep(20000);
	} while (found != mode && !deadline_has_passed(deadline));
	assert_int_equal(found, mode);
}

static void await_requests(struct world *world, const char *name, int count)
{
	EVENTUALLY(policy_host_requests(world->host, name) >= count);
}

#define POLICY(mode, max_age)                                                                      \
	"version: STSv1\nmode: " mode "\nmx: mx.example\nmax_age: " max_age "\n"

static void test_findings(void **state)
{
	static const struct {
		const char *domain;
		enum sts_finding finding;
		const char *reason;
	} rows[] = {
		{ "good.example", STS_FOUND, "" },
		{ "alias.example", STS_FOUND, "" },
		{ "gone.example", STS_ABSENT, "no TXT record" },
		{ "two.example", STS_ABSENT, "more than one record" },
		{ "servfail.example", STS_ABSENT, "SERVFAIL" },
		{ "no-address.example", STS_FETCH_FAILED, "mta-sts.no-address.example has no" },
		{ "private.example", STS_FETCH_FAILED, "10.1.2.3 is a private address" },
		{ "status404.example", STS_FETCH_FAILED, "HTTP status 404" },
		{ "expired.example", STS_WEBPKI_INVALID, "certificate has expired" },
		{ "html.example", STS_INVALID, "media type" },
		{ "wrong-syntax.example", STS_INVALID, "line 2: unknown mode \"doubt\"" },
	};
	struct world *world = *state;

	policy_host_write(world->host, "wrong-syntax.policy", POLICY("doubt", "1"));
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sts_answer answer;

		sts_store_find(world->store, world->setup, rows[i].domain,
			       deadline_in_ms(PATIENCE_MS), &answer);
		if (answer.finding != rows[i].finding ||
		    strstr(answer.reason, rows[i].reason) == NULL ||
		    (answer.finding == STS_FOUND) != (answer.reason[0] == '\0') ||
		    (answer.finding == STS_FOUND) != (answer.policy.mx_count == 1))
			fail_msg("%s: %d, \"%s\"", rows[i].domain, (int)answer.finding,
				 answer.reason);
		sts_answer_wipe(&answer);
	}
	assert_int_equal(
		captured_log_count(&world->log,
				   "good.example: mode enforce, 1 mx, max_age 86400 s, id 1"),
		1);
}

/* Known is known: no round trip, and a dead network does not matter. */
static void test_kept(void **state)
{
	struct world *world = *state;
	struct sts_store *slow = create(world, "", NULL);
	struct sts_answer answer;
	unsigned asked;

	assert_int_equal(find_in(world, slow, "good.example", PATIENCE_MS, &answer), STS_FOUND);
	assert_int_equal(find_in(world, slow, "gone.example", PATIENCE_MS, &answer), STS_ABSENT);
	assert_int_equal(find_in(world, slow, "expired.example", PATIENCE_MS, &answer),
			 STS_WEBPKI_INVALID);
	asked = fake_dns_asked_count(world->dns);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(find_in(world, slow, "good.example", 0, &answer), STS_FOUND);
		assert_int_equal(find_in(world, slow, "gone.example", 0, &answer), STS_ABSENT);
		assert_int_equal(find_in(world, slow, "expired.example", 0, &answer),
				 STS_WEBPKI_INVALID);
		assert_non_null(strstr(answer.reason, "has expired"));
	}
	assert_int_equal(fake_dns_asked_count(world->dns), asked);
	assert_int_equal(policy_host_requests(world->host, "mta-sts.good.example"), 1);
	sts_store_destroy(slow);
}

/* A policy that withdraws the last one, and is itself replaced. */
static void test_new_id(void **state)
{
	struct world *world = *state;

	assert_int_equal(find(world, "good.example"), STS_FOUND);
	/* The same id: the text is not asked for, whatever it says now. */
	policy_host_write(world->host, "good.policy",
			  "version: STSv1\nmode: none\nmax_age: 86400\n");
	for (int i = 0; i < 20; i++) {
		usleep(20000);
		await_mode(world, "good.example", STS_MODE_ENFORCE);
	}
	assert_int_equal(policy_host_requests(world->host, "mta-sts.good.example"), 1);
	change_dns(world, newer_replay);
	await_mode(world, "good.example", STS_MODE_NONE);
	assert_int_equal(policy_host_requests(world->host, "mta-sts.good.example"), 2);
	assert_int_equal(captured_log_count(&world->log, "good.example: mode none, 0 mx"), 1);
}

/* Case 87, 89: whatever fails from now on, the policy holds until it ends. */
static void test_everything_gone(void **state)
{
	struct world *world = *state;
	int64_t before_ms = deadline_now_ms();
	struct sts_answer answer;
	char reason[200] = "";

	policy_host_write(world->host, "short.policy", POLICY("enforce", "6"));
	assert_int_equal(find(world, "short.example"), STS_FOUND);
	policy_host_write(world->host, "short.status", "500");
	change_dns(world, all_gone_replay);
	for (;;) {
		sts_store_find(world->store, world->setup, "short.example", deadline_in_ms(0),
			       &answer);
		if (answer.finding != STS_FOUND)
			break;
		assert_int_equal(answer.policy.mode, STS_MODE_ENFORCE);
		assert_int_equal(answer.policy.mx_count, 1);
		memcpy(reason, answer.reason, sizeof(reason));
		sts_answer_wipe(&answer);
		usleep(50000);
	}
	assert_true(deadline_now_ms() - before_ms >= 5000);	/* six, of whole seconds */
	assert_string_equal(reason, "no TXT record");
	assert_int_equal(captured_log_count(&world->log,
					    "the policy of short.example could not be refreshed"),
			 1);
	assert_int_equal(find(world, "short.example"), STS_ABSENT);
}

/* Why the policy that is had could not be refreshed. */
static const char *reason_beside(struct world *world, struct sts_store *store, const char *domain, struct sts_answer *answer)
{
	assert_int_equal(find_in(world, store, domain, 0, answer), STS_FOUND);
	return answer->reason;
}

/* The id cannot be had, the text can: what ends otherwise is fetched again. */
static void test_refetch_without_text(void **state)
{
	struct world *world = *state;
	struct sts_times times = quick;
	struct sts_store *store;
	struct sts_answer answer;

	times.refetch = 200;
	store = create(world, "", &times);
	assert_int_equal(find_in(world, store, "good.example", PATIENCE_MS, &answer), STS_FOUND);
	change_dns(world, no_text_replay);
	/* Tells the store of the new DNS. */
	find_in(world, store, "good.example", PATIENCE_MS, &answer);
	await_requests(world, "mta-sts.good.example", 3);
	policy_host_write(world->host, "good.status", "503");
	EVENTUALLY(strstr(reason_beside(world, store, "good.example", &answer), "HTTP status 503") != NULL);
	policy_host_remove(world->host, "good.status");
	EVENTUALLY(reason_beside(world, store, "good.example", &answer)[0] == '\0');
	sts_store_destroy(store);
}

/* Without anybody asking: long-lived policies that are in use, and no others. */
static void test_unasked(void **state)
{
	struct world *world = *state;
	struct sts_times times = quick;
	struct sts_store *used, *unused;
	struct sts_answer answer;
	int after;

	times.refetch = 200;
	times.unused = -1;
	unused = create(world, "", &times);
	policy_host_write(world->host, "second.policy", POLICY("enforce", "500"));
	times.unused = 100000;
	times.unasked = 1000000;
	used = create(world, "", &times);
	assert_int_equal(find_in(world, unused, "good.example", PATIENCE_MS, &answer), STS_FOUND);
	usleep(700000);
	assert_int_equal(policy_host_requests(world->host, "mta-sts.good.example"), 1);
	sts_store_destroy(unused);
	assert_int_equal(find_in(world, used, "good.example", PATIENCE_MS, &answer), STS_FOUND);
	assert_int_equal(find_in(world, used, "second.example", PATIENCE_MS, &answer), STS_FOUND);
	await_requests(world, "mta-sts.good.example", 5);
	assert_int_equal(policy_host_requests(world->host, "mta-sts.second.example"), 1);
	sts_store_destroy(used);
	after = policy_host_requests(world->host, "mta-sts.good.example");
	usleep(500000);
	assert_int_equal(policy_host_requests(world->host, "mta-sts.good.example"), after);
}

static void test_negative(void **state)
{
	struct world *world = *state;
	struct sts_times times = quick;
	struct sts_answer answer;
	int64_t before_ms;

	sts_store_destroy(world->store);
	times.negative = 4000;
	world->store = create(world, "", &times);
	assert_int_equal(find(world, "gone.example"), STS_ABSENT);
	before_ms = deadline_now_ms();
	assert_int_equal(find(world, "status404.example"), STS_FETCH_FAILED);
	policy_host_write(world->host, "status404.status", "200");
	assert_int_equal(find(world, "gone.example"), STS_ABSENT);
	EVENTUALLY(find(world, "status404.example") == STS_FOUND);
	assert_true(deadline_now_ms() - before_ms >= times.negative);
	assert_int_equal(policy_host_requests(world->host, "mta-sts.status404.example"), 2);
	/* A DNS that fails is asked again sooner. */
	assert_int_equal(find_in(world, world->store, "servfail.example", PATIENCE_MS, &answer),
			 STS_ABSENT);
	assert_non_null(strstr(answer.reason, "SERVFAIL"));
	usleep(300000);
	change_dns(world, "query * TXT\nanswer @ 5 IN TXT \"v=STSv1; id=1\"\n" HOSTS);
	assert_int_equal(find(world, "servfail.example"), STS_FOUND);
}

/* How many jobs wait for somebody else's. */
static _Atomic int waiting_jobs;
static __thread bool is_job;

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *until)
{
	int result;

	waiting_jobs += is_job;
	result = pthread_cond_clockwait(condition, lock, CLOCK_MONOTONIC, until);
	waiting_jobs -= is_job;
	return result;
}

struct job {
	struct world *world;
	const char *domain;
	int64_t time_ms;
	struct sts_answer answer;
	pthread_t thread;
};

static void *run_job(void *argument)
{
	struct job *job = argument;

	is_job = true;
	find_in(job->world, job->world->store, job->domain, job->time_ms, &job->answer);
	return NULL;
}

static void start_job(struct job *job, struct world *world, const char *domain, int64_t time_ms)
{
	*job = (struct job){ .world = world, .domain = domain, .time_ms = time_ms };
	assert_int_equal(thread_start(&job->thread, run_job, job), 0);
}

static void test_single_flight(void **state)
{
	struct world *world = *state;
	struct job jobs[30];

	policy_host_write(world->host, "slow.policy", POLICY("enforce", "0"));
	policy_host_write(world->host, "slow.status", "hold");
	for (size_t i = 0; i < COUNT(jobs); i++)
		start_job(&jobs[i], world, "slow.example", PATIENCE_MS);
	EVENTUALLY(waiting_jobs == COUNT(jobs) - 1);
	policy_host_remove(world->host, "slow.status");
	for (size_t i = 0; i < COUNT(jobs); i++) {
		pthread_join(jobs[i].thread, NULL);
		if (jobs[i].answer.finding != STS_FOUND)
			fail_msg("%s", jobs[i].answer.reason);
	}
	assert_int_equal(policy_host_requests(world->host, "mta-sts.slow.example"), 1);
}

/* Who has no time waits no longer, and leaves no verdict behind for those who have. The host answers when it may. */
static void test_deadlines(void **state)
{
	struct world *world = *state;
	struct sts_answer answer;
	struct job patient, hasty;

	policy_host_write(world->host, "slow2.status", "hold");
	start_job(&patient, world, "slow2.example", PATIENCE_MS);
	await_requests(world, "mta-sts.slow2.example", 1);
	assert_int_equal(find_in(world, world->store, "slow2.example", 100, &answer), STS_ABSENT);
	assert_non_null(strstr(answer.reason, "another delivery"));
	policy_host_remove(world->host, "slow2.status");
	pthread_join(patient.thread, NULL);
	assert_int_equal(patient.answer.finding, STS_FOUND);

	/* It must have some time, to find out what there is to be fetched. */
	policy_host_write(world->host, "slow3.status", "hold");
	start_job(&hasty, world, "slow3.example", 4000);
	await_requests(world, "mta-sts.slow3.example", 1);
	start_job(&patient, world, "slow3.example", PATIENCE_MS);
	EVENTUALLY(waiting_jobs == 1);
	pthread_join(hasty.thread, NULL);
	assert_int_equal(hasty.answer.finding, STS_FETCH_FAILED);
	assert_non_null(strstr(hasty.answer.reason, "did not end in time"));
	policy_host_remove(world->host, "slow3.status");
	pthread_join(patient.thread, NULL);
	assert_int_equal(patient.answer.finding, STS_FOUND);
}

/* Many threads, many domains, everything changing: for the sanitizers. */
static void *run_many(void *argument)
{
	static const char *const domains[] = { "good.example", "gone.example", "expired.example",
					       "second.example", "html.example" };
	struct job *job = argument;

	for (int i = 0; i < 200; i++) {
		find_in(job->world, job->world->store, domains[i % 5], 5000, &job->answer);
		usleep(2000);
	}
	return NULL;
}

static void test_many_threads(void **state)
{
	struct world *world = *state;
	struct sts_times times = quick;
	struct job jobs[8];

	sts_store_destroy(world->store);
	times.refetch = 100;
	times.negative = 100;
	world->store = create(world, world->file, &times);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		jobs[i] = (struct job){ .world = world };
		assert_int_equal(thread_start(&jobs[i].thread, run_many, &jobs[i]), 0);
	}
	for (size_t i = 0; i < COUNT(jobs); i++)
		pthread_join(jobs[i].thread, NULL);
	assert_int_equal(find(world, "good.example"), STS_FOUND);
}

/* ---- the file ---- */

static void test_restart(void **state)
{
	struct world *world = *state;
	struct sts_store *store = create(world, world->file, NULL);
	struct sts_answer answer;
	struct stat status;

	assert_int_equal(find_in(world, store, "good.example", PATIENCE_MS, &answer), STS_FOUND);
	assert_int_equal(find_in(world, store, "gone.example", PATIENCE_MS, &answer), STS_ABSENT);
	sts_store_destroy(store);
	assert_int_equal(stat(world->file, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	change_dns(world, all_gone_replay);
	store = create(world, world->file, NULL);
	sts_store_find(store, world->setup, "good.example", deadline_in_ms(0), &answer);
	assert_int_equal(answer.finding, STS_FOUND);
	assert_int_equal(answer.policy.mode, STS_MODE_ENFORCE);
	assert_true(sts_policy_allows(&answer.policy, "mx.example"));
	sts_answer_wipe(&answer);
	sts_store_destroy(store);
}

/* While it runs, soon after a change. */
static void test_saved_soon(void **state)
{
	struct world *world = *state;
	struct sts_store *store = create(world, world->file, &quick);
	struct sts_answer answer;

	assert_int_equal(find_in(world, store, "good.example", PATIENCE_MS, &answer), STS_FOUND);
	EVENTUALLY(access(world->file, F_OK) == 0);
	sts_store_destroy(store);
}

static void test_damaged_file(void **state)
{
	struct world *world = *state;
	struct sts_store *store = create(world, world->file, &quick);
	struct sts_answer answer;
	char line[200];
	FILE *file;

	assert_int_equal(find_in(world, store, "good.example", PATIENCE_MS, &answer), STS_FOUND);
	assert_int_equal(find_in(world, store, "second.example", PATIENCE_MS, &answer), STS_FOUND);
	sts_store_destroy(store);
	file = fopen(world->file, "r+");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fseek(file, 40, SEEK_CUR);
	fputc('\0', file);
	fclose(file);
	store = create(world, world->file, NULL);
	snprintf(line, sizeof(line), "%s:2: damaged", world->file);
	assert_int_equal(captured_log_count(&world->log, line), 1);
	assert_int_equal(find_in(world, store, "second.example", 0, &answer), STS_FOUND);
	assert_int_equal(policy_host_requests(world->host, "mta-sts.second.example"), 1);
	assert_int_equal(find_in(world, store, "good.example", PATIENCE_MS, &answer), STS_FOUND);
	assert_int_equal(policy_host_requests(world->host, "mta-sts.good.example"), 2);
	sts_store_destroy(store);
}

static void test_no_disk(void **state)
{
	struct world *world = *state;
	struct sts_store *store = create(world, "/nonexistent/sts", &quick);
	struct sts_answer answer;

	assert_int_equal(find_in(world, store, "good.example", PATIENCE_MS, &answer), STS_FOUND);
	EVENTUALLY(captured_log_count(&world->log, "kept in memory only") > 0);
	assert_int_equal(find_in(world, store, "second.example", PATIENCE_MS, &answer), STS_FOUND);
	usleep(200000);
	assert_int_equal(find_in(world, store, "good.example", 0, &answer), STS_FOUND);
	sts_store_destroy(store);
	assert_int_equal(
		captured_log_count(&world->log,
				   "/nonexistent/sts.new: No such file or directory; MTA-STS"),
		1);
	/* A file that cannot be read. */
	assert_int_equal(mkdir(world->file, 0700), 0);
	store = create(world, world->file, &quick);
	assert_int_equal(captured_log_count(&world->log, "is not a regular file; MTA-STS policies"),
			 1);
	assert_int_equal(find_in(world, store, "good.example", PATIENCE_MS, &answer), STS_FOUND);
	sts_store_destroy(store);
}

/* From now on the helper is one that never ends; the file says that it runs. */
static void make_helper_hang(struct world *world, const char *file)
{
	char script[300], path[128];

	snprintf(script, sizeof(script), "#!/bin/sh\n: >%s/%s\nexec sleep 1000\n", world->host->directory, file);
	policy_host_write(world->host, "hanging", script);
	snprintf(path, sizeof(path), "%s/hanging", world->host->directory);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(rename(path, world->host->wrapper), 0);
}

/* A refresh that hangs does not hold up the end. It would end by itself after half a minute. */
static void test_destroy(void **state)
{
	struct world *world = *state;
	struct sts_times times = quick;
	struct sts_answer answer;
	struct sts_store *store;
	int64_t before_ms;
	char path[128];

	times.refetch = 100;
	store = create(world, "", &times);
	assert_int_equal(find_in(world, store, "second.example", PATIENCE_MS, &answer), STS_FOUND);
	make_helper_hang(world, "hangs");
	snprintf(path, sizeof(path), "%s/hangs", world->host->directory);
	EVENTUALLY(access(path, F_OK) == 0);
	usleep(100000);
	before_ms = deadline_now_ms();
	sts_store_destroy(store);
	assert_true(deadline_now_ms() - before_ms < 20000);
	assert_int_equal(captured_log_count(&world->log, "cannot be fetched"), 0);
}

/* No helper: no policies, and the log says so. */
static void test_no_helper(void **state)
{
	struct world *world = *state;
	char error[300];
	struct sts_store *store = sts_store_create("", "/nonexistent/postern-sts-fetch", &quick,
						   error, sizeof(error));
	struct sts_answer answer;

	assert_int_equal(find_in(world, store, "good.example", PATIENCE_MS, &answer),
			 STS_FETCH_FAILED);
	assert_non_null(strstr(answer.reason, "cannot be started: No such file"));
	assert_int_equal(captured_log_count(&world->log,
					    "good.example cannot be fetched: /nonexistent/postern"),
			 1);
	sts_store_destroy(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_findings),
		TEST(test_kept),
		TEST(test_new_id),
		TEST(test_everything_gone),
		TEST(test_refetch_without_text),
		TEST(test_unasked),
		TEST(test_negative),
		TEST(test_single_flight),
		TEST(test_deadlines),
		TEST(test_many_threads),
		TEST(test_restart),
		TEST(test_saved_soon),
		TEST(test_damaged_file),
		TEST(test_no_disk),
		TEST(test_destroy),
		TEST(test_no_helper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
