/*
 * A table of hosts, by address, each with a few sessions, and all sessions in a line in the order in which they came. Sessions are
 * taken newest first, so that in quiet times the others end.
 *
 * Nothing is written or read under the lock: a session is unlinked first, then ended or resumed. A session that the server has
 * ended, or over which it has spoken, is found out when it is taken; until then its descriptor stays, for a few seconds.
 */
/* Memory that is not there means that a session is not kept; uthash would exit. */
#define HASH_NONFATAL_OOM 1

#include "connection_cache.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>
#include <utlist.h>

#include "lib/condition.h"
#include "lib/deadline.h"
#include "lib/thread.h"
#include "tls_context.h"

/* What ends at about the same time is ended together. */
#define REAP_INTERVAL_MS 250

struct host_address {
	uint8_t bytes[sizeof(struct in6_addr)];
	uint32_t scope;
	uint16_t family, port;
};

struct kept_host {
	struct host_address address;	/* the key */
	struct kept_session *newest;
	size_t sessions;
	UT_hash_handle hh;
};

struct kept_session {
	struct kept_session *prev, *next;	/* in the line of all */
	struct kept_session *older, *newer;	/* with this host; newest first */
	struct kept_host *host;
	struct deadline end;
	struct smtp_client client;
	size_t key_length;
	uint8_t key[];
};

struct connection_cache {
	pthread_mutex_t lock;		/* protects all below, hosts and sessions; not a session that was unlinked */
	pthread_cond_t changed;		/* for the reaper: no longer empty, or stopping */
	pthread_t reaper;
	struct kept_host *hosts;
	struct kept_session *line;	/* oldest first */
	size_t count;
	bool is_stopping;
};

static struct host_address address_of(const struct sockaddr_storage *socket_address)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)socket_address;
	const struct sockaddr_in *four = (const struct sockaddr_in *)socket_address;
	struct host_address address;

	memset(&address, 0, sizeof(address));
	address.family = socket_address->ss_family;
	if (address.family == AF_INET6) {
		memcpy(address.bytes, &six->sin6_addr, sizeof(six->sin6_addr));
		address.scope = six->sin6_scope_id;
		address.port = six->sin6_port;
	} else {
		memcpy(address.bytes, &four->sin_addr, sizeof(four->sin_addr));
		address.port = four->sin_port;
	}
	return address;
}

/* Below, the caller holds the lock. */

static struct kept_host *find_host(const struct connection_cache *cache, const struct host_address *address)
{
	struct kept_host *found;

	HASH_FIND(hh, cache->hosts, address, sizeof(*address), found);
	return found;
}

static struct kept_host *find_or_add_host(struct connection_cache *cache, const struct host_address *address)
{
	struct kept_host *host = find_host(cache, address);

	if (host != NULL || (host = calloc(1, sizeof(*host))) == NULL)
		return host;
	host->address = *address;
	HASH_ADD(hh, cache->hosts, address, sizeof(host->address), host);
	if (host->hh.tbl != NULL)
		return host;
	free(host);
	return NULL;
}

static void drop_host_if_empty(struct connection_cache *cache, struct kept_host *host)
{
	if (host->sessions > 0)
		return;
	HASH_DEL(cache->hosts, host);
	free(host);
}

static void unlink_session(struct connection_cache *cache, struct kept_session *session)
{
	DL_DELETE(cache->line, session);
	cache->count--;
	DL_DELETE2(session->host->newest, session, newer, older);
	session->host->sessions--;
	drop_host_if_empty(cache, session->host);
	session->host = NULL;
}

/* The newest of this key that is not over. */
static struct kept_session *find_session(const struct connection_cache *cache, const struct host_address *address,
					 const struct buffer *key)
{
	const struct kept_host *host = find_host(cache, address);
	struct kept_session *session = host != NULL ? host->newest : NULL;

	while (session != NULL && (session->key_length != buffer_length(key) || deadline_has_passed(session->end) ||
				   memcmp(session->key, buffer_data(key), session->key_length) != 0))
		session = session->older;
	return session;
}

/* Links it if there is room; out_of_line is then the one that had to make it, or NULL. */
static bool link_session(struct connection_cache *cache, const struct host_address *address,
			 const struct connection_limits *limits, struct kept_session *session,
			 struct kept_session **out_of_line)
{
	struct kept_host *host;

	if (cache->is_stopping || limits->total == 0 || (host = find_or_add_host(cache, address)) == NULL)
		return false;
	if (host->sessions >= limits->per_host) {
		drop_host_if_empty(cache, host);
		return false;
	}
	host->sessions++;
	session->host = host;
	DL_PREPEND2(host->newest, session, newer, older);
	if (cache->count >= limits->total) {
		*out_of_line = cache->line;
		unlink_session(cache, *out_of_line);
	}
	DL_APPEND(cache->line, session);
	if (cache->count++ == 0)
		pthread_cond_signal(&cache->changed);
	return true;
}

/* Moves those that are over (or all) into a list of their own. */
static struct kept_session *unlink_ended(struct connection_cache *cache, bool all)
{
	struct kept_session *session, *next, *ended = NULL;

