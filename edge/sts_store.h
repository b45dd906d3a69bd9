/*
 * What MTA-STS policy is in force for a domain (RFC 8461 3.3, 5.1): kept in memory and in a file
 * that survives a restart; looked for in the DNS and fetched over HTTPS, by a helper process
 * without the edge's privileges, when it is not known or may have changed.
 *
 * A delivery waits only for the first policy of a domain. Afterwards the kept policy is given at
 * once, and looking whether it has changed happens behind the delivery's back. One fetch at a time
 * for one domain; whoever else asks waits for the same fetch.
 *
 * A policy in force ends by its max_age or by a newer policy (mode none is how a domain withdraws
 * one), and by nothing else: neither by a TXT record that is gone, nor by a policy host that is.
 */
#ifndef STS_STORE_H
#define STS_STORE_H

#include "edge_setup.h"
#include "lib/deadline.h"
#include "sts_lookup.h"
#include "lib/sts_policy.h"

struct sts_answer {
	enum sts_finding finding;
	struct sts_policy policy;	/* FOUND; owned */
	char reason[200];		/* why there is no policy, or why the kept one could not be refreshed */
};

/* All in milliseconds. */
struct sts_times {
	int64_t fetch;		/* for finding out about one domain, at most */
	int64_t look;		/* the TXT record of a kept policy is looked at again after this */
	int64_t refetch;	/* the text is fetched again after this, or half of max_age if that is less */
	int64_t unasked;	/* policies that live shorter are refreshed only when somebody asks */
	int64_t unused;		/* those not used for so long are not refreshed unasked */
	int64_t retry, retry_max; /* after a failed refresh: doubled each time */
	int64_t negative;	/* "no policy" counts so long */
	int64_t unknown;	/* the same if the DNS did not answer */
	int64_t save;		/* from a change to writing the file */
};

extern const struct sts_times sts_times_default;

struct sts_store;

/*
 * file: where policies are kept ("" = in memory only); helper: the program that fetches; times: NULL
 * = the default ones. A damaged file costs the damaged entries and a warning, one that cannot be
 * read a warning. NULL with error.
 */
struct sts_store *sts_store_create(const char *file, const char *helper,
				   const struct sts_times *times, char *error, size_t error_size);
/*
 * Ends the threads and writes the file if something has changed. Waits for nothing but what already
 * runs: helpers are killed, DNS questions have a few seconds. Whoever is in sts_store_find() is
 * answered soon. NULL is allowed; a second time does nothing. One thread calls it.
 */
void sts_store_stop(struct sts_store *store);
/* Stops it first. Nobody may be in sts_store_find() any more. NULL is allowed. */
void sts_store_destroy(struct sts_store *store);

/*
 * domain: A-labels, lower case. Always fills *answer in, to be wiped. Thread-safe. The store keeps a
 * reference to the setup that it got last: policies are refreshed with it.
 */
void sts_store_find(struct sts_store *store, struct edge_setup *setup, const char *domain,
		    struct deadline deadline, struct sts_answer *answer);
void sts_answer_wipe(struct sts_answer *answer);

#endif
