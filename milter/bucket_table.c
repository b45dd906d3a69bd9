/* Buckets in a hash by owner and kind, and in a list by the time of their last use. */
/* Memory that is not there is an outcome like others; uthash would exit. */
#define HASH_NONFATAL_OOM 1

#include "bucket_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#define LOOK_FOR_FULL_MS 1000

struct bucket {
	struct token_bucket tokens;
	struct bucket *prev, *next;	/* by use */
	UT_hash_handle hh;
	size_t key_length;
	char key[];			/* the kind in one byte, then the owner */
};

struct bucket_table {
	struct bucket *by_key;
	struct bucket *by_use;		/* longest unused first */
	size_t count, maximum;
	size_t text_bytes;		/* all owners with their NUL */
	int64_t looked_for_full_ms;
	bool has_looked;
};

struct key {
	char text[1 + RATE_KEY_MAX];
	size_t length;
};

static struct key make_key(const struct rate_key *owner, enum limit_rate kind)
{
	struct key key;

	key.text[0] = (char)kind;
	key.length = 1 + (size_t)snprintf(key.text + 1, sizeof(key.text) - 1, "%s", owner->text);
	return key;
}

struct bucket_table *bucket_table_create(size_t maximum)
{
	struct bucket_table *table = calloc(1, sizeof(*table));

	if (table != NULL)
		table->maximum = maximum;
	return table;
}

static void drop(struct bucket_table *table, struct bucket *bucket)
{
	HASH_DEL(table->by_key, bucket);
	DL_DELETE(table->by_use, bucket);
	table->count--;
	table->text_bytes -= bucket->key_length;
	free(bucket);
}

size_t bucket_table_clear(struct bucket_table *table)
{
	struct bucket *bucket, *next;
	size_t count = table->count;

	DL_FOREACH_SAFE(table->by_use, bucket, next)
		drop(table, bucket);
	return count;
}

void bucket_table_destroy(struct bucket_table *table)
{
	if (table == NULL)
		return;
	bucket_table_clear(table);
	free(table);
}

static struct bucket *find(const struct bucket_table *table, const struct key *key)
{
	struct bucket *found;

	HASH_FIND(hh, table->by_key, key->text, key->length, found);
	return found;
}

static struct bucket *add(struct bucket_table *table, const struct key *key)
{
	struct bucket *fresh = calloc(1, sizeof(*fresh) + key->length + 1);

	if (fresh == NULL)
		return NULL;
	memcpy(fresh->key, key->text, key->length);
	fresh->key_length = key->length;
	HASH_ADD_KEYPTR(hh, table->by_key, fresh->key, fresh->key_length, fresh);
	if (fresh->hh.tbl == NULL) {
		free(fresh);
		return NULL;
	}
	DL_APPEND(table->by_use, fresh);
	table->count++;
	table->text_bytes += fresh->key_length;
	return fresh;
}

struct token_bucket *bucket_table_use(struct bucket_table *table, const struct rate_key *owner, enum limit_rate kind,
				      struct token_rate rate, int64_t now_ms)
{
	struct key key = make_key(owner, kind);
	struct bucket *bucket = find(table, &key);

	if (bucket == NULL) {
		bucket = add(table, &key);
		if (bucket == NULL)
			return NULL;
		token_bucket_init(&bucket->tokens, rate, now_ms);
		return &bucket->tokens;
	}
	DL_DELETE(table->by_use, bucket);
	DL_APPEND(table->by_use, bucket);
	token_bucket_refill(&bucket->tokens, now_ms);
	token_bucket_set_rate(&bucket->tokens, rate);
	return &bucket->tokens;
}

void bucket_table_drop_full(struct bucket_table *table, int64_t now_ms)
{
	struct bucket *bucket, *next;

	DL_FOREACH_SAFE(table->by_use, bucket, next) {
		token_bucket_refill(&bucket->tokens, now_ms);
		if (token_bucket_is_full(&bucket->tokens))
			drop(table, bucket);
	}
}

size_t bucket_table_make_room(struct bucket_table *table, size_t wanted, int64_t now_ms)
{
	size_t dropped = 0;

	if (table->count + wanted <= table->maximum)
		return 0;
	if (!table->has_looked || now_ms - table->looked_for_full_ms >= LOOK_FOR_FULL_MS) {
		bucket_table_drop_full(table, now_ms);
		table->looked_for_full_ms = now_ms;
		table->has_looked = true;
	}
	for (; table->by_use != NULL && table->count + wanted > table->maximum; drop(table, table->by_use)) {
		token_bucket_refill(&table->by_use->tokens, now_ms);
		dropped += !token_bucket_is_full(&table->by_use->tokens);
	}
	return dropped;
}

bool bucket_table_drop(struct bucket_table *table, const struct rate_key *owner, enum limit_rate kind)
{
	struct key key = make_key(owner, kind);
	struct bucket *bucket = find(table, &key);

	if (bucket != NULL)
		drop(table, bucket);
	return bucket != NULL;
}

size_t bucket_table_count(const struct bucket_table *table)
{
	return table->count;
}

int bucket_table_copy(const struct bucket_table *table, int64_t now_ms, struct bucket_list *list)
{
	const struct bucket *bucket;
	char *text;

	/* One more of each, so that an empty list is memory too. */
	list->count = 0;
	list->rows = malloc((table->count + 1) * sizeof(*list->rows));
	list->text = text = malloc(table->text_bytes + 1);
	if (list->rows == NULL || list->text == NULL) {
		bucket_list_wipe(list);
		return -1;
	}
	DL_FOREACH(table->by_use, bucket) {
		struct bucket_row *row = &list->rows[list->count];

		row->bucket = bucket->tokens;
		token_bucket_refill(&row->bucket, now_ms);
		if (token_bucket_is_full(&row->bucket))
			continue;
		row->kind = (enum limit_rate)bucket->key[0];
		row->owner = memcpy(text, bucket->key + 1, bucket->key_length);
		text += bucket->key_length;
		list->count++;
	}
	return 0;
}

void bucket_list_wipe(struct bucket_list *list)
{
	free(list->rows);
	free(list->text);
	memset(list, 0, sizeof(*list));
}
