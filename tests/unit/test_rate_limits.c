/*
 * Limits at work: whose bucket is charged and when, what survives a restart, a damaged state and a
 * clock that jumps, and that a table with a mistake takes no limit away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "captured_log.h"
#include "eventually.h"
#include "lib/log.h"
#include "limits_fixture.h"
#include "milter/rate_limits.h"
#include "milter/rate_state.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DAY_MS INT64_C(86400000)

/* This thread's time, if it has one of its own. */
static __thread int64_t own_now_ms;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	if (clock != CLOCK_MONOTONIC || own_now_ms == 0)
		return (int)syscall(SYS_clock_gettime, clock, now);
	*now = (struct timespec){ own_now_ms / 1000, own_now_ms % 1000 * 1000000 };
	return 0;
}

static struct limits_fixture fixture;
static char reason[400];

static int set_up(void **state)
{
	(void)state;
	limits_fixture_create(&fixture);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	limits_fixture_destroy(&fixture);
	return 0;
}

static void write_table(const char *text)
{
	limits_fixture_write(fixture.table, text, strlen(text));
}

static struct rate_limits *start(void)
{
	char error[400];
	struct rate_limits *limits = rate_limits_create(fixture.table, fixture.state, error, sizeof(error));

	if (limits == NULL)
		fail_msg("%s", error);
	return limits;
}

static struct rate_limits *start_with(const char *table)
{
	write_table(table);
	return start();
}

static enum rate_verdict message(struct rate_limits *limits, const char *who, const char *domain)
{
	struct client client = limits_fixture_client(who);
	const struct rate_subject subject = { .client = &client, .sender_domain = domain };

	reason[0] = '\0';
	return rate_limits_message(limits, &subject, reason, sizeof(reason));
}

static enum rate_verdict recipient(struct rate_limits *limits, const char *who)
{
	struct client client = limits_fixture_client(who);
	const struct rate_subject subject = { .client = &client, .sender_domain = "" };

	reason[0] = '\0';
	return rate_limits_recipient(limits, &subject, reason, sizeof(reason));
}

/* How many messages pass before one is refused, at most 1000. */
static int pass(struct rate_limits *limits, const char *who, const char *domain)
{
	int count = 0;

	while (count < 1000 && message(limits, who, domain) == RATE_OK)
		count++;
	return count;
}

static char *show(struct rate_limits *limits)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	assert_int_equal(rate_limits_show(limits, out), 0);
	fclose(out);
	return text;
}

static int64_t wall_ms(void)
{
	return (int64_t)time(NULL) * 1000;
}

/* ---- whose bucket ---- */

/* Each row goes on with the buckets that the rows before it have left. */
static void test_buckets_belong_to_one(void **state)
{
	static const struct {
		const char *who, *domain;
		int passing;
	} rows[] = {
		{ "alice", "", 3 },		/* login:* is a line, not a bucket */
		{ "alice", "", 0 },
		{ "ALICE", "", 0 },
		{ "bob", "", 3 },
		{ "carol", "", 5 },		/* own line */
		{ "192.0.2.1", "", 2 },
		{ "192.0.2.2", "", 2 },
		{ "::ffff:192.0.2.2", "", 0 },
		{ "198.51.100.1", "", 4 },	/* client:* */
		{ "2001:db8::1", "", 4 },
		{ "2001:db8::2", "", 0 },	/* the same /64 */
		{ "2001:db8:0:1::1", "", 4 },
		{ "2001:db8::53", "", 6 },	/* smaller network than its /64: a bucket of its own */
		{ "2001:db8::3", "", 0 },
		{ "local", "", 1 },
		{ "local", "a.example", 0 },
		{ "203.0.113.1", "a.example", 1000 },
		{ "203.0.113.1", "b.example", 2 },
		{ "203.0.113.2", "b.example", 0 },
		{ "203.0.113.2", "c.example", 7 },
		{ "203.0.113.2", "", 1000 },	/* null reverse-path: no domain */
	};
	struct rate_limits *limits = start_with("login:*		messages=3/1d\n"
						"login:carol		messages=5/1d\n"
						"client:*		messages=4/1d\n"
						"client:192.0.2.0/24	messages=2/1d\n"
						"client:2001:db8::53	messages=6/1d\n"
						"client:203.0.113.0/24	unlimited\n"
						"local			messages=1/1d\n"
						"domain:a.example	unlimited\n"
						"domain:b.example	messages=2/1d\n"
						"domain:*		messages=7/1d\n");

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int passing = pass(limits, rows[i].who, rows[i].domain);

		if (passing != rows[i].passing)
			fail_msg("row %zu, %s: %d", i, rows[i].who, passing);
	}
	rate_limits_destroy(limits);
}

