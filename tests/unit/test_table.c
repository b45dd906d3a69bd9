/* table.c: Postfix's line rules, bounds, change detection, words. */
#include "lib/table.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static char path[64];
static char error[512];

static int make_path(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/postern-table-XXXXXX");
	fd = mkstemp(path);
	return fd >= 0 ? close(fd) : -1;
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_file(const char *text, size_t length)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	fclose(file);
}

static int read_text(struct table *table, const char *text)
{
	write_file(text, strlen(text));
	return table_read(table, path, NULL, error, sizeof(error));
}

struct line_row {
	const char *text;
	const char *expected;	/* "line key|value;..." */
};

static const struct line_row line_rows[] = {
	{ "", "" },
	{ "\n \t\n#\n  # indented\n", "" },
	{ "key value\n", "1 key|value;" },
	{ "key value", "1 key|value;" },
	{ "key\tvalue of words  \t \n", "1 key|value of words;" },
	{ "key\n", "1 key|;" },
	{ "key   \n", "1 key|;" },
	{ "a 1\nb 2\n", "1 a|1;2 b|2;" },
	{ "a 1\na 2\n", "1 a|1;2 a|2;" },
	{ "a 1\n  2\n\t3\nb 4\n", "1 a|1  2\t3;4 b|4;" },
	{ "a\n 1\n", "1 a|1;" },
	{ "# c\n\na 1\n# inside\n\n   # too\n 2\nb 3\n", "3 a|1 2;8 b|3;" },
	{ "a 1 # part of the value\n", "1 a|1 # part of the value;" },
	{ "a 1\r\n 2\r\n\r\nb 3\r\n", "1 a|1 2;4 b|3;" },
	{ "a 1\r", "1 a|1;" },
	{ "\xc3\xa9@example 1\n", "1 \xc3\xa9@example|1;" },
};

static void print_table(char *out, size_t size, const struct table *table)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < table->count; i++)
		used += (size_t)snprintf(out + used, size - used, "%zu %s|%s;",
					 table->lines[i].line, table->lines[i].key,
					 table->lines[i].value);
}

static void lines_follow_postfix(void **state)
{
	struct table table;
	char printed[256];

	(void)state;
	for (size_t i = 0; i < COUNT(line_rows); i++) {
		if (read_text(&table, line_rows[i].text) != 0)
			fail_msg("row %zu: %s", i, error);
		print_table(printed, sizeof(printed), &table);
		assert_string_equal(printed, line_rows[i].expected);
		table_wipe(&table);
		table_wipe(&table);
	}
}

struct error_row {
	const char *text;
	size_t length;
	const char *expected;	/* after PATH */
};

#define ROW(text, expected) { text, sizeof(text) - 1, expected }

static void bad_files_name_the_line(void **state)
{
	static const struct error_row rows[] = {
		ROW("\n continued\n",
		    ":2: starts with white space, but there is no line that it could continue"),
		ROW("a 1\nb \0 2\n", ":2: a NUL byte: this is not a text file"),
		ROW("\0", ":1: a NUL byte: this is not a text file"),
		ROW("\xef\xbb\xbf"
		    "a 1\n",
		    ":1: a byte-order mark; save the file as UTF-8 without BOM"),
	};
	struct table table;
	char expected[256];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		write_file(rows[i].text, rows[i].length);
		assert_int_equal(table_read(&table, path, NULL, error, sizeof(error)), -1);
		snprintf(expected, sizeof(expected), "%s%s", path, rows[i].expected);
		assert_string_equal(error, expected);
		assert_int_equal(table.count, 0);
		assert_null(table.lines);
		assert_null(table.text);
	}
	assert_int_equal(table_read(&table, "/dev/zero", NULL, error, sizeof(error)), -1);
	assert_string_equal(error, "/dev/zero: is not a regular file");
}

