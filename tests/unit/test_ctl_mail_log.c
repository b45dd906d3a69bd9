/* ctl/mail_log.c: files that are rotated, long lines, lines that come late, and the journal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl/mail_log.h"
#include "eventually.h"

static char directory[] = "/tmp/test_mail_log.XXXXXX", path[64], rotated[80], journalctl[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(strrchr(directory, '.'), ".XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/mail.log", directory);
	snprintf(rotated, sizeof(rotated), "%s.1", path);
	snprintf(journalctl, sizeof(journalctl), "%s/journalctl", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	unlink(rotated);
	unlink(journalctl);
	return rmdir(directory);
}

static void write_file(const char *name, const char *mode, const char *text)
{
	FILE *file = fopen(name, mode);

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void open_log(struct mail_log *log, const char *name, enum mail_log_mode mode)
{
	char error[500];

	if (mail_log_open(log, name, mode, error, sizeof(error)) < 0)
		fail_msg("%s", error);
}

static void expect(struct mail_log *log, const char *text)
{
	const char *line = mail_log_next(log, deadline_in_ms(PATIENCE_MS));

	if (line == NULL || strcmp(line, text) != 0)
		fail_msg("\"%.100s\" instead of \"%.100s\"", line != NULL ? line : "(no line)", text);
}

static void what_was_rotated_comes_first(void **state)
{
	struct mail_log log;

	(void)state;
	write_file(rotated, "w", "one\ntwo\n");
	write_file(path, "w", "three\n\nfour, without an end");
	open_log(&log, path, MAIL_LOG_PAST);
	expect(&log, "one");
	expect(&log, "two");
	expect(&log, "three");
	expect(&log, "");
	expect(&log, "four, without an end");
	assert_null(mail_log_next(&log, deadline_in_ms(PATIENCE_MS)));
	mail_log_close(&log);
}

static void long_lines_are_cut(void **state)
{
	static char text[5 * MAIL_LOG_LINE_MAX];
	struct mail_log log;
	const char *line;

	(void)state;
	for (size_t length = MAIL_LOG_LINE_MAX - 3; length < MAIL_LOG_LINE_MAX + 3; length++) {
		memset(text, 'x', length);
		strcpy(text + length, "\nafter\n");
		write_file(path, "w", text);
		open_log(&log, path, MAIL_LOG_PAST);
		line = mail_log_next(&log, deadline_in_ms(PATIENCE_MS));
		assert_true(strlen(line) == length || strlen(line) == MAIL_LOG_LINE_MAX - 1);
		expect(&log, "after");
		mail_log_close(&log);
	}
	memset(text, 'x', sizeof(text) - 1);
	write_file(path, "w", text);
	open_log(&log, path, MAIL_LOG_PAST);
	assert_int_equal(strlen(mail_log_next(&log, deadline_in_ms(PATIENCE_MS))), MAIL_LOG_LINE_MAX - 1);
	assert_null(mail_log_next(&log, deadline_in_ms(PATIENCE_MS)));
	mail_log_close(&log);
}

static void nothing_to_read(void **state)
{
	struct mail_log log;
	char error[500];

	(void)state;
	assert_int_equal(mail_log_open(&log, path, MAIL_LOG_PAST, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "mail.log: No such file"));
	/* what was rotated is not taken for the log */
	write_file(rotated, "w", "one\n");
	assert_int_equal(mail_log_open(&log, path, MAIL_LOG_PAST, error, sizeof(error)), -1);
	assert_int_equal(mail_log_open(&log, directory, MAIL_LOG_FOLLOW, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "Is a directory"));
	/* half of the truth is none */
	unlink(rotated);
	write_file(path, "w", "two\n");
	assert_int_equal(symlink(rotated, rotated), 0);
	assert_int_equal(mail_log_open(&log, path, MAIL_LOG_PAST, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "mail.log.1: Too many"));
}

/* Whoever rotates the files while they are read takes nothing away. */
static void rotated_meanwhile(void **state)
{
	struct mail_log log;

	(void)state;
	write_file(rotated, "w", "one\n");
	write_file(path, "w", "two\n");
	open_log(&log, path, MAIL_LOG_PAST);
	assert_int_equal(rename(path, rotated), 0);
	write_file(path, "w", "");
	expect(&log, "one");
	expect(&log, "two");
	assert_null(mail_log_next(&log, DEADLINE_NEVER));
	assert_int_equal(log.failure, 0);
	mail_log_close(&log);
}

