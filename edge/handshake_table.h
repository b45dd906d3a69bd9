/*
 * Handshakes that are under way: connections that know the edge's public key, which is no secret,
 * and have not yet proved to be a client. Each has a thread. They have limits of their own, so that
 * they take no client's place among the tunnels.
 */
#ifndef HANDSHAKE_TABLE_H
#define HANDSHAKE_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tunnel/tunnel_limits.h"

/* A row; embedded in the session, which outlives it. */
struct handshake {
	struct handshake *older, *newer;
	int fd;				/* a descriptor of its own; -1: not in the table */
	uint64_t network;		/* as in stranger_table.h */
	uint8_t mac1[TUNNEL_MAC1_SIZE];	/* of its first message, which is no other's */
	bool is_dropped;		/* its socket is shut down; its thread is about to end */
};

struct handshake_table {
	pthread_mutex_t lock;		/* protects everything below and every row in the table */
	struct handshake *oldest, *newest;	/* without the dropped ones */
	size_t count;			/* likewise */
	size_t dropped;
};

struct handshake_limits {
	size_t in_all, per_network;
};

enum handshake_verdict {
	HANDSHAKE_BEGINS,
	HANDSHAKE_IS_REPLAY,	/* the same first message is being answered already */
	HANDSHAKE_HAS_NO_ROOM,	/* too many dropped ones have not ended yet, or no descriptors */
};

void handshake_table_init(struct handshake_table *table);

/*
 * A handshake begins on the connected socket `fd`, which stays the caller's. If its network has its
 * share already, the oldest of that network makes room; if all are taken, the oldest of all. The
 * one that makes room is shut down: its thread reads an end of input. So there are never more than
 * twice `in_all` threads.
 */
enum handshake_verdict handshake_table_add(struct handshake_table *table,
					   struct handshake *handshake, int fd, uint64_t network,
					   const uint8_t mac1[TUNNEL_MAC1_SIZE],
					   struct handshake_limits limits);
/* It is over, one way or the other; nothing happens if it is so already. */
void handshake_table_remove(struct handshake_table *table, struct handshake *handshake);
/* Did it have to make room? */
bool handshake_table_has_dropped(struct handshake_table *table, const struct handshake *handshake);

#endif
