/*
 * The edge that a message goes to. At MAIL the edges of the sender's route are tried in their order
 * until a tunnel is up, if the sender is enough to know the route; if it takes the recipients or the
 * login, that waits until ENVELOPE. When the queue id and all recipients are known, before ENVELOPE,
 * the choice is revised: the outcome of an earlier attempt may lie at a certain edge (affinity.h). A
 * message without a queue id is in no edge's journal, so that no edge is better than another. After
 * END nothing is chosen any more.
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

	/* of the current message */
	char login[ROUTE_LOGIN_MAX + 1];
	uint8_t chance[ROUTE_CHANCE_BYTES];
	bool is_known; /* the route is; a tunnel to one of its edges was opened */
};

/* Both outlive the choice. */
void edge_choice_init(struct edge_choice *choice, struct transport_setup *setup,
		      struct relay *relay);
/*
 * A message with this reverse-path. `login`: as whom its sender was authenticated, "" for nobody;
 * then the envelope has its recipients, too. NULL: both come later. If that is enough to know the
 * route a tunnel is opened. 0, or -1 with *status: no edge may be used (4.4.4) or none could be
 * reached; the log says why of each.
 */
int edge_choice_begin(struct edge_choice *choice, const struct envelope *envelope,
		      const char *login, struct delivery_status *status);
/* What the edge said of itself; NULL while it is not known which it will be. */
const struct frame_info *edge_choice_info(const struct edge_choice *choice);
/* May this recipient join those of the envelope, or does its mail have another route? */
bool edge_choice_may_join(const struct edge_choice *choice, const struct envelope *envelope,
			  const struct recipient *recipient);
/* Is the login of use? */
bool edge_choice_wants_login(const struct edge_choice *choice);
void edge_choice_set_login(struct edge_choice *choice, const char *login);
/*
 * Before ENVELOPE, with queue id (if there is one), recipients and login. 0: the tunnel that is up
 * is the right one, or was replaced. -1: the message must wait, *status says why.
 */
int edge_choice_settle(struct edge_choice *choice, const struct envelope *envelope,
		       struct deadline connect_deadline, struct delivery_status *status);
/* Before END: from now on this edge may know the outcome. */
void edge_choice_before_end(struct edge_choice *choice, const struct envelope *envelope);

#endif
