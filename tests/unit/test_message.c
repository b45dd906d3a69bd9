/* A message keeps its fields with true indexes, within its bounds, and nothing of it survives a reset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "milter/message.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_indexes(void **state)
{
	static const struct {
		const char *name;
		size_t index;
	} rows[] = {
		{ "From", 1 }, { "Received", 1 }, { "FROM", 2 }, { "received", 2 },
		{ "Fro", 1 },  { "from", 3 },	  { "", 1 },	 { "", 2 },
	};
	struct message message;

	(void)state;
	message_init(&message);
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(message_add_field(&message, rows[i].name, "x", 100, 10000), 0);
		assert_int_equal(message.fields[i].index, rows[i].index);
	}
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_ptr_equal(message_field(&message, rows[i].name, rows[i].index), &message.fields[i]);
	assert_int_equal(message_field_count(&message, "frOM"), 3);
	assert_int_equal(message_field_count(&message, "Date"), 0);
	assert_null(message_field(&message, "From", 4));
	assert_null(message_field(&message, "From", 0));
	message_reset(&message);
}

/* Case 138. A field counts with its colon, its space and its CRLF. */
static void test_bounds(void **state)
{
	static const struct {
		size_t fields, count_limit, size_limit, kept;
	} rows[] = {
		{ 3, 3, 1000, 3 },
		{ 4, 3, 1000, 3 },
		{ 10000, 1000, 100000, 1000 },
		{ 3, 10, 3 * 10, 3 },
		{ 3, 10, 3 * 10 - 1, 2 },
		{ 3, 10, 9, 0 },
		{ 1, 0, 1000, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct message message;

		message_init(&message);
		for (size_t k = 0; k < rows[i].fields; k++)
			assert_int_equal(
				message_add_field(&message, "abc", "def", rows[i].count_limit, rows[i].size_limit), 0);
		assert_int_equal(message.field_count, rows[i].kept);
		assert_int_equal(message.field_bytes, rows[i].kept * 10);
		assert_int_equal(message.content_bytes, rows[i].fields * 10);
		assert_int_equal(message.is_header_too_large, rows[i].kept < rows[i].fields);
		message_reset(&message);
	}
}

/* What would fit again is not kept either: it would look as if nothing had been before it. */
static void test_nothing_after_the_bound(void **state)
{
	struct message message;

	(void)state;
	message_init(&message);
	assert_int_equal(message_add_field(&message, "Subject", "much too long", 10, 20), 0);
	assert_int_equal(message_add_field(&message, "To", "a", 10, 20), 0);
	assert_true(message.is_header_too_large);
	assert_int_equal(message.field_count, 0);
	message_reset(&message);
}

/* A text of this length, and another one for another number. */
static void make_text(char *text, size_t length, unsigned number)
{
	for (size_t i = 0; i < length; i++)
		text[i] = (char)('a' + (i + number) % 26);
	text[length] = '\0';
}

/* Whatever comes before and behind, each is kept as it was: across blocks, and larger than a block. */
static void test_texts(void **state)
{
	static const size_t lengths[] = { 0, 1, 4000, 4070, 4071, 4072, 4096, 20, 262119, 262120, 262121, 100, 1000000, 3, 200000, 100000 };
	static char text[1000001];
	char *copies[COUNT(lengths) * 3];
	struct text_pool pool = { NULL };

	(void)state;
	for (size_t i = 0; i < COUNT(copies); i++) {
		make_text(text, lengths[i % COUNT(lengths)], (unsigned)i);
		copies[i] = text_pool_add(&pool, text);
		assert_non_null(copies[i]);
	}
	for (size_t i = 0; i < COUNT(copies); i++) {
		make_text(text, lengths[i % COUNT(lengths)], (unsigned)i);
		assert_string_equal(copies[i], text);
	}
	text_pool_wipe(&pool);
	assert_null(pool.last);
	for (size_t i = 0; i < COUNT(lengths); i++) {
		make_text(text, lengths[i], 0);
		assert_string_equal(text_pool_add(&pool, text), text);
		/* One byte more than is left beside 4070. */
		assert_string_equal(text_pool_add(&pool, "x"), "x");
		text_pool_wipe(&pool);
	}
}

/* Case 130. */
static void test_reset(void **state)
{
	struct message message, fresh;

	(void)state;
	message_init(&fresh);
	message_init(&message);
	message.reverse_path.is_null = true;
	message.has_bad_sender = message.is_smtputf8 = true;
	snprintf(message.sender_text, sizeof(message.sender_text), "a@b");
	message.recipients = 3;
	assert_int_equal(message_add_field(&message, "a", "b", 1, 100), 0);
	assert_int_equal(message_add_field(&message, "a", "b", 1, 100), 0);
	message_reset(&message);
	assert_memory_equal(&message, &fresh, sizeof(message));
	message_reset(&message);
	assert_memory_equal(&message, &fresh, sizeof(message));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_indexes),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_nothing_after_the_bound),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
