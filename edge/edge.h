/* What all threads of the edge share. */
#ifndef EDGE_H
#define EDGE_H

#include <pthread.h>

#include "check_turn.h"
#include "content.h"
#include "delivery.h"
#include "delivery_jobs.h"
#include "destination.h"
#include "edge_setup.h"
#include "handshake_table.h"
#include "keeper_client.h"
#include "log_limit.h"
#include "message_log.h"
#include "outcome_table.h"
#include "session_table.h"
#include "tenant_table.h"
#include "tunnel/noise.h"

struct edge {
	pthread_mutex_t setup_lock;	/* protects the pointer, not what it points to (immutable) */
	struct edge_setup *setup;
	int64_t started_ms;		/* fixed; deadline_now_ms() */
	struct keeper_client *keeper;	/* has its own lock */
	struct content_pool content_pool;	/* has its own lock */
	struct handshake_table handshakes;	/* has its own lock */
	struct session_table sessions;	/* likewise */
	struct journal *journal;	/* has its own lock */
	struct sts_store *sts;		/* likewise */
	struct tlsrpt *tlsrpt;		/* likewise */
	struct edge_end end;
	struct delivery_load load;
	struct delivery_jobs jobs;	/* has its own lock */
	struct destination_table destinations;	/* has its own lock */
	struct relay_refusals relay_refusals;	/* likewise */
	struct tenant_table tenants;	/* likewise */
	struct outcome_table outcomes;	/* likewise */
	struct message_log messages;	/* likewise */
	struct connection_cache *connections;	/* has its own lock */
	struct log_limit handshake_log;	/* has its own lock */
	struct check_turn check_turn;	/* likewise */
	struct keeper_keys keys;	/* the main thread's: public keys of the edge now */
	/* The main thread's: which allow-list the tunnels were last held against, and until when again. */
	uint64_t list_generation;
	struct deadline list_settles;
	bool has_lost_keeper;		/* the main thread's: this is why the edge stops */
};

/* The setup in force now; release it with edge_setup_release(). */
struct edge_setup *edge_acquire_setup(struct edge *edge);
/* Takes over the caller's reference; the old setup lives until its last transaction is done. */
void edge_replace_setup(struct edge *edge, struct edge_setup *fresh);

#endif
