/*
 * conf.c, conf_file.c, conf_value.c: what is read, and what an operator is told. CATALOGUE cases
 * 151-153.
 */
#include "lib/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

enum flavour { FLAVOUR_MAY, FLAVOUR_ENCRYPT };

struct sample {
	char *ehlo_name;
	char *note;
	int64_t port;
	int64_t limit;
	bool starttls;
	int flavour;
	struct conf_list hosts, names;
	int64_t size;
	int64_t patience;
};

static int no_shouting(const void *value, char *error, size_t error_size)
{
	const char *text = *(char *const *)value;

	if (text == NULL || strchr(text, '!') == NULL)
		return 0;
	snprintf(error, error_size, "\"%s\" shouts", text);
	return -1;
}

static const char *const flavours[] = { "may", "encrypt", NULL };

static const char *const two_names[] = { "one", "two", NULL };

static const struct conf_setting settings[] = {
	{ "ehlo_name", CONF_STRING, offsetof(struct sample, ehlo_name), NULL, 1, 20, NULL, NULL,
	  "", NULL },
	{ "note", CONF_STRING, offsetof(struct sample, note), "hello", 0, 0, NULL, no_shouting,
	  "", NULL },
	{ "port", CONF_INTEGER, offsetof(struct sample, port), "7425", 1, 65535, NULL, NULL, "", NULL },
	{ "limit", CONF_INTEGER, offsetof(struct sample, limit), NULL, 0, 0, NULL, NULL, "", NULL },
	{ "starttls", CONF_BOOLEAN, offsetof(struct sample, starttls), "yes", 0, 0, NULL, NULL,
	  "", NULL },
	{ "flavour", CONF_CHOICE, offsetof(struct sample, flavour), "may", 0, 0, flavours, NULL,
	  "", NULL },
	{ "hosts", CONF_STRING_LIST, offsetof(struct sample, hosts), "localhost", 1, 0, NULL, NULL,
	  "", NULL },
	{ "size", CONF_SIZE, offsetof(struct sample, size), "25M", 1, INT64_C(2) << 30, NULL, NULL,
	  "", NULL },
	{ "names", CONF_STRING_LIST, offsetof(struct sample, names), NULL, 0, 0, NULL, NULL,
	  "", two_names },
	{ "patience", CONF_DURATION, offsetof(struct sample, patience), "30", 100, 432000000, NULL,
	  NULL, "", NULL },
	{ 0 },
};

static char path[64];
static char error[512];

