/* One tunnel: handshake, then transactions one after the other until either side has had enough. */
#ifndef EDGE_SESSION_H
#define EDGE_SESSION_H

#include "edge.h"

/*
 * Starts a thread that serves the connected socket `fd` (owned from now on). peer: printable
 * address, for the log. Refuses (closes) when there is no room.
 */
void edge_session_start(struct edge *edge, int fd, const char *peer);

#endif
