/*
 * Delivers one message to all of its recipients: grouped by next hop (a domain, or the relay of
 * several), next hops in parallel, one outcome each.
 */
#ifndef DELIVERY_H
#define DELIVERY_H

#include <stdatomic.h>
#include <stddef.h>

#include "connection_cache.h"
#include "content.h"
#include "delivery_progress.h"
#include "destination.h"
#include "edge_setup.h"
#include "journal.h"
#include "keeper_client.h"
#include "relay_refusals.h"
#include "lib/deadline.h"
#include "lib/delivery_status.h"
#include "lib/envelope.h"
#include "tenant.h"

/* How far the edge's own end has come; moves only forward. */
enum edge_phase {
	EDGE_RUNNING,
	EDGE_DRAINING,		/* no new transactions */
	EDGE_CANCELLING,	/* deliveries that are not past the final dot give up */
};

/* Shared by every thread of the edge. */
struct delivery_load {
	/* For further domains, of all messages together, and for deliveries that nobody waits for any more. */
	_Atomic int64_t threads;
};

/* Likewise. */
struct edge_end {
	_Atomic int phase;	/* enum edge_phase */
	int cancel_fd; /* eventfd; becomes readable, and stays so, with EDGE_CANCELLING: wakes
			  threads that wait for a peer */
};

/* Called once for each recipient, from any thread of the delivery, one call at a time. */
typedef void delivery_sink_fn(void *context, size_t recipient,
			      const struct delivery_status *status);

struct delivery {
	struct edge_setup *setup;
	const struct envelope *envelope;
	const struct content *content;		/* sealed: nobody writes to it */
	const uint8_t *content_digest;		/* CONTENT_DIGEST_SIZE */
	const struct tenant *tenant;		/* whose mail it is */
	size_t slots;				/* of the tenant's mail host: its tunnels now */
	bool tls_required_no;			/* the message says "TLS-Required: No" (RFC 8689 5) */
	struct deadline deadline;
	struct journal *journal;		/* NULL: nothing is journaled */
	struct sts_store *sts;			/* NULL: MTA-STS is not looked at */
	struct tlsrpt *tlsrpt;			/* NULL: TLS sessions are not counted */
	struct keeper_client *keeper;		/* NULL: nobody knows a password for a relay */
	struct relay_refusals *refusals;	/* NULL: nobody remembers which was refused */
	const struct edge_end *end;
	struct delivery_load *load;
	struct destination_table *destinations;
	struct connection_cache *connections;	/* NULL: no session is kept for another message */
	struct delivery_progress *progress;	/* NULL: nobody will ask */
	delivery_sink_fn *sink;
	void *context;
};

/*
 * Returns when every recipient has its outcome. Uses the calling thread for one next hop and
 * further threads for others.
 */
void delivery_run(const struct delivery *delivery);

#endif
