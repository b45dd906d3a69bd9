/*
 * The certificate of a server, and what the terms of a connection say about it. For tls_stream.c
 * alone.
 */
#ifndef TLS_VERIFY_H
#define TLS_VERIFY_H

#include <openssl/types.h>
#include <stddef.h>

#include "tls_context.h"

/* Before the handshake: versions, ciphers, SNI, TLSA records, names. 0, or -1. */
int tls_verify_prepare(SSL *ssl, const struct tls_terms *terms);

/* After it. TLS_FAULT_NONE, or what does not hold with a sentence in `reason`. */
enum tls_fault tls_verify_judge(SSL *ssl, const struct tls_terms *terms, char *reason,
				size_t reason_size);

#endif
