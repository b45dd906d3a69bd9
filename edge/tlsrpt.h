/*
 * Counts of TLS sessions for the reports of RFC 8460, per policy domain and day, in a small bounded
 * file that `postern tlsrpt` makes reports of. Only domains that ask for reports (a TXT record at
 * _smtp._tls.DOMAIN) are counted, so nothing is kept of the others.
 *
 * Counting never waits: whether a domain asks for reports is looked up by a thread of its own, and
 * the file is written by the same thread.
 */
#ifndef TLSRPT_H
#define TLSRPT_H

#include "edge_setup.h"

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

/* One session with one mail exchanger, or one policy that could not be had (mx_host ""). */
struct tlsrpt_session {
	const char *domain;		/* policy domain: the recipient domain in A-labels; TLSA: likewise */
	enum tlsrpt_policy policy;
	/* Lines of the policy as RFC 8460 4.4 "policy-string" wants them, joined by LF; "" = none. */
	const char *policy_text;
	const char *mx_pattern;		/* STS: the mx patterns, joined by LF; "" otherwise */
	const char *mx_host;
	const char *receiving_ip;
	const char *sending_ip;
	enum tlsrpt_result result;
	const char *reason;		/* "failure-reason-code": a short text, or "" */
};

struct tlsrpt;

/* directory: where the days' files are kept; NULL with error. */
struct tlsrpt *tlsrpt_create(const char *directory, char *error, size_t error_size);
/* Writes what is counted, ends the thread. */
void tlsrpt_destroy(struct tlsrpt *tlsrpt);
/* Copies what it needs. The setup's resolver is used, later. */
void tlsrpt_count(struct tlsrpt *tlsrpt, struct edge_setup *setup,
		  const struct tlsrpt_session *session);
const char *tlsrpt_result_name(enum tlsrpt_result result);	/* "certificate-expired" */

#endif
