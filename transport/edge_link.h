/*
 * The way to an edge, as relay.c sees it: something that opens, sends and receives frames.
 * tunnel_link.c makes it out of a tunnel; unit tests make it out of a script.
 */
#ifndef EDGE_LINK_H
#define EDGE_LINK_H

#include <stdbool.h>

#include "edge_table.h"
#include "lib/deadline.h"
#include "tunnel/tunnel.h"

/* Meaning, lifetimes and failures are those of the tunnel_*() functions of the same name. */
struct edge_link_ops {
	enum tunnel_failure (*open)(void *context, const struct edge *edge,
				    struct deadline deadline, struct frame_info *info);
	enum tunnel_failure (*send)(void *context, const struct frame *frame,
				    struct deadline deadline);
	enum tunnel_failure (*flush)(void *context, struct deadline deadline);
	enum tunnel_failure (*receive)(void *context, struct frame *frame,
				       struct deadline deadline);
	bool (*has_input)(void *context);
	/* Would a new one be opened in another way now? NULL: never. */
	bool (*is_outdated)(void *context);
	void (*close)(void *context, enum close_reason reason, const char *text);
	/* Why the last call failed. */
	const char *(*error)(void *context);
};

struct edge_link {
	const struct edge_link_ops *ops;
	void *context;
};

#endif
