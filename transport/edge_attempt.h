/*
 * Getting a tunnel to an edge of a route, with what is known of its health, and telling the others
 * what came of it.
 *
 *   1. One edge of the route whose probe is due, if no other process has claimed it: an attempt that
 *      is cut short.
 *   2. Those that are up, in order.
 *   3. Those that are down, as there is nothing to lose. One process at a time tries such an edge,
 *      and no more often than its attempts take; who comes meanwhile waits a moment for the outcome.
 *
 * So an edge that is dead costs one process one attempt, then nobody until the next probe, and one
 * that is back is used at the latest a second later if the mail has no other.
 */
#ifndef EDGE_ATTEMPT_H
#define EDGE_ATTEMPT_H

#include "relay.h"
#include "transport_conf.h"

struct edge_attempt {
	struct relay *relay;
	const struct transport_conf *conf;
	struct deadline deadline; /* of all */
};

/*
 * A tunnel to the first edge that can be had. 0, or -1 with *status, which says what the last one
 * tried said, or that none was; the log has the others.
 */
int edge_attempt_route(const struct edge_attempt *attempt, const struct edge *const *edges,
		       size_t count, struct delivery_status *status);
/* The same for the one edge that may be used, whatever its health. */
int edge_attempt_only(const struct edge_attempt *attempt, const struct edge *edge,
		      struct delivery_status *status);

#endif
