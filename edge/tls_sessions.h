/*
 * TLS sessions that may be resumed (RFC 8446 2.2, RFC 5077), by the key of the connection (connection_key.h): the place, and all terms
 * that the certificate was judged by. So a session is offered again only where the same demands are made, and those were fulfilled when
 * it was made. For tls_*.c alone.
 */
#ifndef TLS_SESSIONS_H
#define TLS_SESSIONS_H

#include <stdbool.h>

#include "lib/buffer.h"

struct ssl_session_st;	/* SSL_SESSION */

/* Servers, and sessions with each: TLS 1.3 sends two at a time, each of which is good for once (RFC 8446 C.4). */
#define TLS_SESSIONS_SERVERS_MAX 250
#define TLS_SESSIONS_PER_SERVER 4
/* One, with the server's certificate in it. */
#define TLS_SESSION_BYTES_MAX 8192
/* Whatever a server allows: this is how long its certificate is not looked at again. */
#define TLS_SESSION_LIFETIME_S 3600

struct tls_sessions;

/* NULL: no memory. The caller has one reference. Thread-safe. */
struct tls_sessions *tls_sessions_create(void);
struct tls_sessions *tls_sessions_acquire(struct tls_sessions *sessions);
void tls_sessions_release(struct tls_sessions *sessions);

/* Keeps a copy. Only of a connection whose certificate was found good. */
void tls_sessions_put(struct tls_sessions *sessions, const struct buffer *key, struct ssl_session_st *session);
/* NULL: none that is still good. The caller's, to be freed with SSL_SESSION_free(). */
struct ssl_session_st *tls_sessions_take(struct tls_sessions *sessions, const struct buffer *key);

#endif
