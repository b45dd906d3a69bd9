/*
 * What a failure of the tunnel means for the recipients: always a temporary failure, never an
 * unexplained one, and after END was sent an unknown outcome. Pure.
 */
#ifndef RELAY_FAILURE_H
#define RELAY_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/delivery_status.h"
#include "tunnel/tunnel.h"

/* How far the transaction had come. */
enum relay_stage {
	RELAY_CONNECTING, /* no tunnel yet */
	RELAY_BEFORE_END, /* tunnel up; the edge cannot have started DATA, as END did not go out */
	RELAY_AFTER_END,  /* END went out, or may have: the message may be delivered already (RFC
			     1047) */
};

/* How long the edge is given, in ENVELOPE, when we have `left_ms`: the statuses must travel, too. */
uint32_t relay_budget_ms(int64_t left_ms);
/* Is what is left of the edge's time worth an END? An edge that was given none says so itself. */
bool relay_may_end(int64_t edge_left_ms);

/* `sentence` is the tunnel's own error: printable, for a person. */
void relay_failure_status(struct delivery_status *status, enum relay_stage stage,
			  enum tunnel_failure failure, const char *sentence);
/* The same for a CLOSE frame. */
void relay_failure_closed(struct delivery_status *status, enum relay_stage stage,
			  const struct frame_close *close);

#endif
