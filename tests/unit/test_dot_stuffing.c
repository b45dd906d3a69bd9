/*
 * Goal of this test: the end of mail data is CRLF "." CRLF and nothing else, wherever the input is cut, and nothing that leaves
 * could be taken for a second one. Covers cases 115, 116 and 117 of the catalogue of hostile input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/dot_stuffing.h"

/* Inputs and outputs hold no NUL where they are rows; NUL has its own test. */
struct row {
	const char *in;
	const char *content;		/* what is passed on */
	const char *rest;		/* what follows the end of data; NULL: no end was found */
	unsigned strays;
};

static const struct row rows[] = {
	{ "a\r\n.\r\n", "a\r\n", "", 0 },
	{ "a\r\nb\r\n.\r\nQUIT\r\n", "a\r\nb\r\n", "QUIT\r\n", 0 },
	{ ".\r\n", "", "", 0 },						/* case 117: the empty message */
	{ ".\r\n.\r\n", "", ".\r\n", 0 },
	{ "\r\n.\r\n", "\r\n", "", 0 },
	{ "Subject: x\r\n\r\n.\r\n", "Subject: x\r\n\r\n", "", 0 },	/* headers only */
	/* case 115 */
	{ "..\r\n.\r\n", "..\r\n", "", 0 },
	{ "a\r\n..\r\n.\r\n", "a\r\n..\r\n", "", 0 },
	{ "..a\r\n.\r\n", "..a\r\n", "", 0 },
	{ "...\r\n....\r\n.\r\n", "...\r\n....\r\n", "", 0 },
	{ ".a\r\n.\r\n", ".a\r\n", "", 0 },
	{ "a.\r\n.b.\r\n.\r\n", "a.\r\n.b.\r\n", "", 0 },
	/* case 116: each near miss is content, and its stray CR or LF a space */
	{ "a\n.\nb\r\n.\r\n", "a . b\r\n", "", 2 },
	{ "a\r\n.\nb\r\n.\r\n", "a\r\n. b\r\n", "", 1 },
	{ "a\n.\r\nb\r\n.\r\n", "a .\r\nb\r\n", "", 1 },
	{ "a\r.\rb\r\n.\r\n", "a . b\r\n", "", 2 },
	{ "a\r.\r\nb\r\n.\r\n", "a .\r\nb\r\n", "", 1 },
	{ "a\r\n.\rb\r\n.\r\n", "a\r\n. b\r\n", "", 1 },
	{ "a\r\n.\r\r\nb\r\n.\r\n", "a\r\n. \r\nb\r\n", "", 1 },
	{ "a\r\r\n.\r\n", "a \r\n", "", 1 },
	{ "a\n\r\n.\r\n", "a \r\n", "", 1 },
	{ "a\r\n\n.\r\n.\r\n", "a\r\n .\r\n", "", 1 },
	{ "a\r\n\r.\r\n.\r\n", "a\r\n .\r\n", "", 1 },
	{ "\n.\r\n.\r\n", " .\r\n", "", 1 },
	{ "\r.\r\n.\r\n", " .\r\n", "", 1 },
	{ ".\n.\r\n.\r\n", ". .\r\n", "", 1 },
	{ ".\r.\r\n.\r\n", ". .\r\n", "", 1 },
	{ "\r\r\r\n\n\n\r\n.\r\n", "  \r\n  \r\n", "", 4 },
	/* no end */
	{ "", "", NULL, 0 },
	{ "abc", "abc", NULL, 0 },
	{ "a\r\n", "a\r\n", NULL, 0 },
	{ "a\r", "a", NULL, 0 },
	{ "a\r\n.", "a\r\n", NULL, 0 },
	{ "a\r\n.\r", "a\r\n", NULL, 0 },
	{ "a.\r\n", "a.\r\n", NULL, 0 },
};

/* What a scanner made of an input that came in chunks. */
struct outcome {
	char out[65536];
	size_t made, used;
	bool found;
	struct dot_scanner scanner;
};

/* Every chunk and its output lie in memory of exactly the promised size. */
static void scan_chunk(struct outcome *outcome, const char *in, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1), *out = malloc(length + 4);
	size_t used, made;

	assert_non_null(copy);
	assert_non_null(out);
	memcpy(copy, in, length);
	outcome->found = dot_scanner_scan(&outcome->scanner, copy, length, &used, out, &made);
	assert_true(outcome->found || used == length);
	memcpy(outcome->out + outcome->made, out, made);
	outcome->made += made;
	outcome->used += used;
	free(copy);
	free(out);
}

static struct outcome *scan_split(struct outcome *outcome, const char *in, size_t length, size_t first, size_t second)
{
	outcome->made = outcome->used = 0;
	dot_scanner_init(&outcome->scanner);
	scan_chunk(outcome, in, first);
	if (!outcome->found)
		scan_chunk(outcome, in + first, second - first);
	if (!outcome->found)
		scan_chunk(outcome, in + second, length - second);
	return outcome;
}

