/*
 * The health of edges (edge_health.h) in the shared edge state: what every transport of this host
 * knows. An edge is known by its key and its endpoint, so that another place or another key is
 * another edge. A state that cannot be used makes every edge one that is up: then each message finds
 * out for itself. That it cannot be used, affinity.c says.
 */
#ifndef EDGE_WATCH_H
#define EDGE_WATCH_H

#include <stddef.h>

#include "edge_health.h"
#include "edge_table.h"

/* As of now; all zero for one that was never tried. `path` of the state, NULL: there is none. */
void edge_watch_read(const char *path, const struct edge *edge, struct edge_health *health);
/*
 * Takes the next probe for this process, unless another one was first or it is not due. `is_last`:
 * no other edge is left. *health as of now in either case.
 */
bool edge_watch_claim(const char *path, const struct edge *edge, bool is_last, int64_t for_ms,
		      struct edge_health *health);
/* How an attempt ended. Says in the log when the edge went down or is back. */
void edge_watch_note(const char *path, const struct edge *edge,
		     const struct edge_health_attempt *attempt, struct edge_health *health);

#endif
