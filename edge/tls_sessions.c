/* Kept as bytes: what OpenSSL would hold of each is several times as large. */
#define HASH_NONFATAL_OOM 1

#include "tls_sessions.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "lib/deadline.h"

struct kept {
	uint8_t *bytes;
	int length;
	struct deadline until;
};

struct server {
	struct server *prev, *next;	/* the one used last last */
	struct kept sessions[TLS_SESSIONS_PER_SERVER];	/* oldest first */
	size_t count;
	UT_hash_handle hh;
	size_t key_length;
	uint8_t key[];
};

struct tls_sessions {
	atomic_int references;
	pthread_mutex_t lock;		/* protects all below */
	struct server *by_key;
	struct server *line;
	size_t count;
};

struct tls_sessions *tls_sessions_create(void)
{
	struct tls_sessions *sessions = calloc(1, sizeof(*sessions));

	if (sessions == NULL)
		return NULL;
	atomic_init(&sessions->references, 1);
	pthread_mutex_init(&sessions->lock, NULL);
	return sessions;
}

struct tls_sessions *tls_sessions_acquire(struct tls_sessions *sessions)
{
	atomic_fetch_add(&sessions->references, 1);
	return sessions;
}

/* Below, the caller holds the lock, or the only reference. */

static void drop_first(struct server *server)
{
	free(server->sessions[0].bytes);
	server->count--;
	memmove(&server->sessions[0], &server->sessions[1], server->count * sizeof(server->sessions[0]));
}

static void forget(struct tls_sessions *sessions, struct server *server)
{
	while (server->count > 0)
		drop_first(server);
	HASH_DEL(sessions->by_key, server);
	DL_DELETE(sessions->line, server);
	sessions->count--;
	free(server);
}

static struct server *find(const struct tls_sessions *sessions, const struct buffer *key)
{
	struct server *found;

	HASH_FIND(hh, sessions->by_key, buffer_data(key), buffer_length(key), found);
	return found;
}

static struct server *find_or_add(struct tls_sessions *sessions, const struct buffer *key)
{
	struct server *server = find(sessions, key);

	if (server != NULL) {
		DL_DELETE(sessions->line, server);
		DL_APPEND(sessions->line, server);
		return server;
	}
	server = calloc(1, sizeof(*server) + buffer_length(key));
	if (server == NULL)
		return NULL;
	server->key_length = buffer_length(key);
	memcpy(server->key, buffer_data(key), server->key_length);
	HASH_ADD_KEYPTR(hh, sessions->by_key, server->key, server->key_length, server);
	if (server->hh.tbl == NULL) {
		free(server);
		return NULL;
	}
	DL_APPEND(sessions->line, server);
	if (++sessions->count > TLS_SESSIONS_SERVERS_MAX)
		forget(sessions, sessions->line);
	return server;
}

/* Above, the caller holds the lock, or the only reference. */

void tls_sessions_release(struct tls_sessions *sessions)
{
	if (sessions == NULL || atomic_fetch_sub(&sessions->references, 1) != 1)
		return;
	while (sessions->line != NULL)
		forget(sessions, sessions->line);
	pthread_mutex_destroy(&sessions->lock);
	free(sessions);
}

static struct kept encode(SSL_SESSION *session)
{
	long lifetime_s = SSL_SESSION_get_timeout(session);
	struct kept kept = { .length = i2d_SSL_SESSION(session, NULL) };
	uint8_t *end;

	if (lifetime_s > TLS_SESSION_LIFETIME_S)
		lifetime_s = TLS_SESSION_LIFETIME_S;
	if (kept.length <= 0 || kept.length > TLS_SESSION_BYTES_MAX || (kept.bytes = malloc((size_t)kept.length)) == NULL)
		return (struct kept){ 0 };
	end = kept.bytes;
	i2d_SSL_SESSION(session, &end);
	kept.until = deadline_in_ms((int64_t)lifetime_s * 1000);
	return kept;
}

void tls_sessions_put(struct tls_sessions *sessions, const struct buffer *key, SSL_SESSION *session)
{
	struct kept kept;
	struct server *server;

	if (SSL_SESSION_is_resumable(session) != 1 || (kept = encode(session)).bytes == NULL)
		return;
	pthread_mutex_lock(&sessions->lock);
	server = find_or_add(sessions, key);
	if (server != NULL) {
		if (server->count == TLS_SESSIONS_PER_SERVER)
			drop_first(server);
		server->sessions[server->count++] = kept;
		kept.bytes = NULL;
	}
	pthread_mutex_unlock(&sessions->lock);
	free(kept.bytes);
}

/* A resumed session shows no certificate: what has expired since would go unnoticed. */
static bool has_expired(const SSL_SESSION *session)
{
	const X509 *certificate = SSL_SESSION_get0_peer((SSL_SESSION *)session);

	return certificate == NULL || X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0;
}

/* Caller holds the lock. The newest; NULL: none. One of TLS 1.3 is gone then. */
static SSL_SESSION *take_newest(struct server *server)
{
	struct kept *newest = &server->sessions[server->count - 1];
	const uint8_t *bytes = newest->bytes;
	SSL_SESSION *session = deadline_has_passed(newest->until) ? NULL : d2i_SSL_SESSION(NULL, &bytes, newest->length);

	if (session == NULL || SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION) {
		free(newest->bytes);
		server->count--;
	}
	return session;
}

SSL_SESSION *tls_sessions_take(struct tls_sessions *sessions, const struct buffer *key)
{
	SSL_SESSION *session = NULL;
	struct server *server;

	pthread_mutex_lock(&sessions->lock);
	server = find(sessions, key);
	while (server != NULL && server->count > 0 && session == NULL)
		session = take_newest(server);
	if (server != NULL && server->count == 0)
		forget(sessions, server);
	pthread_mutex_unlock(&sessions->lock);
	if (session != NULL && has_expired(session)) {
		SSL_SESSION_free(session);
		session = NULL;
	}
	return session;
}
