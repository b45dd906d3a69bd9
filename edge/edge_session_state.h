/* The inside of a session, for edge_session.c and session_*.c alone. */
#ifndef EDGE_SESSION_STATE_H
#define EDGE_SESSION_STATE_H

#include <stdbool.h>

#include "edge.h"
#include "lib/endpoint.h"
#include "lib/token_bucket.h"
#include "transaction.h"
#include "tunnel/tunnel.h"

struct edge_session {
	struct edge *edge;
	int fd;
	char peer[SOCKADDR_TEXT_MAX];
	struct keeper_client_key own_key;
	bool is_old_key;		/* the client knows only the key that is being replaced */
	struct handshake handshake;	/* until it is over */
	struct session_entry entry;
	struct authorized_client client;
	bool is_invited;		/* it holds an invite, and may ask about that, nothing else */
	bool is_unknown;		/* nobody could tell whether it is a client */
	struct keeper_admission admission;
	struct tenant_limits limits;	/* as the handshake found them, for INFO */
	struct tunnel tunnel;
	bool is_lost;			/* outcomes cannot be sent any more; the delivery goes on */
	int64_t wait_limit_ms;		/* of the message that is being delivered */
	size_t open_recipients;		/* of it, outcomes not told */
	struct token_bucket questions;	/* rate.tokens 0: nothing was asked yet */
	struct transaction transaction;
};

/* The session goes on after a message that was answered in this thread and not in the one that received it, to its end. */
void edge_session_resume(struct edge_session *session);

#endif
