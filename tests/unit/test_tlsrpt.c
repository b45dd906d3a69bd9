/*
 * Counting TLS sessions: who asks for reports is found out once, in the background; the counts
 * survive a restart and the turn of the day; neither a full queue, a silent resolver nor a broken
 * disk holds anybody up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#include "edge/tlsrpt.h"
#include "edge/tlsrpt_store.h"
#include "eventually.h"
#include "lib/log.h"
#include "lib/tlsrpt_file.h"
#include "tests/fake/fake_dns.h"

#define DAY 20412 /* 2025-11-20 */
#define ASKING "\"v=TLSRPTv1; rua=mailto:x@reports.example\""

static const char *const replay =
	"query _smtp._tls.asks.example TXT\nanswer @ 300 IN TXT " ASKING "\n"
	"query _smtp._tls.alias.example TXT\n"
	"answer @ 300 IN CNAME _smtp._tls.asks.example.\n"
	"answer _smtp._tls.asks.example. 300 IN TXT " ASKING "\n"
	"query _smtp._tls.twice.example TXT\n"
	"answer @ 300 IN TXT " ASKING "\nanswer @ 300 IN TXT " ASKING "\n"
	"query _smtp._tls.spf.example TXT\nanswer @ 300 IN TXT \"v=spf1 -all\"\n"
	"query _smtp._tls.none.example TXT\nrcode NXDOMAIN\n"
	"query _smtp._tls.broken.example TXT\nrcode SERVFAIL\n"
	"query _smtp._tls.silent.example TXT\ndrop\n"
	"query * TXT\nanswer @ 300 IN TXT " ASKING "\n";

/* ---- fixture: a directory, a resolver, and what is logged ---- */

static char base[] = "/tmp/test_tlsrpt.XXXXXX", directory[64], log_path[64];
static struct fake_dns *dns;
static struct edge_setup setup;
static int real_stderr;

static int start_group(void **state)
{
	(void)state;
	return mkdtemp(base) == NULL ? -1 : 0;
}

static int end_group(void **state)
{
	(void)state;
	return rmdir(base);
}