static void assert_outcome(const struct outcome *outcome, const struct row *row)
{
	size_t length = strlen(row->in), content = strlen(row->content);

	if (outcome->made != content || memcmp(outcome->out, row->content, content) != 0)
		fail_msg("%s became %.*s", row->in, (int)outcome->made, outcome->out);
	assert_int_equal(outcome->found, row->rest != NULL);
	assert_int_equal(outcome->used, length - (row->rest != NULL ? strlen(row->rest) : 0));
	assert_int_equal(outcome->scanner.strays, row->strays);
}

/* case 115: cut at each byte, and at each two bytes, the outcome is the same */
static void test_scanner_at_every_split(void **state)
{
	struct outcome outcome;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t length = strlen(rows[i].in);

		for (size_t first = 0; first <= length; first++)
			for (size_t second = first; second <= length; second++)
				assert_outcome(scan_split(&outcome, rows[i].in, length, first, second), &rows[i]);
	}
}

static bool verify_split(const char *in, size_t length, size_t first)
{
	struct dot_verifier verifier;
	bool first_is_sound, is_sound;

	dot_verifier_init(&verifier);
	first_is_sound = dot_verifier_feed(&verifier, in, first);
	is_sound = dot_verifier_feed(&verifier, in + first, length - first);
	assert_true(first_is_sound || !is_sound);
	assert_int_equal(dot_verifier_feed(&verifier, NULL, 0), is_sound);
	return dot_verifier_finish(&verifier);
}

/* What leaves the scanner is what the other end of the tunnel accepts. */
static void test_verifier_takes_what_the_scanner_makes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t first = 0; rows[i].rest != NULL && first <= strlen(rows[i].content); first++)
			if (!verify_split(rows[i].content, strlen(rows[i].content), first))
				fail_msg("%s", rows[i].content);
}

static void test_verifier(void **state)
{
	static const struct { const char *content; bool is_sound; } contents[] = {
		{ "", true }, { "\r\n", true }, { "a\r\n", true }, { "..\r\n", true }, { ".a\r\n", true }, { "a.\r\n", true },
		{ "a", false }, { "a\r", false }, { "a\n", false }, { ".", false }, { "..", false }, { "\n", false },
		{ ".\r\n", false }, { "a\r\n.\r\n", false }, { "a\r\n.\r\nb\r\n", false }, { "a\r\n.\nb\r\n", false },
		{ "a\n.\r\nb\r\n", false }, { "a\rb\r\n", false }, { "a\r\r\n", false }, { "a\r\n.\rb\r\n", false },
		{ "a\n.\nb\r\n", false }, { "a\r.\rb\r\n", false }, { "a\r\n.\r\r\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++)
		for (size_t first = 0; first <= strlen(contents[i].content); first++)
			if (verify_split(contents[i].content, strlen(contents[i].content), first) != contents[i].is_sound)
				fail_msg("%s", contents[i].content);
}

/* cases 116 and 117: NUL is a byte like any other */
static void test_nul(void **state)
{
	static const char in[] = "a\r\n\0.\r\nb\0c\r\n.\r\n";
	struct outcome outcome;

	(void)state;
	scan_split(&outcome, in, sizeof(in) - 1, 3, 4);
	assert_true(outcome.found);
	assert_int_equal(outcome.made, sizeof(in) - 1 - 3);
	assert_memory_equal(outcome.out, in, outcome.made);
	assert_true(verify_split(outcome.out, outcome.made, 4));
}

/* cases 115 and 117: long lines, and lines of dots, pass whole */
static void test_long_lines(void **state)
{
	static const size_t lengths[] = { 998, 999, 2000, 4096, 60000 };
	static const char bytes[] = { 'x', '.', '\xff' };
	static char in[65536];
	struct outcome outcome;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]) * sizeof(bytes); i++) {
		size_t length = lengths[i / sizeof(bytes)];

		memset(in, bytes[i % sizeof(bytes)], length);
		memcpy(in + length, "\r\n.\r\n", 5);
		scan_split(&outcome, in, length + 5, 1, length + 1);
		assert_true(outcome.found);
		assert_int_equal(outcome.made, length + 2);
		assert_memory_equal(outcome.out, in, outcome.made);
	}
}

static void test_nothing_is_read_after_the_end(void **state)
{
	struct dot_scanner scanner;
	size_t used, made;
	char out[16];

	(void)state;
	dot_scanner_init(&scanner);
	assert_true(dot_scanner_scan(&scanner, ".\r\nx", 4, &used, out, &made));
	assert_int_equal(used, 3);
	assert_true(dot_scanner_scan(&scanner, "x", 1, &used, out, &made));
	assert_int_equal(used + made, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scanner_at_every_split),
		cmocka_unit_test(test_verifier_takes_what_the_scanner_makes),
		cmocka_unit_test(test_verifier),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_nothing_is_read_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
