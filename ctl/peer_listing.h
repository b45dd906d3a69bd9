/* The allow-list, and what the running edge has counted of each client. */
#ifndef PEER_LISTING_H
#define PEER_LISTING_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/table.h"
#include "tunnel/authorized_clients.h"

struct peer_listing {
	const struct authorized_clients *list;	/* in the order of the file */
	struct table *table;			/* the same file; its values are cut up */
	FILE *counts;				/* a line of JSON for each client, as the edge answers "peers" */
	const char *reason;			/* why there are none; NULL: there are */
	bool is_json;
};

/* On standard output. 0, or -1: out of memory, or the counts are not understood. */
int peer_listing_print(const struct peer_listing *listing);

#endif
