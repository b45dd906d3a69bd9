/* Postfix's TLS security levels (smtp_tls_security_level), under its names. */
#ifndef TLS_LEVEL_H
#define TLS_LEVEL_H

#include <stddef.h>

enum tls_level {
	TLS_NONE,
	TLS_MAY,	/* TLS if it can be had, unauthenticated (RFC 7435) */
	TLS_ENCRYPT,	/* TLS, unauthenticated */
	TLS_DANE,	/* authenticated by secure TLSA records where there are any, else as TLS_MAY */
	TLS_DANE_ONLY,	/* the same, and no delivery where there are none */
	TLS_VERIFY,	/* a certificate of a known authority for the mail exchanger's name */
	TLS_SECURE,	/* for the domain's own name, which no forged MX record can change */
	TLS_FINGERPRINT,	/* one of certain certificates or public keys */
};

/* By level, NULL at the end. */
extern const char *const tls_level_names[];

/*
 * TLS versions as a set. Text as Postfix's smtp_tls_protocols: ">=TLSv1.2", "TLSv1.2:TLSv1.3",
 * "!TLSv1:!TLSv1.1", with ":" or "," or spaces between. 0, or -1 with error.
 */
enum { TLS_V1_0 = 1, TLS_V1_1 = 2, TLS_V1_2 = 4, TLS_V1_3 = 8 };
int tls_protocols_parse(unsigned *protocols, const char *text, char *error, size_t error_size);

/* Postfix's smtp_tls_ciphers: how weak a cipher may be. */
enum tls_ciphers { TLS_CIPHERS_MEDIUM, TLS_CIPHERS_HIGH };
extern const char *const tls_cipher_names[];

#endif
