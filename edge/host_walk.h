/*
 * One domain's recipients of one message, or those of all domains of one relay: look the mail
 * exchangers up and walk through them until every recipient has an outcome. At most one host is ever asked to take a recipient after a final
 * dot was written for it.
 */
#ifndef HOST_WALK_H
#define HOST_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "delivery.h"
#include "relay_hop.h"

/* The caller's record of one recipient. */
typedef void host_walk_report_fn(void *context, size_t recipient,
				 const struct delivery_status *status);

/* Before the final dot, for recipients that a server has taken; see smtp_client.h. */
typedef int host_walk_dot_fn(void *context, const size_t *recipients, size_t count);

struct host_walk_params {
	const struct delivery *delivery;
	const char *domain;		/* of all these recipients; not looked at if there is a relay */
	const struct relay_hop *relay;	/* where their mail goes instead of the domain's own hosts; or NULL */
	const size_t *recipients;	/* indices into the envelope */
	size_t count;
	const char *trace_field;	/* goes before the content */
	size_t trace_field_length;
	host_walk_report_fn *report;	/* exactly once per recipient, from this thread */
	host_walk_dot_fn *before_final_dot;	/* NULL: nobody has to be asked */
	void *context;
};

/* From a place at the destination, which hears when its hosts speak. *lesson: what the walk has shown about them. */
void host_walk_run(const struct host_walk_params *params, const struct destination_place *at, struct destination_lesson *lesson);

#endif
