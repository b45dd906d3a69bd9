/*
 * How many deliveries go to one destination at the same time. Postfix cannot see to that: for its
 * queue manager all mail has the same next hop, the tunnel. A destination is a recipient domain,
 * as it is for Postfix's default_destination_concurrency_limit, or the relay of several of them.
 */
#ifndef DESTINATION_H
#define DESTINATION_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/deadline.h"

/* A delivery stands in line no longer than this; longer lines are for the mail host's queue. */
#define DESTINATION_WAIT_MAX_MS 30000

struct destination;

struct destination_table {
	pthread_mutex_t lock;	/* protects everything below, all destinations, those in line */
	struct destination *by_domain;	/* only those where somebody is inside or in line */
	bool is_stopping;
};

void destination_table_init(struct destination_table *table);
/* Nobody may be inside or in line. */
void destination_table_wipe(struct destination_table *table);
/* The edge gives up: all who stand in line are CANCELLED now, later ones instead of waiting. */
void destination_table_stop(struct destination_table *table);

struct destination_request {
	const char *domain;		/* in any case of letters; or a relay's next_hop */
	size_t limit;			/* places */
	int64_t wait_max_ms;		/* in line */
	struct deadline deadline;	/* of the delivery; ends the wait too */
};

/* A place at a destination, its holder's; with BUSY: what was in the way. */
struct destination_place {
	struct destination *destination;
	int64_t entered_ms;
	size_t active, waiting;
};

enum destination_result {
	DESTINATION_ENTERED,	/* leave with destination_leave() */
	DESTINATION_BUSY,
	DESTINATION_CANCELLED,	/* by destination_table_stop() */
	DESTINATION_NO_MEMORY,
};

/*
 * Takes one of the places of a domain, if need be after standing in line, first come, first served.
 * BUSY: at once, when the line is longer than can be served within wait_max_ms at the speed seen
 * lately; or when wait_max_ms or the deadline has passed.
 */
enum destination_result destination_enter(struct destination_table *table,
					  const struct destination_request *request,
					  struct destination_place *place_out);
void destination_leave(struct destination_table *table, const struct destination_place *place);

#endif
