/* kept_file: what was there comes back, what others wrote since is seen, a file that was not there goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl/kept_file.h"
#include "file_place.h"

static void expect(const char *path, const char *text)
{
	char got[256] = "";
	FILE *file = fopen(path, "r");

	if (text == NULL) {
		assert_null(file);
		return;
	}
	assert_non_null(file);
	got[fread(got, 1, sizeof(got) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(got, text);
}

static struct kept_file begin(struct file_place *place, const char *text)
{
	struct kept_file file = { .name = "kept" };

	snprintf(file.path, sizeof(file.path), "%s", place->path);
	if (text != NULL)
		file_place_write(place, text, 0640);
	assert_int_equal(kept_file_begin(&file, place->directory, place->error, sizeof(place->error)), 0);
	return file;
}

static enum kept_file_state look(const struct kept_file *file, struct file_place *place)
{
	enum kept_file_state state;

	assert_int_equal(kept_file_look(file, place->directory, &state, place->error, sizeof(place->error)), 0);
	return state;
}

static const char *const befores[] = { "one\n", "", "no end", NULL };

static void test_there_and_back(void **state)
{
	struct file_place *place = *state;

	for (size_t i = 0; i < sizeof(befores) / sizeof(befores[0]); i++) {
		struct kept_file file = begin(place, befores[i]);
		struct stat status;

		assert_int_equal(look(&file, place), KEPT_FILE_AS_BEFORE);
		assert_int_equal(kept_file_replace(&file, place->directory, befores[i], "two\n", place->error,
						   sizeof(place->error)), 0);
		expect(place->path, "two\n");
		assert_int_equal(stat(place->path, &status), 0);
		assert_int_equal(status.st_mode & 0777, befores[i] != NULL ? 0640 : 0644);
		assert_int_equal(look(&file, place), KEPT_FILE_AS_AFTER);
		assert_int_equal(kept_file_put_back(&file, place->directory, place->error, sizeof(place->error)), 0);
		expect(place->path, befores[i]);
		assert_int_equal(look(&file, place), KEPT_FILE_AS_BEFORE);
		unlink(place->path);
	}
}

static void test_others_write(void **state)
{
	struct file_place *place = *state;
	struct kept_file file = begin(place, "one\n");

	assert_int_equal(kept_file_replace(&file, place->directory, "another\n", "two\n", place->error,
					   sizeof(place->error)), -1);
	assert_non_null(strstr(place->error, "somebody changed it"));
	expect(place->path, "one\n");
	assert_int_equal(kept_file_replace(&file, place->directory, NULL, "two\n", place->error,
					   sizeof(place->error)), -1);
	expect(place->path, "one\n");
	assert_int_equal(kept_file_replace(&file, place->directory, "one\n", "two\n", place->error,
					   sizeof(place->error)), 0);
	file_place_write(place, "two\nand mine\n", 0640);
	assert_int_equal(look(&file, place), KEPT_FILE_CHANGED);
	unlink(place->path);
	assert_int_equal(look(&file, place), KEPT_FILE_CHANGED);
}

/* Killed between the note and the change: nothing is to be put back. */
static void test_killed(void **state)
{
	struct file_place *place = *state;
	struct kept_file file = begin(place, "one\n");
	char copy[160];

	assert_int_equal(kept_file_replace(&file, place->directory, "other\n", "two\n", place->error,
					   sizeof(place->error)), -1);
	snprintf(copy, sizeof(copy), "%s/kept.after", place->directory);
	expect(copy, "two\n");
	assert_int_equal(look(&file, place), KEPT_FILE_AS_BEFORE);
}

/* An earlier time's copy of a file that is gone by now must not come back. */
static void test_begin_again(void **state)
{
	struct file_place *place = *state;
	struct kept_file file = begin(place, "one\n");

	unlink(place->path);
	file = begin(place, NULL);
	assert_int_equal(look(&file, place), KEPT_FILE_AS_BEFORE);
	file_place_write(place, "new\n", 0600);
	assert_int_equal(kept_file_end(&file, file.path, place->directory, place->error, sizeof(place->error)), 0);
	assert_int_equal(look(&file, place), KEPT_FILE_AS_AFTER);
	assert_int_equal(kept_file_put_back(&file, place->directory, place->error, sizeof(place->error)), 0);
	expect(place->path, NULL);
}

static int set_up(void **state)
{
	return file_place_make(state, "file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_there_and_back, set_up, file_place_remove),
		cmocka_unit_test_setup_teardown(test_others_write, set_up, file_place_remove),
		cmocka_unit_test_setup_teardown(test_killed, set_up, file_place_remove),
		cmocka_unit_test_setup_teardown(test_begin_again, set_up, file_place_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
