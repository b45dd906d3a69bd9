/*
 * Asking for a domain's MTA-STS policy, without remembering anything: the DNS, whether one is
 * announced (RFC 8461 3.1), and the policy host, for the text (3.3).
 */
#ifndef STS_LOOKUP_H
#define STS_LOOKUP_H

#include <stddef.h>

#include "edge_setup.h"
#include "lib/deadline.h"
#include "sts_fetcher.h"
#include "lib/sts_policy.h"
#include "lib/sts_record.h"

enum sts_finding {
	STS_FOUND,		/* policy is in force, whatever its mode */
	STS_ABSENT,		/* the domain announces none, or the DNS would not say */
	STS_FETCH_FAILED,	/* announced, but not to be had: HTTPS, time-out, HTTP status */
	STS_WEBPKI_INVALID,	/* announced, but the policy host's certificate does not hold */
	STS_INVALID,		/* announced and fetched, but no policy by its syntax */
};

enum sts_announcement {
	STS_ANNOUNCED,
	STS_NOT_ANNOUNCED,
	STS_ANNOUNCEMENT_UNKNOWN, /* the lookup failed */
};

/* domain: A-labels. The TXT record at _mta-sts.DOMAIN; ANNOUNCED: its id, otherwise a reason. */
enum sts_announcement sts_lookup_id(struct edge_setup *setup, const char *domain,
				    struct deadline deadline, char id[STS_ID_MAX + 1], char *reason,
				    size_t reason_size);
/* FOUND: *policy, to be wiped; otherwise a reason and *policy empty. Never ABSENT. */
enum sts_finding sts_lookup_policy(struct sts_fetcher *fetcher, struct edge_setup *setup,
				   const char *domain, struct deadline deadline,
				   struct sts_policy *policy, char *reason, size_t reason_size);

#endif
