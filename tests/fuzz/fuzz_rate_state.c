/*
 * Any bytes as the state file of the limits: no crash, no leak, no bucket beyond its bounds; and
 * what was understood comes back when it is written and read again.
 *
 * feeds: the state file of the limits
 * covers: milter/rate_state.c
 */
#include "milter/rate_state.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/log.h"

#define NOW_MS 1000000
#define WALL_MS INT64_C(1700000000000)
#define BUCKETS_MAX 50
#define DIRECTORY_TEMPLATE "/tmp/fuzz_rate_state.XXXXXX"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* Complaints are made, not printed. */
	log_open("fuzz", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	return 0;
}

static struct bucket_table *read_table(const char *path, struct bucket_list *list)
{
	struct bucket_table *table = bucket_table_create(BUCKETS_MAX);

	require(table != NULL);
	rate_state_read(table, path, NOW_MS, WALL_MS);
	require(bucket_table_count(table) <= BUCKETS_MAX);
	require(bucket_table_copy(table, NOW_MS, list) == 0);
	return table;
}

static void check_row(const struct bucket_row *row)
{
	const struct token_bucket *bucket = &row->bucket;
	struct rate_network network;
	struct rate_key key;
	char reason[300];

	require(token_rate_is_valid(bucket->rate));
	require(bucket->level >= 0 && bucket->level < bucket->rate.tokens * bucket->rate.duration_ms);
	require(token_bucket_full_in_ms(bucket) <= bucket->rate.duration_ms);
	require(rate_key_parse(&key, &network, row->owner, reason, sizeof(reason)) == 0 &&
		strcmp(key.text, row->owner) == 0);
}

static void check_again(const struct bucket_list *list)
{
	char directory[] = DIRECTORY_TEMPLATE, path[64], error[300];
	struct bucket_table *table;
	struct bucket_list again;

	require(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/state", directory);
	require(rate_state_write(list, path, WALL_MS, error, sizeof(error)) == 0);
	table = read_table(path, &again);
	unlink(path);
	rmdir(directory);
	require(again.count == list->count);
	for (size_t i = 0; i < list->count; i++)
		require(strcmp(again.rows[i].owner, list->rows[i].owner) == 0 &&
			again.rows[i].kind == list->rows[i].kind &&
			token_bucket_level_milli(&again.rows[i].bucket) <=
				token_bucket_level_milli(&list->rows[i].bucket));
	bucket_list_wipe(&again);
	bucket_table_destroy(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	int fd = memfd_create("state", MFD_CLOEXEC);
	struct bucket_table *table;
	struct bucket_list list;
	char path[64];

	require(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	table = read_table(path, &list);
	close(fd);
	for (size_t i = 0; i < list.count; i++)
		check_row(&list.rows[i]);
	if (list.count > 0)
		check_again(&list);
	bucket_list_wipe(&list);
	bucket_table_destroy(table);
	return 0;
}
