/*
 * How many deliveries go to one destination at the same time, and who may stand in line for it. Postfix cannot see to that: for its
 * queue manager all mail has the same next hop, the tunnel. A destination is a recipient domain, as it is for Postfix's
 * default_destination_concurrency_limit, or the relay of several of them.
 */
#ifndef DESTINATION_H
#define DESTINATION_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "destination_pace.h"
#include "destination_service.h"
#include "lib/deadline.h"

/* A delivery stands in line no longer than this; longer lines are for the mail host's queue. */
#define DESTINATION_WAIT_MAX_MS 30000

/* What is remembered of destinations where nobody is: so many, and for so long. */
#define DESTINATIONS_REMEMBERED_MAX 2000
#define DESTINATION_REMEMBERED_MS 600000
#define DESTINATION_WORDS_MAX 256

struct destination;
struct destination_client;

struct destination_table {
	pthread_mutex_t lock;	/* protects everything below, all destinations, all clients, those in line */
	struct destination *by_domain;	/* where somebody is inside or in line, or that are remembered */
	struct destination *remembered;	/* of them, those where nobody is; the one left first first */
	size_t remembered_count;
	struct destination_client *clients;	/* that have something inside or in line */
	bool is_stopping;
};

void destination_table_init(struct destination_table *table);
/* Nobody may be inside or in line; what is remembered is forgotten. */
void destination_table_wipe(struct destination_table *table);
/* The edge gives up: all who stand in line are CANCELLED now, later ones instead of waiting. */
void destination_table_stop(struct destination_table *table);

/* Destinations where somebody is inside or in line. */
size_t destination_table_occupied(struct destination_table *table);

struct destination_request {
	const char *domain;		/* in any case of letters; or a relay's next_hop */
	size_t limit;			/* places */
	int64_t wait_max_ms;		/* in line */
	struct deadline deadline;	/* of the delivery; ends the wait too */
	const char *client;		/* whose slots are to be shared fairly; NULL: nobody's */
	size_t slots;			/* that the client is known to have: its tunnels */
};

/* What the holder of a place tells when it leaves. */
struct destination_lesson {
	enum destination_news news;
	bool has_news;				/* something happened at a host at all */
	int64_t pause_ms;			/* with PAUSE */
	char words[DESTINATION_WORDS_MAX];	/* with PAUSE and UNREACHABLE: why, for those who are turned away */
};

/* A place at a destination, its holder's; with BUSY and CLOSED: what was in the way. */
struct destination_place {
	struct destination *destination;
	struct destination_presence *presence;
	int64_t entered_ms;
	bool is_probe;			/* the first one after it was closed */
	size_t active, waiting;
	int64_t closed_for_ms;		/* CLOSED: how long still; 0: until the delivery under way has found out */
	char words[DESTINATION_WORDS_MAX];	/* CLOSED: why */
};

enum destination_result {
	DESTINATION_ENTERED,	/* leave with destination_leave() */
	DESTINATION_BUSY,
	DESTINATION_CLOSED,	/* not to be tried at all for a while, see destination_pace.h */
	DESTINATION_CANCELLED,	/* by destination_table_stop() */
	DESTINATION_NO_MEMORY,
};

/*
 * Takes one of the places of a domain, if need be after standing in line, first come, first served.
 * BUSY: at once, when the line is longer than can be served within wait_max_ms at the speed seen
 * lately; or when wait_max_ms or the deadline has passed; or as soon as the client's slots are needed more
 * elsewhere (destination_share.h).
 */
enum destination_result destination_enter(struct destination_table *table,
					  const struct destination_request *request,
					  struct destination_place *place_out);
/* How the holder of a place gets on. Where nobody does, the destination is silent (destination_share.h). */
void destination_note(struct destination_table *table, const struct destination_place *place, enum destination_step step);
/* NULL: there was nothing to be learnt. */
void destination_leave(struct destination_table *table, const struct destination_place *place,
		       const struct destination_lesson *lesson);

#endif
