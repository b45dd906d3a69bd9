/*
 * Runs postern-sts-fetch: a process for each policy that is to be fetched, so that HTTPS with
 * strangers, and whatever can be wrong with it, stays out of the edge. A few at a time; each ends
 * by its deadline, whatever it does.
 */
#ifndef STS_FETCHER_H
#define STS_FETCHER_H

#include <stddef.h>
#include <sys/socket.h>

#include "lib/conf.h"
#include "lib/deadline.h"
#include "sts_fetch_status.h"

#define STS_FETCHERS_MAX 8
#define STS_FETCH_ADDRESSES_MAX 8

struct sts_fetch_request {
	const char *domain;
	const struct sockaddr_storage *addresses; /* of mta-sts.DOMAIN; what is too many is left out */
	size_t address_count;
	const struct conf_list *allow; /* networks that the address guard lets pass */
	const char *ca_file;	       /* or NULL: the system's */
};

struct sts_fetch_result {
	/*
	 * What the program says of itself. UNAVAILABLE also for one that did not end in time; LOCAL
	 * for one that could not be started, broke down, or said what it should not.
	 */
	enum sts_fetch_status status;
	char *bytes; /* DONE: owned */
	size_t length;
	char reason[300]; /* otherwise: one printable line */
};

struct sts_fetcher;

/* program: path of postern-sts-fetch; it need not be there yet. NULL without memory or descriptors. */
struct sts_fetcher *sts_fetcher_create(const char *program);
/* Nothing may be running any more. */
void sts_fetcher_destroy(struct sts_fetcher *fetcher);

/*
 * Always fills *result in, to be wiped. Thread-safe: waits until less than STS_FETCHERS_MAX run.
 */
void sts_fetcher_run(struct sts_fetcher *fetcher, const struct sts_fetch_request *request,
		     struct deadline deadline, struct sts_fetch_result *result);
void sts_fetch_result_wipe(struct sts_fetch_result *result);
/* Kills what runs; nothing runs from now on. Every sts_fetcher_run() returns soon. */
void sts_fetcher_cancel(struct sts_fetcher *fetcher);

#endif
