/* The DNS Tree Walk (RFC 9989 4.10): which DMARC record holds for a domain, and what its
 * organizational domain is. */
#ifndef DMARC_WALK_H
#define DMARC_WALK_H

#include "dmarc_record.h"
#include "lookup.h"

/* 4.10: no more questions than these for a domain, however long its name. */
#define DMARC_WALK_MAX 8

enum dmarc_found { DMARC_FOUND, DMARC_NOT_FOUND, DMARC_UNKNOWN };

struct dmarc_walk {
	enum dmarc_found found;
	char policy_domain[DNS_NAME_MAX + 1]; /* DMARC_FOUND: whose record it is */
	struct dmarc_record record;
	enum dmarc_policy
		policy;	     /* what it asks for mail of the domain: p, or sp of another's record */
	char complaint[200]; /* what is wrong in it; "": nothing */
	char organizational_domain[DNS_NAME_MAX +
				   1];	/* the domain itself if nothing says otherwise */
	char several[DNS_NAME_MAX + 1]; /* a name on the way with more than one record, which then
					   do not count; "": none */
	char error[DNS_ERROR_MAX];	/* DMARC_UNKNOWN */
};

/* domain: A-labels, no final dot. Always fills *walk. */
void dmarc_walk(const struct lookup_source *source, const char *domain, struct dmarc_walk *walk);

#endif
