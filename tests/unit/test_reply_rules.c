/* The table reply_rules: what fits, what the built-in rules make of what large receivers say, and what a mistake is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "edge/reply_rules.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_fits(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} rows[] = {
		{ "*", "", true },	       { "*", "x", true },		{ "?", "", false },
		{ "?", "x", true },	       { "a", "A", true },		{ "a", "ab", false },
		{ "a*", "ab", true },	       { "*b", "ab", true },		{ "*b", "abc", false },
		{ "*b*d", "abcbd", true },     { "*b*d", "abcde", false },	{ "**a**", "bab", true },
		{ "*RATE limit*", "your rate Limit is", true },			{ "a?c", "abc", true },
		{ "", "", true },	       { "", "a", false },		{ "*a?", "ba", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (reply_rules_fits(rows[i].pattern, rows[i].text) != rows[i].fits)
			fail_msg("\"%s\" and \"%s\"", rows[i].pattern, rows[i].text);
}

/* What ruins searches that go back. */
static void test_takes_no_time(void **state)
{
	char pattern[REPLY_RULE_TEXT_MAX + 1], text[SMTP_REPLY_TEXT_MAX + 1];
	clock_t began = clock();

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < sizeof(pattern) - 1; i++)
		pattern[i] = i % 2 == 0 ? '*' : 'a';
	pattern[sizeof(pattern) - 2] = 'b';
	pattern[sizeof(pattern) - 1] = '\0';
	for (int i = 0; i < 100; i++)
		assert_false(reply_rules_fits(pattern, text));
	assert_true((double)(clock() - began) / CLOCKS_PER_SEC < 2);
}

static enum destination_news ask(const struct reply_rules *rules, enum delivery_stage stage, const char *line, int64_t *pause_ms)
{
	struct smtp_reply reply = { .code = atoi(line) };
	enum destination_news news = DESTINATION_NEWS_NONE;
	size_t length = strlen(line + 4);

	snprintf(reply.text, sizeof(reply.text), "%s", line + 4);
	enhanced_status_parse(&reply.status, line + 4, length);
	return reply_rules_find(rules, stage, &reply, &news, pause_ms) ? news : DESTINATION_NEWS_NONE;
}

static void test_built_in(void **state)
{
	static const struct {
		const char *line;
		enum destination_news news;
	} rows[] = {
		{ "421 4.7.28 Our system has detected an unusual rate of unsolicited mail", DESTINATION_NEWS_SLOW },
		{ "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred", DESTINATION_NEWS_SLOW },
		{ "450 4.7.28 Gmail has detected an unusual rate of mail", DESTINATION_NEWS_SLOW },
		{ "450 4.7.1 4.7.28 stands at the beginning or means nothing", DESTINATION_NEWS_NONE },
		{ "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)", DESTINATION_NEWS_SLOW },
		{ "450 4.7.1 Error: too many connections from 192.0.2.1", DESTINATION_NEWS_SLOW },
		{ "452 4.3.1 You are sending too fast", DESTINATION_NEWS_SLOW },
		{ "450 4.2.1 The user you are trying to contact is receiving mail at a rate limited speed", DESTINATION_NEWS_SLOW },
		{ "421 Service not available", DESTINATION_NEWS_SLOW },
		{ "450 4.2.0 Greylisted, see http://postgrey.example", DESTINATION_NEWS_NONE },
		{ "451 4.7.1 Greylisting in action, please come back later", DESTINATION_NEWS_NONE },
		{ "421 4.7.0 You have been grey-listed", DESTINATION_NEWS_NONE },
		{ "451 4.3.0 Please try again later", DESTINATION_NEWS_NONE },
		{ "452 4.2.2 Mailbox full", DESTINATION_NEWS_NONE },
		{ "550 5.7.1 rate limit", DESTINATION_NEWS_NONE },
	};
	char error[200];
	struct reply_rules *rules = reply_rules_create("/no/such/file", error, sizeof(error));
	int64_t pause_ms;

	(void)state;
	assert_non_null(rules);
	for (size_t i = 0; i < COUNT(rows); i++)
		if (ask(rules, STAGE_RCPT, rows[i].line, &pause_ms) != rows[i].news)
			fail_msg("%s", rows[i].line);
	reply_rules_destroy(rules);
}