/* ---- refuse or charge ---- */

/* What one bucket refuses is not taken out of another. */
static void test_only_charged_if_none_refuses(void **state)
{
	struct rate_limits *limits = start_with("login:alice messages=10/1d\nclient:192.0.2.1 messages=2/1d\n");

	(void)state;
	assert_int_equal(pass(limits, "alice@192.0.2.1", ""), 2);
	for (int i = 0; i < 50; i++)
		assert_int_equal(message(limits, "alice@192.0.2.1", ""), RATE_TEMPFAIL);
	assert_non_null(strstr(reason, "client:192.0.2.1 may send 2 messages in 1d; try again in 12h"));
	assert_int_equal(pass(limits, "alice@192.0.2.2", ""), 8);
	assert_non_null(strstr(reason, "login:alice may send 10 messages in 1d; try again in "));
	rate_limits_destroy(limits);
}

static void test_recipients_are_another_count(void **state)
{
	struct rate_limits *limits = start_with("login:alice messages=2/1d recipients=4/1d\n");

	(void)state;
	assert_int_equal(pass(limits, "alice", ""), 2);
	for (int i = 0; i < 4; i++)
		assert_int_equal(recipient(limits, "alice"), RATE_OK);
	assert_int_equal(recipient(limits, "alice"), RATE_TEMPFAIL);
	assert_string_equal(reason, "login:alice may send to 4 recipients in 1d; try again in 6h");
	rate_limits_destroy(limits);
}

/* Beyond messages 4xx; who goes on trying comes to messages_max and 5xx. */
static void test_max_counts_attempts(void **state)
{
	static const enum rate_verdict expected[] = { RATE_OK,	     RATE_OK,	    RATE_TEMPFAIL, RATE_TEMPFAIL,
						      RATE_TEMPFAIL, RATE_REJECT, RATE_REJECT };
	struct rate_limits *limits = start_with("login:alice messages=2/1d messages_max=5/1d\n");

	(void)state;
	for (size_t i = 0; i < COUNT(expected); i++)
		assert_int_equal(message(limits, "alice", ""), expected[i]);
	assert_non_null(
		strstr(reason, "login:alice tried more than 5 messages in 1d, refused ones counted; wait for 5h"));
	rate_limits_destroy(limits);
}

/* Attempts that another hard limit refuses count, too. */
static void test_every_max_is_charged(void **state)
{
	struct rate_limits *limits = start_with("login:alice messages_max=1/1d\nclient:192.0.2.1 messages_max=3/1d\n");

	(void)state;
	assert_int_equal(message(limits, "alice@192.0.2.1", ""), RATE_OK);
	assert_int_equal(message(limits, "alice@192.0.2.1", ""), RATE_REJECT);
	assert_int_equal(message(limits, "alice@192.0.2.1", ""), RATE_REJECT);
	assert_int_equal(message(limits, "bob@192.0.2.1", ""), RATE_REJECT);
	rate_limits_destroy(limits);
}

