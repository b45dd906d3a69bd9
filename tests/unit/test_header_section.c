/* A message in a file is cut into the fields that Postfix would give to a milter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "milter/header_section.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(text) text, sizeof(text) - 1

static char *read_fields(const char *bytes, size_t length, size_t count_limit, size_t size_limit, bool *is_too_large)
{
	FILE *in = tmpfile(), *out;
	struct message message;
	char *text = NULL;
	size_t size;

	assert_non_null(in);
	assert_int_equal(fwrite(bytes, 1, length, in), length);
	rewind(in);
	message_init(&message);
	assert_int_equal(header_section_read(&message, in, count_limit, size_limit), 0);
	*is_too_large = message.is_header_too_large;
	out = open_memstream(&text, &size);
	for (size_t i = 0; i < message.field_count; i++)
		fprintf(out, "[%s|%s]", message.fields[i].name, message.fields[i].value);
	fclose(out);
	fclose(in);
	message_reset(&message);
	return text;
}

static void test_fields(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *fields;
	} rows[] = {
		{ BYTES(""), "" },
		{ BYTES("\n"), "" },
		{ BYTES("From: a\nTo: b\n\nX: body\n"), "[From|a][To|b]" },
		{ BYTES("From: a\r\nTo: b\r\n\r\nX: body\r\n"), "[From|a][To|b]" },
		{ BYTES("From: a"), "[From|a]" },
		{ BYTES("From: a\n b\n\tc\nTo: d\n"), "[From|a\n b\n\tc][To|d]" },
		{ BYTES("From: a\r\n b\r\n"), "[From|a\n b]" },
		/* case 139 */
		{ BYTES("From: a\n \n b\n\n"), "[From|a\n \n b]" },
		{ BYTES("From:\n a\n"), "[From|\n a]" },
		{ BYTES("From:a\n"), "[From|a]" },
		{ BYTES("From:  a \n"), "[From| a ]" },
		{ BYTES("From:\ta\n"), "[From|\ta]" },
		{ BYTES("From:\n"), "[From|]" },
		{ BYTES("From::a:\n"), "[From|:a:]" },
		/* case 135: before the colon white space goes, a control or 8-bit character makes no field */
		{ BYTES("To: x\nFrom : a\n"), "[To|x][From|a]" },
		{ BYTES("To: x\nFrom \t : a\n"), "[To|x][From|a]" },
		{ BYTES("To: x\nFrom\0: a\nX: y\n"), "[To|x]" },
		{ BYTES("To: x\n\rFrom: a\nX: y\n"), "[To|x]" },
		{ BYTES("To: x\nFr\xc3\xb6m: a\nX: y\n"), "[To|x]" },
		{ BYTES(" From: a\nTo: b\n"), "" },
		{ BYTES("\tFrom: a\nTo: b\n"), "" },
		/* case 138: a header without a colon is body */
		{ BYTES("To: x\nno field\nFrom: a\n"), "[To|x]" },
		{ BYTES("To: x\nFrom\n: a\n"), "[To|x]" },
		{ BYTES("To: x\n: a\nX: y\n"), "[To|x]" },
		{ BYTES("To: x\nFr om: a\nX: y\n"), "[To|x]" },
		{ BYTES("To: x\ry\nX: y\n"), "[To|x\ry][X|y]" },
		{ BYTES("To: x\0y\nX: y\n"), "[To|x][X|y]" },
		{ BYTES("To: x\0y\n z\0a\n"), "[To|x\n z]" },
		{ BYTES("From a@b Fri Nov 21 09:55:06 2025\nTo: x\n"),
		  "[Mailbox-Line|From a@b Fri Nov 21 09:55:06 2025][To|x]" },
		{ BYTES("From : a\nTo: x\n"), "[Mailbox-Line|From : a][To|x]" },
		{ BYTES(">From a@b\nTo: x\n"), "[Mailbox-Line|>From a@b][To|x]" },
		{ BYTES("To: x\nFrom a@b Fri Nov 21 09:55:06 2025\nX: y\n"), "[To|x]" },
		{ BYTES(">"), "" },
	};
	bool is_too_large;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *fields = read_fields(rows[i].bytes, rows[i].length, 100, 1000, &is_too_large);

		if (strcmp(fields, rows[i].fields) != 0 || is_too_large)
			fail_msg("\"%s\": %s", rows[i].bytes, fields);
		free(fields);
	}
}

/* Case 138: bounded, whatever comes; the mail system's own bounds decide there. */
static void test_bounds(void **state)
{
	static const struct {
		const char *text;
		size_t count_limit, size_limit;
		const char *fields;
		bool is_too_large;
	} rows[] = {
		{ "A: 1\nB: 2\n", 2, 100, "[A|1][B|2]", false },
		{ "A: 1\nB: 2\nC: 3\n", 2, 100, "[A|1][B|2]", true },
		{ "A: 1\nB: 2\n", 9, 12, "[A|1][B|2]", false },
		{ "A: 1\nB: 2\n", 9, 11, "[A|1]", true },
		{ "A: 1234567890123456789012345678901234567890\n", 9, 20, "", true },
		{ "A: 1\n 2\n 3\n 4\n 5\n 6\n 7\n 8\n 9\n 0\n 1\n 2\n 3\n 4\n 5\n", 9, 20, "", true },
		{ "1234567890123456789012345678901234567890", 9, 20, "", true },
		{ "A: 1\n\n1234567890123456789012345678901234567890", 9, 20, "[A|1]", false },
	};
	bool is_too_large;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *fields = read_fields(rows[i].text, strlen(rows[i].text), rows[i].count_limit, rows[i].size_limit,
					   &is_too_large);

		if (strcmp(fields, rows[i].fields) != 0 || is_too_large != rows[i].is_too_large)
			fail_msg("\"%s\": %s, %d", rows[i].text, fields, is_too_large);
		free(fields);
	}
}

static void test_endless(void **state)
{
	FILE *in = fopen("/dev/zero", "r");
	struct message message;

	(void)state;
	assert_non_null(in);
	message_init(&message);
	assert_int_equal(header_section_read(&message, in, 10, 100000), 0);
	assert_true(message.is_header_too_large);
	message_reset(&message);
	fclose(in);
}

static void test_read_error(void **state)
{
	FILE *in = fopen("/", "r");
	struct message message;

	(void)state;
	assert_non_null(in);
	message_init(&message);
	assert_int_equal(header_section_read(&message, in, 10, 1000), -1);
	message_reset(&message);
	fclose(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_read_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
