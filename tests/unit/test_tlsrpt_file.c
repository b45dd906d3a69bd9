/*
 * The day's statistics in memory and on disk: rows of hostile texts, bounds, what is written is
 * what is read, and what damage costs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/tlsrpt_file.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DAY 20412 /* 2025-11-20 */
#define STS_TEXT "version: STSv1\nmode: enforce\nmx: *.example.net\nmax_age: 86400"

static struct tlsrpt_row *failure(const char *domain, const char *mx_host, const char *reason)
{
	const char *const text[TLSRPT_TEXTS] = {
		[TLSRPT_TEXT_DOMAIN] = domain,
		[TLSRPT_TEXT_POLICY] = STS_TEXT,
		[TLSRPT_TEXT_MX_PATTERN] = "*.example.net\nmx.example.org",
		[TLSRPT_TEXT_MX_HOST] = mx_host,
		[TLSRPT_TEXT_RECEIVING_IP] = "192.0.2.1",
		[TLSRPT_TEXT_SENDING_IP] = "2001:DB8::1",
		[TLSRPT_TEXT_REASON] = reason,
	};

	return tlsrpt_row_create(TLSRPT_STS, TLSRPT_CERTIFICATE_EXPIRED, text);
}

static struct tlsrpt_row *success(const char *domain)
{
	const char *const text[TLSRPT_TEXTS] = {
		[TLSRPT_TEXT_DOMAIN] = domain,
		[TLSRPT_TEXT_POLICY_DOMAIN] = "mx.example.net",
		[TLSRPT_TEXT_POLICY] = "3 1 1 AB",
		[TLSRPT_TEXT_MX_PATTERN] = "not for TLSA",
		[TLSRPT_TEXT_MX_HOST] = "mx.example.net",
		[TLSRPT_TEXT_REASON] = "100% fine",
	};

	return tlsrpt_row_create(TLSRPT_TLSA, TLSRPT_SUCCESS, text);
}

/* ---- rows ---- */

