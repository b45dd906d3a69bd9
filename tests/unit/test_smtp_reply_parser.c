/*
 * Goal of this test: a reply is read as RFC 5321 4.2 writes it; what a hostile server sends instead is a protocol error
 * within bounds. Covers cases 2 to 7 of the catalogue of hostile input (line ends, case 8, are the stream's).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/smtp_reply_parser.h"

/* Lines are separated by '|'. Feeds them until the parser stops wanting more; every line lies in memory of its own size. */
static enum smtp_reply_progress feed(struct smtp_reply_parser *parser, const char *lines, size_t *fed_out)
{
	enum smtp_reply_progress progress = SMTP_REPLY_MORE;

	smtp_reply_parser_init(parser);
	for (*fed_out = 0; progress == SMTP_REPLY_MORE && lines != NULL; ++*fed_out) {
		size_t length = strcspn(lines, "|");
		char *line = malloc(length > 0 ? length : 1);

		assert_non_null(line);
		memcpy(line, lines, length);
		progress = smtp_reply_parse_line(parser, line, length);
		free(line);
		lines = lines[length] == '|' ? lines + length + 1 : NULL;
	}
	return progress;
}

static void test_complete_replies(void **state)
{
	static const struct { const char *lines; int code; struct enhanced_status status; const char *text; } rows[] = {
		{ "250 ok", 250, { 0, 0, 0 }, "ok" },
		{ "250", 250, { 0, 0, 0 }, "" },					/* case 5 */
		{ "250 ", 250, { 0, 0, 0 }, "" },
		{ "250-a|250", 250, { 0, 0, 0 }, "a" },
		{ "250-|250-|250 x", 250, { 0, 0, 0 }, "x" },
		{ "354 go  ahead  ", 354, { 0, 0, 0 }, "go  ahead" },
		{ "550 5.1.1 no such user", 550, { 5, 1, 1 }, "5.1.1 no such user" },
		{ "550-5.7.1 one|550-5.7.1 two|550 5.7.1 three", 550, { 5, 7, 1 }, "5.7.1 one two three" },
		{ "550-one|550 5.7.1 two", 550, { 5, 7, 1 }, "one two" },
		{ "550-5.7.1 one|550 5.7.26 two", 550, { 5, 7, 1 }, "5.7.1 one two" },
		{ "550-5.7.1 one|550 5.7.1", 550, { 5, 7, 1 }, "5.7.1 one" },
		/* a status of another class says nothing and is only text */
		{ "250 5.1.1 liar", 250, { 0, 0, 0 }, "5.1.1 liar" },
		{ "450-4.2.0 one|450 5.1.1 two", 450, { 4, 2, 0 }, "4.2.0 one 5.1.1 two" },
		{ "354 2.0.0 go", 354, { 0, 0, 0 }, "2.0.0 go" },
		{ "200 low", 200, { 0, 0, 0 }, "low" },
		{ "599 high", 599, { 0, 0, 0 }, "high" },
		{ "550 5.1.1foo", 550, { 0, 0, 0 }, "5.1.1foo" },
		{ "550 a\x1b[2Jb\rc\xc3\xa9\x7f", 550, { 0, 0, 0 }, "a?[2Jb?c???" },	/* case 7 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_reply_parser parser;
		size_t fed;

		if (feed(&parser, rows[i].lines, &fed) != SMTP_REPLY_COMPLETE)
			fail_msg("%s: %s", rows[i].lines, parser.error);
		assert_int_equal(parser.reply.code, rows[i].code);
		assert_string_equal(parser.reply.text, rows[i].text);
		assert_int_equal(parser.reply.status.class, rows[i].status.class);
		assert_int_equal(parser.reply.status.subject, rows[i].status.subject);
		assert_int_equal(parser.reply.status.detail, rows[i].status.detail);
		assert_int_equal(fed, parser.lines);
	}
}

static void test_protocol_errors(void **state)
{
	static const struct { const char *lines, *error; } rows[] = {
		{ "250-a|550 b", "reply code changes inside a reply: \"550 b\"" },		/* case 4 */
		{ "250-a|hello", "reply without a reply code: \"hello\"" },
		{ "25", "reply without a reply code: \"25\"" },					/* case 6, from here */
		{ "2500 x", "reply code is not followed by space or hyphen: \"2500 x\"" },
		{ "abc ok", "reply without a reply code: \"abc ok\"" },
		{ "250_ok", "reply code is not followed by space or hyphen: \"250_ok\"" },
		{ "250\tok", "reply code is not followed by space or hyphen: \"250?ok\"" },
		{ "", "reply without a reply code: \"\"" },
		{ "25\xc3\xa9 ok", "reply without a reply code: \"25?? ok\"" },
		{ "250\xc3\xa9", "reply code is not followed by space or hyphen: \"250??\"" },
		{ "150 x", "reply without a reply code: \"150 x\"" },
		{ "600 x", "reply without a reply code: \"600 x\"" },
		{ " 250 x", "reply without a reply code: \" 250 x\"" },
		{ "-50 x", "reply without a reply code: \"-50 x\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_reply_parser parser;
		size_t fed;

		assert_int_equal(feed(&parser, rows[i].lines, &fed), SMTP_REPLY_PROTOCOL_ERROR);
		assert_string_equal(parser.error, rows[i].error);
	}
}

/* case 7 */
static void test_nul_in_text(void **state)
{
	struct smtp_reply_parser parser;

	(void)state;
	smtp_reply_parser_init(&parser);
	assert_int_equal(smtp_reply_parse_line(&parser, "550 a\0b", 7), SMTP_REPLY_COMPLETE);
	assert_string_equal(parser.reply.text, "a?b");
	smtp_reply_parser_init(&parser);
	assert_int_equal(smtp_reply_parse_line(&parser, "550\0ok", 6), SMTP_REPLY_PROTOCOL_ERROR);
}

/* case 2 */
static void test_endless_lines(void **state)
{
	struct smtp_reply_parser parser;

	(void)state;
	smtp_reply_parser_init(&parser);
	for (int i = 0; i < SMTP_REPLY_LINES_MAX; i++)
		assert_int_equal(smtp_reply_parse_line(&parser, "220-x", 5), SMTP_REPLY_MORE);
	assert_int_equal(smtp_reply_parse_line(&parser, "220 x", 5), SMTP_REPLY_PROTOCOL_ERROR);
	assert_string_equal(parser.error, "reply of more than 100 lines");
}

/* case 3; the kept text is cut at its maximum, printable, and nothing is written beyond it */
static void test_huge_reply(void **state)
{
	struct smtp_reply_parser parser;
	char line[SMTP_REPLY_LINE_MAX + 1];
	int lines = 0;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "220-", 4);
	smtp_reply_parser_init(&parser);
	while (smtp_reply_parse_line(&parser, line, SMTP_REPLY_LINE_MAX) == SMTP_REPLY_MORE)
		lines++;
	assert_int_equal(lines, SMTP_REPLY_BYTES_MAX / SMTP_REPLY_LINE_MAX);
	assert_string_equal(parser.error, "reply of more than 65536 bytes");
	assert_int_equal(strlen(parser.reply.text), SMTP_REPLY_TEXT_MAX);
	smtp_reply_parser_init(&parser);
	assert_int_equal(smtp_reply_parse_line(&parser, line, sizeof(line)), SMTP_REPLY_PROTOCOL_ERROR);
	assert_string_equal(parser.error, "reply line longer than 4096 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_complete_replies),
		cmocka_unit_test(test_protocol_errors),
		cmocka_unit_test(test_nul_in_text),
		cmocka_unit_test(test_endless_lines),
		cmocka_unit_test(test_huge_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
