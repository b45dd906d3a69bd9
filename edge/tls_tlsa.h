/*
 * Whether the data of a TLSA record with matching type 0 (RFC 6698 2.1.3) is what its selector says
 * it is. OpenSSL refuses records whose data it cannot read; asked beforehand, they are unusable
 * rather than an error.
 */
#ifndef TLS_TLSA_H
#define TLS_TLSA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One certificate in DER, whose key OpenSSL knows, and nothing after it. */
bool tls_tlsa_is_certificate(const uint8_t *data, size_t length);
/* One SubjectPublicKeyInfo in DER, likewise. */
bool tls_tlsa_is_public_key(const uint8_t *data, size_t length);

#endif