static void test_row_texts(void **state)
{
	static const struct {
		enum tlsrpt_text which;
		const char *given, *kept;
	} cases[] = {
		{ TLSRPT_TEXT_POLICY_DOMAIN, "MX.Example.NET", "mx.example.net" },
		{ TLSRPT_TEXT_POLICY_DOMAIN, "a b", "example.com" },
		{ TLSRPT_TEXT_POLICY_DOMAIN, "", "example.com" },
		{ TLSRPT_TEXT_POLICY, "a\r\nb\tc\n\n", "a\nb?c" },
		{ TLSRPT_TEXT_POLICY, "\xc3\xbc", "??" },
		{ TLSRPT_TEXT_MX_PATTERN, "*.example.com\nmx.example.org\n",
		  "*.example.com\nmx.example.org" },
		{ TLSRPT_TEXT_MX_HOST, "MX1.example.com", "mx1.example.com" },
		{ TLSRPT_TEXT_MX_HOST, "mx1\texample.com", "" },
		{ TLSRPT_TEXT_MX_HOST, "[192.0.2.1]", "" },
		{ TLSRPT_TEXT_RECEIVING_IP, "2001:DB8:0:0::1", "2001:db8::1" },
		{ TLSRPT_TEXT_RECEIVING_IP, "192.0.2.1:25", "" },
		{ TLSRPT_TEXT_SENDING_IP, "192.0.2.1", "192.0.2.1" },
		{ TLSRPT_TEXT_SENDING_IP, "localhost", "" },
		{ TLSRPT_TEXT_REASON, "line\r\nFrom: x\x7f", "line??From: x?" },
		{ TLSRPT_TEXT_REASON, NULL, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *text[TLSRPT_TEXTS] = { [TLSRPT_TEXT_DOMAIN] = "Example.com" };
		struct tlsrpt_row *row;

		text[cases[i].which] = cases[i].given;
		row = tlsrpt_row_create(TLSRPT_STS, TLSRPT_VALIDATION_FAILURE, text);
		assert_string_equal(row->text[TLSRPT_TEXT_DOMAIN], "example.com");
		assert_string_equal(row->text[cases[i].which], cases[i].kept);
		free(row);
	}
}

static void test_row_lengths(void **state)
{
	char policy[2 * TLSRPT_POLICY_BYTES_MAX + 1] = "", reason[500];
	const char *const text[TLSRPT_TEXTS] = {
		[TLSRPT_TEXT_DOMAIN] = "example.com",
		[TLSRPT_TEXT_POLICY] = policy,
		[TLSRPT_TEXT_REASON] = reason,
	};
	struct tlsrpt_row *row;

	(void)state;
	for (size_t i = 0; i + 100 < sizeof(policy); i += 100)
		sprintf(policy + i, "%099zu\n", i);
	memset(reason, 'x', sizeof(reason));
	reason[sizeof(reason) - 1] = '\0';
	row = tlsrpt_row_create(TLSRPT_TLSA, TLSRPT_TLSA_INVALID, text);
	/* 40 whole lines, the last one without its LF. */
	assert_int_equal(strlen(row->text[TLSRPT_TEXT_POLICY]), 40 * 100 - 1);
	assert_int_equal(strlen(row->text[TLSRPT_TEXT_REASON]), TLSRPT_REASON_MAX);
	free(row);
}

static void test_row_domain(void **state)
{
	static const char *const bad[] = { NULL,
					   "",
					   ".",
					   "a..b",
					   "a.",
					   ".a",
					   "a b.c",
					   "[192.0.2.1]",
					   "-a.example",
					   "a/b",
					   "\xc3\xbc.example",
					   "a\nb" };
	char name[300];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (failure(bad[i], "", "") != NULL)
			fail_msg("row %zu", i);
	memset(name, 'a', sizeof(name));
	name[64] = '\0';
	assert_false(tlsrpt_domain_is_valid(name));
	name[63] = '\0';
	assert_true(tlsrpt_domain_is_valid(name));
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 2 == 0 ? 'a' : '.';
	name[257] = '\0';
	assert_false(tlsrpt_domain_is_valid(name));
	name[255] = '\0';
	assert_true(tlsrpt_domain_is_valid(name));
	assert_true(tlsrpt_domain_is_valid("_dmarc.xn--bcher-kva.example"));
}

static void test_success_has_no_hosts(void **state)
{
	struct tlsrpt_row *row = success("example.com");

	(void)state;
	assert_string_equal(row->text[TLSRPT_TEXT_POLICY_DOMAIN], "mx.example.net");
	assert_string_equal(row->text[TLSRPT_TEXT_POLICY], "3 1 1 AB");
	assert_string_equal(row->text[TLSRPT_TEXT_MX_PATTERN], "");
	assert_string_equal(row->text[TLSRPT_TEXT_MX_HOST], "");
	assert_string_equal(row->text[TLSRPT_TEXT_REASON], "");
	free(row);
}

/* ---- a day in memory ---- */

static void test_same_rows_are_added(void **state)
{
	struct tlsrpt_day day;

	(void)state;
	tlsrpt_day_init(&day, DAY);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tlsrpt_day_count(&day, failure("a.example", "mx.example", "x")),
				 TLSRPT_COUNTED);
		tlsrpt_day_count(&day, failure("A.example", "MX.example", "x"));
		tlsrpt_day_count(&day, failure("a.example", "mx.example", "y"));
		tlsrpt_day_count(&day, success("a.example"));
	}
	assert_int_equal(day.row_count, 3);
	assert_int_equal(day.rows[0]->sessions, 6);
	assert_int_equal(day.rows[1]->sessions, 3);
	assert_int_equal(day.rows[2]->sessions, 3);
	tlsrpt_day_wipe(&day);
}

