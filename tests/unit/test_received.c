/*
 * The trace field: its words and date, and how fields of others and our own are counted (loop
 * detection).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "edge/received.h"

#define EDGE "relay.example.com"

static void test_print(void **state)
{
	static const struct {
		time_t now;
		const char *queue_id, *expected;
	} rows[] = {
		{ 0, "4XyZ",
		  "Received: by " EDGE
		  " (postern) id 4XyZ;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
		{ 0, "",
		  "Received: by " EDGE " (postern);\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
		{ 1709251199, "A",
		  "Received: by " EDGE
		  " (postern) id A;\r\n\tThu, 29 Feb 2024 23:59:59 +0000\r\n" },
		{ 1735689599, "A",
		  "Received: by " EDGE
		  " (postern) id A;\r\n\tTue, 31 Dec 2024 23:59:59 +0000\r\n" },
		{ INT64_C(4102444800), "A",
		  "Received: by " EDGE " (postern) id A;\r\n\tFri, 1 Jan 2100 00:00:00 +0000\r\n" },
	};
	char out[RECEIVED_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t length = received_print(out, sizeof(out), EDGE, rows[i].queue_id,
					       rows[i].now);

		assert_string_equal(out, rows[i].expected);
		assert_int_equal(length, strlen(rows[i].expected));
	}
}

/* RFC 5322 3.3: English names, and here UTC, wherever the machine stands. */
static void test_date_knows_neither_zone_nor_locale(void **state)
{
	static const char *const locales[] = { "de_DE.UTF-8", "C.UTF-8" };
	char out[RECEIVED_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(locales) / sizeof(locales[0]); i++) {
		setlocale(LC_ALL, locales[i]);
		setenv("TZ", "Asia/Kathmandu", 1);
		tzset();
		received_print(out, sizeof(out), EDGE, "A", 1728777600);
		assert_non_null(strstr(out, "\r\n\tSun, 13 Oct 2024 00:00:00 +0000\r\n"));
	}
	setlocale(LC_ALL, "C");
	unsetenv("TZ");
	tzset();
}

static void test_longest_names_fit(void **state)
{
	char name[256], queue_id[64], out[RECEIVED_MAX];
	size_t length;

	(void)state;
	memset(name, 'n', 255);
	memset(queue_id, 'Q', 63);
	name[255] = queue_id[63] = '\0';
	length = received_print(out, sizeof(out), name, queue_id, 1735689599);
	assert_true(length > 255 + 63);
	assert_memory_equal(out + length - 7, "+0000\r\n", 7);
	assert_int_equal(received_print(out, 40, name, queue_id, 0), 0); /* never half a field */
}

#define OWN "Received: by " EDGE " (postern) id X;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n"
#define HOP "Received: from a.example by b.example\r\n"

struct row {
	const char *content;
	size_t hops, own;
};

static const struct row rows[] = {
	{ "", 0, 0 },
	{ "\r\n", 0, 0 },
	{ "Subject: x\r\n\r\nbody\r\n", 0, 0 },
	{ HOP, 1, 0 },
	{ HOP HOP OWN "Subject: x\r\n\r\n", 3, 1 },
	{ OWN OWN "\r\n", 2, 2 },
	/* names are compared without regard to case */
	{ "RECEIVED: from x\r\nreceived: from y\r\n", 2, 0 },
	{ "Received: by RELAY.Example.COM (postern) id 1; x\r\n", 1, 1 },
	{ "Received: by " EDGE " (postern); x\r\n", 1, 1 },
	/* others that look like us */
	{ "Received: by other.example.com (postern) id 1; x\r\n", 1, 0 },
	{ "Received: by " EDGE ".evil.example (postern); x\r\n", 1, 0 },
	{ "Received: by " EDGE " (Postfix) id 1; x\r\n", 1, 0 },
	{ "Received: by " EDGE " (poster\r\n\r\n", 1, 0 },
	/* no Received fields */
	{ "X-Received: by " EDGE
	  " (postern); x\r\nReceived-SPF: pass\r\nReceive: x\r\nReceived\r\n",
	  0, 0 },
	{ "Subject: x\r\n Received: by " EDGE " (postern); x\r\n\tReceived: y\r\n\r\n", 0, 0 },
	/* the header section ends at the first empty line */
	{ HOP "\r\n" HOP OWN, 1, 0 },
	{ "\r\n" HOP OWN, 0, 0 },
	{ HOP " \r\n" HOP "\r\n", 2, 0 }, /* a folded line of white space is no empty line */
	{ HOP "Received: cut", 1, 0 }, /* unsound content: the last line has no end */
};

static void count_in_pieces(const struct row *row, size_t piece)
{
	size_t length = strlen(row->content);
	struct received_count count;
	struct content_pool pool;
	struct content content;

	content_pool_init(&pool, 1 << 20);
	content_init(&content, &pool);
	for (size_t i = 0; i < length; i += piece)
		assert_int_equal(content_append(&content, row->content + i,
						length - i < piece ? length - i : piece),
				 CONTENT_OK);
	count = received_count(&content, EDGE);
	if (count.hops != row->hops || count.own != row->own)
		fail_msg("%zu hops, %zu own in \"%s\"", count.hops, count.own, row->content);
	content_wipe(&content);
	content_pool_wipe(&pool);
}

static void test_count(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		count_in_pieces(&rows[i], 1);
		count_in_pieces(&rows[i], 1000);
	}
}

/*
 * The same fields, moved over the boundary between the first chunk and the second one byte at a
 * time.
 */
static void test_count_across_chunks(void **state)
{
	static const char tail[] = "\r\n" HOP OWN "\r\n" HOP;
	static const size_t longest = 17000;
	char *text = malloc(longest + sizeof(tail));

	(void)state;
	for (size_t filler = 16384 - 200; filler < 16384 + 10; filler++) {
		struct row row = { text, 2, 1 };

		memset(text, 'x', filler);
		memcpy(text, "X: ", 3);
		memcpy(text + filler, tail, sizeof(tail));
		count_in_pieces(&row, longest);
	}
	free(text);
}

/* The longest name the edge may have is still recognised. */
static void test_own_field_with_the_longest_name(void **state)
{
	struct content_pool pool;
	struct content content;
	char name[256], out[RECEIVED_MAX];

	(void)state;
	memset(name, 'n', 255);
	name[255] = '\0';
	content_pool_init(&pool, 1 << 20);
	content_init(&content, &pool);
	assert_int_equal(
		content_append(&content, out, received_print(out, sizeof(out), name, "Q", 0)),
		CONTENT_OK);
	assert_int_equal(received_count(&content, name).own, 1);
	name[254] = 'm';
	assert_int_equal(received_count(&content, name).own, 0);
	content_wipe(&content);
	content_pool_wipe(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_date_knows_neither_zone_nor_locale),
		cmocka_unit_test(test_longest_names_fit),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_count_across_chunks),
		cmocka_unit_test(test_own_field_with_the_longest_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
