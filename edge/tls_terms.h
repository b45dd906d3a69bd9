/*
 * What one TLS connection to one host must fulfil: the outcome of everything that has a say
 * (tls_choice.c), the input of the handshake (tls_stream.c).
 */
#ifndef TLS_TERMS_H
#define TLS_TERMS_H

#include "dane.h"
#include "tls_policy.h"

/* match= of a policy, "hostname" and the like replaced by names. */
#define TLS_NAMES_MAX (TLS_MATCH_MAX + 2)

enum tls_check {
	TLS_CHECK_NOTHING,	/* any certificate */
	TLS_CHECK_DANE,
	TLS_CHECK_NAMES,	/* a known authority's certificate for one of names */
	TLS_CHECK_FINGERPRINT,
};

struct tls_terms {
	enum tls_level level;		/* NONE: no TLS. MAY: cleartext if there is no TLS. Others: no cleartext */
	enum tls_check check;
	bool is_test;			/* what check finds is told, but ends nothing (MTA-STS testing) */
	bool is_unlisted;		/* with is_test: the policy does not name this host */
	bool needs_requiretls;		/* the server must offer REQUIRETLS (RFC 8689) */
	const char *label;		/* what decided, for the log: "may", "dane", "sts", ... */
	const char *note;		/* for the log, or "" */
	char rule[200];			/* who demands it, for sentences: "MTA-STS policy of example.com" */
	char reproduce[400];		/* a command that shows the same failure, or "" */
	char sni[DNS_NAME_MAX + 1];	/* "" = none */
	char names[TLS_NAMES_MAX][SMTP_DOMAIN_MAX + 2];	/* ".example.com": every name below */
	size_t name_count;
	bool is_san_only;		/* a name in the subject does not count (RFC 8461 4.2) */
	const struct dane_records *dane;	/* TLS_CHECK_DANE; the holder's */
	uint8_t fingerprints[TLS_MATCH_MAX][TLS_FINGERPRINT_SIZE];
	size_t fingerprint_count;
	unsigned protocols;
	enum tls_ciphers ciphers;
};

#endif
