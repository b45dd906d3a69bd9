/*
 * A hash table by name and type. All are kept for about the same time, so the oldest stand first, where uthash keeps the order of
 * insertion, and expiring looks at no more than it takes away.
 */
#define HASH_NONFATAL_OOM 1

#include "dns_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct key {
	enum dns_type type;
	char name[DNS_NAME_MAX + 1];	/* zero-padded: it is compared as bytes */
};

struct kept {
	struct key key;
	int64_t until_ms;	/* its own end */
	int64_t kept_until_ms;	/* when it is taken away at the latest */
	struct dns_answer answer;
	UT_hash_handle hh;
};

struct dns_cache {
	int64_t keep_ms;	/* constant */
	pthread_mutex_t lock;	/* protects what follows */
	struct kept *answers;
};

static void *copy_of(const void *bytes, size_t size)
{
	void *copy = bytes != NULL && size > 0 ? malloc(size) : NULL;

	if (copy != NULL)
		memcpy(copy, bytes, size);
	return copy;
}

static struct dns_tlsa *copy_tlsa(const struct dns_tlsa *from, size_t count)
{
	struct dns_tlsa *copy = copy_of(from, count * sizeof(*from));

	for (size_t i = 0; copy != NULL && i < count; i++)
		copy[i].data = copy_of(from[i].data, from[i].length);
	return copy;
}

static char **copy_txt(char *const *from, size_t count)
{
	char **copy = calloc(count, sizeof(*copy));

	for (size_t i = 0; copy != NULL && i < count; i++)
		copy[i] = strdup(from[i]);
	return copy;
}

/* Has the copy all that the original has? */
static bool is_whole(const struct dns_answer *copy, const struct dns_answer *from)
{
	if ((from->mx != NULL && copy->mx == NULL) || (from->addresses != NULL && copy->addresses == NULL) ||
	    (from->tlsa != NULL && copy->tlsa == NULL) || (from->txt != NULL && copy->txt == NULL))
		return false;
	for (size_t i = 0; copy->tlsa != NULL && i < from->count; i++)
		if (from->tlsa[i].length > 0 && copy->tlsa[i].data == NULL)
			return false;
	for (size_t i = 0; copy->txt != NULL && i < from->count; i++)
		if (copy->txt[i] == NULL)
			return false;
	return true;
}

/* false: out of memory, and *copy holds nothing. */
static bool copy_answer(struct dns_answer *copy, const struct dns_answer *from)
{
	*copy = *from;
	copy->mx = copy_of(from->mx, from->count * sizeof(*from->mx));
	copy->addresses = copy_of(from->addresses, from->count * sizeof(*from->addresses));
	copy->tlsa = from->tlsa != NULL ? copy_tlsa(from->tlsa, from->count) : NULL;
	copy->txt = from->txt != NULL ? copy_txt(from->txt, from->count) : NULL;
	if (from->count == 0 || is_whole(copy, from))
		return true;
	dns_answer_wipe(copy);
	return false;
}

struct dns_cache *dns_cache_create(int64_t keep_ms)
{
	struct dns_cache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	cache->keep_ms = keep_ms;
	pthread_mutex_init(&cache->lock, NULL);
	return cache;
}

/* Below, the caller holds the lock. */

static void drop(struct dns_cache *cache, struct kept *kept)
{
	HASH_DEL(cache->answers, kept);
	dns_answer_wipe(&kept->answer);
	free(kept);
}

static void expire(struct dns_cache *cache, int64_t now_ms)
{
	struct kept *kept, *next;

	HASH_ITER(hh, cache->answers, kept, next) {
		if (kept->kept_until_ms > now_ms)
			return;
		drop(cache, kept);
	}
}

static struct kept *find(struct dns_cache *cache, const struct key *key)
{
	struct kept *found;

	HASH_FIND(hh, cache->answers, key, sizeof(*key), found);
	return found;
}

static void add(struct dns_cache *cache, struct kept *fresh)
{
	struct kept *former = find(cache, &fresh->key);

	if (former != NULL)
		drop(cache, former);
	if (HASH_COUNT(cache->answers) < DNS_CACHE_ANSWERS_MAX) {
		HASH_ADD(hh, cache->answers, key, sizeof(fresh->key), fresh);
		if (fresh->hh.tbl != NULL)
			return;
	}
	dns_answer_wipe(&fresh->answer);
	free(fresh);
}

/* Above, the caller holds the lock. */

void dns_cache_destroy(struct dns_cache *cache)
{
	struct kept *kept, *next;

	if (cache == NULL)
		return;
	HASH_ITER(hh, cache->answers, kept, next)
		drop(cache, kept);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

static void set_key(struct key *key, const char *name, enum dns_type type)
{
	memset(key, 0, sizeof(*key));
	key->type = type;
	memcpy(key->name, name, strnlen(name, DNS_NAME_MAX));
}

bool dns_cache_find(struct dns_cache *cache, const char *name, enum dns_type type, int64_t now_ms, struct dns_answer *answer)
{
	struct key key;
	struct kept *kept;
	bool is_found;

	set_key(&key, name, type);
	pthread_mutex_lock(&cache->lock);
	kept = find(cache, &key);
	is_found = kept != NULL && kept->until_ms > now_ms && copy_answer(answer, &kept->answer);
	pthread_mutex_unlock(&cache->lock);
	return is_found;
}

void dns_cache_add(struct dns_cache *cache, const char *name, enum dns_type type, int64_t now_ms, const struct dns_answer *answer)
{
	int64_t ttl_ms = (int64_t)answer->ttl_s * 1000;
	struct kept *fresh;

	if (answer->result == DNS_ERROR || (fresh = calloc(1, sizeof(*fresh))) == NULL)
		return;
	set_key(&fresh->key, name, type);
	fresh->kept_until_ms = now_ms + cache->keep_ms;
	fresh->until_ms = now_ms + (ttl_ms < cache->keep_ms ? ttl_ms : cache->keep_ms);
	if (!copy_answer(&fresh->answer, answer)) {
		free(fresh);
		return;
	}
	pthread_mutex_lock(&cache->lock);
	expire(cache, now_ms);
	add(cache, fresh);
	pthread_mutex_unlock(&cache->lock);
}

void dns_cache_expire(struct dns_cache *cache, int64_t now_ms)
{
	pthread_mutex_lock(&cache->lock);
	expire(cache, now_ms);
	pthread_mutex_unlock(&cache->lock);
}
