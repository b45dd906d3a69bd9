/*
 * Goal: a table is read again when its file has changed, a bad one every second, and the log is told
 * once a minute.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "captured_log.h"
#include "lib/table_watch.h"
#include "file_place.h"

static int set_up(void **state)
{
	return file_place_make(state, "table");
}

/* As a reader does it, who gets along with the file or not. */
static void read_again(struct table_watch *watch, const struct file_place *place, bool is_good)
{
	struct stat status = { 0 };

	stat(place->path, &status);
	if (is_good)
		table_watch_take(watch, &status);
	else
		table_watch_refuse(watch, place->path, "what was read before stays in force");
}

static void let_pass(struct deadline *deadline, int64_t ms)
{
	deadline->at_ms -= ms;
}

static void test_a_change_is_seen_once(void **state)
{
	struct file_place *place = *state;
	struct table_watch watch = { 0 };

	assert_false(table_watch_is_due(&watch, place->path));	/* there was none, and is none */
	file_place_write(place, "a b\n", 0644);
	assert_true(table_watch_is_due(&watch, place->path));
	read_again(&watch, place, true);
	assert_false(table_watch_is_due(&watch, place->path));
	file_place_write(place, "a c\n", 0644);
	assert_true(table_watch_is_due(&watch, place->path));
	read_again(&watch, place, true);
	assert_false(table_watch_is_due(&watch, place->path));
	assert_int_equal(unlink(place->path), 0);
	assert_true(table_watch_is_due(&watch, place->path));
}

static void test_a_bad_file_is_tried_every_second(void **state)
{
	struct file_place *place = *state;
	struct table_watch watch = { 0 };
	struct captured_log log;

	captured_log_start(&log);
	file_place_write(place, "bad\n", 0644);
	for (int i = 0; i < 3; i++) {
		assert_true(table_watch_is_due(&watch, place->path));
		read_again(&watch, place, false);
		assert_false(table_watch_is_due(&watch, place->path));
		let_pass(&watch.retry, 900);
		assert_false(table_watch_is_due(&watch, place->path));
		let_pass(&watch.retry, 100);
	}
	read_again(&watch, place, true);
	assert_false(table_watch_is_due(&watch, place->path));
	captured_log_stop(&log);
}

static void test_the_log_is_told_every_minute(void **state)
{
	struct file_place *place = *state;
	struct table_watch watch = { 0 };
	struct captured_log log;
	char expected[200];

	snprintf(expected, sizeof(expected), "error: %s; what was read before stays in force\n", place->path);
	captured_log_start(&log);
	read_again(&watch, place, false);
	assert_int_equal(captured_log_count(&log, expected), 1);
	read_again(&watch, place, false);
	let_pass(&watch.reminder.next, 59000);
	read_again(&watch, place, false);
	assert_int_equal(captured_log_count(&log, ""), 1);
	let_pass(&watch.reminder.next, 1000);
	read_again(&watch, place, false);
	assert_int_equal(captured_log_count(&log, expected), 2);
	/* The next bad file is another one. */
	read_again(&watch, place, true);
	read_again(&watch, place, false);
	assert_int_equal(captured_log_count(&log, expected), 3);
	captured_log_stop(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_change_is_seen_once, set_up, file_place_remove),
		cmocka_unit_test_setup_teardown(test_a_bad_file_is_tried_every_second, set_up, file_place_remove),
		cmocka_unit_test_setup_teardown(test_the_log_is_told_every_minute, set_up, file_place_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
