/* The edge's trace field (RFC 5321 4.4) and loop detection by trace fields (RFC 5321 6.3). */
#ifndef RECEIVED_H
#define RECEIVED_H

#include <stddef.h>
#include <time.h>

#include "content.h"

#define RECEIVED_MAX 512

/*
 * "Received: by EDGE (postern) id QUEUEID; DATE" CRLF into out; returns its length. The client's
 * name and address stay out: where the mail host lives is nobody's business. queue_id may be "".
 */
size_t received_print(char *out, size_t size, const char *edge_name, const char *queue_id,
		      time_t now);

struct received_count {
	size_t hops;	/* Received fields in all */
	size_t own;	/* of them made by this edge */
};
/* Reads the header section only. */
struct received_count received_count(const struct content *content, const char *edge_name);

/*
 * How often one message may pass this edge: mail may well come back once (a forwarder whose mail
 * host uses the same edge), so own name alone is no loop; this often it is.
 */
#define RECEIVED_OWN_MAX 8

#endif