static int make_path(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/postern-conf-XXXXXX");
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

static int read_text(struct sample *sample, const char *text)
{
	write_file(text, strlen(text));
	return conf_read(sample, settings, path, error, sizeof(error));
}

static void sample_init(struct sample *sample)
{
	memset(sample, 0xa5, sizeof(*sample));
	assert_int_equal(conf_defaults(sample, settings, error, sizeof(error)), 0);
}

static void assert_is_default(const struct sample *sample)
{
	assert_null(sample->ehlo_name);
	assert_string_equal(sample->note, "hello");
	assert_int_equal(sample->port, 7425);
	assert_int_equal(sample->limit, 0);
	assert_true(sample->starttls);
	assert_int_equal(sample->flavour, FLAVOUR_MAY);
	assert_int_equal(sample->hosts.count, 1);
	assert_string_equal(sample->hosts.items[0], "localhost");
	assert_int_equal(sample->names.count, 2);
	assert_string_equal(sample->names.items[1], "two");
	assert_int_equal(sample->size, 25 << 20);
	assert_int_equal(sample->patience, 30000);
}

static void defaults_and_an_empty_file(void **state)
{
	struct sample sample;

	(void)state;
	sample_init(&sample);
	assert_is_default(&sample);
	assert_int_equal(read_text(&sample, ""), 0);
	assert_int_equal(read_text(&sample, "# nothing\n// here\n/* at\nall */\n"), 0);
	assert_is_default(&sample);
	conf_wipe(&sample, settings);
	assert_null(sample.note);
	conf_wipe(&sample, settings);
}

static void every_type_is_read(void **state)
{
	struct sample sample;

	(void)state;
	sample_init(&sample);
	assert_int_equal(read_text(&sample,
				   "ehlo_name = \"mail.example\";\n"
				   "note = \"a # no comment, \\\"quoted\\\" // \" \"joined\";\n"
				   "port : 0x19; limit = 99999999999\n"
				   "starttls = False;\n"
				   "flavour = \"encrypt\";\n"
				   "hosts = [\"a.example\", # why\n \"b.example\"];\n"
				   "names = [];\n"
				   "size = \"64k\"; patience = \"15m\";"),
			 0);
	assert_string_equal(sample.ehlo_name, "mail.example");
	assert_string_equal(sample.note, "a # no comment, \"quoted\" // joined");
	assert_int_equal(sample.port, 25);
	assert_true(sample.limit == 99999999999);
	assert_false(sample.starttls);
	assert_int_equal(sample.flavour, FLAVOUR_ENCRYPT);
	assert_int_equal(sample.hosts.count, 2);
	assert_int_equal(sample.names.count, 0);
	assert_string_equal(sample.hosts.items[1], "b.example");
	assert_int_equal(sample.size, 65536);
	assert_int_equal(sample.patience, 900000);
	/* a second file replaces, and what it does not mention stays */
	assert_int_equal(
		read_text(&sample, "hosts = \"c.example\"; note = \"\"; starttls = \"yes\""), 0);
	assert_int_equal(sample.hosts.count, 1);
	assert_string_equal(sample.hosts.items[0], "c.example");
	assert_string_equal(sample.note, "");
	assert_string_equal(sample.ehlo_name, "mail.example");
	assert_true(sample.starttls);
	conf_wipe(&sample, settings);
}

struct number_row {
	const char *text;
	size_t offset;
	int64_t expected;
};

static void numbers_have_units(void **state)
{
	static const struct number_row rows[] = {
		{ "size = 1", offsetof(struct sample, size), 1 },
		{ "size = 2147483648", offsetof(struct sample, size), INT64_C(1) << 31 },
		{ "size = \"2G\"", offsetof(struct sample, size), INT64_C(1) << 31 },
		{ "size = \"1K\"", offsetof(struct sample, size), 1024 },
		{ "size = \"77\"", offsetof(struct sample, size), 77 },
		{ "patience = 5", offsetof(struct sample, patience), 5000 },
		{ "patience = \"100ms\"", offsetof(struct sample, patience), 100 },
		{ "patience = \"1h\"", offsetof(struct sample, patience), 3600000 },
		{ "patience = \"5d\"", offsetof(struct sample, patience), 432000000 },
		{ "limit = +7", offsetof(struct sample, limit), 7 },
		{ "limit = 010", offsetof(struct sample, limit), 10 },
		{ "limit = 0x1FFFFFFFF", offsetof(struct sample, limit), 0x1FFFFFFFF },
		{ "limit = 0xFFFFFFFF;", offsetof(struct sample, limit), 0xFFFFFFFF },
		{ "limit = 5L", offsetof(struct sample, limit), 5 },
		{ "limit = 9223372036854775807LL", offsetof(struct sample, limit), INT64_MAX },
	};
	struct sample sample;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sample_init(&sample);
		if (read_text(&sample, rows[i].text) != 0)
			fail_msg("%s: %s", rows[i].text, error);
		if (*(int64_t *)(void *)((char *)&sample + rows[i].offset) != rows[i].expected)
			fail_msg("%s is not read as it is written", rows[i].text);
		conf_wipe(&sample, settings);
	}
}

struct error_row {
	const char *text;
	const char *expected;		/* after PATH: */
};

