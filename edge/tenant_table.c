/*
 * One lock for the rows and their buckets, held for the look-up of a hash; counters that every
 * recipient moves are atomic, so that nothing is held while outcomes come in.
 */
#include "tenant_table.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

/* How many of the oldest rows are looked at for one that nobody uses. */
#define OLDEST_LOOKED_AT 16

struct tenant_row {
	UT_hash_handle hh;
	struct tenant_row *prev, *next;	/* by use */
	struct tenant_table *table;	/* fixed, like the name */
	char name[CLIENT_NAME_MAX + 1];
	struct tenant_limits limits;
	struct token_bucket rate, bounces;	/* if `limits` has them; tokens 0: not used yet */
	int64_t active;
	int64_t references;
	uint64_t transactions;
	int64_t last_use;
	_Atomic uint64_t actions[DELIVERY_FAILED + 1];
	_Atomic uint64_t refused[TENANT_REFUSALS];
	pthread_mutex_t tally_lock;	/* protects the tally */
	struct tally *tally;		/* NULL: nothing was counted, or no memory */
};

void tenant_table_init(struct tenant_table *table)
{
	table->by_name = table->by_use = NULL;
	pthread_mutex_init(&table->lock, NULL);
}

/* Caller holds the lock. */
static void drop(struct tenant_table *table, struct tenant_row *row)
{
	HASH_DEL(table->by_name, row);
	DL_DELETE(table->by_use, row);
	pthread_mutex_destroy(&row->tally_lock);
	free(row->tally);
	free(row);
}

void tenant_table_wipe(struct tenant_table *table)
{
	struct tenant_row *row, *next;

	DL_FOREACH_SAFE(table->by_use, row, next)
	{
		drop(table, row);
	}
	pthread_mutex_destroy(&table->lock);
}

/* Caller holds the lock. */
static void make_room(struct tenant_table *table)
{
	struct tenant_row *row = table->by_use;

	if (HASH_COUNT(table->by_name) < TENANT_ROWS_MAX)
		return;
	for (int i = 0; i < OLDEST_LOOKED_AT && row != NULL && row->references > 0; i++)
		row = row->next;
	if (row != NULL && row->references == 0)
		drop(table, row);
}

/* Caller holds the lock. NULL: no memory. */
static struct tenant_row *add_row(struct tenant_table *table, const char *name)
{
	struct tenant_row *row = calloc(1, sizeof(*row));

	if (row == NULL)
		return NULL;
	row->table = table;
	strcpy(row->name, name);
	HASH_ADD_STR(table->by_name, name, row);
	if (row->hh.tbl == NULL) {
		free(row);
		return NULL;
	}
	pthread_mutex_init(&row->tally_lock, NULL);
	DL_APPEND(table->by_use, row);
	return row;
}

/* Caller holds the lock. The row is the one used last afterwards. NULL: no memory. */
static struct tenant_row *use_row(struct tenant_table *table, const char *name)
{
	struct tenant_row *row;

	HASH_FIND_STR(table->by_name, name, row);
	if (row == NULL) {
		make_room(table);
		return add_row(table, name);
	}
	DL_DELETE(table->by_use, row);
	DL_APPEND(table->by_use, row);
	return row;
}

/* Does the bucket, if there is a limit, have room for one more? */
static bool has_room(struct token_bucket *bucket, struct token_rate rate, int64_t now_ms)
{
	if (rate.tokens == 0) {
		bucket->rate.tokens = 0;
		return true;
	}
	if (bucket->rate.tokens == 0)
		token_bucket_init(bucket, rate, now_ms);
	token_bucket_refill(bucket, now_ms);
	token_bucket_set_rate(bucket, rate);
	return token_bucket_has_token(bucket);
}

/* Caller holds the lock. */
static struct tenant_admission admit(struct tenant_row *row, const struct tenant_terms *terms,
				     bool is_null_sender, int64_t now_ms)
{
	bool has_rate = has_room(&row->rate, row->limits.rate, now_ms);
	bool has_bounces = has_room(&row->bounces, row->limits.bounces, now_ms) || !is_null_sender;

	if (terms->is_foreign_sender)
		return (struct tenant_admission){ TENANT_SENDER, 0 };
	if (row->limits.concurrency > 0 && row->active >= row->limits.concurrency)
		return (struct tenant_admission){ TENANT_CONCURRENCY, 0 };
	if (!has_rate)
		return (struct tenant_admission){ TENANT_RATE, token_bucket_wait_ms(&row->rate) };
	if (!has_bounces)
		return (struct tenant_admission){ TENANT_BOUNCES,
						  token_bucket_wait_ms(&row->bounces) };
	if (row->limits.rate.tokens > 0)
		token_bucket_take(&row->rate);
	if (row->limits.bounces.tokens > 0 && is_null_sender)
		token_bucket_take(&row->bounces);
	row->active++;
	row->transactions++;
	return (struct tenant_admission){ TENANT_ADMITTED, 0 };
}

