/*
 * TLSA records of a mail exchanger (RFC 7672 2.2): under which name they are to be looked for, how far
 * they can be trusted, which of them can be used.
 */
#ifndef DANE_H
#define DANE_H

#include "dns/dns_lookup.h"
#include "mx_list.h"

/* Kept of one host's records; a host with more is bounded, not refused. */
#define DANE_RECORDS_MAX 100

enum dane_state {
	DANE_NONE,	/* no secure TLSA records: as if DANE did not exist (2.1.1) */
	DANE_USABLE,	/* records: TLS, and the certificate must match one of them */
	DANE_UNUSABLE,	/* secure records, none usable: TLS, but no authentication (2.2) */
	DANE_FAILED,	/* a lookup failed or is bogus: this host must not be used now (2.1.2) */
};

struct dane_records {
	enum dane_state state;
	char base_domain[DNS_NAME_MAX + 1]; /* of the records found: SNI and reference identifier (3.2.2, 8.1) */
	struct dns_tlsa *tlsa;		    /* the usable ones, owned */
	size_t count;
	char reason[DNS_ERROR_MAX];	    /* FAILED: the resolver's words; UNUSABLE: what is wrong with them */
	bool is_bogus;			    /* FAILED because DNSSEC validation did */
};

/*
 * Looks up the TLSA records for `port` of this host; what mx_list knows of the security of its
 * address records decides whether and under which names (2.2.2). Always fills *records in, to be
 * wiped.
 */
void dane_look_up(struct dane_records *records, struct dns_resolver *resolver,
		  const struct mx_host *host, int port, struct deadline deadline);
void dane_records_wipe(struct dane_records *records);

#endif
