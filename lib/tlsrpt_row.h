/*
 * One line of the TLS statistics that RFC 8460 reports are made of: so many sessions that were
 * alike in policy, hosts and result. The edge counts them, `postern tlsrpt' prints them.
 */
#ifndef TLSRPT_ROW_H
#define TLSRPT_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smtp_limits.h"

/* RFC 8460 4.4 "policy-type" */
enum tlsrpt_policy { TLSRPT_NO_POLICY, TLSRPT_TLSA, TLSRPT_STS };

/* RFC 8460 4.3 */
enum tlsrpt_result {
	TLSRPT_SUCCESS,
	TLSRPT_STARTTLS_NOT_SUPPORTED,
	TLSRPT_CERTIFICATE_HOST_MISMATCH,
	TLSRPT_CERTIFICATE_EXPIRED,
	TLSRPT_CERTIFICATE_NOT_TRUSTED,
	TLSRPT_VALIDATION_FAILURE,
	TLSRPT_TLSA_INVALID,
	TLSRPT_DNSSEC_INVALID,
	TLSRPT_DANE_REQUIRED,
	TLSRPT_STS_POLICY_FETCH_ERROR,
	TLSRPT_STS_POLICY_INVALID,
	TLSRPT_STS_WEBPKI_INVALID,
};

enum tlsrpt_text {
	TLSRPT_TEXT_DOMAIN,	   /* of the recipient: who gets the report */
	TLSRPT_TEXT_POLICY_DOMAIN, /* whose policy it is */
	TLSRPT_TEXT_POLICY,	   /* the policy's lines, joined by LF */
	TLSRPT_TEXT_MX_PATTERN,	   /* STS: its mx patterns, joined by LF */
	TLSRPT_TEXT_MX_HOST,
	TLSRPT_TEXT_RECEIVING_IP,
	TLSRPT_TEXT_SENDING_IP,
	TLSRPT_TEXT_REASON,
	TLSRPT_TEXTS
};

/* Longer texts are cut; policies between two lines. */
#define TLSRPT_POLICY_BYTES_MAX 4096
#define TLSRPT_PATTERN_BYTES_MAX 2048
#define TLSRPT_REASON_MAX 200

struct tlsrpt_row {
	enum tlsrpt_policy policy;
	enum tlsrpt_result result;
	uint64_t sessions;
	uint64_t hash;		  /* of all but the number of sessions */
	size_t bytes;		  /* that the row takes in memory */
	char *text[TLSRPT_TEXTS]; /* "" = none; in the same piece of memory as the row */
};

/*
 * A row of one session, to be freed with free(); NULL without memory, or if the domain is none. The
 * texts (NULL = "") are made harmless: printable ASCII; names in lower case; what is no host name,
 * no address, or does not belong to such a policy or result, becomes "". An empty policy domain
 * becomes the domain.
 */
struct tlsrpt_row *tlsrpt_row_create(enum tlsrpt_policy policy, enum tlsrpt_result result,
				     const char *const text[TLSRPT_TEXTS]);
/* Is everything the same but the number of sessions? */
bool tlsrpt_row_is_same(const struct tlsrpt_row *a, const struct tlsrpt_row *b);

/* Letters, digits, hyphens, underscores, in labels; so it may stand in a header field or a file
 * name. */
bool tlsrpt_domain_is_valid(const char *name);
/* For finding a text among many. */
uint64_t tlsrpt_hash(const char *text);

/* The words of RFC 8460: "sts", "certificate-expired"; "success" is ours. From a word: -1 if
 * unknown. */
const char *tlsrpt_policy_name(enum tlsrpt_policy policy);
int tlsrpt_policy_find(const char *name);
const char *tlsrpt_result_name(enum tlsrpt_result result);
int tlsrpt_result_find(const char *name);

#endif