/* Beyond the bound failures are merged, and say so; what is known already is counted as before. */
static void test_rows_are_bounded(void **state)
{
	const struct tlsrpt_row *last;
	struct tlsrpt_row *row;
	struct tlsrpt_day day;
	char reason[32];

	(void)state;
	tlsrpt_day_init(&day, DAY);
	for (int i = 0; i < TLSRPT_ROWS_MAX + 50; i++) {
		snprintf(reason, sizeof(reason), "%d", i);
		assert_int_equal(tlsrpt_day_count(&day, failure("a.example", "", reason)),
				 day.row_count <= TLSRPT_ROWS_MAX && i < TLSRPT_ROWS_MAX
					 ? TLSRPT_COUNTED
					 : TLSRPT_MERGED);
	}
	assert_int_equal(day.row_count, TLSRPT_ROWS_MAX + 1);
	last = day.rows[TLSRPT_ROWS_MAX];
	assert_int_equal(last->sessions, 50);
	assert_string_equal(last->text[TLSRPT_TEXT_RECEIVING_IP], "");
	assert_string_equal(last->text[TLSRPT_TEXT_REASON], TLSRPT_MERGED_REASON);
	assert_int_equal(tlsrpt_day_count(&day, failure("a.example", "", "7")), TLSRPT_COUNTED);
	assert_int_equal(day.rows[7]->sessions, 2);
	row = failure("a.example", "", "another");
	row->sessions = 9;
	assert_int_equal(tlsrpt_day_count(&day, row), TLSRPT_MERGED);
	assert_int_equal(last->sessions, 59);
	/* Merged rows have a bound of their own. */
	for (int i = 0; i < TLSRPT_MERGED_MAX + 10; i++) {
		snprintf(reason, sizeof(reason), "d%d.example", i);
		tlsrpt_day_count(&day, failure(reason, "", ""));
	}
	assert_int_equal(tlsrpt_day_count(&day, failure("last.example", "", "")), TLSRPT_LOST);
	assert_int_equal(day.row_count, TLSRPT_ROWS_MAX + TLSRPT_MERGED_MAX);
	tlsrpt_day_wipe(&day);
}

/* Long policies reach the bound of memory before that of rows. */
static void test_memory_is_bounded(void **state)
{
	char policy[TLSRPT_POLICY_BYTES_MAX + 1], reason[32];
	const char *const text[TLSRPT_TEXTS] = {
		[TLSRPT_TEXT_DOMAIN] = "a.example",
		[TLSRPT_TEXT_POLICY] = policy,
		[TLSRPT_TEXT_REASON] = reason,
	};
	struct tlsrpt_day day;

	(void)state;
	memset(policy, 'x', sizeof(policy));
	policy[sizeof(policy) - 1] = '\0';
	tlsrpt_day_init(&day, DAY);
	for (int i = 0; i < TLSRPT_ROWS_MAX; i++) {
		snprintf(reason, sizeof(reason), "%d", i);
		tlsrpt_day_count(&day, tlsrpt_row_create(TLSRPT_TLSA, TLSRPT_TLSA_INVALID, text));
	}
	assert_in_range(day.row_count, 1000, 2100);
	assert_in_range(day.bytes, 1, TLSRPT_ROWS_BYTES_MAX + 1000);
	assert_true(day.has_merged);
	tlsrpt_day_wipe(&day);
}

static void test_domains_are_bounded(void **state)
{
	struct tlsrpt_day day;
	char name[32];

	(void)state;
	tlsrpt_day_init(&day, DAY);
	for (int i = 0; i < TLSRPT_DOMAINS_MAX; i++) {
		snprintf(name, sizeof(name), "d%d.example", i);
		assert_int_equal(tlsrpt_day_add_domain(&day, name, "mailto:a@b.example"), 0);
	}
	assert_int_equal(tlsrpt_day_add_domain(&day, "d1.example", "mailto:x@y.example"), 0);
	assert_int_equal(tlsrpt_day_add_domain(&day, "e.example", "mailto:x@y.example"), -1);
	assert_string_equal(tlsrpt_day_find(&day, "d1.example")->rua, "mailto:a@b.example");
	assert_null(tlsrpt_day_find(&day, "e.example"));
	tlsrpt_day_wipe(&day);
}

