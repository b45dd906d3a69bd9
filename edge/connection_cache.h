/*
 * Open sessions with mail servers between two messages. Whoever has delivered a message over one may leave it here; whoever
 * is about to connect to the same place on the same terms (connection_key.h) takes it instead. A session is with one of them, or here,
 * never shared. What is here is ended with QUIT when its time is over, by a thread of the cache.
 */
#ifndef CONNECTION_CACHE_H
#define CONNECTION_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/buffer.h"
#include "smtp_client.h"

struct connection_limits {
	size_t total;		/* sessions kept at a time; 0: none ever */
	size_t per_host;	/* of them with one address */
	unsigned messages;	/* over one session */
	int64_t idle_ms;	/* between two messages */
	int64_t age_ms;		/* of a session, from its first message on */
};

struct connection_cache;

/* NULL: no memory, or no thread. */
struct connection_cache *connection_cache_create(void);
/* Ends all sessions, and takes no more; what is given afterwards is ended at once. */
void connection_cache_stop(struct connection_cache *cache);
/* Nobody may use it any more. NULL is allowed. */
void connection_cache_destroy(struct connection_cache *cache);

/*
 * `address` below is that of the server, which the key has too.
 *
 * Takes the session of this key that was used last, resumed with params. true: it is in *client. The server may have gone all the same:
 * see smtp_client_transaction().
 */
bool connection_cache_take(struct connection_cache *cache, const struct sockaddr_storage *address, const struct buffer *key,
			   const struct smtp_client_params *params, struct smtp_client *client);
/*
 * Takes an open client over, in every case: keeps it, or says QUIT. The caller's struct is that of a closed client then, with its
 * capabilities and TLS still to be read.
 */
void connection_cache_give(struct connection_cache *cache, const struct sockaddr_storage *address, const struct buffer *key,
			   const struct connection_limits *limits, struct smtp_client *client);
/* Of addresses that are as good as one another: the first with which there is a session, whatever its terms; `count` if there is none. */
size_t connection_cache_find_host(struct connection_cache *cache, const struct sockaddr_storage *const *addresses,
				  size_t count);

#endif
