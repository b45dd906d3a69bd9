/*
 * Choosing among edges while that is safe. A dead edge costs its connect_timeout here and then the
 * next one is tried; what was said before END binds nobody, as no edge delivers before it.
 */
#include "edge_choice.h"

#include <string.h>

#include "lib/log.h"

/* All edges of a route together; lmtp(8) waits 300 s for the reply to MAIL (lmtp_mail_timeout). */
#define OPEN_TIMEOUT_MS 240000

void edge_choice_init(struct edge_choice *choice, struct transport_setup *setup,
		      struct relay *relay)
{
	choice->setup = setup;
	choice->relay = relay;
	affinity_init(&choice->affinity, setup->conf.edge_state, setup->conf.affinity_hold);
}

/* The first of the route that can be reached before the deadline. */
static int open_first(struct edge_choice *choice, const struct reverse_path *sender,
		      struct deadline all, struct delivery_status *status)
{
	const struct transport_setup *setup = choice->setup;
	const char *domain = sender->is_null ? "" : sender->mailbox.domain;
	const struct edge *chosen[ROUTE_EDGES_MAX];
	size_t count = route_choose(&setup->routes, &setup->edges, domain, chosen);

	memset(status, 0, sizeof(*status));
	if (count == 0)
		delivery_status_set_local(
			status, STAGE_TUNNEL, ENHANCED_STATUS(4, 4, 4),
			"no usable edge for sender domain \"%.255s\"; see %.100s and %.100s",
			domain, setup->conf.routes, setup->conf.edges);
	for (size_t i = 0; i < count && (i == 0 || !deadline_has_passed(all)); i++) {
		struct deadline one = deadline_in_ms(setup->conf.connect_timeout);

		if (relay_open(choice->relay, chosen[i], deadline_earlier(one, all), status) == 0)
			return 0;
		log_warning("edge=%s: %s", chosen[i]->name, status->reason);
	}
	return -1;
}

int edge_choice_open(struct edge_choice *choice, const struct reverse_path *sender,
		     struct delivery_status *status)
{
	return open_first(choice, sender, deadline_in_ms(OPEN_TIMEOUT_MS), status);
}

/* The edge that may know, and nobody else. */
static int open_only(struct edge_choice *choice, const struct affinity_plan *plan,
		     struct deadline deadline, struct delivery_status *status)
{
	char why[sizeof(status->reason)];

	if (relay_open(choice->relay, plan->edge, deadline, status) == 0)
		return 0;
	memcpy(why, status->reason, sizeof(why));
	affinity_plan_wait(plan, why, status);
	return -1;
}

static int settle(struct edge_choice *choice, const struct affinity_plan *plan,
		  const struct envelope *envelope, struct deadline deadline,
		  struct delivery_status *status)
{
	switch (plan->verdict) {
	case AFFINITY_ANY:
		break;
	case AFFINITY_ONLY:
		return open_only(choice, plan, deadline, status);
	case AFFINITY_WAIT:
		affinity_plan_wait(plan, plan->obstacle, status);
		return -1;
	case AFFINITY_FIRST:
		if (relay_open(choice->relay, plan->edge, deadline, status) == 0)
			return 0;
		log_warning("edge=%s: %s", plan->edge->name, status->reason);
		return open_first(choice, &envelope->reverse_path, deadline_in_ms(OPEN_TIMEOUT_MS),
				  status);
	}
	return 0;
}

int edge_choice_settle(struct edge_choice *choice, const struct envelope *envelope,
		       struct deadline connect_deadline, struct delivery_status *status)
{
	struct affinity_plan plan;

	affinity_begin(&choice->affinity, envelope, NULL);
	affinity_make_plan(&choice->affinity, &choice->setup->edges, &plan);
	if (settle(choice, &plan, envelope, connect_deadline, status) == 0)
		return 0;
	log_warning("%s", status->reason);
	return -1;
}

void edge_choice_before_end(struct edge_choice *choice, const struct envelope *envelope)
{
	uint8_t digest[CONTENT_DIGEST_SIZE];

	if (envelope->queue_id[0] == '\0') {
		relay_content_digest(choice->relay, digest);
		affinity_begin(&choice->affinity, envelope, digest);
	}
	affinity_before_end(&choice->affinity, envelope, &choice->relay->edge);
}
