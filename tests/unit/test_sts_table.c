/* What is kept of MTA-STS policies: what counts, what goes first, what survives in the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge/sts_file.h"
#include "edge/sts_table.h"
#include "tests/unit/captured_log.h"
#include "tests/unit/file_place.h"

#define NOW INT64_C(1800000000)
#define DAY_S 86400

struct fixture {
	struct file_place place;
	struct captured_log log;
	struct sts_table table;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (file_place_init(&fixture->place, "sts") != 0)
		return -1;
	captured_log_start(&fixture->log);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	captured_log_stop(&fixture->log);
	sts_table_wipe(&fixture->table);
	file_place_wipe(&fixture->place);
	free(fixture);
	return 0;
}

static struct sts_entry *add(struct sts_table *table, const char *domain, enum sts_mode mode,
			     int64_t max_age_s, int64_t fetched_at)
{
	struct sts_policy policy = { .mode = mode, .max_age_s = max_age_s };
	struct sts_entry *entry = sts_table_add(table, domain);

	assert_non_null(entry);
	assert_int_equal(sts_policy_add_mx(&policy, "mx.example", 10), 0);
	assert_int_equal(sts_policy_add_mx(&policy, "*.mx.example", 12), 0);
	sts_table_set_policy(table, entry, &policy, "id1", fetched_at);
	return entry;
}

static void test_find(void **state)
{
	struct fixture *fixture = *state;
	struct sts_table *table = &fixture->table;
	char domain[64];

	for (int i = 0; i < 1000; i++) {
		snprintf(domain, sizeof(domain), "d%d.example", i * 7919 % 1000);
		assert_null(sts_table_find(table, domain));
		add(table, domain, STS_MODE_ENFORCE, DAY_S, NOW);
	}
	for (int i = 0; i < 1000; i += 2) {
		snprintf(domain, sizeof(domain), "d%d.example", i);
		sts_table_remove(table, sts_table_find(table, domain));
	}
	for (int i = 0; i < 1000; i++) {
		struct sts_entry *entry;

		snprintf(domain, sizeof(domain), "d%d.example", i);
		entry = sts_table_find(table, domain);
		assert_true((entry != NULL) == (i % 2 == 1));
		assert_true(entry == NULL || strcmp(entry->domain, domain) == 0);
	}
	assert_int_equal(table->count, 500);
	assert_int_equal(table->mx_count, 1000);
}

static void test_in_force(void **state)
{
	struct fixture *fixture = *state;
	struct sts_entry *day = add(&fixture->table, "day", STS_MODE_ENFORCE, DAY_S, NOW);
	struct sts_entry *zero = add(&fixture->table, "zero", STS_MODE_ENFORCE, 0, NOW);

	assert_true(sts_entry_is_in_force(day, NOW));
	assert_true(sts_entry_is_in_force(day, NOW + DAY_S - 1));
	assert_false(sts_entry_is_in_force(day, NOW + DAY_S));
	assert_true(sts_entry_is_in_force(zero, NOW + STS_KEPT_AT_LEAST_S - 1));
	assert_false(sts_entry_is_in_force(zero, NOW + STS_KEPT_AT_LEAST_S));
	/* A clock that was never set says nothing about age. */
	assert_true(sts_entry_is_in_force(day, 1000));
	assert_int_equal(day->fetched_at, NOW);
	/* The clock goes back: the policy does not live longer than max_age from now. */
	assert_true(sts_entry_is_in_force(day, NOW - 30 * DAY_S));
	assert_false(sts_entry_is_in_force(day, NOW - 29 * DAY_S));
}

static void test_known(void **state)
{
	struct fixture *fixture = *state;
	struct sts_entry *entry = sts_table_add(&fixture->table, "a");

	assert_false(sts_entry_is_known(entry, NOW));
	sts_table_set_absent(&fixture->table, entry, STS_FETCH_FAILED, deadline_in_ms(10000));
	assert_true(sts_entry_is_known(entry, NOW));
	assert_false(sts_entry_is_in_force(entry, NOW));
	sts_table_set_absent(&fixture->table, entry, STS_ABSENT, deadline_in_ms(0));
	assert_false(sts_entry_is_known(entry, NOW));
	sts_table_remove(&fixture->table, entry);
	entry = add(&fixture->table, "a", STS_MODE_NONE, DAY_S, NOW);
	assert_true(sts_entry_is_known(entry, NOW));
	assert_int_equal(fixture->table.mx_count, 2);
	sts_table_set_absent(&fixture->table, entry, STS_ABSENT, deadline_in_ms(0));
	assert_int_equal(fixture->table.mx_count, 0);
}

static void fill(struct sts_table *table, size_t count, enum sts_mode mode)
{
	char domain[64];

	for (size_t i = 0; i < count; i++) {
		snprintf(domain, sizeof(domain), "fill%zu.example", i);
		add(table, domain, mode, DAY_S, NOW);
	}
}