/* Who attempts more often than tokens come gets none; who waits gets one. */
static void test_refused_attempts_keep_it_empty(void **state)
{
	struct rate_limits *limits;
	int passed_alice = 0, passed_bob = 0;

	(void)state;
	own_now_ms = deadline_now_ms();
	limits = start_with("login:alice messages_max=4/800ms\nlogin:bob messages=4/800ms\n");
	while (message(limits, "alice", "") == RATE_OK || message(limits, "bob", "") == RATE_OK)
		;
	for (int i = 0; i < 12; i++) {
		own_now_ms += 50;
		passed_alice += message(limits, "alice", "") == RATE_OK;
		passed_bob += message(limits, "bob", "") == RATE_OK;
	}
	assert_int_equal(passed_bob, 3);
	assert_int_equal(passed_alice, 0);
	own_now_ms += 350;
	assert_int_equal(message(limits, "alice", ""), RATE_OK);
	rate_limits_destroy(limits);
	own_now_ms = 0;
}

static void test_reason_is_printable(void **state)
{
	struct rate_limits *limits = start_with("login:* messages=1/1d\n");

	(void)state;
	message(limits, "a\nb\xc3\x96", "");
	assert_int_equal(message(limits, "a\nb\xc3\x96", ""), RATE_TEMPFAIL);
	assert_string_equal(reason, "login:a?b?? may send 1 messages in 1d; try again in 24h");
	rate_limits_destroy(limits);
}

static void test_sizes(void **state)
{
	struct client alice = limits_fixture_client("alice@192.0.2.1");
	struct rate_subject subject = { .client = &alice, .sender_domain = "example.com" };
	struct rate_limits *limits =
		start_with("login:alice size=1M\n\nclient:* messages=1/1d size=512k\ndomain:* size=2M\n");
	char where[200];

	(void)state;
	assert_true(rate_limits_has_sizes(limits));
	assert_int_equal(rate_limits_size(limits, &subject, where, sizeof(where)), 512 * 1024);
	assert_non_null(strstr(where, "/limits:3"));
	alice.address.ss_family = AF_UNSPEC;
	assert_int_equal(rate_limits_size(limits, &subject, where, sizeof(where)), 1024 * 1024);
	alice.login[0] = '\0';
	subject.sender_domain = "";
	assert_int_equal(rate_limits_size(limits, &subject, where, sizeof(where)), 0);
	write_table("client:* messages=1/1d\n");
	assert_false(rate_limits_has_sizes(limits));
	rate_limits_destroy(limits);
}

/* ---- the table changes ---- */

static void test_table_is_read_again(void **state)
{
	struct rate_limits *limits;
	struct captured_log log;

	(void)state;
	captured_log_start(&log);
	limits = start();
	assert_int_equal(pass(limits, "alice", ""), 1000);
	write_table("login:alice messages=3/1d\n");
	assert_int_equal(pass(limits, "alice", ""), 3);
	/* Three were sent; five more than that may be. */
	write_table("login:alice messages=8/1d # and a mistake\n");
	assert_int_equal(pass(limits, "alice", ""), 0);
	assert_int_equal(captured_log_count(&log, ":1: \"#\": not OPTION=NUMBER; the limits read before stay in force"),
			 1);
	unlink(fixture.table);
	assert_int_equal(pass(limits, "alice", ""), 0);
	sleep(1);
	assert_int_equal(pass(limits, "alice", ""), 0);
	write_table("login:alice messages=8/1d\n");
	sleep(1);
	assert_int_equal(pass(limits, "alice", ""), 5);
	/* Complaints come once a minute. */
	assert_int_equal(captured_log_count(&log, "stay in force"), 1);
	rate_limits_destroy(limits);
	captured_log_stop(&log);
}

static void test_bad_table_at_the_start(void **state)
{
	char error[400];

	(void)state;
	write_table("login:alice messages=3/1d\nlogin:bob\n");
	assert_null(rate_limits_create(fixture.table, fixture.state, error, sizeof(error)));
	assert_non_null(strstr(error, "/limits:2: no limit"));
}

/* ---- the state ---- */

