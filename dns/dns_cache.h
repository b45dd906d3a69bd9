/*
 * Answers that were had a moment ago, for as long as their TTL allows and never longer than the administrator does: mail comes in
 * bursts, and each message of a burst asks the same. What the resolver said of their trust is kept with them. Failures are not kept.
 *
 * One for all threads; answers are copied in and out.
 */
#ifndef DNS_CACHE_H
#define DNS_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "dns_lookup.h"

/* Enough for the burst that the edge is made for; beyond it questions are asked as if there were no cache. */
#define DNS_CACHE_ANSWERS_MAX 4096

struct dns_cache;

/* keep_ms > 0: the longest time. NULL: out of memory. */
struct dns_cache *dns_cache_create(int64_t keep_ms);
void dns_cache_destroy(struct dns_cache *cache);
/* true: *answer is filled in, to be wiped by the caller. name as dns_name_copy() makes it; now_ms is monotonic. */
bool dns_cache_find(struct dns_cache *cache, const char *name, enum dns_type type, int64_t now_ms, struct dns_answer *answer);
/* Copies the answer, unless it is an error; without memory or room it is not kept. */
void dns_cache_add(struct dns_cache *cache, const char *name, enum dns_type type, int64_t now_ms, const struct dns_answer *answer);
/* Forgets what is too old. */
void dns_cache_expire(struct dns_cache *cache, int64_t now_ms);

#endif
