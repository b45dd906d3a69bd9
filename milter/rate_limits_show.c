/* What `postern limits` does: shows the buckets that are not full, and fills them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/quantity.h"
#include "rate_limits.h"
#include "rate_limits_state.h"

#define IPV6_BITS 128

static int by_owner(const void *a, const void *b)
{
	const struct bucket_row *x = a, *y = b;
	int order = strcmp(x->owner, y->owner);

	return order != 0 ? order : (x->kind > y->kind) - (x->kind < y->kind);
}

static void print_row(FILE *out, const struct bucket_row *row)
{
	char owner[RATE_KEY_MAX], duration[32], full_in[32];

	log_printable(owner, sizeof(owner), row->owner, strlen(row->owner));
	quantity_print(QUANTITY_DURATION, duration, sizeof(duration), row->bucket.rate.duration_ms);
	rate_limits_print_wait(full_in, sizeof(full_in), token_bucket_full_in_ms(&row->bucket));
	fprintf(out, "%s %s=%" PRId64 "/%s: %" PRId64 " left, full again in %s\n", owner, limit_rate_name(row->kind),
		row->bucket.rate.tokens, duration, token_bucket_level_milli(&row->bucket) / 1000, full_in);
}

int rate_limits_show(struct rate_limits *limits, FILE *out)
{
	struct bucket_list list;
	int result;

	pthread_mutex_lock(&limits->lock);
	result = bucket_table_copy(limits->buckets, deadline_now_ms(), &list);
	pthread_mutex_unlock(&limits->lock);
	if (result < 0)
		return -1;
	qsort(list.rows, list.count, sizeof(*list.rows), by_owner);
	for (size_t i = 0; i < list.count; i++)
		print_row(out, &list.rows[i]);
	bucket_list_wipe(&list);
	return 0;
}

/* Caller holds the lock. */
static long drop_owner(struct rate_limits *limits, const struct rate_key *owner)
{
	long count = 0;

	for (int kind = 0; kind < LIMIT_RATES; kind++)
		count += bucket_table_drop(limits->buckets, owner, (enum limit_rate)kind);
	return count;
}

/* Of an address of IPv6 the network that its bucket belongs to is not known: all that it is in. Caller holds the lock. */
static long drop_who(struct rate_limits *limits, const struct rate_key *owner, const struct rate_network *network)
{
	struct rate_network wider = *network;
	struct rate_key key;
	long count = drop_owner(limits, owner);

	if (network->family != AF_INET6 || network->length < IPV6_BITS)
		return count;
	while (--wider.length >= IPV6_BITS / 2) {
		rate_key_of_network(&key, &wider);
		count += drop_owner(limits, &key);
	}
	return count;
}

long rate_limits_reset(struct rate_limits *limits, const char *who, char *reason, size_t reason_size)
{
	bool is_all = strcmp(who, "*") == 0;
	struct rate_network network;
	struct rate_key owner;
	long count;

	if (!is_all && rate_key_parse(&owner, &network, who, reason, reason_size) < 0)
		return -1;
	pthread_mutex_lock(&limits->lock);
	bucket_table_drop_full(limits->buckets, deadline_now_ms());
	count = is_all ? (long)bucket_table_clear(limits->buckets) : drop_who(limits, &owner, &network);
	limits->is_changed = limits->is_changed || count > 0;
	pthread_mutex_unlock(&limits->lock);
	return count;
}