/* Case 151, and the mistakes people make every day. */
static const struct error_row error_rows[] = {
	{ "\nehlo_nam = \"a\";", "2: unknown setting \"ehlo_nam\"; did you mean \"ehlo_name\"?" },
	{ "prot = 1;", "1: unknown setting \"prot\"; did you mean \"port\"?" },
	{ "pateince = 1;", "1: unknown setting \"pateince\"; did you mean \"patience\"?" },
	{ "colour = 1;", "1: unknown setting \"colour\"" },
	{ "xy = 1;", "1: unknown setting \"xy\"" },
	{ "port = 1;\n\nport = 2;", "3: doubled setting \"port\" (already set in line 1)" },
	{ "port = 0;", "1: port: 0 is out of range 1..65535" },
	{ "port = 99999999999;", "1: port: 99999999999 is out of range 1..65535" },
	{ "port = 4294967321;", "1: port: 4294967321 is out of range 1..65535" },
	{ "port = 0x100000019;", "1: port: 4294967321 is out of range 1..65535" },
	{ "\nport = 99999999999999999999;", "2: the number 99999999999999999999 is out of range" },
	{ "port = -9223372036854775809;", "1: the number -9223372036854775809 is out of range" },
	{ "limit = -1;", "1: limit: -1 is out of range 0..9223372036854775807" },
	{ "port = \"25\";", "1: port: \"25\" where a whole number, as 25 is expected" },
	{ "port = 25.0;",
	  "1: port: a number with a point where a whole number, as 25 is expected" },
	{ "port = 1e3;", "1: port: a number with a point where a whole number, as 25 is expected" },
	{ "port = true;", "1: port: true where a whole number, as 25 is expected" },
	{ "port = { a = 1; };", "1: port: a group { } where a whole number, as 25 is expected" },
	{ "note = 5;", "1: note: 5 where a text in quotes, as \"example\" is expected" },
	{ "note = [\"a\"];",
	  "1: note: a list of 1 texts where a text in quotes, as \"example\" is expected" },
	{ "note = \"hey!\";", "1: note: \"hey!\" shouts" },
	{ "ehlo_name = \"\";", "1: ehlo_name: may not be empty" },
	{ "ehlo_name = \"123456789012345678901\";", "1: ehlo_name: is longer than 20 bytes" },
	{ "starttls = 1;", "1: starttls: 1 where true or false is expected" },
	{ "starttls = \"maybe\";", "1: starttls: \"maybe\" where true or false is expected" },
	{ "starttls = yes;", "1: text needs quotes: yes" },
	{ "flavour = \"none\";",
	  "1: flavour: \"none\" where one of \"may\", \"encrypt\" is expected" },
	{ "flavour = 1;", "1: flavour: 1 where one of \"may\", \"encrypt\" is expected" },
	{ "hosts = [];", "1: hosts: may not be empty" },
	{ "hosts = [\"a\", \"\"];", "1: hosts: an item may not be empty" },
	{ "hosts = [1, 2];", "1: hosts: a list of other things than texts where a list of texts, "
			     "as [\"one\", \"two\"] is expected" },
	{ "size = \"3G\";", "1: size: \"3G\" is out of range 1..2G" },
	{ "size = \"9999999999999G\";", "1: size: \"9999999999999G\" is out of range 1..2G" },
	{ "size = \"25MB\";", "1: size: \"25MB\" where a size, as \"25M\" or 65536 is expected" },
	{ "size = \" 25M\";", "1: size: \" 25M\" where a size, as \"25M\" or 65536 is expected" },
	{ "size = \"-1\";", "1: size: \"-1\" where a size, as \"25M\" or 65536 is expected" },
	{ "size = 25M;", "1: not a number: 25M (text needs quotes)" },
	{ "patience = 30s;", "1: not a number: 30s (text needs quotes)" },
	{ "patience = \"30\";",
	  "1: patience: \"30\" where a duration, as \"30s\", \"15m\" or 30 (seconds) is expected" },
	{ "patience = \"99ms\";", "1: patience: \"99ms\" is out of range 100ms..5d" },
	{ "patience = 9223372036854775807;",
	  "1: patience: 9223372036854775807 is out of range 100ms..5d" },
	{ "ehlo_name = mail.example;", "1: text needs quotes: mail" },
	{ "ehlo_name = /etc;", "1: not expected here: /etc (text needs quotes)" },
	{ "port = 25 junk;", "1: syntax error; settings look like this: name = \"value\";" },
	{ "port = 25;\n}", "2: syntax error; settings look like this: name = \"value\";" },
	{ "port 25;", "1: syntax error; settings look like this: name = \"value\";" },
	{ "\n\nnote = \"open;\nport = 1;", "3: the closing quote is missing: \"open;" },
	{ "note = \"open\\", "1: the closing quote is missing: \"open\\" },
	{ "port = 1;\n/* open\nnote = \"x\";", "2: a comment begins here and has no end (*/)" },
	{ "note = \"a\\x00b\";", "1: a NUL byte in a text: \"a\\x00" },
	{ "\xef\xbb\xbfport = 1;", "1: a byte-order mark; save the file as UTF-8 without BOM" },
	/* case 152 */
	{ "port = 1;\n@include \"/dev/zero\"",
	  "2: @include is not supported: put all settings into one file" },
	{ "  @include \"other\"", "1: @include is not supported: put all settings into one file" },
};

