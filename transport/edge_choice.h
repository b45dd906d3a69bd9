/*
 * The edge that a message goes to. At MAIL the edges of the sender's route are tried in their order
 * until a tunnel is up. When the queue id and all recipients are known, before ENVELOPE, the choice
 * is revised: the outcome of an earlier attempt may lie at a certain edge (affinity.h). A message
 * without a queue id is in no edge's journal, so that no edge is better than another. After END
 * nothing is chosen any more.
 */
#ifndef EDGE_CHOICE_H
#define EDGE_CHOICE_H

#include "affinity.h"
#include "relay.h"
#include "transport_setup.h"

struct edge_choice {
	struct transport_setup *setup;
	struct relay *relay;
	struct affinity affinity;
};

/* Both outlive the choice. */
void edge_choice_init(struct edge_choice *choice, struct transport_setup *setup,
		      struct relay *relay);
/*
 * A tunnel for mail of this sender. 0, or -1 with *status: no edge may be used (4.4.4) or none
 * could be reached; the log says why of each.
 */
int edge_choice_open(struct edge_choice *choice, const struct reverse_path *sender,
		     struct delivery_status *status);
/*
 * Before ENVELOPE, with queue id (if there is one) and recipients. 0: the tunnel that is up is the
 * right one, or was replaced. -1: the message must wait, *status says for which edge and how long.
 */
int edge_choice_settle(struct edge_choice *choice, const struct envelope *envelope,
		       struct deadline connect_deadline, struct delivery_status *status);
/* Before END: from now on this edge may know the outcome. */
void edge_choice_before_end(struct edge_choice *choice, const struct envelope *envelope);

#endif
