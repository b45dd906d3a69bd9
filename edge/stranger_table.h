/*
 * Connections that have not yet proved to know the edge's key. They cost a socket and a row here:
 * no thread, no allocation, no public-key operation, no byte back. One thread uses the table.
 */
#ifndef STRANGER_TABLE_H
#define STRANGER_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/deadline.h"

/* "No row" in the lists. */
#define STRANGER_NONE ((uint32_t)-1)

struct stranger {
	int fd;				/* -1: free row */
	uint64_t network;		/* IPv4 /24 or IPv6 /56, as a number */
	struct deadline deadline;	/* for the whole of message 1 */
	struct sockaddr_storage address;
	uint32_t older, newer;		/* order of arrival, which is also that of the deadlines */
};

struct stranger_table {
	struct stranger *rows;
	size_t capacity;
	size_t per_network;
	size_t count;
	uint32_t oldest, newest;
	uint32_t free;			/* linked through newer */
};

/* 0, or -1 when memory is out. */
int stranger_table_init(struct stranger_table *table, size_t capacity, size_t per_network);
/* Closes all. */
void stranger_table_wipe(struct stranger_table *table);

/*
 * Takes the socket; returns its row number. If its network has its share already, the oldest of
 * that network makes room; if the table is full, the oldest of all. The row that made room is
 * closed.
 */
uint32_t stranger_table_add(struct stranger_table *table, int fd,
			    const struct sockaddr_storage *address, struct deadline deadline);
/* Forgets the row and returns its socket, which the caller now owns. */
int stranger_table_take(struct stranger_table *table, uint32_t row);
/*
 * Closes those whose time is up; returns the next deadline (DEADLINE_NEVER if the table is empty).
 */
struct deadline stranger_table_expire(struct stranger_table *table);

#endif
