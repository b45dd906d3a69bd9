/* One tunnel: handshake, then transactions one after the other until either side has had enough. */
#ifndef EDGE_SESSION_H
#define EDGE_SESSION_H

#include "edge.h"
#include "lib/endpoint.h"

/* Who comes: someone whose first message, not yet read, has the right mac1. */
struct edge_visitor {
	char peer[SOCKADDR_TEXT_MAX];	/* printable address, for the log */
	uint64_t network;		/* as in stranger_table.h */
	uint8_t mac1[TUNNEL_MAC1_SIZE];
	uint8_t own_key[NOISE_DHLEN];	/* the edge's, that it knows */
	bool is_old_key;		/* which is being replaced */
};

/*
 * Starts a thread that serves the connected socket `fd` (owned from now on). Refuses (closes) when
 * there is no room, and whoever repeats a first message that is being answered.
 */
void edge_session_start(struct edge *edge, int fd, const struct edge_visitor *visitor);

#endif
