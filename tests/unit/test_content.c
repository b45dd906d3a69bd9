/*
 * Content in memory: what goes in comes out, the cap of the pool holds, and everything is given
 * back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "edge/content.h"

#define MIB ((size_t)1024 * 1024)

static uint8_t pattern(uint64_t position)
{
	return (uint8_t)(position * 31 + position / 251);
}

static void append_pattern(struct content *content, size_t length)
{
	uint8_t *bytes = malloc(length);

	for (size_t i = 0; i < length; i++)
		bytes[i] = pattern(content->length + i);
	assert_int_equal(content_append(content, bytes, length), CONTENT_OK);
	free(bytes);
}

static void check_pattern(const struct content *content)
{
	struct content_cursor cursor;
	const uint8_t *bytes;
	uint64_t position = 0;
	size_t length;

	content_cursor_init(&cursor, content);
	while (content_cursor_next(&cursor, &bytes, &length)) {
		assert_true(length > 0);
		for (size_t i = 0; i < length; i++, position++)
			if (bytes[i] != pattern(position))
				fail_msg("wrong byte at %llu", (unsigned long long)position);
	}
	assert_int_equal(position, content->length);
}

/* Sizes around both chunk sizes, in appends of every shape. */
static void test_round_trip(void **state)
{
	static const size_t appends[][4] = {
		{ 1 },
		{ 16359 },
		{ 16360 },
		{ 16361 },
		{ 16384 },
		{ 3, 16360, 5 },
		{ 262120 },
		{ 262144, 1 },
		{ 16360, 262120, 262120, 1 },
		{ 5 * MIB },
		{ 100, 5 * MIB, 7, 300000 },
	};
	struct content_pool pool;

	(void)state;
	content_pool_init(&pool, 64 * MIB);
	for (size_t row = 0; row < sizeof(appends) / sizeof(appends[0]); row++) {
		struct content content;
		uint64_t total = 0;

		content_init(&content, &pool);
		for (size_t i = 0; i < 4 && appends[row][i] > 0; i++) {
			append_pattern(&content, appends[row][i]);
			total += appends[row][i];
		}
		assert_int_equal(content.length, total);
		assert_true(content_pool_used(&pool) >= total);
		assert_true(content_pool_used(&pool) <=
			    total + 256 * 1024 + 64 +
				    total / 1000); /* one chunk of slack, and heads */
		check_pattern(&content);
		content_wipe(&content);
		content_wipe(&content);
		assert_int_equal(content_pool_used(&pool), 0);
	}
	content_pool_wipe(&pool);
}

static void test_small_mail_is_cheap(void **state)
{
	struct content_pool pool;
	struct content content;

	(void)state;
	content_pool_init(&pool, MIB);
	content_init(&content, &pool);
	assert_int_equal(content_append(&content, "", 0), CONTENT_OK);
	assert_int_equal(content_pool_used(&pool), 0);
	append_pattern(&content, 2000);
	assert_int_equal(content_pool_used(&pool), 16 * 1024);
	content_wipe(&content);
	content_pool_wipe(&pool);
}

/* The next small message has the memory of one before it, and nothing of what was in that. */
static void test_spare_chunk_is_empty(void **state)
{
	struct content_pool pool;
	struct content content;
	struct content_cursor cursor;
	const uint8_t *before, *after;
	size_t length;

	(void)state;
	content_pool_init(&pool, MIB);
	content_init(&content, &pool);
	append_pattern(&content, 16000);
	content_cursor_init(&cursor, &content);
	assert_true(content_cursor_next(&cursor, &before, &length));
	content_wipe(&content);
	append_pattern(&content, 1);
	content_cursor_init(&cursor, &content);
	assert_true(content_cursor_next(&cursor, &after, &length));
	assert_ptr_equal(before, after);
	for (size_t i = 1; i < 16000; i++)
		assert_int_equal(after[i], 0);
	content_wipe(&content);
	content_pool_wipe(&pool);
}

/* Of a burst not more is kept than a mebibyte. */
static void test_few_chunks_are_kept(void **state)
{
	struct content contents[100];
	struct content_pool pool;

	(void)state;
	content_pool_init(&pool, 64 * MIB);
	for (size_t i = 0; i < 100; i++) {
		content_init(&contents[i], &pool);
		append_pattern(&contents[i], 1);
	}
	for (size_t i = 0; i < 100; i++)
		content_wipe(&contents[i]);
	assert_int_equal(pool.spare_count, 64);
	assert_int_equal(content_pool_used(&pool), 0);
	content_pool_wipe(&pool);
}

static void test_empty_content_has_no_runs(void **state)
{
	struct content_pool pool;
	struct content content;
	struct content_cursor cursor;
	const uint8_t *bytes;
	size_t length;

	(void)state;
	content_pool_init(&pool, MIB);
	content_init(&content, &pool);
	content_cursor_init(&cursor, &content);
	assert_false(content_cursor_next(&cursor, &bytes, &length));
	content_wipe(&content);
	content_pool_wipe(&pool);
}

static void test_full_pool_leaves_content_unchanged(void **state)
{
	struct content_pool pool;
	struct content content, other;
	uint8_t *big = calloc(1, 2 * MIB);
	uint64_t used;

	(void)state;
	content_pool_init(&pool, MIB);
	content_init(&content, &pool);
	content_init(&other, &pool);
	append_pattern(&content, 300000);
	used = content_pool_used(&pool);
	assert_int_equal(content_append(&content, big, 2 * MIB), CONTENT_POOL_FULL);
	assert_int_equal(content_pool_used(&pool), used);
	assert_int_equal(content.length, 300000);
	check_pattern(&content);
	append_pattern(&content, 100000);	/* and it goes on */
	check_pattern(&content);
	assert_int_equal(content_append(&other, big, MIB), CONTENT_POOL_FULL);
	assert_int_equal(other.length, 0);
	content_wipe(&content);
	content_wipe(&other);
	assert_int_equal(content_pool_used(&pool), 0);
	content_pool_wipe(&pool);
	free(big);
}

static void test_cap_smaller_than_a_chunk(void **state)
{
	struct content_pool pool;
	struct content content;

	(void)state;
	content_pool_init(&pool, 1000);
	content_init(&content, &pool);
	assert_int_equal(content_append(&content, "x", 1), CONTENT_POOL_FULL);
	content_wipe(&content);
	content_pool_wipe(&pool);
}

static void *fill_and_wipe(void *pool)
{
	for (int round = 0; round < 50; round++) {
		struct content content;

		content_init(&content, pool);
		for (int i = 0; i < 20; i++)
			if (content_append(&content, "0123456789abcdef", 16) != CONTENT_OK)
				break;
		if (content_append(&content, (uint8_t[40000]){ 0 }, 40000) == CONTENT_OK &&
		    content.length < 40000)
			abort();
		content_wipe(&content);
	}
	return NULL;
}

static void test_threads_share_a_pool(void **state)
{
	struct content_pool pool;
	pthread_t threads[4];

	(void)state;
	content_pool_init(&pool, 600 * 1024);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fill_and_wipe, &pool), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(content_pool_used(&pool), 0);
	content_pool_wipe(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_small_mail_is_cheap),
		cmocka_unit_test(test_spare_chunk_is_empty),
		cmocka_unit_test(test_few_chunks_are_kept),
		cmocka_unit_test(test_empty_content_has_no_runs),
		cmocka_unit_test(test_full_pool_leaves_content_unchanged),
		cmocka_unit_test(test_cap_smaller_than_a_chunk),
		cmocka_unit_test(test_threads_share_a_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
