/*
 * Choosing among edges while that is safe: what was said before END binds nobody, as no edge
 * delivers before it.
 */
#include "edge_choice.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "edge_attempt.h"
#include "lib/log.h"

/* All edges of a route together; lmtp(8) waits 300 s for the reply to MAIL (lmtp_mail_timeout). */
#define OPEN_TIMEOUT_MS 240000
/* The same before ENVELOPE: meanwhile lmtp(8) cannot write on (lmtp_data_xfer_timeout, 180 s). */
#define SETTLE_TIMEOUT_MS 150000

void edge_choice_init(struct edge_choice *choice, struct transport_setup *setup,
		      struct relay *relay)
{
	choice->setup = setup;
	choice->relay = relay;
	affinity_init(&choice->affinity, setup->conf.edge_state, setup->conf.affinity_hold);
}

static struct route_query make_query(const struct edge_choice *choice,
				     const struct envelope *envelope)
{
	const struct reverse_path *sender = &envelope->reverse_path;

	return (struct route_query){
		.login = choice->login,
		.sender_domain = sender->is_null ? "" : sender->mailbox.domain,
		.recipient_domain = envelope->recipient_count > 0
					    ? envelope->recipients[0].forward_path.domain
					    : "",
	};
}

static void refuse(const struct edge_choice *choice, const struct route_query *query,
		   struct delivery_status *status)
{
	const struct transport_setup *setup = choice->setup;
	char why[512];

	route_explain(&setup->routes, &setup->edges, query, why, sizeof(why));
	delivery_status_set_local(status, STAGE_TUNNEL, ENHANCED_STATUS(4, 4, 4),
				  "no usable edge: %.300s; see %.100s and %.100s", why,
				  setup->conf.routes, setup->conf.edges);
}

/* The first of the route that can be reached before the deadline. */
static int open_route(struct edge_choice *choice, const struct envelope *envelope,
		      struct deadline all, struct delivery_status *status)
{
	const struct transport_setup *setup = choice->setup;
	struct route_query query = make_query(choice, envelope);
	struct edge_attempt attempt = { choice->relay, &setup->conf, all };
	const struct edge *chosen[ROUTE_TRIES_MAX];
	size_t count =
		route_choose(&setup->routes, &setup->edges, &query, choice->chance, chosen);

	if (count > 0)
		return edge_attempt_route(&attempt, chosen, count, status);
	memset(status, 0, sizeof(*status));
	refuse(choice, &query, status);
	return -1;
}

/* Without chance the route's edges are still in some order. */
static void make_chance(struct edge_choice *choice)
{
	if (getrandom(choice->chance, sizeof(choice->chance), 0) != (ssize_t)sizeof(choice->chance))
		memset(choice->chance, 0, sizeof(choice->chance));
}

int edge_choice_begin(struct edge_choice *choice, const struct envelope *envelope,
		      const char *login, struct delivery_status *status)
{
	const struct reverse_path *sender = &envelope->reverse_path;

	edge_choice_set_login(choice, login != NULL ? login : "");
	make_chance(choice);
	choice->is_known =
		login != NULL ||
		route_is_known_by_sender(&choice->setup->routes,
					 sender->is_null ? "" : sender->mailbox.domain);
	return choice->is_known
		       ? open_route(choice, envelope, deadline_in_ms(OPEN_TIMEOUT_MS), status)
		       : 0;
}

const struct frame_info *edge_choice_info(const struct edge_choice *choice)
{
	return choice->is_known ? &choice->relay->info : NULL;
}

bool edge_choice_may_join(const struct edge_choice *choice, const struct envelope *envelope,
			  const struct recipient *recipient)
{
	struct route_query query = make_query(choice, envelope);
	const struct route *route;

	if (choice->is_known || query.sender_domain[0] != '\0' || envelope->recipient_count == 0)
		return true;
	route = route_find(&choice->setup->routes, &query);
	query.recipient_domain = recipient->forward_path.domain;
	return route == route_find(&choice->setup->routes, &query);
}

bool edge_choice_wants_login(const struct edge_choice *choice)
{
	return choice->setup->routes.has_logins;
}

void edge_choice_set_login(struct edge_choice *choice, const char *login)
{
	snprintf(choice->login, sizeof(choice->login), "%s", login);
}

static int open_one(struct edge_choice *choice, const struct edge *edge, struct deadline deadline,
		    struct delivery_status *status)
{
	struct edge_attempt attempt = { choice->relay, &choice->setup->conf, deadline };

	return edge_attempt_only(&attempt, edge, status);
}

/* The edge that may know, and nobody else. */
static int open_only(struct edge_choice *choice, const struct affinity_plan *plan,
		     struct deadline deadline, struct delivery_status *status)
{
	char why[sizeof(status->reason)];

	if (open_one(choice, plan->edge, deadline, status) == 0)
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
		if (choice->is_known && relay_is_live(choice->relay))
			return 0;
		return open_route(choice, envelope, deadline_in_ms(SETTLE_TIMEOUT_MS), status);
	case AFFINITY_ONLY:
		return open_only(choice, plan, deadline, status);
	case AFFINITY_WAIT:
		affinity_plan_wait(plan, plan->obstacle, status);
		return -1;
	case AFFINITY_FIRST:
		if (open_one(choice, plan->edge, deadline, status) == 0)
			return 0;
		return open_route(choice, envelope, deadline_in_ms(SETTLE_TIMEOUT_MS), status);
	}
	return -1;
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
