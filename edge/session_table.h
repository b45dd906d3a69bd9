/*
 * The tunnels that are up: limits, ending the idle ones of a revoked client, and waiting for all of
 * them at the end.
 */
#ifndef SESSION_TABLE_H
#define SESSION_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/deadline.h"
#include "tunnel/authorized_clients.h"
#include "tunnel/frame.h"

/* The tunnels of one client. */
struct session_client;

/* A session's row; embedded in the session, which outlives it. */
struct session_entry {
	struct session_entry *next, **link;
	int fd; /* the tunnel's socket from admission until session_table_release(), else -1 */
	struct authorized_client client;	/* valid once admitted */
	struct session_client *counts;	/* NULL: not admitted, the handshake is not done */
	bool is_busy;			/* a transaction is open */
	enum close_reason end_reason;	/* not 0: end before the next transaction */
};

struct session_table {
	pthread_mutex_t lock;		/* protects everything below and every row in the table */
	pthread_cond_t emptied;
	struct session_entry *first;
	size_t count;
	size_t admitted;
	struct session_client *clients;	/* by name; those with a tunnel */
	bool is_stopping;
};

void session_table_init(struct session_table *table);

/*
 * A new connection that proved to know the edge's key; handshake_table.h has the limits. false: the
 * edge stops.
 */
bool session_table_add(struct session_table *table, struct session_entry *entry);

/* They count tunnels: sessions whose handshake is done. */
struct session_limits {
	size_t in_all, per_client;
};

enum session_admission {
	SESSION_ADMITTED,
	SESSION_STOPPING,		/* session_table_end_reason() says why */
	SESSION_TOO_MANY,		/* or no memory for one more */
	SESSION_TOO_MANY_OF_CLIENT,	/* of this client name */
};

/* The handshake on `fd` is done. */
enum session_admission session_table_admit(struct session_table *table, struct session_entry *entry,
					   int fd, const struct authorized_client *client,
					   struct session_limits limits);
/*
 * The socket is about to be closed: nobody may touch it any more (its number may soon be
 * another's).
 */
void session_table_release(struct session_table *table, struct session_entry *entry);
/* The session is over; the last thing its thread does with the edge. */
void session_table_remove(struct session_table *table, struct session_entry *entry);

/* Tunnels of this client name; *busy_out (or NULL): those with a transaction. */
size_t session_table_count(struct session_table *table, const char *client, size_t *busy_out);

/* The client name of every tunnel, in no order. Heap; NULL: no memory, or no session (*count 0). */
typedef char session_client_name[CLIENT_NAME_MAX + 1];
session_client_name *session_table_names(struct session_table *table, size_t *count);

/* A transaction begins; not 0: it must not, for this reason. */
enum close_reason session_table_begin(struct session_table *table, struct session_entry *entry);
/* It is over; not 0: close the tunnel for this reason. */
enum close_reason session_table_finish(struct session_table *table, struct session_entry *entry);
enum close_reason session_table_end_reason(struct session_table *table,
					   struct session_entry *entry);

/*
 * Ends admitted sessions for which `is_to_end` says so (it may not call back into the table): idle
 * ones wake up at once and find end_reason, busy ones find it after their transaction. Returns how
 * many.
 */
typedef bool session_table_filter_fn(void *context, const struct authorized_client *client);
size_t session_table_end(struct session_table *table, session_table_filter_fn *is_to_end,
			 void *context, enum close_reason reason);
/* Ends all of them with CLOSE_SHUTDOWN and lets no new one in. */
void session_table_stop(struct session_table *table);
/*
 * After session_table_stop(): busy sessions, too, hear nothing more. One that is still being sent a
 * message ends; one that delivers does not listen anyway, and can still answer.
 */
void session_table_cut(struct session_table *table);
/* Waits until the table is empty or the deadline passes; returns how many are left. */
size_t session_table_wait_empty(struct session_table *table, struct deadline deadline);

#endif
