/*
 * What MTA-STS policy is in force for a domain (RFC 8461 3.3, 5.1): kept in memory and in a file
 * that survives a restart; looked for in the DNS and fetched over HTTPS, by a helper process
 * without the edge's privileges, when it is not known or may have changed.
 *
 * A delivery waits only for the first policy of a domain. Afterwards the kept policy is given at
 * once, and looking whether it has changed happens behind the delivery's back. One fetch at a time
 * for one domain; whoever else asks waits for the same fetch.
 */
#ifndef STS_STORE_H
#define STS_STORE_H

#include "edge_setup.h"
#include "lib/deadline.h"
#include "sts_policy.h"

enum sts_finding {
	STS_FOUND,		/* policy is in force, whatever its mode */
	STS_ABSENT,		/* the domain announces none */
	STS_FETCH_FAILED,	/* announced, but not to be had: HTTPS, time-out, HTTP status */
	STS_WEBPKI_INVALID,	/* announced, but the policy host's certificate does not hold */
	STS_INVALID,		/* announced and fetched, but no policy by its syntax */
};

struct sts_answer {
	enum sts_finding finding;
	struct sts_policy policy;	/* FOUND; owned */
	char reason[200];		/* why there is no policy, or why the kept one could not be refreshed */
};

struct sts_store;

/*
 * file: where policies are kept ("" = in memory only); helper: the program that fetches. A damaged
 * file costs the damaged entries and a warning. NULL with error.
 */
struct sts_store *sts_store_create(const char *file, const char *helper, char *error,
				   size_t error_size);
/* Waits for nothing but what already runs: helpers are killed. */
void sts_store_destroy(struct sts_store *store);

/* domain: A-labels, lower case. Always fills *answer in, to be wiped. Thread-safe. */
void sts_store_find(struct sts_store *store, struct edge_setup *setup, const char *domain,
		    struct deadline deadline, struct sts_answer *answer);
void sts_answer_wipe(struct sts_answer *answer);

#endif