static void test_dates(void **state)
{
	static const char *const bad[] = {
		"",	      "2025-11-2",  "2025-11-020", "2025-02-29",
		"2025-13-01", "2025-00-10", "2025-11-20x", " 2025-11-20",
		"yesterday",  "25-11-20",   "2025/11/20",  "2025-11-31"
	};
	char text[TLSRPT_DATE_SIZE];
	long number;

	(void)state;
	assert_int_equal(tlsrpt_date_parse("2025-11-20", &number), 0);
	assert_int_equal(number, DAY);
	assert_string_equal(tlsrpt_date_print(DAY, text), "2025-11-20");
	assert_int_equal(tlsrpt_date_parse("2024-02-29", &number), 0);
	assert_int_equal(tlsrpt_day_number(DAY * 86400L + 86399), DAY);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (tlsrpt_date_parse(bad[i], &number) == 0)
			fail_msg("%s", bad[i]);
}

/* ---- the file ---- */

static char directory[] = "/tmp/test_tlsrpt_file.XXXXXX", path[64];

static int make_directory(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/2025-11-20", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static char complaints[8192];

static void note(void *context, const char *message)
{
	(void)context;
	assert_true(strlen(complaints) + strlen(message) + 2 < sizeof(complaints));
	sprintf(complaints + strlen(complaints), "%s\n", message);
}

static struct tlsrpt_reading read_bytes(struct tlsrpt_day *day, const char *bytes, size_t length)
{
	struct tlsrpt_reading reading;
	FILE *in = fmemopen((void *)(uintptr_t)bytes, length, "r");
	char error[200] = "";

	complaints[0] = '\0';
	tlsrpt_day_init(day, TLSRPT_DAY_UNKNOWN);
	if (tlsrpt_file_read(day, in, "F", note, NULL, &reading, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	fclose(in);
	return reading;
}

static void fill(struct tlsrpt_day *day)
{
	tlsrpt_day_init(day, DAY);
	tlsrpt_day_add_domain(day, "a.example", "mailto:x%2by@a.example,https://r.a.example/");
	tlsrpt_day_count(day, failure("a.example", "mx.a.example", "100% broken, \"x\""));
	tlsrpt_day_count(day, failure("a.example", "mx.a.example", "100% broken, \"x\""));
	tlsrpt_day_count(day, failure("b.example", "", ""));
	tlsrpt_day_count(day, success("a.example"));
}

static void test_round_trip(void **state)
{
	struct tlsrpt_reading reading;
	struct tlsrpt_day day, again;
	char error[200] = "";
	struct stat status;
	FILE *in;

	(void)state;
	fill(&day);
	assert_int_equal(tlsrpt_file_write(&day, path, error, sizeof(error)), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	tlsrpt_day_init(&again, TLSRPT_DAY_UNKNOWN);
	in = fopen(path, "r");
	complaints[0] = '\0';
	assert_int_equal(
		tlsrpt_file_read(&again, in, path, note, NULL, &reading, error, sizeof(error)), 0);
	fclose(in);
	assert_string_equal(complaints, "");
	assert_true(reading.is_whole);
	assert_int_equal(reading.lines, 6);
	assert_int_equal(again.number, DAY);
	assert_string_equal(tlsrpt_day_find(&again, "a.example")->rua,
			    "mailto:x%2by@a.example,https://r.a.example/");
	assert_int_equal(again.row_count, day.row_count);
	for (size_t i = 0; i < day.row_count; i++) {
		assert_true(tlsrpt_row_is_same(day.rows[i], again.rows[i]));
		assert_int_equal(day.rows[i]->sessions, again.rows[i]->sessions);
	}
	tlsrpt_day_wipe(&day);
	tlsrpt_day_wipe(&again);
}

#define HEADER "postern-tlsrpt\t1\t2025-11-20\n"
#define DOMAIN_LINE "domain\ta.example\tmailto:x@a.example\n"
#define SESSIONS "sessions\t7\tno-policy-found\tsuccess\ta.example\ta.example\t\t\t\t\t\t\n"

/* Each costs itself only. */
static void test_damaged_lines(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"domain",
		"domain\ta.example",
		"domain\ta b\tmailto:x@a.example",
		"domain\tb.example\tx@a.example",
		"domain\tb.example\tmailto:x@a.example\tmore",
		"sessions\t7",
		"sessions\t0\tsts\tsuccess\ta.example\ta.example\t\t\t\t\t\t",
		"sessions\t-1\tsts\tsuccess\ta.example\ta.example\t\t\t\t\t\t",
		"sessions\t9999999999999\tsts\tsuccess\ta.example\ta.example\t\t\t\t\t\t",
		"sessions\t7\txxx\tsuccess\ta.example\ta.example\t\t\t\t\t\t",
		"sessions\t7\tsts\tsucces\ta.example\ta.example\t\t\t\t\t\t",
		"sessions\t7\tsts\tsuccess\t\ta.example\t\t\t\t\t\t",
		"sessions\t7\tsts\tsuccess\tA.example\ta.example\t\t\t\t\t\t",
		"sessions\t7\tsts\tsuccess\ta.example\t\t\t\t\t\t\t",
		"sessions\t7\tsts\tsuccess\ta.example\ta.example\t\t\t\t\t\treason of a success",
		"sessions\t7\ttlsa\ttlsa-invalid\ta.example\ta.example\t\tpattern\t\t\t\t",
		"sessions\t7\tsts\tsts-policy-invalid\ta.example\ta.example\t\t\ta_b!\t\t\t",
		"sessions\t7\tsts\tsts-policy-invalid\ta.example\ta.example\t\t\t\t192.0.2\t\t",
		"sessions\t7\tsts\tsts-policy-invalid\ta.example\ta.example\t\t\t\t\t\t50%",
		"sessions\t7\tsts\tsts-policy-invalid\ta.example\ta.example\t\t\t\t\t\t%0d",
		"sessions\t7\tsts\tsts-policy-invalid\ta.example\ta.example\t\t\t\t\t\t%zz",
		"sessions\t7\tsts\tsts-policy-invalid\ta.example\ta.example\t\t\t\t\t\t\t",
		"sessions\t7\tsts\tsts-policy-invalid\ta.example\ta.example\t\t\t\t\t\t\xff",
		"end\t99",
		"end",
		"postern-tlsrpt\t2\t2025-11-20",
		"postern-tlsrpt\t1\t2025-11-99",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		char bytes[512];
		struct tlsrpt_day day;
		struct tlsrpt_reading reading;

		snprintf(bytes, sizeof(bytes), HEADER DOMAIN_LINE "%s\n" SESSIONS "end\t5\n",
			 bad[i]);
		reading = read_bytes(&day, bytes, strlen(bytes));
		if (reading.bad_lines != 1 || strncmp(complaints, "F:3: ", 5) != 0 ||
		    day.row_count != 1 || day.rows[0]->sessions != 7 || day.domain_count != 1 ||
		    !reading.is_whole)
			fail_msg("\"%s\": %zu bad lines: %s", bad[i], reading.bad_lines,
				 complaints);
		tlsrpt_day_wipe(&day);
	}
}

/* NUL bytes, as a disk leaves them after a power cut; a line without end; binary nonsense. */
static void test_damaged_bytes(void **state)
{
	static const char with_nul[] = HEADER "\0\0\0\0\n" SESSIONS "end\t4\0\n" SESSIONS;
	char *big = malloc(200000);
	struct tlsrpt_reading reading;
	struct tlsrpt_day day;

	(void)state;
	reading = read_bytes(&day, with_nul, sizeof(with_nul) - 1);
	assert_int_equal(reading.bad_lines, 2);
	assert_int_equal(day.rows[0]->sessions, 14);
	assert_false(reading.is_whole);
	assert_non_null(strstr(complaints, "F:2: damaged"));
	assert_non_null(strstr(complaints, "F:4: damaged"));
	assert_non_null(strstr(complaints, "cut off"));
	tlsrpt_day_wipe(&day);
	memset(big, 'x', 200000);
	memcpy(big, HEADER, strlen(HEADER));
	memcpy(big + 150000, "\n" SESSIONS, strlen("\n" SESSIONS));
	reading = read_bytes(&day, big, 200000);
	assert_int_equal(reading.bad_lines, 2);
	assert_int_equal(day.row_count, 1);
	tlsrpt_day_wipe(&day);
	free(big);
}

static void test_many_complaints(void **state)
{
	struct tlsrpt_reading reading;
	struct tlsrpt_day day;
	char bytes[300] = "";

	(void)state;
	for (int i = 0; i < 50; i++)
		strcat(bytes, "x\n");
	reading = read_bytes(&day, bytes, strlen(bytes));
	assert_int_equal(reading.bad_lines, 50);
	assert_non_null(strstr(complaints, "F:20: "));
	assert_null(strstr(complaints, "F:21: "));
	assert_non_null(strstr(complaints, "F: 30 more damaged lines"));
	tlsrpt_day_wipe(&day);
}

/* Whatever a transfer left out is noticed. */
static void test_cut_off(void **state)
{
	static const char whole[] = HEADER DOMAIN_LINE SESSIONS "end\t4\n";

	(void)state;
	for (size_t length = 1; length < sizeof(whole); length++) {
		struct tlsrpt_day day;
		struct tlsrpt_reading reading = read_bytes(&day, whole, length);

		/* Without its last LF, the last line is as good. */
		if (reading.is_whole != (length >= sizeof(whole) - 2))
			fail_msg("%zu bytes: %d", length, reading.is_whole);
		assert_int_equal(complaints[0] == '\0', reading.is_whole);
		tlsrpt_day_wipe(&day);
	}
}

static void test_other_day(void **state)
{
	static const char bytes[] = HEADER SESSIONS "end\t3\n";
	FILE *in = fmemopen((void *)(uintptr_t)bytes, strlen(bytes), "r");
	struct tlsrpt_reading reading;
	struct tlsrpt_day day;
	char error[200];

	(void)state;
	complaints[0] = '\0';
	tlsrpt_day_init(&day, DAY + 1);
	assert_int_equal(
		tlsrpt_file_read(&day, in, "F", note, NULL, &reading, error, sizeof(error)), 0);
	fclose(in);
	assert_int_equal(day.number, DAY + 1);
	assert_false(reading.is_whole);
	assert_non_null(strstr(complaints, "F:1: the statistics of another day"));
	tlsrpt_day_wipe(&day);
}

/* A full disk: the old file stays, nothing is left behind, the reason is told. */
static void test_full_disk(void **state)
{
	const struct rlimit none = { 100, RLIM_INFINITY };
	struct rlimit before;
	char error[200] = "", temporary[80];
	struct stat old, now;
	struct tlsrpt_day day;

	(void)state;
	fill(&day);
	assert_int_equal(tlsrpt_file_write(&day, path, error, sizeof(error)), 0);
	assert_int_equal(stat(path, &old), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(tlsrpt_file_write(&day, path, error, sizeof(error)), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_non_null(strstr(error, "2025-11-20.new: File too large"));
	assert_int_equal(stat(path, &now), 0);
	assert_int_equal(old.st_ino, now.st_ino);
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	assert_int_equal(access(temporary, F_OK), -1);
	tlsrpt_day_wipe(&day);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_row_texts),
		cmocka_unit_test(test_row_lengths),
		cmocka_unit_test(test_row_domain),
		cmocka_unit_test(test_success_has_no_hosts),
		cmocka_unit_test(test_same_rows_are_added),
		cmocka_unit_test(test_rows_are_bounded),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_domains_are_bounded),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_damaged_lines),
		cmocka_unit_test(test_damaged_bytes),
		cmocka_unit_test(test_many_complaints),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_other_day),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