static struct reply_rules *read_text(const char *text, char *error, size_t error_size, char *path)
{
	struct reply_rules *rules;
	int fd;

	strcpy(path, "/tmp/test_reply_rules.XXXXXX");
	fd = mkstemp(path);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	rules = reply_rules_create(path, error, error_size);
	unlink(path);
	return rules;
}

static void test_file(void **state)
{
	char error[300], path[40];
	int64_t pause_ms = 0;
	struct reply_rules *rules = read_text("# first wins\nrcpt:450 none *friend*\n450 \"pause 5m\" \"*go  away*\"\n4* slow *\n", error,
					      sizeof(error), path);

	(void)state;
	assert_non_null(rules);
	assert_int_equal(ask(rules, STAGE_RCPT, "450 4.0.0 go  away friend", &pause_ms), DESTINATION_NEWS_NONE);
	assert_int_equal(ask(rules, STAGE_MAIL, "450 4.0.0 go  away friend", &pause_ms), DESTINATION_NEWS_PAUSE);
	assert_int_equal(pause_ms, 300000);
	assert_int_equal(ask(rules, STAGE_MAIL, "451 4.0.0 hm", &pause_ms), DESTINATION_NEWS_SLOW);
	assert_int_equal(ask(rules, STAGE_MAIL, "550 5.0.0 hm", &pause_ms), DESTINATION_NEWS_NONE);
	reply_rules_destroy(rules);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "421 slow\n", ":1: an action and a text are needed" },
		{ "\n421 slow * more\n", ":2: an action and a text are needed" },
		{ "4444 slow *\n", ":1: \"4444\": no code such as 421, 45* or 4*" },
		{ "45 slow *\n", ":1: \"45\": no code" },
		{ "250 slow *\n", ":1: \"250\": no code" },
		{ "quit:421 slow *\n", ":1: \"quit:421\": unknown stage" },
		{ "421 slower *\n", ":1: \"slower\": unknown action" },
		{ "421 \"pause 5\" *\n", ":1: \"pause 5\": unknown action" },
		{ "421 \"pause 25h\" *\n", ":1: \"pause 25h\": unknown action" },
		{ "421 slow \"\"\n", ":1: a text of 1 to 200 bytes" },
	};
	char error[300], path[40];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_null(read_text(rows[i].text, error, sizeof(error), path));
		if (strncmp(error, path, strlen(path)) != 0 ||
		    strncmp(error + strlen(path), rows[i].error, strlen(rows[i].error)) != 0)
			fail_msg("%s instead of %s", error, rows[i].error);
	}
}

/* What is there and cannot be read is a mistake: the built-in rules are for those who have no file. */
static void test_unreadable(void **state)
{
	char error[300];

	(void)state;
	assert_null(reply_rules_create("/tmp", error, sizeof(error)));
	assert_non_null(strstr(error, "/tmp: "));
}

static void test_too_many(void **state)
{
	static char text[(REPLY_RULES_MAX + 1) * sizeof("421 slow *\n")];
	char error[300], path[40], expected[40];
	struct reply_rules *rules;

	(void)state;
	for (int i = 0; i < REPLY_RULES_MAX; i++)
		strcat(text, "421 slow *\n");
	rules = read_text(text, error, sizeof(error), path);
	assert_non_null(rules);
	reply_rules_destroy(rules);
	strcat(text, "421 slow *\n");
	assert_null(read_text(text, error, sizeof(error), path));
	snprintf(expected, sizeof(expected), ":%d: more than %d rules", REPLY_RULES_MAX + 1, REPLY_RULES_MAX);
	assert_non_null(strstr(error, expected));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fits), cmocka_unit_test(test_takes_no_time), cmocka_unit_test(test_built_in),
		cmocka_unit_test(test_file), cmocka_unit_test(test_mistakes), cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
