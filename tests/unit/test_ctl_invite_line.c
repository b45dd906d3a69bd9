/* The line of an invite: what it replaces, what it leaves alone, and how it is taken back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "captured_log.h"
#include "ctl/invite_line.h"
#include "ctl/vps.h"
#include "file_place.h"
#include "tunnel/base64_key.h"
#include "tunnel/noise.h"

enum { OLD, OTHER, CLIENT, NEW, KEYS };
#define LATER "2999-01-01T00:00:00Z"
#define PAST "2001-01-01T00:00:00Z"

struct fixture {
	struct file_place place;
	char enrolled[128], text[KEYS][BASE64_KEY_TEXT + 1];
	struct noise_keypair keys[KEYS];
	struct captured_log log;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (file_place_init(&fixture->place, "clients") != 0)
		return -1;
	snprintf(fixture->enrolled, sizeof(fixture->enrolled), "%s/enrolled",
		 fixture->place.directory);
	for (int i = 0; i < KEYS; i++) {
		noise_keypair_generate(&fixture->keys[i]);
		base64_key_encode(fixture->text[i], fixture->keys[i].public_key);
	}
	captured_log_start(&fixture->log);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	captured_log_stop(&fixture->log);
	file_place_wipe(&fixture->place);
	free(fixture);
	return 0;
}

static void write_list(struct fixture *fixture, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void write_list(struct fixture *fixture, const char *format, ...)
{
	char text[1000];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	file_place_write(&fixture->place, text, 0644);
}

static void check_list(struct fixture *fixture, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void check_list(struct fixture *fixture, const char *format, ...)
{
	char text[1000], found[1000] = "";
	FILE *file = fopen(fixture->place.path, "r");
	va_list arguments;

	assert_non_null(file);
	found[fread(found, 1, sizeof(found) - 1, file)] = '\0';
	fclose(file);
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	assert_string_equal(found, text);
}

static struct invite_line line_of(struct fixture *fixture, const char *name, char **options,
				  int count)
{
	struct invite_line line = { .path = fixture->place.path,
				    .enrolled = fixture->enrolled,
				    .expires = 32472144000,
				    .options = options,
				    .option_count = count };

	memcpy(line.invite_key, fixture->keys[NEW].public_key, sizeof(line.invite_key));
	strcpy(line.name, name);
	return line;
}

static void test_new_file(void **state)
{
	struct fixture *fixture = *state;
	struct invite_line line = line_of(fixture, "", NULL, 0);

	assert_int_equal(invite_line_put(&line), EX_OK);
	assert_string_equal(line.name, "mailhost");
	check_list(fixture, "%s mailhost invite=" LATER "\n", fixture->text[NEW]);
	assert_int_equal(invite_line_take_back(&line), 0);
	assert_int_equal(access(fixture->place.path, F_OK), -1);
	invite_line_wipe(&line);
}

static void test_replaces(void **state)
{
	struct fixture *fixture = *state;
	char rate[] = "rate=5/1h", *options[] = { rate };
	struct invite_line line = line_of(fixture, "shop", options, 1);
	char before[500];

	snprintf(before, sizeof(before),
		 "# ours\n%s shop invite=" LATER "\n%s late invite=" PAST "\n%s plain",
		 fixture->text[OLD], fixture->text[OTHER], fixture->text[CLIENT]);
	write_list(fixture, "%s", before);
	assert_int_equal(invite_line_put(&line), EX_OK);
	check_list(fixture, "# ours\n%s plain\n%s shop invite=" LATER " rate=5/1h\n",
		   fixture->text[CLIENT], fixture->text[NEW]);
	assert_int_equal(invite_line_take_back(&line), 0);
	check_list(fixture, "%s", before);
	invite_line_wipe(&line);
}

/* Somebody else was at it between. */
static void test_others_edit_stays(void **state)
{
	struct fixture *fixture = *state;
	struct invite_line line = line_of(fixture, "shop", NULL, 0);

	write_list(fixture, "%s plain\n", fixture->text[CLIENT]);
	assert_int_equal(invite_line_put(&line), EX_OK);
	write_list(fixture, "%s plain\n# mine\n%s shop invite=" LATER "\n%s more\n",
		   fixture->text[CLIENT], fixture->text[NEW], fixture->text[OTHER]);
	assert_int_equal(invite_line_take_back(&line), 0);
	check_list(fixture, "%s plain\n# mine\n%s more\n", fixture->text[CLIENT],
		   fixture->text[OTHER]);
	invite_line_wipe(&line);
}

/* An invite that was used is a client's line, whatever its time. */
static void test_used(void **state)
{
	struct fixture *fixture = *state;
	struct invite_line line = line_of(fixture, "shop", NULL, 0),
			   unnamed = line_of(fixture, "", NULL, 0);
	FILE *file = fopen(fixture->enrolled, "w");

	fprintf(file, "%s %s " PAST "\n", fixture->text[OLD], fixture->text[CLIENT]);
	fclose(file);
	write_list(fixture, "%s shop invite=" PAST "\n%s mailhost\n", fixture->text[OLD],
		   fixture->text[OTHER]);
	assert_int_equal(invite_line_put(&line), VPS_EXIT_NAME_IS_TAKEN);
	assert_int_equal(invite_line_take_back(&line), 0);
	check_list(fixture, "%s shop invite=" PAST "\n%s mailhost\n", fixture->text[OLD],
		   fixture->text[OTHER]);
	assert_int_equal(invite_line_put(&unnamed), EX_OK);
	assert_string_equal(unnamed.name, "mailhost2");
	check_list(fixture, "%s shop invite=" PAST "\n%s mailhost\n%s mailhost2 invite=" LATER "\n",
		   fixture->text[OLD], fixture->text[OTHER], fixture->text[NEW]);
	invite_line_wipe(&line);
	invite_line_wipe(&unnamed);
}

static void test_not_understood(void **state)
{
	static const struct {
		const char *name, *option, *reason;
	} rows[] = {
		{ "shop", "limit=5", "unknown option" },
		{ "sh/op", "rate=5/1h", "a name is made of" },
		{ "shop", "psk=/nonexistent", "No such file" },
		{ "shop", "rate=5 /1h", "is no option of a client" },
		{ "shop", "rate=\"5\"", "is no option of a client" },
	};
	struct fixture *fixture = *state;

	write_list(fixture, "%s plain\n", fixture->text[CLIENT]);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char option[64], *options[] = { option };
		struct invite_line line = line_of(fixture, rows[i].name, options, 1);

		snprintf(option, sizeof(option), "%s", rows[i].option);
		assert_int_not_equal(invite_line_put(&line), EX_OK);
		if (captured_log_count(&fixture->log, rows[i].reason) == 0)
			fail_msg("%s: not said: %s", rows[i].option, rows[i].reason);
		check_list(fixture, "%s plain\n", fixture->text[CLIENT]);
		assert_int_equal(invite_line_take_back(&line), 0);
		check_list(fixture, "%s plain\n", fixture->text[CLIENT]);
		invite_line_wipe(&line);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new_file), TEST(test_replaces),       TEST(test_others_edit_stays),
		TEST(test_used),     TEST(test_not_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
