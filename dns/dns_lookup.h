/*
 * DNS questions (ldns) with absolute deadlines. Every answer says how far it can be trusted (RFC
 * 4033 5), as a value. One dns_resolver serves all threads; each lookup uses its own sockets.
 *
 * The cache that knows about DNSSEC, prefetching and negative answers is that of the validating resolver on
 * loopback, which the edge wants anyway. What was asked a moment ago is not asked again, if wanted
 * (dns_cache.h).
 */
#ifndef DNS_LOOKUP_H
#define DNS_LOOKUP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/deadline.h"
#include "lib/smtp_limits.h"

/* Is the AD bit believed? Only from loopback resolvers, or when the configuration says so. */
enum dns_trust { DNS_SECURE, DNS_INSECURE, DNS_BOGUS, DNS_FAILED };

enum dns_result {
	DNS_FOUND, /* at least one record of the type asked for */
	DNS_NXDOMAIN,
	DNS_NODATA, /* the name exists, the type does not */
	DNS_ERROR,  /* SERVFAIL, time-out, malformed, CNAME loop...: trust is BOGUS or FAILED */
};

/* Why there is no answer. What a broken path does, a silent or a refusing server, says nothing about the record. */
enum dns_failure {
	DNS_FAILURE_NONE,
	DNS_FAILURE_TIMEOUT,  /* nobody answered */
	DNS_FAILURE_SERVFAIL, /* the resolver could not find out; or bogus, which trust says */
	DNS_FAILURE_REFUSED,
	DNS_FAILURE_OTHER, /* another code, malformed, CNAME loop, no memory */
};

/* Aliases followed before it is called a loop. */
#define DNS_CNAME_MAX 10
#define DNS_NAME_MAX 255
#define DNS_RECORDS_MAX 1000
#define DNS_ERROR_MAX 448
/* For whoever keeps something for the time of an answer. Answers without records have the floor. */
#define DNS_TTL_FLOOR_S 5
#define DNS_TTL_CEILING_S 86400

struct dns_mx {
	uint16_t preference;
	char exchange[DNS_NAME_MAX + 1]; /* "" = "." */
};

/* RFC 6698 2.1; the values as they stand there, whether known or not. */
struct dns_tlsa {
	uint8_t usage, selector, matching_type;
	size_t length;
	uint8_t *data; /* certificate association data, owned by the record's holder */
};

struct dns_answer {
	enum dns_result result;
	enum dns_trust trust;
	enum dns_failure failure; /* DNS_ERROR: of the server that was asked last */
	uint32_t ttl_s; /* smallest of the records used, clamped to floor and ceiling */
	char name[DNS_NAME_MAX + 1]; /* after CNAMEs, lower case, no final dot */
	size_t count;
	struct dns_mx *mx;		    /* MX; PTR, CNAME: the name as exchange, preference 0 */
	struct sockaddr_storage *addresses; /* A, AAAA: port 0 */
	struct dns_tlsa *tlsa;
	char **txt; /* the strings of each record joined; '?' for what is not printable ASCII */
	char error[DNS_ERROR_MAX]; /* DNS_ERROR: "SERVFAIL from 127.0.0.1 for example.com MX" */
};

/* CNAME: that record itself, as exchange; it is not followed. */
enum dns_type {
	DNS_TYPE_A,
	DNS_TYPE_MX,
	DNS_TYPE_AAAA,
	DNS_TYPE_PTR,
	DNS_TYPE_CNAME,
	DNS_TYPE_TLSA,
	DNS_TYPE_TXT,
};

struct dns_resolver;
/*
 * servers: addresses ("127.0.0.1", "127.0.0.1@5353", "::1"); empty list (or NULL) = those of
 * /etc/resolv.conf, which is read again when it changes. trust_ad: believe AD from servers that are
 * not on loopback too. NULL with error.
 */
struct dns_resolver *dns_resolver_create(const struct conf_list *servers, bool trust_ad,
					 char *error, size_t error_size);
void dns_resolver_destroy(struct dns_resolver *resolver);
/* From now on answers are kept so long, at most. Before the resolver is shared. 0, or -1: out of memory. */
int dns_resolver_keep_answers(struct dns_resolver *resolver, int64_t keep_ms);
/* Forgets those that are too old. */
void dns_resolver_expire(struct dns_resolver *resolver);
/* May AD be believed, from every server? false: say so once, loudly, where it matters. */
bool dns_resolver_is_trusted(struct dns_resolver *resolver);

/*
 * Always fills *answer. name: ASCII (A-labels), checked for length and label rules; bad names are
 * DNS_NXDOMAIN without a question being asked. The servers are asked in turn, in rounds with
 * growing patience, at most 15 s for each server, even if the deadline is later.
 */
void dns_lookup(struct dns_resolver *resolver, const char *name, enum dns_type type,
		struct deadline deadline, struct dns_answer *answer);
void dns_answer_wipe(struct dns_answer *answer);

#endif