	DL_FOREACH_SAFE(cache->line, session, next) {
		if (!all && !deadline_has_passed(session->end))
			continue;
		unlink_session(cache, session);
		DL_APPEND(ended, session);
	}
	return ended;
}

/* Above, the caller holds the lock. */

static void end_session(struct kept_session *session)
{
	smtp_client_leave(&session->client);
	free(session);
}

static void end_list(struct kept_session *list)
{
	struct kept_session *session, *next;

	DL_FOREACH_SAFE(list, session, next)
		end_session(session);
}

static void *reap(void *argument)
{
	struct connection_cache *cache = argument;
	struct kept_session *ended;

	pthread_mutex_lock(&cache->lock);
	while (!cache->is_stopping) {
		struct deadline later = deadline_in_ms(REAP_INTERVAL_MS);

		if (cache->count == 0)
			pthread_cond_wait(&cache->changed, &cache->lock);
		else
			condition_wait_until(&cache->changed, &cache->lock, later);
		ended = unlink_ended(cache, false);
		pthread_mutex_unlock(&cache->lock);
		end_list(ended);
		pthread_mutex_lock(&cache->lock);
	}
	pthread_mutex_unlock(&cache->lock);
	tls_context_thread_end();
	return NULL;
}

static void wipe(struct connection_cache *cache)
{
	pthread_mutex_destroy(&cache->lock);
	pthread_cond_destroy(&cache->changed);
	free(cache);
}

struct connection_cache *connection_cache_create(void)
{
	struct connection_cache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	pthread_mutex_init(&cache->lock, NULL);
	condition_init(&cache->changed);
	if (thread_start(&cache->reaper, reap, cache) == 0)
		return cache;
	wipe(cache);
	return NULL;
}

void connection_cache_stop(struct connection_cache *cache)
{
	struct kept_session *ended;

	pthread_mutex_lock(&cache->lock);
	cache->is_stopping = true;
	ended = unlink_ended(cache, true);
	pthread_cond_signal(&cache->changed);
	pthread_mutex_unlock(&cache->lock);
	end_list(ended);
}

void connection_cache_destroy(struct connection_cache *cache)
{
	if (cache == NULL)
		return;
	connection_cache_stop(cache);
	pthread_join(cache->reaper, NULL);
	wipe(cache);
}

bool connection_cache_take(struct connection_cache *cache, const struct sockaddr_storage *address, const struct buffer *key,
			   const struct smtp_client_params *params, struct smtp_client *client)
{
	struct host_address host = address_of(address);
	struct kept_session *session;
	bool is_good = false;

	while (!is_good) {
		pthread_mutex_lock(&cache->lock);
		session = find_session(cache, &host, key);
		if (session != NULL)
			unlink_session(cache, session);
		pthread_mutex_unlock(&cache->lock);
		if (session == NULL)
			return false;
		*client = session->client;
		free(session);
		is_good = smtp_client_resume(client, params) == 0;
	}
	return true;
}

/* NULL: not to be kept. The client is the session's then. */
static struct kept_session *prepare(const struct buffer *key, const struct connection_limits *limits,
				    struct smtp_client *client)
{
	int64_t left_ms = limits->age_ms - (deadline_now_ms() - client->opened_ms);
	struct kept_session *session;

	if (client->messages >= limits->messages || left_ms <= 0 || limits->total == 0 ||
	    smtp_client_park(client) != 0)
		return NULL;
	session = malloc(sizeof(*session) + buffer_length(key));
	if (session == NULL)
		return NULL;
	*session = (struct kept_session){ .client = *client, .key_length = buffer_length(key) };
	session->end = deadline_in_ms(left_ms < limits->idle_ms ? left_ms : limits->idle_ms);
	memcpy(session->key, buffer_data(key), session->key_length);
	client->is_open = false;
	return session;
}

void connection_cache_give(struct connection_cache *cache, const struct sockaddr_storage *address, const struct buffer *key,
			   const struct connection_limits *limits, struct smtp_client *client)
{
	struct kept_session *session = prepare(key, limits, client), *out_of_line = NULL;
	struct host_address host = address_of(address);
	bool is_kept;

	if (session == NULL) {
		smtp_client_leave(client);
		return;
	}
	pthread_mutex_lock(&cache->lock);
	is_kept = link_session(cache, &host, limits, session, &out_of_line);
	pthread_mutex_unlock(&cache->lock);
	if (!is_kept)
		end_session(session);
	if (out_of_line != NULL)
		end_session(out_of_line);
}

size_t connection_cache_find_host(struct connection_cache *cache, const struct sockaddr_storage *const *addresses,
				  size_t count)
{
	size_t found = 0;

	pthread_mutex_lock(&cache->lock);
	if (cache->count == 0)
		found = count;
	for (; found < count; found++) {
		struct host_address address = address_of(addresses[found]);

		if (find_host(cache, &address) != NULL)
			break;
	}
	pthread_mutex_unlock(&cache->lock);
	return found;
}