static void long_lines_and_long_files(void **state)
{
	size_t size = (size_t)3 * TABLE_LINES_MAX;
	char *text = malloc(size), expected[128];
	struct table table;

	(void)state;
	memset(text, 'x', size);
	memcpy(text, "a 1\nb ", 6);
	write_file(text, 4 + TABLE_LINE_MAX);
	assert_int_equal(table_read(&table, path, NULL, error, sizeof(error)), 0);
	assert_int_equal(strlen(table.lines[1].value), TABLE_LINE_MAX - 2);
	table_wipe(&table);
	write_file(text, 5 + TABLE_LINE_MAX);
	assert_int_equal(table_read(&table, path, NULL, error, sizeof(error)), -1);
	snprintf(expected, sizeof(expected), "%s:2: the line is too long", path);
	assert_string_equal(error, expected);
	memcpy(text + 10000, "\n ", 2);		/* a continuation does not help */
	write_file(text, 6 + TABLE_LINE_MAX);
	assert_int_equal(table_read(&table, path, NULL, error, sizeof(error)), -1);
	assert_string_equal(error, expected);
	for (size_t i = 0; i < size / 2; i++)
		memcpy(text + 2 * i, "k\n", 2);
	write_file(text, (size_t)2 * TABLE_LINES_MAX);
	assert_int_equal(table_read(&table, path, NULL, error, sizeof(error)), 0);
	assert_int_equal(table.count, TABLE_LINES_MAX);
	table_wipe(&table);
	write_file(text, (size_t)2 * TABLE_LINES_MAX + 2);
	assert_int_equal(table_read(&table, path, NULL, error, sizeof(error)), -1);
	snprintf(expected, sizeof(expected), "%s:%d: too many lines", path, TABLE_LINES_MAX + 1);
	assert_string_equal(error, expected);
	free(text);
}

static void changes_are_noticed(void **state)
{
	struct timespec times[2] = { { 1000000000, 0 }, { 1000000000, 5 } };
	struct table table;
	struct stat status;
	char other[80];

	(void)state;
	write_file("a 1\n", 4);
	assert_int_equal(table_read(&table, path, &status, error, sizeof(error)), 0);
	table_wipe(&table);
	assert_false(table_has_changed(path, &status));
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_true(table_has_changed(path, &status));

	assert_int_equal(table_read(&table, path, &status, error, sizeof(error)), 0);
	table_wipe(&table);
	snprintf(other, sizeof(other), "%s.new", path);
	assert_int_equal(rename(path, other), 0);
	assert_true(table_has_changed(path, &status));	/* gone */
	assert_int_equal(table_read(&table, path, &status, error, sizeof(error)), -1);
	assert_false(table_has_changed(path, &status));	/* and known to be gone */
	write_file("bad\0", 4);
	assert_true(table_has_changed(path, &status));	/* appeared */
	assert_int_equal(table_read(&table, path, &status, error, sizeof(error)), -1);
	assert_false(table_has_changed(path, &status));	/* bad, and known to be bad */
	assert_int_equal(rename(other, path), 0);
	assert_true(table_has_changed(path, &status));	/* replaced */
}

struct split_row {
	const char *value;
	int count;
	const char *words[3];
};

static void values_split_into_words(void **state)
{
	static const struct split_row rows[] = {
		{ "", 0, { NULL } },
		{ "   ", 0, { NULL } },
		{ "one", 1, { "one" } },
		{ " a=1 \t b=2 ", 2, { "a=1", "b=2" } },
		{ "a b c", 3, { "a", "b", "c" } },
		{ "a b c d", -1, { NULL } },
		{ "\"like this\" x", 2, { "like this", "x" } },
		{ "comment=\"my \\\"home\\\" \\\\ \\n\"", 1, { "comment=my \"home\" \\ \\n" } },
		{ "\"\" x", 2, { "", "x" } },
		{ "a\"b\"c", 1, { "abc" } },
		{ "\"open", -1, { NULL } },
		{ "a \"open\\\"", -1, { NULL } },
		{ "back\\slash", 1, { "back\\slash" } },
	};
	char value[64], *words[3];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		strcpy(value, rows[i].value);
		assert_int_equal(table_split(value, words, 3), rows[i].count);
		for (int w = 0; w < rows[i].count; w++)
			assert_string_equal(words[w], rows[i].words[w]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_follow_postfix),
		cmocka_unit_test(bad_files_name_the_line),
		cmocka_unit_test(long_lines_and_long_files),
		cmocka_unit_test(changes_are_noticed),
		cmocka_unit_test(values_split_into_words),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