/* Each of these goes before the next, whatever order they came in. */
static const char *const trim_order[] = { "ended",	   "negative", "none",
					  "testing-short", "testing",  "enforce-short" };
#define TRIMMED (sizeof(trim_order) / sizeof(trim_order[0]))

static void test_trim_order(void **state)
{
	struct fixture *fixture = *state;
	struct sts_table *table = &fixture->table;
	struct sts_entry *busy = sts_table_add(table, "busy");

	busy->is_busy = true;
	add(table, "enforce-short", STS_MODE_ENFORCE, 3600, NOW);
	add(table, "testing", STS_MODE_TESTING, DAY_S, NOW);
	add(table, "testing-short", STS_MODE_TESTING, 60, NOW);
	add(table, "none", STS_MODE_NONE, 30 * DAY_S, NOW);
	sts_table_set_absent(table, sts_table_add(table, "negative"), STS_ABSENT,
			     deadline_in_ms(100000));
	add(table, "ended", STS_MODE_ENFORCE, DAY_S, NOW - 2 * DAY_S);
	fill(table, STS_ENTRIES_MAX - table->count, STS_MODE_ENFORCE);
	assert_int_equal(sts_table_trim(table, NOW), 0);
	for (size_t i = 0; i < TRIMMED; i++) {
		char domain[64];

		assert_non_null(sts_table_find(table, trim_order[i]));
		snprintf(domain, sizeof(domain), "more%zu.example", i);
		add(table, domain, STS_MODE_ENFORCE, DAY_S, NOW);
		assert_int_equal(sts_table_trim(table, NOW), i == TRIMMED - 1);
		if (sts_table_find(table, trim_order[i]) != NULL)
			fail_msg("%s is still there", trim_order[i]);
		assert_int_equal(table->count, STS_ENTRIES_MAX);
	}
	assert_ptr_equal(sts_table_find(table, "busy"), busy);
}

static void test_trim_mx(void **state)
{
	struct fixture *fixture = *state;
	struct sts_table *table = &fixture->table;
	char domain[64];

	for (int i = 0; i < STS_TABLE_MX_MAX / STS_MX_MAX + 1; i++) {
		struct sts_policy policy = { .mode = STS_MODE_ENFORCE, .max_age_s = DAY_S + i };

		snprintf(domain, sizeof(domain), "d%d.example", i);
		for (int j = 0; j < STS_MX_MAX; j++)
			assert_int_equal(sts_policy_add_mx(&policy, "mx.example", 10), 0);
		sts_table_set_policy(table, sts_table_add(table, domain), &policy, "1", NOW);
	}
	assert_int_equal(sts_table_trim(table, NOW), 1);
	assert_null(sts_table_find(table, "d0.example"));
	assert_int_equal(table->mx_count, STS_TABLE_MX_MAX);
}

/* ---- the file ---- */

