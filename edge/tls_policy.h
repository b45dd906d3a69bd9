/*
 * What an administrator demands of the TLS connections to a destination: a line of the table
 * tls_policy, in the words of Postfix's smtp_tls_policy_maps, or the defaults of edge.conf.
 *
 *   example.com        secure match=mx.example.com:.example.net
 *   .example.org       encrypt protocols=>=TLSv1.2 ciphers=high     # every domain below
 *   *                  dane
 */
#ifndef TLS_POLICY_H
#define TLS_POLICY_H

#include <stdint.h>

#include "lib/smtp_limits.h"
#include "lib/table.h"
#include "tls_level.h"

#define TLS_MATCH_MAX 16
#define TLS_FINGERPRINT_SIZE 32 /* SHA-256 */

struct tls_policy {
	enum tls_level level;
	/*
	 * verify, secure: names that may stand in the certificate; ".example.com" is every name
	 * below; "hostname", "nexthop", "dot-nexthop" as in Postfix.
	 */
	char match[TLS_MATCH_MAX][SMTP_DOMAIN_MAX + 1];
	size_t match_count;
	uint8_t fingerprints[TLS_MATCH_MAX][TLS_FINGERPRINT_SIZE];
	size_t fingerprint_count;
	unsigned protocols;		/* 0 = the default of the level */
	bool has_ciphers;
	enum tls_ciphers ciphers;
	size_t line;			/* of the table; 0 = the default of edge.conf */
};

/* Of edge.conf: for levels up to may, and for those above it. */
struct tls_defaults {
	unsigned protocols, mandatory_protocols;
	enum tls_ciphers ciphers, mandatory_ciphers;
};

/*
 * Parses the value of a line (in place). 0, or -1 with error (without file and line, those are the
 * caller's).
 */
int tls_policy_parse(struct tls_policy *policy, char *value, char *error, size_t error_size);
/*
 * The same, word by word: a level first, then match=, protocols= and ciphers=; and when all words
 * were taken, what is missing. 0, or -1 with error.
 */
int tls_policy_set_level(struct tls_policy *policy, const char *word, char *error, size_t error_size);
int tls_policy_set_attribute(struct tls_policy *policy, const char *word, char *error,
			     size_t error_size);
int tls_policy_finish(const struct tls_policy *policy, char *error, size_t error_size);

#endif
