/*
 * What all TLS client connections of the edge share: the SSL_CTX and its options. tls_stream.c
 * makes one connection out of it, tls_verify.c judges the certificate. Only tls_*.c see OpenSSL.
 */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buffer.h"
#include "lib/deadline.h"
#include "lib/delivery_status.h"
#include "lib/stream.h"
#include "tls_terms.h"

#define TLS_ERROR_MAX 320

/* What was wrong with a connection; the classes of RFC 8460 4.3. */
enum tls_fault {
	TLS_FAULT_NONE,
	TLS_FAULT_HANDSHAKE,	/* no TLS at all */
	TLS_FAULT_TLSA,		/* the certificate matches no TLSA record */
	TLS_FAULT_NAME,
	TLS_FAULT_EXPIRED,
	TLS_FAULT_UNTRUSTED,
	TLS_FAULT_FINGERPRINT,
};

struct tls_outcome {
	char description[DELIVERY_TLS_MAX + 1];	/* "dane TLSv1.3 TLS_AES_256_GCM_SHA384"; "" after a failure */
	bool is_resumed;		/* its certificate was found good when the session was made */
	enum tls_fault fault;		/* also of what is only told (terms->is_test) */
	char error[TLS_ERROR_MAX];	/* what and why, with the host's certificate named; "" without a fault */
};

struct tls_context;
struct ssl_st;
struct ssl_session_st;

/*
 * ca_file: certificates of the authorities that are trusted, PEM; NULL = the system's. NULL with
 * `error` on failure. Thread-safe afterwards.
 */
struct tls_context *tls_context_create(const char *ca_file, char *error, size_t error_size);
void tls_context_destroy(struct tls_context *context);

/*
 * Gives back what OpenSSL keeps for the calling thread. For a thread that nobody joins: the process may end before the C library
 * gets round to it.
 */
void tls_context_thread_end(void);
/* For tls_stream.c alone: OpenSSL's SSL_CTX and what may be resumed, owned by the context. */
struct ssl_ctx_st *tls_context_ssl_ctx(const struct tls_context *context);
struct tls_sessions *tls_context_sessions(const struct tls_context *context);
/* In tls_stream.c, for tls_context.c: OpenSSL's call for each new session or ticket. 1: we keep the reference. */
int tls_stream_on_session(struct ssl_st *ssl, struct ssl_session_st *session);

/*
 * Shakes hands as a client on `stream` (no unread input), puts TLS on top of it, and checks the
 * certificate as the terms want. 0: *outcome describes the connection. -1: *outcome says what is
 * wrong, which for a time-out or a lost connection is that; the stream is then good for
 * stream_wipe() only. Nothing weaker than TLS 1.0 and no export, null or anonymous ciphers ever;
 * renegotiation off. Reading reports the end of the connection as STREAM_EOF, with or without
 * close_notify.
 *
 * resume_key: a session of an earlier connection with this key is resumed, and this one's are kept under it; NULL or empty:
 * neither. It must differ wherever place or terms do (connection_key.h): the certificate is not judged again.
 */
int tls_stream_start(struct stream *stream, struct tls_context *context,
		     const struct tls_terms *terms, const struct buffer *resume_key,
		     struct deadline deadline, struct tls_outcome *outcome);

#endif