static void save(struct fixture *fixture)
{
	char error[300];
	size_t length;
	char *text = sts_file_print(&fixture->table, NOW, &length);

	assert_non_null(text);
	if (sts_file_write(fixture->place.path, text, length, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	free(text);
}

static void load(struct fixture *fixture, int64_t now)
{
	char error[300];

	sts_table_wipe(&fixture->table);
	if (sts_file_read(&fixture->table, fixture->place.path, now, error, sizeof(error)) != 0)
		fail_msg("%s", error);
}

static char *slurp(struct fixture *fixture, size_t *length)
{
	FILE *file = fopen(fixture->place.path, "rb");
	char *text = calloc(1, 100000);

	assert_non_null(file);
	*length = fread(text, 1, 99999, file);
	fclose(file);
	return text;
}

static void spit(struct fixture *fixture, const char *text, size_t length)
{
	FILE *file = fopen(fixture->place.path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	fclose(file);
}

static void test_file(void **state)
{
	struct fixture *fixture = *state;
	struct sts_entry *entry = add(&fixture->table, "a.example", STS_MODE_ENFORCE, DAY_S, NOW);
	struct stat status;

	entry->used_at = NOW - 5;
	add(&fixture->table, "b.example", STS_MODE_NONE, 60, NOW - 7);
	add(&fixture->table, "ended.example", STS_MODE_TESTING, 60, NOW - 60);
	sts_table_set_absent(&fixture->table, sts_table_add(&fixture->table, "c.example"),
			     STS_ABSENT, deadline_in_ms(100000));
	save(fixture);
	assert_int_equal(stat(fixture->place.path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	load(fixture, NOW);
	assert_int_equal(fixture->table.count, 2);
	entry = sts_table_find(&fixture->table, "a.example");
	assert_non_null(entry);
	assert_true(entry->finding == STS_FOUND && entry->policy.mode == STS_MODE_ENFORCE &&
		    entry->policy.max_age_s == DAY_S && entry->fetched_at == NOW &&
		    entry->used_at == NOW - 5 && strcmp(entry->id, "id1") == 0);
	assert_true(sts_policy_allows(&entry->policy, "x.mx.example"));
	assert_int_equal(entry->policy.mx_count, 2);
	entry = sts_table_find(&fixture->table, "b.example");
	assert_true(entry->policy.mode == STS_MODE_NONE && entry->fetched_at == NOW - 7);
	/* Time passes while the edge is down. */
	load(fixture, NOW + 3600);
	assert_null(sts_table_find(&fixture->table, "b.example"));
	assert_non_null(sts_table_find(&fixture->table, "a.example"));
	/* The file is from the future. */
	load(fixture, NOW - 10 * DAY_S);
	entry = sts_table_find(&fixture->table, "a.example");
	assert_int_equal(entry->fetched_at, NOW - 10 * DAY_S);
	assert_int_equal(captured_log_count(&fixture->log, ""), 0);
}

static void test_no_file(void **state)
{
	struct fixture *fixture = *state;
	char error[300] = "";

	load(fixture, NOW);
	spit(fixture, "", 0);
	load(fixture, NOW);
	assert_int_equal(fixture->table.count, 0);
	unlink(fixture->place.path);
	mkdir(fixture->place.path, 0700);
	assert_int_equal(sts_file_read(&fixture->table, fixture->place.path, NOW, error, sizeof(error)),
			 -1);
	assert_non_null(strstr(error, "is not a regular file"));
	assert_int_equal(sts_file_write(fixture->place.path, "x", 1, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "Is a directory"));
	assert_int_equal(sts_file_write("/nonexistent/sts", "x", 1, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "/nonexistent/sts.new: No such file or directory"));
}

/* Every byte of the middle line, one after the other: that line goes, the others stay. */
static void test_damage(void **state)
{
	struct fixture *fixture = *state;
	size_t length, from, to;
	char *text, line[128];

	add(&fixture->table, "a.example", STS_MODE_ENFORCE, DAY_S, NOW);
	add(&fixture->table, "b.example", STS_MODE_ENFORCE, DAY_S, NOW);
	add(&fixture->table, "c.example", STS_MODE_ENFORCE, DAY_S, NOW);
	save(fixture);
	text = slurp(fixture, &length);
	from = (size_t)(strstr(strchr(text, '\n') + 1, "\n") + 1 - text);
	to = (size_t)(strchr(text + from, '\n') - text);
	snprintf(line, sizeof(line), "%s:3: damaged", fixture->place.path);
	for (size_t i = from; i < to; i++) {
		char before = text[i];

		text[i] = i % 2 == 0 ? '\0' : (char)(before ^ 1);
		spit(fixture, text, length);
		text[i] = before;
		load(fixture, NOW);
		assert_non_null(sts_table_find(&fixture->table, "a.example"));
		assert_null(sts_table_find(&fixture->table, "b.example"));
		assert_non_null(sts_table_find(&fixture->table, "c.example"));
		assert_int_equal(captured_log_count(&fixture->log, line), i - from + 1);
	}
	free(text);
}

/* Whatever the length at which the file ends, lines before that hold. */
static void test_cut(void **state)
{
	struct fixture *fixture = *state;
	size_t length, first_end;
	char *text;

	add(&fixture->table, "a.example", STS_MODE_ENFORCE, DAY_S, NOW);
	add(&fixture->table, "b.example", STS_MODE_ENFORCE, DAY_S, NOW);
	save(fixture);
	text = slurp(fixture, &length);
	first_end = (size_t)(strchr(strchr(text, '\n') + 1, '\n') - text);
	for (size_t cut = 0; cut < length; cut++) {
		size_t expected = (cut >= first_end) + (cut >= length - 1);

		spit(fixture, text, cut);
		load(fixture, NOW);
		if (fixture->table.count != expected)
			fail_msg("cut at %zu: %zu", cut, fixture->table.count);
	}
	free(text);
}

static void test_foreign_lines(void **state)
{
	struct fixture *fixture = *state;
	char *text, *first;
	size_t length;

	add(&fixture->table, "a.example", STS_MODE_ENFORCE, DAY_S, NOW);
	save(fixture);
	text = slurp(fixture, &length);
	/* The same line twice, and much that is none. */
	first = strchr(text, '\n') + 1;
	memcpy(text + length, first, length - (size_t)(first - text));
	for (int i = 0; i < 30; i++)
		strcat(text, "garbage\n");
	spit(fixture, text, strlen(text));
	load(fixture, NOW);
	assert_int_equal(fixture->table.count, 1);
	assert_int_equal(captured_log_count(&fixture->log, ":3: no policy, or a second one"), 1);
	assert_int_equal(captured_log_count(&fixture->log, ": damaged"), 9);
	assert_int_equal(captured_log_count(&fixture->log, ": 21 more lines like that"), 1);
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_find),	  TEST(test_in_force), TEST(test_known),
		TEST(test_trim_order),	  TEST(test_trim_mx),  TEST(test_file),
		TEST(test_no_file),	  TEST(test_damage),   TEST(test_cut),
		TEST(test_foreign_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