struct tenant_row *tenant_table_enter(struct tenant_table *table, const struct tenant_terms *terms,
				      bool is_null_sender, int64_t now_ms,
				      struct tenant_admission *admission)
{
	struct tenant_row *row;

	pthread_mutex_lock(&table->lock);
	row = use_row(table, terms->tenant.name);
	if (row != NULL) {
		row->references++;
		row->last_use = time(NULL);
		row->limits = terms->limits;
		if (terms->has_domains && row->limits.bounces.tokens == 0)
			row->limits.bounces = TENANT_BOUND_BOUNCES;
		*admission = admit(row, terms, is_null_sender, now_ms);
	}
	pthread_mutex_unlock(&table->lock);
	if (row != NULL && admission->refusal != TENANT_ADMITTED)
		tenant_row_count_refusal(row, admission->refusal, 1);
	return row;
}

void tenant_row_leave(struct tenant_row *row, bool was_admitted)
{
	struct tenant_table *table;

	if (row == NULL)
		return;
	table = row->table;
	pthread_mutex_lock(&table->lock);
	row->references--;
	if (was_admitted)
		row->active--;
	pthread_mutex_unlock(&table->lock);
}

void tenant_row_count_refusal(struct tenant_row *row, enum tenant_refusal refusal, size_t count)
{
	if (row != NULL)
		atomic_fetch_add_explicit(&row->refused[refusal], count, memory_order_relaxed);
}

void tenant_table_count_refusal(struct tenant_table *table, const char *name, enum tenant_refusal refusal)
{
	struct tenant_row *row;

	pthread_mutex_lock(&table->lock);
	row = use_row(table, name);
	if (row != NULL)
		row->last_use = time(NULL);
	tenant_row_count_refusal(row, refusal, 1);
	pthread_mutex_unlock(&table->lock);
}

void tenant_row_tally(struct tenant_row *row, const struct delivery_status *status, size_t count)
{
	if (row == NULL)
		return;
	pthread_mutex_lock(&row->tally_lock);
	if (row->tally == NULL)
		row->tally = calloc(1, sizeof(*row->tally));
	if (row->tally != NULL)
		tally_add(row->tally, status, (uint32_t)count, time(NULL));
	pthread_mutex_unlock(&row->tally_lock);
}

void tenant_row_count_outcome(struct tenant_row *row, const struct delivery_status *status)
{
	if (row == NULL)
		return;
	atomic_fetch_add_explicit(&row->actions[status->action], 1, memory_order_relaxed);
	tenant_row_tally(row, status, 1);
}

static int64_t tokens_left(struct token_bucket bucket, int64_t now_ms)
{
	if (bucket.rate.tokens == 0)
		return 0;
	token_bucket_refill(&bucket, now_ms);
	return token_bucket_level_milli(&bucket) / 1000;
}

static void copy_row(struct tenant_count *count, struct tenant_row *row, int64_t now_ms)
{
	*count = (struct tenant_count){
		.limits = row->limits,
		.left = tokens_left(row->rate, now_ms),
		.bounces_left = tokens_left(row->bounces, now_ms),
		.active = row->active,
		.transactions = row->transactions,
		.relayed = atomic_load(&row->actions[DELIVERY_RELAYED]),
		.delayed = atomic_load(&row->actions[DELIVERY_DELAYED]),
		.failed = atomic_load(&row->actions[DELIVERY_FAILED]),
		.last_use = row->last_use,
	};
	memcpy(count->name, row->name, sizeof(count->name));
	for (int i = 0; i < TENANT_REFUSALS; i++)
		count->refused[i] = atomic_load(&row->refused[i]);
}

bool tenant_table_find(struct tenant_table *table, const char *name, int64_t now_ms, struct tenant_count *count_out,
		       struct tally *tally_out)
{
	struct tenant_row *row;

	memset(tally_out, 0, sizeof(*tally_out));
	pthread_mutex_lock(&table->lock);
	HASH_FIND_STR(table->by_name, name, row);
	if (row != NULL) {
		copy_row(count_out, row, now_ms);
		pthread_mutex_lock(&row->tally_lock);
		if (row->tally != NULL)
			*tally_out = *row->tally;
		pthread_mutex_unlock(&row->tally_lock);
	}
	pthread_mutex_unlock(&table->lock);
	return row != NULL;
}

struct tenant_count *tenant_table_copy(struct tenant_table *table, int64_t now_ms, size_t *count)
{
	struct tenant_count *counts = NULL;
	struct tenant_row *row;
	size_t used = 0;

	pthread_mutex_lock(&table->lock);
	*count = HASH_COUNT(table->by_name);
	if (*count > 0)
		counts = calloc(*count, sizeof(*counts));
	if (counts != NULL)
		DL_FOREACH(table->by_use, row)
			copy_row(&counts[used++], row, now_ms);
	pthread_mutex_unlock(&table->lock);
	return counts;
}
