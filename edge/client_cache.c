/*
 * Two hash tables. uthash remembers the order in which rows were added, and an answer is a new row
 * even if the key had one before, so the first row is always the oldest one.
 */
#include "client_cache.h"

#include <stdlib.h>
#include <string.h>

/* Memory that is out is an answer, not the end. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct client_answer {
	uint8_t public_key[32];
	int64_t at_ms;
	bool is_authorized;
	struct authorized_client client;	/* if so */
	UT_hash_handle hh;
};

static void drop(struct client_answer **table, struct client_answer *answer)
{
	HASH_DEL(*table, answer);
	authorized_client_wipe(&answer->client);
	explicit_bzero(answer->public_key, sizeof(answer->public_key));
	free(answer);
}

static struct client_answer *find_in(struct client_answer *table, const uint8_t public_key[32])
{
	struct client_answer *found;

	HASH_FIND(hh, table, public_key, 32, found);
	return found;
}

const struct client_answer *client_cache_find(const struct client_cache *cache, const uint8_t public_key[32])
{
	const struct client_answer *found = find_in(cache->authorized, public_key);

	return found != NULL ? found : find_in(cache->refused, public_key);
}

enum client_answer_age client_answer_age(const struct client_answer *answer, int64_t now_ms)
{
	int64_t age_ms = now_ms - answer->at_ms;

	if (age_ms < CLIENT_CACHE_FRESH_MS)
		return CLIENT_ANSWER_FRESH;
	return age_ms < CLIENT_CACHE_KEEP_MS ? CLIENT_ANSWER_OLD : CLIENT_ANSWER_EXPIRED;
}

const struct authorized_client *client_answer_client(const struct client_answer *answer)
{
	return answer->is_authorized ? &answer->client : NULL;
}

static void forget(struct client_cache *cache, const uint8_t public_key[32])
{
	struct client_answer *before = find_in(cache->authorized, public_key);

	if (before != NULL)
		drop(&cache->authorized, before);
	before = find_in(cache->refused, public_key);
	if (before != NULL)
		drop(&cache->refused, before);
}

void client_cache_put(struct client_cache *cache, const uint8_t public_key[32], struct authorized_client *client,
		      int64_t now_ms)
{
	struct client_answer **table = client != NULL ? &cache->authorized : &cache->refused;
	size_t maximum = client != NULL ? CLIENT_CACHE_AUTHORIZED_MAX : CLIENT_CACHE_REFUSED_MAX;
	struct client_answer *answer = calloc(1, sizeof(*answer));

	forget(cache, public_key);
	if (HASH_COUNT(*table) >= maximum)
		drop(table, *table);
	if (answer == NULL) {
		if (client != NULL)
			authorized_client_wipe(client);
		return;
	}
	memcpy(answer->public_key, public_key, sizeof(answer->public_key));
	answer->at_ms = now_ms;
	if (client != NULL) {
		answer->is_authorized = true;
		answer->client = *client;
		explicit_bzero(client, sizeof(*client));
	}
	HASH_ADD(hh, *table, public_key, sizeof(answer->public_key), answer);
	if (answer->hh.tbl != NULL)
		return;
	authorized_client_wipe(&answer->client);
	free(answer);
}

static void expire(struct client_answer **table, int64_t now_ms)
{
	while (*table != NULL && client_answer_age(*table, now_ms) == CLIENT_ANSWER_EXPIRED)
		drop(table, *table);
}

void client_cache_expire(struct client_cache *cache, int64_t now_ms)
{
	expire(&cache->authorized, now_ms);
	expire(&cache->refused, now_ms);
}

void client_cache_wipe(struct client_cache *cache)
{
	while (cache->authorized != NULL)
		drop(&cache->authorized, cache->authorized);
	while (cache->refused != NULL)
		drop(&cache->refused, cache->refused);
}
