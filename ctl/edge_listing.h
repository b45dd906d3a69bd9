/* What is known of edges: their lines in the tables, and their health in the shared state. */
#ifndef EDGE_LISTING_H
#define EDGE_LISTING_H

#include <stdbool.h>

#include "transport/edge_table.h"
#include "transport/route.h"

struct edge_listing {
	const struct edge_table *edges;
	const struct route_table *routes;
	const char *state_path;
	bool is_json;
};

/* All edges on standard output, as lines or a JSON array. 0, or -1: out of memory. */
int edge_listing_print(const struct edge_listing *listing);
/* One of them: a line or a JSON object. */
int edge_listing_print_one(const struct edge_listing *listing, const struct edge *edge);

#endif