/* An error of the disk is not the end of the log. */
static void a_read_that_fails(void **state)
{
	struct mail_log log;
	int unreadable = open(directory, O_RDONLY);

	(void)state;
	write_file(path, "w", "one\n");
	open_log(&log, path, MAIL_LOG_PAST);
	assert_int_equal(dup2(unreadable, log.fd), log.fd);
	assert_null(mail_log_next(&log, DEADLINE_NEVER));
	assert_int_equal(log.failure, EISDIR);
	mail_log_close(&log);
	close(unreadable);
}

static sem_t has_read_next_file;

static void *write_late(void *argument)
{
	(void)argument;
	usleep(100000);
	write_file(path, "a", "half of ");
	usleep(100000);
	write_file(path, "a", "a line\n");
	usleep(100000);
	rename(path, rotated);
	write_file(path, "w", "");
	/* whoever writes the log has not been told yet */
	usleep(100000);
	write_file(rotated, "a", "of the old one\n");
	write_file(path, "a", "of the next file\n");
	/* what is written over before it was read nobody reads */
	sem_wait(&has_read_next_file);
	write_file(path, "w", "anew\n");
	return NULL;
}

static void following(void **state)
{
	struct mail_log log;
	pthread_t thread;

	(void)state;
	assert_int_equal(sem_init(&has_read_next_file, 0, 0), 0);
	write_file(path, "w", "of yesterday\n");
	open_log(&log, path, MAIL_LOG_FOLLOW);
	assert_null(mail_log_next(&log, deadline_in_ms(10)));
	assert_int_equal(pthread_create(&thread, NULL, write_late, NULL), 0);
	expect(&log, "half of a line");
	expect(&log, "of the old one");
	expect(&log, "of the next file");
	sem_post(&has_read_next_file);
	expect(&log, "anew");
	assert_null(mail_log_next(&log, deadline_in_ms(10)));
	pthread_join(thread, NULL);
	mail_log_close(&log);
}

/* Where there is no file. What it is asked for is what journalctl(1) has. */
static void journal(void **state)
{
	const char *search = getenv("PATH");
	char *before = strdup(search), new_path[4200], error[500];
	long long now = (long long)time(NULL), since;
	struct mail_log log;
	const char *line;

	(void)state;
	if (access(MAIL_LOG_FILE, F_OK) == 0) {
		free(before);
		skip();
	}
	write_file(journalctl, "w",
		   "#!/bin/sh\ncase \"$*\" in\n*--follow*) echo \"new: $*\"; exec sleep 1000 ;;\n*) echo \"old: $*\" ;;\nesac\n");
	chmod(journalctl, 0755);
	snprintf(new_path, sizeof(new_path), "%s:%s", directory, before);
	setenv("PATH", new_path, 1);
	open_log(&log, NULL, MAIL_LOG_PAST);
	expect(&log, "old: --quiet --no-pager --facility=mail --output=short-iso-precise --since=-8d");
	assert_null(mail_log_next(&log, deadline_in_ms(PATIENCE_MS)));
	mail_log_close(&log);
	open_log(&log, NULL, MAIL_LOG_FOLLOW);
	line = mail_log_next(&log, deadline_in_ms(PATIENCE_MS));
	assert_non_null(line);
	/* from before it began to look */
	assert_int_equal(sscanf(line, "new: --quiet --no-pager --facility=mail --output=short-iso-precise --follow --no-tail "
				      "--since=@%lld", &since), 1);
	assert_true(since >= now && since <= (long long)time(NULL));
	assert_null(mail_log_next(&log, deadline_in_ms(10)));
	mail_log_close(&log);
	setenv("PATH", "/nonexistent", 1);
	assert_int_equal(mail_log_open(&log, NULL, MAIL_LOG_PAST, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "--file names the mail log"));
	setenv("PATH", before, 1);
	free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_rotated_comes_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_lines_are_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_to_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rotated_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_read_that_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(following, set_up, tear_down),
		cmocka_unit_test_setup_teardown(journal, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
