/* log.c: the shape of a line, no line a peer could forge, no torn lines between threads. */
#include "lib/log.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* Sends stderr into a temporary file for a while. */
struct capture {
	FILE *file;
	int saved_stderr;
};

static void capture_begin(struct capture *capture)
{
	capture->file = tmpfile();
	assert_non_null(capture->file);
	capture->saved_stderr = dup(STDERR_FILENO);
	dup2(fileno(capture->file), STDERR_FILENO);
}

/* Returns the length; `text` is terminated. */
static size_t capture_end(struct capture *capture, char *text, size_t size)
{
	size_t length;

	dup2(capture->saved_stderr, STDERR_FILENO);
	close(capture->saved_stderr);
	rewind(capture->file);
	length = fread(text, 1, size - 1, capture->file);
	text[length] = '\0';
	fclose(capture->file);
	return length;
}

static void lines_for_people(void **state)
{
	struct capture capture;
	char text[1024];

	(void)state;
	capture_begin(&capture);
	log_open("postern/edge", LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	log_set_tag("4XyZ");
	log_info("to=<%s>, status=sent", "a@b.example");
	log_warning("slow");
	log_debug("not shown");
	log_set_tag(NULL);
	log_error("no tag");
	capture_end(&capture, text, sizeof(text));
	assert_string_equal(text, "postern/edge: 4XyZ: to=<a@b.example>, status=sent\n"
				  "postern/edge: warning: 4XyZ: slow\n"
				  "postern/edge: error: no tag\n");
}

static void lines_for_the_journal(void **state)
{
	struct capture capture;
	char text[1024], variable[64];
	struct stat status;

	(void)state;
	capture_begin(&capture);
	assert_int_equal(fstat(STDERR_FILENO, &status), 0);
	snprintf(variable, sizeof(variable), "%llu:%llu", (unsigned long long)status.st_dev,
		 (unsigned long long)status.st_ino);
	setenv("JOURNAL_STREAM", variable, 1);
	log_open("postern/edge", LOG_TARGET_STDERR, LOG_LEVEL_DEBUG);
	log_error("one");
	log_warning("two");
	log_info("three");
	log_debug("four");
	/* stderr is something else by now: sh -c 'program 2>file' */
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_open("postern/edge", LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	log_info("five");
	unsetenv("JOURNAL_STREAM");
	log_open("postern/edge", LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	capture_end(&capture, text, sizeof(text));
	assert_string_equal(
		text,
		"<3>error: one\n<4>warning: two\n<6>three\n<7>debug: four\npostern/edge: five\n");
}

static void nobody_can_forge_a_line(void **state)
{
	struct capture capture;
	char text[1024];

	(void)state;
	capture_begin(&capture);
	log_set_tag("id\nforged");
	log_info("reply\r\npostern/edge: forged\x1b[2J\x7f");
	log_set_tag("");
	capture_end(&capture, text, sizeof(text));
	assert_string_equal(text, "postern/edge: id?forged: reply??postern/edge: forged?[2J?\n");
}

static void a_long_message_is_cut_and_says_so(void **state)
{
	static char long_text[10000], text[20000];
	struct capture capture;
	size_t length;

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	capture_begin(&capture);
	log_info("%s", long_text);
	log_info("next");
	length = capture_end(&capture, text, sizeof(text));
	assert_true(length < 4096 + 64);
	assert_non_null(strstr(text, "xxx...\npostern/edge: next\n"));
}

static void a_long_tag_is_cut(void **state)
{
	char tag[200];

	(void)state;
	memset(tag, 't', sizeof(tag));
	tag[sizeof(tag) - 1] = '\0';
	log_set_tag(tag);
	assert_int_equal(strlen(log_tag()), 63);
	log_set_tag(NULL);
	assert_string_equal(log_tag(), "");
}

static void errno_survives(void **state)
{
	struct capture capture;
	char text[256];

	(void)state;
	capture_begin(&capture);
	close(STDERR_FILENO);
	errno = ENOENT;
	log_info("into the void");
	assert_int_equal(errno, ENOENT);
	capture_end(&capture, text, sizeof(text));
}

struct printable_row {
	const char *peer_text;
	size_t length;
	size_t out_size;
	const char *expected;
};

static void peer_text_is_made_printable(void **state)
{
	static const struct printable_row rows[] = {
		{ "250 ok", 6, 64, "250 ok" },
		{ "a\0b", 3, 64, "a?b" },
		{ "tab\there\x7f", 9, 64, "tab?here?" },
		{ "\xc3\xa9t\xc3\xa9", 5, 64, "??t??" },
		{ "abcdef", 6, 4, "abc" },
		{ "abc", 3, 1, "" },
		{ "", 0, 8, "" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(out, 'Z', sizeof(out));
		assert_ptr_equal(
			log_printable(out, rows[i].out_size, rows[i].peer_text, rows[i].length),
			out);
		assert_string_equal(out, rows[i].expected);
	}
	out[0] = 'Z';
	log_printable(out, 0, "abc", 3);
	assert_int_equal(out[0], 'Z');
}

#define THREADS 4
#define LINES 300

static void *chatter(void *argument)
{
	char tag[8];

	snprintf(tag, sizeof(tag), "T%d", *(int *)argument);
	log_set_tag(tag);
	for (int i = 0; i < LINES; i++)
		log_info("%s says line %d of %s", tag, i, tag);
	return NULL;
}

static void threads_keep_their_lines_and_tags(void **state)
{
	static char text[THREADS * LINES * 80];
	struct capture capture;
	pthread_t threads[THREADS];
	int numbers[THREADS], lines = 0;
	char *rest = text, *line;

	(void)state;
	capture_begin(&capture);
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, chatter, &numbers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	capture_end(&capture, text, sizeof(text));
	while ((line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
		int a, b, c, number, end = 0;

		assert_int_equal(sscanf(line, "postern/edge: T%d: T%d says line %d of T%d%n", &a,
					&b, &number, &c, &end),
				 4);
		assert_int_equal(line[end], '\0');
		assert_true(a == b && b == c);
		lines++;
	}
	assert_int_equal(lines, THREADS * LINES);
}

static void panic_logs_and_aborts(void **state)
{
	struct capture capture;
	char text[256];
	int status;
	pid_t pid;

	(void)state;
	capture_begin(&capture);
	pid = fork();
	if (pid == 0)
		log_panic("row %d has no name", 3);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	capture_end(&capture, text, sizeof(text));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_string_equal(text, "postern/edge: panic: row 3 has no name\n");
}

static void before_open_lines_go_to_stderr(void **state)
{
	struct capture capture;
	char text[256];

	(void)state;
	capture_begin(&capture);
	log_error("early");
	capture_end(&capture, text, sizeof(text));
	assert_string_equal(text, "error: early\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_open_lines_go_to_stderr),
		cmocka_unit_test(lines_for_people),
		cmocka_unit_test(lines_for_the_journal),
		cmocka_unit_test(nobody_can_forge_a_line),
		cmocka_unit_test(a_long_message_is_cut_and_says_so),
		cmocka_unit_test(a_long_tag_is_cut),
		cmocka_unit_test(errno_survives),
		cmocka_unit_test(peer_text_is_made_printable),
		cmocka_unit_test(threads_keep_their_lines_and_tags),
		cmocka_unit_test(panic_logs_and_aborts),
	};

	unsetenv("JOURNAL_STREAM");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