static int start(void **state)
{
	char *items[1], error[200];
	struct conf_list list = { .items = items, .count = 1 };
	int fd;

	(void)state;
	snprintf(directory, sizeof(directory), "%s/tlsrpt", base);
	snprintf(log_path, sizeof(log_path), "%s/log", base);
	dns = fake_dns_start(replay);
	items[0] = dns->address;
	setup.resolver = dns_resolver_create(&list, false, error, sizeof(error));
	setup.conf.tls_reports = true;
	atomic_init(&setup.references, 1);
	fflush(stderr);
	real_stderr = dup(2);
	fd = open(log_path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	dup2(fd, 2);
	close(fd);
	return setup.resolver == NULL ? -1 : 0;
}

static int end(void **state)
{
	char command[200];

	(void)state;
	dup2(real_stderr, 2);
	close(real_stderr);
	dns_resolver_destroy(setup.resolver);
	fake_dns_stop(dns);
	snprintf(command, sizeof(command), "rm -rf %s %s", directory, log_path);
	return system(command);
}

static unsigned logged(const char *text)
{
	char line[2048];
	unsigned count = 0;
	FILE *in = fopen(log_path, "r");

	while (fgets(line, sizeof(line), in) != NULL)
		count += strstr(line, text) != NULL;
	fclose(in);
	return count;
}

static unsigned asked(const char *name)
{
	unsigned count = 0;

	pthread_mutex_lock(&dns->lock);
	for (const char *at = dns->log; (at = strstr(at, name)) != NULL; at++)
		count++;
	pthread_mutex_unlock(&dns->lock);
	return count;
}

static void ignore_complaint(void *context, const char *message)
{
	(void)context;
	fail_msg("%s", message);
}

/* The file of that day; false: there is none. */
static bool read_day(struct tlsrpt_day *day, long number)
{
	struct tlsrpt_reading reading;
	char path[128], date[TLSRPT_DATE_SIZE], error[200];
	FILE *in;

	tlsrpt_day_init(day, number);
	snprintf(path, sizeof(path), "%s/%s", directory, tlsrpt_date_print(number, date));
	in = fopen(path, "r");
	if (in == NULL)
		return false;
	assert_int_equal(tlsrpt_file_read(day, in, path, ignore_complaint, NULL, &reading, error,
					  sizeof(error)),
			 0);
	assert_true(reading.is_whole);
	fclose(in);
	return true;
}

static uint64_t sessions_of(const struct tlsrpt_day *day, const char *domain)
{
	uint64_t count = 0;

	for (size_t i = 0; i < day->row_count; i++)
		if (strcmp(day->rows[i]->text[TLSRPT_TEXT_DOMAIN], domain) == 0)
			count += day->rows[i]->sessions;
	return count;
}

static uint64_t written(long number, const char *domain)
{
	struct tlsrpt_day day;
	uint64_t count = read_day(&day, number) ? sessions_of(&day, domain) : 0;

	tlsrpt_day_wipe(&day);
	return count;
}

static bool take(struct tlsrpt_store *store, const char *domain, long day)
{
	const char *const text[TLSRPT_TEXTS] = {
		[TLSRPT_TEXT_DOMAIN] = domain,
		[TLSRPT_TEXT_MX_HOST] = "mx.example",
		[TLSRPT_TEXT_REASON] = "because",
	};

	return tlsrpt_store_take(
		store, setup.resolver, deadline_in_ms(2000),
		tlsrpt_row_create(TLSRPT_NO_POLICY, TLSRPT_STARTTLS_NOT_SUPPORTED, text), day);
}

/* ---- the store ---- */

static void test_only_who_asks(void **state)
{
	static const char *const names[] = { "asks.example", "alias.example", "twice.example",
					     "spf.example",  "none.example",  "broken.example" };
	struct tlsrpt_store store;

	(void)state;
	assert_int_equal(tlsrpt_store_init(&store, directory, DAY), 0);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < 6; i++)
			assert_true(take(&store, names[i], DAY));
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(sessions_of(&store.day, names[i]), i < 2 ? 3 : 0);
		/* A SERVFAIL is asked twice, to tell bogus from broken. */
		assert_in_range(asked(names[i]), 1, i == 5 ? 2 : 1);
	}
	assert_string_equal(tlsrpt_day_find(&store.day, "asks.example")->rua,
			    "mailto:x@reports.example");
	tlsrpt_store_wipe(&store);
	assert_int_equal(written(DAY, "asks.example"), 3);
	assert_int_equal(written(DAY, "none.example"), 0);
}

/* Nobody asked, nothing counted: no file. */
static void test_no_file_for_nothing(void **state)
{
	struct tlsrpt_store store;
	struct tlsrpt_day day;

	(void)state;
	assert_int_equal(tlsrpt_store_init(&store, directory, DAY), 0);
	take(&store, "none.example", DAY);
	tlsrpt_store_tend(&store, DAY, deadline_now_ms() + 10 * TLSRPT_WRITE_MS);
	tlsrpt_store_wipe(&store);
	assert_false(read_day(&day, DAY));
	assert_int_equal(logged(""), 0);
}

static void test_restart(void **state)
{
	struct tlsrpt_store store;

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(tlsrpt_store_init(&store, directory, DAY), 0);
		take(&store, "asks.example", DAY);
		assert_int_equal(sessions_of(&store.day, "asks.example"), i);
		tlsrpt_store_wipe(&store);
		assert_int_equal(written(DAY, "asks.example"), i);
	}
	/* Also who asks for reports is in the file. */
	assert_int_equal(asked("asks.example"), 1);
}

/* At most once a minute, and not much later than that. */
static void test_write_times(void **state)
{
	struct tlsrpt_store store;
	int64_t now = deadline_now_ms();

	(void)state;
	assert_int_equal(tlsrpt_store_init(&store, directory, DAY), 0);
	take(&store, "asks.example", DAY);
	assert_in_range(store.write_at_ms, now + TLSRPT_WRITE_MS, deadline_now_ms() + TLSRPT_WRITE_MS);
	tlsrpt_store_tend(&store, DAY, store.write_at_ms - 1);
	assert_int_equal(written(DAY, "asks.example"), 0);
	tlsrpt_store_tend(&store, DAY, store.write_at_ms);
	assert_int_equal(written(DAY, "asks.example"), 1);
	assert_true(store.write_at_ms == INT64_MAX);
	tlsrpt_store_wipe(&store);
}

