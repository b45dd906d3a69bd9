/*
 * The buckets that are in use, by their owner and rate, at most so many. One that is full says
 * nothing, so it may go at any time; beyond the bound the one goes that was used longest ago, and
 * its owner may then send once more what a full bucket holds. Not locked: the caller does that.
 */
#ifndef BUCKET_TABLE_H
#define BUCKET_TABLE_H

#include <stdbool.h>

#include "limit_line.h"
#include "rate_key.h"

struct bucket_table;

/* NULL: no memory. */
struct bucket_table *bucket_table_create(size_t maximum);
void bucket_table_destroy(struct bucket_table *table);

/*
 * The bucket, refilled until now and with this rate, a new one full; it is now the one used last.
 * Valid until something is dropped or room is made. NULL: no memory.
 */
struct token_bucket *bucket_table_use(struct bucket_table *table, const struct rate_key *owner, enum limit_rate kind,
				      struct token_rate rate, int64_t now_ms);
/*
 * Room for `wanted` more, so that using them drops none. Returns how many were dropped that were not
 * full. Full ones are looked for once a second at most.
 */
size_t bucket_table_make_room(struct bucket_table *table, size_t wanted, int64_t now_ms);
void bucket_table_drop_full(struct bucket_table *table, int64_t now_ms);
bool bucket_table_drop(struct bucket_table *table, const struct rate_key *owner, enum limit_rate kind);
/* All of them; returns how many there were. */
size_t bucket_table_clear(struct bucket_table *table);
size_t bucket_table_count(const struct bucket_table *table);

struct bucket_row {
	const char *owner;		/* key text, into the list */
	enum limit_rate kind;
	struct token_bucket bucket;
};

struct bucket_list {
	struct bucket_row *rows;	/* longest unused first */
	size_t count;
	char *text;
};

/* A copy of all that are not full now. 0, or -1: no memory. */
int bucket_table_copy(const struct bucket_table *table, int64_t now_ms, struct bucket_list *list);
void bucket_list_wipe(struct bucket_list *list);

#endif
