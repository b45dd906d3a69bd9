/*
 * list_lines: what is appended, what is removed, and that the rest stays byte for byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ctl/list_lines.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_clean_words(void **state)
{
	static const struct {
		const char *word;
		bool is_clean;
	} cases[] = {
		{ "home", true },
		{ "o3Nr0Y1G3tOe2cV2m3kq0c1aW0yE6o2lD1i4r6l4dXk=", true },
		{ "psk=/etc/postern/a.psk", true },
		{ "a#b", true },
		{ "n\xc3\xa4me", true },
		{ "", false },
		{ "#home", false },
		{ "a b", false },
		{ "a\tb", false },
		{ "a\nb", false },
		{ "a\rb", false },
		{ "\"a\"", false },
		{ "a\\b", false },
		{ "a\x7f", false },
		{ "a\x1b[0m", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (list_lines_word_is_clean(cases[i].word) != cases[i].is_clean)
			fail_msg("\"%s\"", cases[i].word);
}

static void test_append(void **state)
{
	static const struct {
		const char *before, *after;
		size_t line;
	} cases[] = {
		{ "", "KEY name psk=/x\n", 1 },
		{ "# comment\n", "# comment\nKEY name psk=/x\n", 2 },
		{ "A a\n\n\n", "A a\n\n\nKEY name psk=/x\n", 4 },
		{ "A a", "A a\nKEY name psk=/x\n", 2 },
		{ "A a\r\n b\r\n", "A a\r\n b\r\nKEY name psk=/x\n", 3 },
		{ "\n", "\nKEY name psk=/x\n", 2 },
	};
	char *words[] = { "KEY", "name", "psk=/x" };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t length, line;
		char *text = list_lines_append(cases[i].before, strlen(cases[i].before), words, 3,
						 &length, &line);

		assert_int_equal(length, strlen(cases[i].after));
		assert_memory_equal(text, cases[i].after, length);
		assert_int_equal(line, cases[i].line);
		free(text);
	}
}

static bool is_that_line(const void *context, size_t line)
{
	return line == *(const size_t *)context;
}

static void test_remove(void **state)
{
	static const struct {
		const char *before;
		size_t line;
		const char *after;
	} cases[] = {
		{ "A a\nB b\nC c\n", 2, "A a\nC c\n" },
		{ "A a\nB b\nC c\n", 4, "A a\nB b\nC c\n" },
		{ "A a\nB b", 2, "A a\n" },
		{ "A a\nB b", 1, "B b" },
		{ "A a\n", 1, "" },
		{ "", 1, "" },
		/* Comments above, inside and below; parts of a continued line go, with their
		   comments staying. */
		{ "# A\nA a\n\n# B\nB b\n", 2, "# A\n\n# B\nB b\n" },
		{ "A a\n b\n\tc\nB b\n x\n", 1, "B b\n x\n" },
		{ "A a\n# note\n b\n\n  # more\n c\nB b\n", 1, "# note\n\n  # more\nB b\n" },
		{ "A a\r\n b\r\nB b\r\n", 1, "B b\r\n" },
		{ "\xff\xfe A\nB \x01\n", 2, "\xff\xfe A\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t length;
		char *text = list_lines_remove(cases[i].before, strlen(cases[i].before),
						 is_that_line, &cases[i].line, &length);

		if (length != strlen(cases[i].after) || memcmp(text, cases[i].after, length) != 0)
			fail_msg("row %zu: \"%.*s\"", i, (int)length, text);
		free(text);
	}
}

static void test_exchange(void **state)
{
	static const char *const removed[] = { "drain", "disabled", NULL };
	static const struct {
		const char *before;
		size_t line;
		const char *added, *after;
	} rows[] = {
		{ "us h key=a\n", 1, "drain", "us h key=a drain\n" },
		{ "us h key=a", 1, "drain", "us h key=a drain" },
		{ "us h key=a drain\n", 1, "disabled", "us h key=a disabled\n" },
		{ "us h key=a  drain \tpsk=/x \n", 1, NULL, "us h key=a \tpsk=/x \n" },
		{ "us h key=a drain\n", 1, NULL, "us h key=a\n" },
		{ "us h key=a\n", 1, NULL, "us h key=a\n" },
		/* other lines, comments, line ends */
		{ "# drain\n\nus h key=a\nde h drain\n", 3, "drain", "# drain\n\nus h key=a drain\nde h drain\n" },
		{ "us h key=a\r\n# x\r\n", 1, "drain", "us h key=a drain\r\n# x\r\n" },
		/* a continued line, with a comment in it and behind it */
		{ "us h\n\tkey=a\n# drain\n\tdrain\n# end\nde h\n", 1, "disabled",
		  "us h\n\tkey=a disabled\n# drain\n\n# end\nde h\n" },
		{ "us h\n drain key=a\n", 1, NULL, "us h\n key=a\n" },
		/* no word of its own */
		{ "us h key=a comment=\"no drain here\"\n", 1, "drain",
		  "us h key=a comment=\"no drain here\" drain\n" },
		{ "us h key=a psk=/drain drained\n", 1, NULL, "us h key=a psk=/drain drained\n" },
		{ "us h key=a\n", 2, "drain", "us h key=a\n" },
		{ "", 1, "drain", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t length;
		char *text = list_lines_exchange(rows[i].before, strlen(rows[i].before), rows[i].line,
						 removed, rows[i].added, &length);

		if (length != strlen(rows[i].after) || memcmp(text, rows[i].after, length) != 0)
			fail_msg("row %zu: \"%.*s\"", i, (int)length, text);
		free(text);
	}
}

/* An option whatever its value; nothing else that has its name in it. */
static void test_exchange_option(void **state)
{
	static const char *const removed[] = { "rate=", "disabled", NULL };
	static const struct {
		const char *before, *added, *after;
	} rows[] = {
		{ "K= home\n", "rate=1/1m", "K= home rate=1/1m\n" },
		{ "K= home rate=5/1m size=1k\n", "rate=1/1m", "K= home size=1k rate=1/1m\n" },
		{ "K= home rate=5/1m size=1k\n", NULL, "K= home size=1k\n" },
		{ "K= home rate=\"5/1m\" \"rate=6/1m\"\n", NULL, "K= home\n" },
		{ "K= home rat=5 bounces=rate=1 x=\"a rate=5 b\" rate\n", NULL,
		  "K= home rat=5 bounces=rate=1 x=\"a rate=5 b\" rate\n" },
		{ "K= home disabled\n# rate=1/1m\n\trate=5/1m # end\r\n", "rate=2/1m",
		  "K= home\n# rate=1/1m\n # end rate=2/1m\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t length;
		char *text = list_lines_exchange(rows[i].before, strlen(rows[i].before), 1, removed,
						 rows[i].added, &length);

		if (length != strlen(rows[i].after) || memcmp(text, rows[i].after, length) != 0)
			fail_msg("row %zu: \"%.*s\"", i, (int)length, text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean_words),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_exchange_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
