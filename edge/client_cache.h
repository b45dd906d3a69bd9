/*
 * What the server of a socketmap said of clients' keys, with the time at which it said so. Pure: time
 * is given. Both kinds of answer are bounded, each by itself, so that strangers who shake hands with
 * one made-up key after the other push no client out. Everything is wiped when it goes.
 */
#ifndef CLIENT_CACHE_H
#define CLIENT_CACHE_H

#include <stdint.h>

#include "tunnel/authorized_clients.h"

/* The server is not asked again before that. */
#define CLIENT_CACHE_FRESH_MS 5000
/* For so long the last answer counts if the server cannot be asked. */
#define CLIENT_CACHE_KEEP_MS 600000
#define CLIENT_CACHE_AUTHORIZED_MAX 10000
/* More than question_pace.h lets anybody ask while one of them is fresh. */
#define CLIENT_CACHE_REFUSED_MAX 1024

enum client_answer_age { CLIENT_ANSWER_FRESH, CLIENT_ANSWER_OLD, CLIENT_ANSWER_EXPIRED };

struct client_answer;		/* in a table, uthash */

struct client_cache {
	/* In the order of the answers, the oldest one first. */
	struct client_answer *authorized, *refused;
};

/* NULL: nothing is known. Valid until the next call that changes the cache. */
const struct client_answer *client_cache_find(const struct client_cache *cache, const uint8_t public_key[32]);
enum client_answer_age client_answer_age(const struct client_answer *answer, int64_t now_ms);
/* NULL: the key is not authorised. */
const struct authorized_client *client_answer_client(const struct client_answer *answer);
/*
 * In place of the answer before. client (NULL: not authorised) is moved: wiped here, its options
 * belong to the cache. The oldest answer of the same kind makes room. Without memory nothing is
 * known of the key.
 */
void client_cache_put(struct client_cache *cache, const uint8_t public_key[32], struct authorized_client *client,
		      int64_t now_ms);
/* Forgets what has expired. */
void client_cache_expire(struct client_cache *cache, int64_t now_ms);
void client_cache_wipe(struct client_cache *cache);

#endif