static void test_new_day(void **state)
{
	struct tlsrpt_store store;

	(void)state;
	assert_int_equal(tlsrpt_store_init(&store, directory, DAY), 0);
	take(&store, "asks.example", DAY);
	take(&store, "none.example", DAY);
	/* The turn of the day writes the old one, and asks anew. */
	tlsrpt_store_tend(&store, DAY + 1, 0);
	assert_int_equal(written(DAY, "asks.example"), 1);
	assert_int_equal(store.day.number, DAY + 1);
	take(&store, "none.example", DAY + 1);
	take(&store, "asks.example", DAY + 1);
	take(&store, "asks.example", DAY + 1);
	assert_int_equal(asked("none.example"), 2);
	assert_int_equal(asked("asks.example"), 2);
	/* A clock that is set back goes on in the file of that day. */
	take(&store, "asks.example", DAY);
	tlsrpt_store_wipe(&store);
	assert_int_equal(written(DAY, "asks.example"), 2);
	assert_int_equal(written(DAY + 1, "asks.example"), 2);
}

static bool exists(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return access(path, F_OK) == 0;
}

static void create(const char *name, const char *text)
{
	char path[128];
	FILE *out;

	mkdir(directory, 0700);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void test_old_files(void **state)
{
	static const struct {
		const char *name;
		bool stays;
	} files[] = {
		{ "2025-11-09", false },    { "2025-11-10", true },	 { "2025-11-21", true },
		{ "1999-01-01", false },    { "2025-11-09.new", false }, { "2025-11-19.new", true },
		{ "2025-11-09.bak", true }, { "notes", true },		 { "2025-11-091", true },
		{ "2025-02-31", true },
	};
	struct tlsrpt_store store;

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		create(files[i].name, "");
	assert_int_equal(tlsrpt_store_init(&store, directory, DAY), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (exists(files[i].name) != files[i].stays)
			fail_msg("%s", files[i].name);
	tlsrpt_store_tend(&store, DAY + 1, 0);
	assert_false(exists("2025-11-10"));
	tlsrpt_store_wipe(&store);
}

/* Damage is reported with its place, and the rest goes on. */
static void test_damaged_file(void **state)
{
	struct tlsrpt_store store;

	(void)state;
	create("2025-11-20", "postern-tlsrpt\t1\t2025-11-20\nrubbish\n"
			     "domain\tasks.example\tmailto:x@reports.example\n"
			     "sessions\t5\tno-policy-found\tsuccess\tasks.example\tasks.example"
			     "\t\t\t\t\t\t\nend\t5\n");
	assert_int_equal(tlsrpt_store_init(&store, directory, DAY), 0);
	assert_int_equal(logged("/2025-11-20:2: damaged"), 1);
	assert_int_equal(logged(""), 1);
	take(&store, "asks.example", DAY);
	tlsrpt_store_wipe(&store);
	assert_int_equal(written(DAY, "asks.example"), 6);
}

/* A directory that cannot be: told once; when it can be, nothing of the day is lost. */
static void test_no_directory(void **state)
{
	struct tlsrpt_store store;
	int in_the_way = open(directory, O_WRONLY | O_CREAT, 0600);

	(void)state;
	assert_true(in_the_way >= 0);
	close(in_the_way);
	assert_int_equal(tlsrpt_store_init(&store, directory, DAY), 0);
	for (int i = 0; i < 3; i++) {
		take(&store, "asks.example", DAY);
		store.write_at_ms = 1;
		tlsrpt_store_tend(&store, DAY, deadline_now_ms());
		/* The next attempt is a minute later. */
		assert_true(store.write_at_ms > deadline_now_ms() + TLSRPT_WRITE_MS - 5000);
	}
	assert_int_equal(logged("TLS statistics are not written"), 1);
	unlink(directory);
	tlsrpt_store_tend(&store, DAY, store.write_at_ms);
	assert_int_equal(logged("TLS statistics are written again"), 1);
	assert_int_equal(written(DAY, "asks.example"), 3);
	tlsrpt_store_wipe(&store);
	assert_int_equal(logged("TLS statistics"), 2);
}

static void test_fails_later(void **state)
{
	struct tlsrpt_store store;
	char command[100];

	(void)state;
	assert_int_equal(tlsrpt_store_init(&store, directory, DAY), 0);
	assert_int_equal(rmdir(directory), 0);
	snprintf(command, sizeof(command), "touch %s", directory);
	assert_int_equal(system(command), 0);
	take(&store, "asks.example", DAY);
	tlsrpt_store_tend(&store, DAY, store.write_at_ms);
	tlsrpt_store_tend(&store, DAY, store.write_at_ms);
	assert_int_equal(logged("are not written"), 1);
	tlsrpt_store_wipe(&store);
	assert_int_equal(logged("are not written"), 1);
}

/* More domains than a day has room for. */
static void test_many_domains(void **state)
{
	struct tlsrpt_store store;
	unsigned lost = 0;
	char name[32];

	(void)state;
	assert_int_equal(tlsrpt_store_init(&store, directory, DAY), 0);
	for (int i = 0; i < TLSRPT_DOMAINS_MAX; i++) {
		snprintf(name, sizeof(name), "d%d.example", i);
		assert_int_equal(tlsrpt_day_add_domain(&store.day, name, "mailto:a@b.example"), 0);
	}
	lost += !take(&store, "other.example", DAY);
	assert_int_equal(lost, 1);
	assert_true(take(&store, "d5.example", DAY));
	/* It is not looked up for each session. */
	take(&store, "other.example", DAY);
	assert_int_equal(asked("other.example"), 1);
	tlsrpt_store_wipe(&store);
}

/* The memory of who does not ask is bounded, too. */
static void test_many_silent(void **state)
{
	struct tlsrpt_store store;
	int64_t before;
	char name[32];

	(void)state;
	assert_int_equal(tlsrpt_store_init(&store, directory, DAY), 0);
	for (int i = 0; i < TLSRPT_SILENT_MAX; i++) {
		snprintf(name, sizeof(name), "d%d.example", i);
		store.silent[i] = (struct tlsrpt_silent){ .hash = tlsrpt_hash(name),
							  .name = strdup(name),
							  .until_ms = INT64_MAX };
	}
	store.silent_count = TLSRPT_SILENT_MAX;
	take(&store, "d77.example", DAY);
	assert_int_equal(asked("d77.example"), 0);
	take(&store, "none.example", DAY);
	assert_int_equal(store.silent_count, 1);
	/* A failed look-up is tried again some time. */
	before = deadline_now_ms();
	take(&store, "broken.example", DAY);
	assert_int_equal(store.silent_count, 2);
	assert_in_range(store.silent[1].until_ms, before + TLSRPT_RETRY_MS, deadline_now_ms() + TLSRPT_RETRY_MS);
	store.silent[1].until_ms = 0;
	take(&store, "broken.example", DAY);
	assert_in_range(asked("broken.example"), 2, 4);
	assert_int_equal(store.silent_count, 2);
	tlsrpt_store_wipe(&store);
}

/* ---- the queue and its thread ---- */

static struct tlsrpt *create_tlsrpt(void)
{
	char error[200] = "";
	struct tlsrpt *tlsrpt = tlsrpt_create(directory, error, sizeof(error));

	if (tlsrpt == NULL)
		fail_msg("%s", error);
	return tlsrpt;
}

static void count(struct tlsrpt *tlsrpt, const char *domain)
{
	const struct tlsrpt_session session = {
		.domain = domain,
		.policy_domain = "mx.example",
		.policy = TLSRPT_TLSA,
		.policy_text = "3 1 1 0123",
		.mx_host = "mx.example",
		.receiving_ip = "192.0.2.1",
		.sending_ip = "192.0.2.2",
		.result = TLSRPT_VALIDATION_FAILURE,
		.reason = "no match",
	};

	tlsrpt_count(tlsrpt, &setup, &session);
}

static uint64_t written_today(const char *domain)
{
	long today = tlsrpt_day_number(time(NULL));

	/* The test may run at midnight. */
	return written(today, domain) + written(today - 1, domain);
}

static void test_count(void **state)
{
	struct tlsrpt *tlsrpt = create_tlsrpt();
	struct tlsrpt_day day;
	const struct tlsrpt_row *row;

	(void)state;
	count(tlsrpt, "Asks.Example");
	count(tlsrpt, "asks.example");
	count(tlsrpt, "none.example");
	count(tlsrpt, "[192.0.2.1]");
	count(NULL, "asks.example");
	setup.conf.tls_reports = false;
	count(tlsrpt, "asks.example");
	tlsrpt_destroy(tlsrpt);
	assert_int_equal(atomic_load(&setup.references), 1);
	assert_int_equal(written_today("asks.example"), 2);
	assert_int_equal(written_today("none.example"), 0);
	assert_true(read_day(&day, tlsrpt_day_number(time(NULL))));
	assert_int_equal(day.row_count, 1);
	row = day.rows[0];
	assert_int_equal(row->policy, TLSRPT_TLSA);
	assert_int_equal(row->result, TLSRPT_VALIDATION_FAILURE);
	assert_string_equal(row->text[TLSRPT_TEXT_POLICY_DOMAIN], "mx.example");
	assert_string_equal(row->text[TLSRPT_TEXT_POLICY], "3 1 1 0123");
	assert_string_equal(row->text[TLSRPT_TEXT_MX_HOST], "mx.example");
	assert_string_equal(row->text[TLSRPT_TEXT_RECEIVING_IP], "192.0.2.1");
	assert_string_equal(row->text[TLSRPT_TEXT_SENDING_IP], "192.0.2.2");
	assert_string_equal(row->text[TLSRPT_TEXT_REASON], "no match");
	tlsrpt_day_wipe(&day);
	tlsrpt_destroy(NULL);
	assert_int_equal(logged(""), 0);
}

/*
 * A resolver that says nothing: nobody waits, as all of these find the queue as it is while it is asked; the queue is bounded, and the end
 * comes.
 */
static void test_full_queue(void **state)
{
	struct tlsrpt *tlsrpt = create_tlsrpt();

	(void)state;
	count(tlsrpt, "asks.example");
	count(tlsrpt, "silent.example");
	EVENTUALLY(fake_dns_was_asked(dns, "silent.example"));
	for (int i = 0; i < TLSRPT_QUEUE_MAX + 300; i++)
		count(tlsrpt, "asks.example");
	tlsrpt_destroy(tlsrpt);
	assert_int_equal(logged("300 TLS sessions were not counted"), 1);
	assert_int_equal(logged("were not counted"), 1);
	assert_int_equal(written_today("asks.example"), 1 + TLSRPT_QUEUE_MAX);
	assert_int_equal(atomic_load(&setup.references), 1);
}

static void *count_many(void *tlsrpt)
{
	for (int i = 0; i < 100; i++) {
		count(tlsrpt, i % 2 == 0 ? "asks.example" : "none.example");
		usleep(100);
	}
	return NULL;
}

static void test_many_threads(void **state)
{
	struct tlsrpt *tlsrpt = create_tlsrpt();
	pthread_t threads[8];

	(void)state;
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_many, tlsrpt), 0);
	for (size_t i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	tlsrpt_destroy(tlsrpt);
	assert_int_equal(written_today("asks.example"), 400);
	assert_int_equal(asked("asks.example"), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_only_who_asks), TEST(test_no_file_for_nothing),
		TEST(test_restart),	  TEST(test_write_times),
		TEST(test_new_day),	  TEST(test_old_files),
		TEST(test_damaged_file),  TEST(test_no_directory),
		TEST(test_fails_later),	  TEST(test_many_domains),
		TEST(test_many_silent),	  TEST(test_count),
		TEST(test_full_queue),	  TEST(test_many_threads),
	};

	return cmocka_run_group_tests(tests, start_group, end_group);
}
