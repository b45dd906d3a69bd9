/*
 * Which edges serve which envelope sender.
 *
 *   line     = sender WSP names
 *   sender   = domain / "*"               ; domain of the reverse-path, without regard to case
 *   names    = name *( ( "," / WSP ) name )  ; of edges, the first usable one is used
 *
 * The exact domain wins over "*". The null reverse-path has no domain: only "*" matches it. Without
 * a table every edge serves every sender, in the order of the table of edges. With one, a sender
 * that no line matches has no edge: its mail waits.
 */
#ifndef ROUTE_H
#define ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "edge_table.h"
#include "lib/smtp_limits.h"

/* Edges of one route; more would only make a failing attempt longer than Postfix waits. */
#define ROUTE_EDGES_MAX 16

struct route {
	char sender[SMTP_DOMAIN_MAX + 1]; /* lower case; "*" */
	char edges[ROUTE_EDGES_MAX][EDGE_NAME_MAX + 1];
	size_t edge_count;
	size_t line;
};

struct route_table {
	struct route *routes;
	size_t count;
	bool is_missing; /* no file: every edge for everybody */
	struct stat status;
};

/*
 * 0, or -1 with "PATH:LINE: what". A name that is not in `edges` is an error; a missing file is
 * none.
 */
int route_table_read(struct route_table *table, const char *path, const struct edge_table *edges,
		     char *error, size_t error_size);
void route_table_wipe(struct route_table *table);

/*
 * The edges to try for a sender domain ("" = null reverse-path), best first, disabled ones left
 * out; returns their number, at most ROUTE_EDGES_MAX. 0: no usable edge, the mail must wait.
 */
size_t route_choose(const struct route_table *table, const struct edge_table *edges,
		    const char *sender_domain, const struct edge *chosen[ROUTE_EDGES_MAX]);

#endif