static void mistakes_are_named_and_change_nothing(void **state)
{
	char text[512], expected[512];
	struct sample sample;

	(void)state;
	sample_init(&sample);
	for (size_t i = 0; i < COUNT(error_rows); i++) {
		assert_int_equal(read_text(&sample, error_rows[i].text), -1);
		snprintf(expected, sizeof(expected), "%s:%s", path, error_rows[i].expected);
		assert_string_equal(error, expected);
		/* case 153: good settings around a bad one are not taken either */
		snprintf(text, sizeof(text), "size = 4711; hosts = \"z\";\n%s",
			 strstr(error_rows[i].text, "size") || strstr(error_rows[i].text, "hosts")
				 ? "x = 1"
				 : error_rows[i].text);
		assert_int_equal(read_text(&sample, text), -1);
		assert_is_default(&sample);
	}
	conf_wipe(&sample, settings);
}

static void a_nul_byte_is_an_error(void **state)
{
	struct sample sample;
	char expected[128];

	(void)state;
	sample_init(&sample);
	write_file("port = 1;\n\0size = 2;", 20);
	assert_int_equal(conf_read(&sample, settings, path, error, sizeof(error)), -1);
	snprintf(expected, sizeof(expected), "%s:2: a NUL byte: this is not a text file", path);
	assert_string_equal(error, expected);
	conf_wipe(&sample, settings);
}

/* Case 151: a line of 1 MB; and files beyond the bound. */
static void big_files_are_bounded(void **state)
{
	static char text[(1 << 20) + 2];
	struct sample sample;

	(void)state;
	sample_init(&sample);
	memset(text, ' ', sizeof(text));
	memcpy(text + (1 << 20) - 9, "port = 26", 9);
	write_file(text, 1 << 20);
	assert_int_equal(conf_read(&sample, settings, path, error, sizeof(error)), 0);
	assert_int_equal(sample.port, 26);
	write_file(text, (1 << 20) + 1);
	assert_int_equal(conf_read(&sample, settings, path, error, sizeof(error)), -1);
	assert_non_null(strstr(error, ": is too big"));
	memset(text, 'x', 1000000);
	strcpy(text + 1000000, "=1;");
	assert_int_equal(read_text(&sample, text), -1);
	assert_non_null(strstr(error, ":1: unknown setting \"xxxxx"));
	assert_true(strlen(error) < 200);
	memset(text, '(', 1000000);
	memcpy(text, "note=", 5);
	strcpy(text + 1000000, ";");
	assert_int_equal(read_text(&sample, text), -1);
	memset(text, '\0', sizeof(text));
	for (int i = 0; i < 1100; i++)
		sprintf(text + strlen(text), "a%d=1;\n", i);
	assert_int_equal(read_text(&sample, text), -1);
	assert_non_null(strstr(error, ":1001: too many settings"));
	conf_wipe(&sample, settings);
}

