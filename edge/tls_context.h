/*
 * What all TLS client connections of the edge share: the SSL_CTX and its options. tls_stream.c
 * makes one connection out of it. Only these two files see OpenSSL.
 */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include <stddef.h>

#include "lib/deadline.h"
#include "lib/stream.h"

/* Postfix's level names (smtp_tls_security_level); the authenticated levels join here. */
enum tls_level { TLS_NONE, TLS_MAY, TLS_ENCRYPT };

struct tls_context;

/* NULL with `error` on failure. Thread-safe afterwards. */
struct tls_context *tls_context_create(char *error, size_t error_size);
void tls_context_destroy(struct tls_context *context);

/*
 * Gives back what OpenSSL keeps for the calling thread. For a thread that nobody joins: the process may end before the C library
 * gets round to it.
 */
void tls_context_thread_end(void);
/* For tls_stream.c alone: OpenSSL's SSL_CTX, owned by the context. */
struct ssl_ctx_st *tls_context_ssl_ctx(const struct tls_context *context);

/*
 * Shakes hands as a client on `stream` (no unread input) and puts TLS on top of it. sni: host name,
 * or NULL for a literal. 0: `description` says "TLSv1.3 TLS_AES_256_GCM_SHA384 (unauthenticated)".
 * -1: `error` names OpenSSL's reason and, for a time-out or a lost connection, that; the stream is
 * then good for stream_wipe() only. Unauthenticated: any certificate is accepted (RFC 7435
 * opportunistic security); nothing weaker than TLS 1.0 and no export or null ciphers; renegotiation
 * off. Reading reports the end of the connection as STREAM_EOF, with or without close_notify.
 */
int tls_stream_start(struct stream *stream, struct tls_context *context, const char *sni,
		     struct deadline deadline, char *description, size_t description_size,
		     char *error, size_t error_size);

#endif
