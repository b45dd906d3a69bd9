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
#include "lib/tlsrpt_file.h"

/* Sessions that wait for the thread. Beyond, they are not counted, and the log says how many. */
#define TLSRPT_QUEUE_MAX 1000

/*
 * One session with one mail exchanger, or one policy that could not be had (mx_host ""). NULL is as
 * good as "". What is too long is cut, what is no name or address is left out (lib/tlsrpt_row.h).
 */
struct tlsrpt_session {
	const char *domain; /* the recipient domain in A-labels: it is asked, and reported to */
	/* Whose policy it is (RFC 8460 1.1): TLSA: the base domain (RFC 7672 2.2.3); "" = domain. */
	const char *policy_domain;
	enum tlsrpt_policy policy;
	/* Its lines as RFC 8460 4.4 "policy-string" wants them, joined by LF; "" = none. */
	const char *policy_text;
	const char *mx_pattern; /* STS: the mx patterns, joined by LF; "" otherwise */
	const char *mx_host;
	const char *receiving_ip; /* as inet_ntop(3) prints them */
	const char *sending_ip;
	enum tlsrpt_result result;
	const char *reason; /* "failure-reason-code": a short text, or "" */
};

struct tlsrpt;

/*
 * directory: where the days' files are kept (TLSRPT_DIRECTORY); made if it does not exist. If it cannot be used, the
 * log says so and the counts stay in memory, to be written when it can. NULL with error: no memory,
 * no thread.
 */
struct tlsrpt *tlsrpt_create(const char *directory, char *error, size_t error_size);
/*
 * Takes what is in the queue, writes what is counted, ends the thread: after TLSRPT_LOOKUP_MS and a
 * write at most. Nobody may be counting any more. NULL is allowed.
 */
#define TLSRPT_LOOKUP_MS 5000
void tlsrpt_destroy(struct tlsrpt *tlsrpt);
/*
 * Copies what it needs. Keeps the setup until its resolver was asked. Does nothing if the setup
 * says `tls_reports = no', if tlsrpt is NULL, or if the domain is an address literal.
 */
void tlsrpt_count(struct tlsrpt *tlsrpt, struct edge_setup *setup,
		  const struct tlsrpt_session *session);

#endif