/* Case 152: nothing that blocks or never ends. */
static void only_regular_files_are_read(void **state)
{
	struct sample sample;
	char fifo[80], locked[80];

	(void)state;
	sample_init(&sample);
	assert_int_equal(
		conf_read(&sample, settings, "/nonexistent/postern.conf", error, sizeof(error)),
		-1);
	assert_string_equal(error, "/nonexistent/postern.conf: No such file or directory");
	assert_int_equal(conf_read(&sample, settings, "/tmp", error, sizeof(error)), -1);
	assert_string_equal(error, "/tmp: is a directory, not a file");
	assert_int_equal(conf_read(&sample, settings, "/dev/zero", error, sizeof(error)), -1);
	assert_string_equal(error, "/dev/zero: is not a regular file");
	snprintf(fifo, sizeof(fifo), "%s.fifo", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(conf_read(&sample, settings, fifo, error, sizeof(error)), -1);
	unlink(fifo);
	assert_non_null(strstr(error, ": is a FIFO, not a regular file"));
	snprintf(locked, sizeof(locked), "%s/under-a-file", path);
	assert_int_equal(conf_read(&sample, settings, locked, error, sizeof(error)), -1);
	assert_non_null(strstr(error, ": Not a directory"));
	assert_is_default(&sample);
	conf_wipe(&sample, settings);
}

static void a_wrong_table_is_reported(void **state)
{
	static const struct conf_setting wrong[] = {
		{ "note", CONF_STRING, offsetof(struct sample, note), "fine", 0, 0, NULL, NULL,
		  "", NULL },
		{ "port", CONF_INTEGER, offsetof(struct sample, port), "70000", 1, 65535, NULL,
		  NULL, "", NULL },
		{ 0 },
	};
	struct sample sample;

	(void)state;
	memset(&sample, 0xa5, sizeof(sample));
	assert_int_equal(conf_defaults(&sample, wrong, error, sizeof(error)), -1);
	assert_string_equal(error, "default of port: 70000 is out of range 1..65535");
	conf_wipe(&sample, wrong);
}

static void a_short_error_buffer_is_respected(void **state)
{
	struct sample sample;
	char tiny[8];

	(void)state;
	sample_init(&sample);
	write_file("ehlo_nam = 1;", 13);
	assert_int_equal(conf_read(&sample, settings, path, tiny, sizeof(tiny)), -1);
	assert_int_equal(strlen(tiny), 7);
	conf_wipe(&sample, settings);
}

/* Of a file that is somebody else's: no table, one text. */
static void one_text_is_looked_up(void **state)
{
	static const struct {
		const char *text, *value; /* NULL: not there */
		int result;
	} rows[] = {
		{ "a = 1; where = \"socketmap:x\";", "socketmap:x", 0 },
		{ "where = \"\";", "", 0 },
		{ "where = [ \"one\", \"two\" ];", "one", 0 },
		{ "where = ( \"one\", 2 );", "one", 0 },
		{ "where = [ ];", NULL, 0 },
		{ "where = [ 5 ];", NULL, 0 },
		{ "where = { one = \"x\"; };", NULL, 0 },
		{ "where = 5;", NULL, 0 },
		{ "a = 1;", NULL, 0 },
		{ "", NULL, 0 },
		{ "where = x", NULL, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *value;

		write_file(rows[i].text, strlen(rows[i].text));
		if (conf_look_up(path, "where", &value, error, sizeof(error)) != rows[i].result ||
		    (value == NULL) != (rows[i].value == NULL) || (value != NULL && strcmp(value, rows[i].value) != 0))
			fail_msg("%s: %s", rows[i].text, value != NULL ? value : "nothing");
		free(value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_and_an_empty_file),
		cmocka_unit_test(every_type_is_read),
		cmocka_unit_test(numbers_have_units),
		cmocka_unit_test(mistakes_are_named_and_change_nothing),
		cmocka_unit_test(a_nul_byte_is_an_error),
		cmocka_unit_test(big_files_are_bounded),
		cmocka_unit_test(only_regular_files_are_read),
		cmocka_unit_test(a_wrong_table_is_reported),
		cmocka_unit_test(a_short_error_buffer_is_respected),
		cmocka_unit_test(one_text_is_looked_up),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
