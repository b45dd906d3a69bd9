/* The file of enrolled keys: whatever stands in it, each good line counts, and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "file_place.h"
#include "tunnel/base64_key.h"
#include "tunnel/enrolled_keys.h"
#include "tunnel/noise.h"

#define TIME "2026-11-22T03:05:00Z"

static struct file_place place;
static struct noise_keypair pairs[4];
static char keys[4][BASE64_KEY_TEXT + 1], complaints[4096], line[ENROLLED_KEYS_LINE_MAX];

static int set_up(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		noise_keypair_generate(&pairs[i]);
		base64_key_encode(keys[i], pairs[i].public_key);
	}
	snprintf(line, sizeof(line), "%s %s " TIME "\n", keys[0], keys[1]);
	return file_place_init(&place, "enrolled");
}

static int tear_down(void **state)
{
	(void)state;
	file_place_wipe(&place);
	return 0;
}

static void complain(void *context, const char *message)
{
	assert_ptr_equal(context, complaints);
	strcat(complaints, message + strlen(place.path));
	strcat(complaints, "\n");
}

static void read_bytes(struct enrolled_keys *enrolled, const char *bytes, size_t length)
{
	FILE *file = fopen(place.path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	fclose(file);
	complaints[0] = '\0';
	assert_int_equal(enrolled_keys_read(enrolled, place.path, complain, complaints, place.error,
					    sizeof(place.error)),
			 0);
}

static void read_text(struct enrolled_keys *enrolled, const char *text)
{
	read_bytes(enrolled, text, strlen(text));
}

static void good(void **state)
{
	struct enrolled_keys enrolled;
	const struct enrolled_key *found;
	char text[2000], printed[ENROLLED_KEYS_LINE_MAX];

	(void)state;
	snprintf(text, sizeof(text), "%s%s %s 2026-11-23T03:05:00Z\n", line, keys[2], keys[3]);
	read_text(&enrolled, text);
	assert_int_equal(enrolled.count, 2);
	assert_string_equal(complaints, "");
	assert_false(enrolled.is_torn);
	found = enrolled_keys_find(&enrolled, pairs[0].public_key);
	assert_non_null(found);
	assert_memory_equal(found->client_key, pairs[1].public_key, 32);
	assert_int_equal(found->time, 1795316700);
	enrolled_keys_print(found, printed);
	assert_string_equal(printed, line);
	assert_int_equal(enrolled_keys_find(&enrolled, pairs[2].public_key)->line, 2);
	assert_null(enrolled_keys_find(&enrolled, pairs[1].public_key));
	enrolled_keys_wipe(&enrolled);
	assert_null(enrolled_keys_find(&enrolled, pairs[0].public_key));
}

/* Of one invite the first key counts, whatever is added later. */
static void first_counts(void **state)
{
	struct enrolled_keys enrolled;
	char text[2000];

	(void)state;
	snprintf(text, sizeof(text), "%s%s %s " TIME "\n%s", line, keys[0], keys[2], line);
	read_text(&enrolled, text);
	assert_int_equal(enrolled.count, 1);
	assert_memory_equal(enrolled.keys[0].client_key, pairs[1].public_key, 32);
	assert_string_equal(
		complaints,
		":2: another key for an invite that was used before; the first counts\n");
	enrolled_keys_wipe(&enrolled);
}

/* A writer that was killed after any byte. */
static void torn(void **state)
{
	struct enrolled_keys enrolled;
	char text[2000];

	(void)state;
	for (size_t length = 0; length < strlen(line); length++) {
		snprintf(text, sizeof(text), "%s %s " TIME "\n%.*s", keys[2], keys[3], (int)length,
			 line);
		read_text(&enrolled, text);
		assert_int_equal(enrolled.count, 1);
		assert_int_equal(enrolled.is_torn, length > 0);
		assert_null(enrolled_keys_find(&enrolled, pairs[0].public_key));
		assert_string_equal(complaints, "");
		enrolled_keys_wipe(&enrolled);
	}
}

static void damaged(void **state)
{
	char secret[BASE64_KEY_TEXT + 1], rows[8][300], text[3000];
	struct enrolled_keys enrolled;
	size_t length;

	(void)state;
	base64_key_encode(secret, pairs[2].secret_key);
	snprintf(rows[0], sizeof(rows[0]), "garbage");
	snprintf(rows[1], sizeof(rows[1]), "%s", "");
	snprintf(rows[2], sizeof(rows[2]), "%s  %s " TIME, keys[2], keys[3]);
	snprintf(rows[3], sizeof(rows[3]), "%s %s " TIME " torn", keys[2], keys[3]);
	snprintf(rows[4], sizeof(rows[4]), "%s %s 2026-11-32T03:05:00Z", keys[2], keys[3]);
	snprintf(rows[5], sizeof(rows[5]), "%s %s " TIME, keys[2], secret);
	snprintf(rows[6], sizeof(rows[6]), "%.43s. %s " TIME, keys[2], keys[3]);
	snprintf(rows[7], sizeof(rows[7]), "%.5s", keys[2]);
	for (int i = 0; i < 8; i++) {
		snprintf(text, sizeof(text), "%s\n%s", rows[i], line);
		read_text(&enrolled, text);
		assert_int_equal(enrolled.count, 1);
		assert_non_null(enrolled_keys_find(&enrolled, pairs[0].public_key));
		assert_string_equal(complaints,
				    ":1: not a line of enrolled keys, or a damaged one\n");
		enrolled_keys_wipe(&enrolled);
	}
	/* A file system that lost its power leaves NULs. */
	memset(text, 0, 200);
	length = 200 + (size_t)sprintf(text + 200, "\n%s", line);
	read_bytes(&enrolled, text, length);
	assert_int_equal(enrolled.count, 1);
	assert_int_equal(enrolled.bad_lines, 1);
	enrolled_keys_wipe(&enrolled);
}

static void no_file(void **state)
{
	struct enrolled_keys enrolled;

	(void)state;
	unlink(place.path);
	assert_int_equal(enrolled_keys_read(&enrolled, place.path, NULL, NULL, place.error,
					    sizeof(place.error)),
			 0);
	assert_int_equal(enrolled.count, 0);
	assert_int_equal(enrolled.status.st_ino, 0);
	enrolled_keys_wipe(&enrolled);
	assert_int_equal(enrolled_keys_read(&enrolled, place.directory, NULL, NULL, place.error,
					    sizeof(place.error)),
			 -1);
	assert_memory_equal(place.error, place.directory, strlen(place.directory));
	assert_int_equal(enrolled.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),    cmocka_unit_test(first_counts), cmocka_unit_test(torn),
		cmocka_unit_test(damaged), cmocka_unit_test(no_file),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