static void test_restart(void **state)
{
	struct rate_limits *limits = start_with("login:* messages=5/1d recipients=7/1d\nclient:* messages_max=9/1d\n");
	struct stat status;

	(void)state;
	for (int i = 0; i < 3; i++)
		message(limits, "a b%\xc3\x96@2001:db8::1", "");
	recipient(limits, "a b%\xc3\x96");
	rate_limits_destroy(limits);
	assert_int_equal(stat(fixture.state, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	limits = start();
	assert_int_equal(pass(limits, "a b%\xc3\x96@2001:db8::2", ""), 2);
	assert_int_equal(message(limits, "other@2001:db8::3", ""), RATE_OK);
	rate_limits_destroy(limits);
	limits = start();
	assert_int_equal(pass(limits, "third@2001:db8::3", ""), 2);
	assert_int_equal(message(limits, "fourth@2001:db8::3", ""), RATE_REJECT);
	rate_limits_destroy(limits);
}

/* kill -9 forgets a few seconds at most. */
static void test_killed(void **state)
{
	struct rate_limits *limits;
	int said[2];
	pid_t pid;
	char byte;

	(void)state;
	write_table("login:alice messages=5/1d\n");
	assert_int_equal(pipe(said), 0);
	pid = fork();
	if (pid == 0) {
		limits = start();
		message(limits, "alice", "");
		message(limits, "alice", "");
		assert_int_equal(write(said[1], "x", 1), 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(said[0], &byte, 1), 1);
	EVENTUALLY(access(fixture.state, F_OK) == 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(said[0]);
	close(said[1]);
	limits = start();
	assert_int_equal(pass(limits, "alice", ""), 3);
	rate_limits_destroy(limits);
}

/*
 * Refilling goes on while the milter is down; a clock that jumps gives no more than a full bucket and
 * takes no more than one refill.
 */
static void test_time_between(void **state)
{
	static const struct {
		int64_t written_ms_ago;
		int passing;
	} rows[] = {
		{ 0, 20 },
		{ DAY_MS / 4, 45 },
		{ DAY_MS / 2, 70 },
		{ DAY_MS, 100 },
		{ 400 * DAY_MS, 100 },		/* or the clock went ahead */
		{ -DAY_MS, 20 },		/* the clock was set back */
		{ -400 * DAY_MS, 20 },
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct rate_limits *limits;
		int passing;

		snprintf(text, sizeof(text), "postern-limits 1 %lld\nlogin:alice messages 100 %lld 20100\n",
			 (long long)(wall_ms() - rows[i].written_ms_ago), (long long)DAY_MS);
		limits_fixture_write(fixture.state, text, strlen(text));
		limits = start_with("login:alice messages=100/1d\n");
		passing = pass(limits, "alice", "");
		if (passing != rows[i].passing)
			fail_msg("row %zu: %d", i, passing);
		rate_limits_destroy(limits);
	}
}

/* Damaged lines cost themselves, and are told. */
static void test_damaged_state(void **state)
{
	static const char lines[] = "login:alice messages 10 86400000 1000\n"
				    "login:bob messages 10 86400000\n"
				    "login:bob messages 10 86400000 1000 x\n"
				    "login:bob messages 10 86400000 10001\n"
				    "login:bob messages 0 86400000 0\n"
				    "login:bob messages 10 99999999999999 0\n"
				    "login:bob messages 10 -1 0\n"
				    "login:bob nothing 10 86400000 0\n"
				    "bob messages 10 86400000 0\n"
				    "LOGIN:Bob messages 10 86400000 0\n"
				    "login:b%6 messages 10 86400000 0\n"
				    "login:bob%00 messages 10 86400000 0\n"
				    "login:\0bob messages 10 86400000 0\n"
				    "\n"
				    "login:carol messages 10 86400000 2000\n"
				    "login:dave messages 10 86400000 0";
	struct captured_log log;
	struct rate_limits *limits;
	char text[sizeof(lines) + 100], first[200], last[200];
	int head = snprintf(text, sizeof(text), "postern-limits 1 %lld\n", (long long)wall_ms());

	(void)state;
	memcpy(text + head, lines, sizeof(lines) - 1);
	limits_fixture_write(fixture.state, text, (size_t)head + sizeof(lines) - 1);
	captured_log_start(&log);
	limits = start_with("login:* messages=10/1d\n");
	snprintf(first, sizeof(first), "%s:3: not five words; the line is skipped", fixture.state);
	snprintf(last, sizeof(last), "%s: 4 more lines are damaged", fixture.state);
	assert_int_equal(captured_log_count(&log, first), 1);
	assert_int_equal(captured_log_count(&log, "; the line is skipped"), 10);
	assert_int_equal(captured_log_count(&log, last), 1);
	assert_int_equal(pass(limits, "alice", ""), 1);
	assert_int_equal(pass(limits, "bob", ""), 10);
	assert_int_equal(pass(limits, "carol", ""), 2);
	assert_int_equal(pass(limits, "dave", ""), 10);
	rate_limits_destroy(limits);
	captured_log_stop(&log);
}

static void test_unknown_format(void **state)
{
	static const char *const headers[] = {
		"postern-limits 2 1\n", "postern-limits 1\n", "postern-limits 1 x\n", "\n", "", "postern-limits 1 5"
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		struct captured_log log;
		struct rate_limits *limits;

		snprintf(text, sizeof(text), "%s%s", headers[i], i < 4 ? "login:alice messages 10 86400000 0\n" : "");
		limits_fixture_write(fixture.state, text, strlen(text));
		captured_log_start(&log);
		limits = start_with("login:* messages=10/1d\n");
		assert_int_equal(captured_log_count(&log, "all limits start with full buckets"), 1);
		assert_int_equal(pass(limits, "alice", ""), 10);
		rate_limits_destroy(limits);
		captured_log_stop(&log);
	}
}

/* A state that cannot be written, as on a full disk, is one warning, and mail goes on. */
static void test_unwritable_state(void **state)
{
	char error[400], path[100];
	struct rate_limits *limits;
	struct captured_log log;

	(void)state;
	captured_log_start(&log);
	write_table("login:* messages=10/1d\n");
	snprintf(path, sizeof(path), "%s/missing/state", fixture.directory);
	limits = rate_limits_create(fixture.table, path, error, sizeof(error));
	assert_non_null(limits);
	assert_int_equal(message(limits, "alice", ""), RATE_OK);
	usleep((2 * RATE_LIMITS_WRITE_MS + 1000) * 1000);
	assert_int_equal(message(limits, "alice", ""), RATE_OK);
	rate_limits_destroy(limits);
	assert_int_equal(
		captured_log_count(&log, "/missing/state: No such file or directory; a restart would forget them"), 1);
	captured_log_stop(&log);
}

/* The disk is full in the middle of a write: the old state stays as it was, and no half of a new one. */
static void test_full_disk(void **state)
{
	struct rlimit before, small = { .rlim_cur = 5 };
	struct bucket_list nothing = { 0 };
	char error[400], temporary[110];
	struct stat status;
	int result;

	(void)state;
	limits_fixture_write(fixture.state, "old", 3);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_FSIZE, &small);
	result = rate_state_write(&nothing, fixture.state, 1, error, sizeof(error));
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(result, -1);
	assert_non_null(strstr(error, "/limits.state: File too large"));
	assert_int_equal(stat(fixture.state, &status), 0);
	assert_int_equal(status.st_size, 3);
	snprintf(temporary, sizeof(temporary), "%s.new", fixture.state);
	assert_int_equal(access(temporary, F_OK), -1);
	assert_int_equal(rate_state_write(&nothing, fixture.state, 1, error, sizeof(error)), 0);
}

/* ---- bounds ---- */

static void test_full_ones_go_first_then_the_oldest(void **state)
{
	const struct token_rate rate = { 10, 10000 };
	struct bucket_table *table = bucket_table_create(100);
	struct bucket_list list;
	struct rate_key owner;
	int64_t now = 1000000;
	char name[20];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		rate_key_of_login(&owner, name);
		assert_int_equal(bucket_table_make_room(table, 1, now), 0);
		for (int k = 0; k < (i < 50 ? 10 : 1); k++)
			token_bucket_take(bucket_table_use(table, &owner, LIMIT_MESSAGES, rate, now));
	}
	/* u0 was used last, u50 to u99 are full by now. */
	now += 2000;
	rate_key_of_login(&owner, "u0");
	bucket_table_use(table, &owner, LIMIT_MESSAGES, rate, now);
	assert_int_equal(bucket_table_make_room(table, 6, now), 0);
	assert_int_equal(bucket_table_count(table), 50);
	for (int i = 100; i < 151; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		rate_key_of_login(&owner, name);
		assert_int_equal(bucket_table_make_room(table, 1, now), i == 150);
		token_bucket_take(bucket_table_use(table, &owner, LIMIT_MESSAGES, rate, now));
	}
	/* u1 was the oldest. */
	assert_int_equal(bucket_table_copy(table, now, &list), 0);
	assert_int_equal(list.count, 100);
	assert_string_equal(list.rows[0].owner, "login:u2");
	assert_string_equal(list.rows[99].owner, "login:u150");
	bucket_list_wipe(&list);
	bucket_table_destroy(table);
}

static void test_more_owners_than_room(void **state)
{
	struct rate_limits *limits = start_with("client:* messages=2/1d messages_max=5/1d\n");
	struct captured_log log;
	char address[40], *text;
	size_t lines = 0;

	(void)state;
	captured_log_start(&log);
	for (int i = 0; i < RATE_LIMITS_BUCKETS_MAX / 2 + 1000; i++) {
		snprintf(address, sizeof(address), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		assert_int_equal(message(limits, address, ""), RATE_OK);
	}
	assert_int_equal(captured_log_count(&log, "those longest unused are forgotten"), 1);
	assert_int_equal(pass(limits, address, ""), 1);
	assert_int_equal(pass(limits, "10.0.0.0", ""), 2);
	text = show(limits);
	/* Not by strchr(), which reads all the rest each time where the address sanitizer is strict about strings. */
	for (const char *at = text; *at != '\0'; at++)
		lines += *at == '\n';
	free(text);
	assert_in_range(lines, RATE_LIMITS_BUCKETS_MAX - 5, RATE_LIMITS_BUCKETS_MAX);
	rate_limits_destroy(limits);
	/* All of it comes back. */
	limits = start();
	assert_int_equal(pass(limits, address, ""), 0);
	assert_int_equal(pass(limits, "10.0.150.5", ""), 1);
	rate_limits_destroy(limits);
	captured_log_stop(&log);
}

/* ---- show and reset ---- */

static void test_show_and_reset(void **state)
{
	struct rate_limits *limits = start_with("login:* messages=4/1d recipients=2/1h\nclient:* messages=10/1d\n"
						"local messages_max=3/1d\n");
	char *text;

	(void)state;
	text = show(limits);
	assert_string_equal(text, "");
	free(text);
	message(limits, "alice@2001:db8::1", "");
	recipient(limits, "alice");
	message(limits, "bob@192.0.2.1", "");
	message(limits, "local", "");
	text = show(limits);
	assert_non_null(strstr(text, "client:192.0.2.1 messages=10/1d: 9 left, full again in "));
	assert_non_null(strstr(text, "\nclient:2001:db8::/64 messages=10/1d: 9 left, full again in "));
	assert_non_null(strstr(text, "\nlocal messages_max=3/1d: 2 left, full again in 8h\n"));
	assert_non_null(strstr(
		text, "\nlogin:alice messages=4/1d: 3 left, full again in 6h\nlogin:alice recipients=2/1h: 1 left, "
		      "full again in 30m\nlogin:bob messages"));
	free(text);
	assert_int_equal(rate_limits_reset(limits, "alice", reason, sizeof(reason)), -1);
	assert_non_null(strstr(reason, "\"alice\" is none of login:NAME"));
	assert_int_equal(rate_limits_reset(limits, "login:Alice", reason, sizeof(reason)), 2);
	assert_int_equal(rate_limits_reset(limits, "login:alice", reason, sizeof(reason)), 0);
	assert_int_equal(rate_limits_reset(limits, "client:2001:db8::7", reason, sizeof(reason)), 1);
	message(limits, "2001:db8::1", "");
	assert_int_equal(rate_limits_reset(limits, "client:2001:db8::/64", reason, sizeof(reason)), 1);
	assert_int_equal(rate_limits_reset(limits, "client:::ffff:192.0.2.1", reason, sizeof(reason)), 1);
	assert_int_equal(rate_limits_reset(limits, "local", reason, sizeof(reason)), 1);
	assert_int_equal(rate_limits_reset(limits, "*", reason, sizeof(reason)), 1);
	assert_int_equal(pass(limits, "alice", ""), 4);
	rate_limits_destroy(limits);
	/* What was reset stays so after a restart. */
	limits = start();
	assert_int_equal(rate_limits_reset(limits, "*", reason, sizeof(reason)), 1);
	rate_limits_destroy(limits);
	limits = start();
	assert_int_equal(pass(limits, "alice", ""), 4);
	rate_limits_destroy(limits);
}

/* ---- threads ---- */

#define THREADS 8
#define ATTEMPTS 500

static void *attempt(void *argument)
{
	struct client client = limits_fixture_client("alice@192.0.2.1");
	const struct rate_subject subject = { .client = &client, .sender_domain = "example.com" };
	char text[200];
	intptr_t passed = 0;

	for (int i = 0; i < ATTEMPTS; i++) {
		passed += rate_limits_message(argument, &subject, text, sizeof(text)) == RATE_OK;
		rate_limits_has_sizes(argument);
		if (i % 100 == 50)
			rate_limits_reset(argument, "login:nobody", text, sizeof(text));
	}
	return (void *)passed;
}

/* The milter ends while its threads are still at it: what they counted until then is in the state. */
static void test_stop_among_threads(void **state)
{
	struct rate_limits *limits;
	pthread_t thread;
	int status;
	pid_t pid;

	(void)state;
	write_table("login:alice messages=1000/31d\n");
	pid = fork();
	if (pid == 0) {
		limits = start();
		message(limits, "alice", "");
		for (int i = 0; i < THREADS; i++)
			if (pthread_create(&thread, NULL, attempt, limits) == 0)
				pthread_detach(thread);
		rate_limits_stop(limits);
		message(limits, "alice", "");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	limits = start();
	assert_in_range(pass(limits, "alice", ""), 0, 999);
	rate_limits_destroy(limits);
}

/* Exactly as many as there are tokens, while the table is read again and again. */
static void test_threads(void **state)
{
	struct rate_limits *limits = start_with("login:alice messages=1000/31d\nclient:* messages=5000/31d\n");
	pthread_t threads[THREADS];
	intptr_t total = 0;
	void *passed;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, attempt, limits), 0);
	for (int i = 0; i < 50; i++) {
		char next[100];

		/* In one step, as an editor does: half a table would be another table. */
		snprintf(next, sizeof(next), "%s.new", fixture.table);
		limits_fixture_write(next, "login:alice messages=1000/31d\nclient:* messages=5000/31d\n", 57);
		assert_int_equal(rename(next, fixture.table), 0);
		free(show(limits));
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &passed);
		total += (intptr_t)passed;
	}
	assert_int_equal(total, 1000);
	rate_limits_destroy(limits);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_buckets_belong_to_one),
		TEST(test_only_charged_if_none_refuses),
		TEST(test_recipients_are_another_count),
		TEST(test_max_counts_attempts),
		TEST(test_every_max_is_charged),
		TEST(test_refused_attempts_keep_it_empty),
		TEST(test_reason_is_printable),
		TEST(test_sizes),
		TEST(test_table_is_read_again),
		TEST(test_bad_table_at_the_start),
		TEST(test_restart),
		TEST(test_killed),
		TEST(test_time_between),
		TEST(test_damaged_state),
		TEST(test_unknown_format),
		TEST(test_unwritable_state),
		TEST(test_full_disk),
		TEST(test_full_ones_go_first_then_the_oldest),
		TEST(test_more_owners_than_room),
		TEST(test_show_and_reset),
		TEST(test_stop_among_threads),
		TEST(test_threads),
	};

	log_open("test", LOG_TARGET_STDERR, LOG_LEVEL_WARNING);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
