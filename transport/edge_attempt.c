/*
 * The order of attempts. What is down, due and claimed is edge_health.c's to say; here is only who is
 * asked after whom. An edge that answers but takes no tunnel (it has no room, or is about to stop) is
 * not down: the next one is tried all the same.
 */
#include "edge_attempt.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "edge_state.h"
#include "edge_watch.h"
#include "lib/log.h"
#include "route.h"

/* Between two looks at an edge that another process is trying. */
#define LOOK_PAUSE_MS 20

struct candidate {
	const struct edge *edge;
	struct edge_health health;
	bool was_tried;
};

struct search {
	const struct edge_attempt *attempt;
	struct candidate candidates[ROUTE_TRIES_MAX];
	size_t count;
	int64_t began_ms;
	struct delivery_status *status;
};

static enum edge_health_event event_of(enum tunnel_failure failure)
{
	switch (failure) {
	case TUNNEL_OK:
		return EDGE_HEALTH_OPENED;
	case TUNNEL_LOST: /* behind the handshake: it said why, or was stopped just then */
	case TUNNEL_BAD_FRAME:
		return EDGE_HEALTH_BUSY;
	case TUNNEL_UNREACHABLE:
	case TUNNEL_NO_ANSWER:
	case TUNNEL_WRONG_PSK:
	case TUNNEL_TIMED_OUT:
	case TUNNEL_BAD_RECORD:
	case TUNNEL_LOCAL:
		break;
	}
	return EDGE_HEALTH_FAILED;
}

static uint32_t make_chance(void)
{
	uint32_t chance = 0;

	return getrandom(&chance, sizeof(chance), 0) == (ssize_t)sizeof(chance) ? chance : 0;
}

/*
 * One attempt, and what it says of the edge. A tunnel that is there already says nothing new, so a
 * probe is not made by it.
 */
static int try_edge(const struct edge_attempt *attempt, struct candidate *candidate, int64_t try_ms,
		    bool was_claimed, struct delivery_status *status)
{
	struct deadline deadline = deadline_earlier(deadline_in_ms(try_ms), attempt->deadline);
	struct edge_health_attempt note = { .was_claimed = was_claimed, .chance = make_chance() };
	int64_t began_ms = deadline_now_ms();
	int result;

	candidate->was_tried = true;
	if (was_claimed)
		relay_close(attempt->relay);
	if (relay_is_live_to(attempt->relay, candidate->edge))
		return 0;
	result = relay_open(attempt->relay, candidate->edge, deadline, status);
	if (result < 0)
		log_warning("edge=%s: %s", candidate->edge->name, status->reason);
	note.event = event_of(attempt->relay->open_failure);
	note.now_ms = deadline_now_ms();
	note.took_ms = note.now_ms - began_ms;
	/* Want of memory or descriptors here is not the edge's fault. */
	if (attempt->relay->open_failure != TUNNEL_LOCAL)
		edge_watch_note(attempt->conf->edge_state, candidate->edge, &note,
				&candidate->health);
	return result;
}

static bool has_other_usable(const struct search *search, const struct candidate *except)
{
	for (size_t i = 0; i < search->count; i++) {
		const struct candidate *other = &search->candidates[i];

		if (other != except && !other->health.is_down)
			return true;
	}
	return false;
}

static int64_t try_ms_of(const struct search *search, const struct candidate *candidate)
{
	return edge_health_try_ms(&candidate->health, has_other_usable(search, candidate),
				  search->attempt->conf->connect_timeout);
}

static bool claim_and_try(struct search *search, struct candidate *candidate, bool is_last)
{
	int64_t try_ms = try_ms_of(search, candidate);

	return edge_watch_claim(search->attempt->conf->edge_state, candidate->edge, is_last, try_ms,
				&candidate->health) &&
	       candidate->health.is_down &&
	       try_edge(search->attempt, candidate, try_ms, true, search->status) == 0;
}

/*
 * One probe for a message at most. true: the tunnel is to an edge that the route would rather use
 * than the others.
 */
static bool probe(struct search *search)
{
	int64_t now_ms = deadline_now_ms();
	bool is_best = true;

	for (size_t i = 0; i < search->count; i++) {
		struct candidate *candidate = &search->candidates[i];

		if (edge_health_is_due(&candidate->health, now_ms))
			return claim_and_try(search, candidate, false) && is_best;
		is_best &= candidate->health.is_down;
	}
	return false;
}

static bool try_usable(struct search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		struct candidate *candidate = &search->candidates[i];

		/* One that a probe has just found is up is tried, and its tunnel still there. */
		if (!candidate->health.is_down &&
		    !deadline_has_passed(search->attempt->deadline) &&
		    try_edge(search->attempt, candidate, try_ms_of(search, candidate), false,
			     search->status) == 0)
			return true;
	}
	return false;
}

static void wait_for_others(struct search *search, struct candidate *candidate)
{
	const char *path = search->attempt->conf->edge_state;
	struct deadline deadline = deadline_in_ms(edge_health_wait_ms(&candidate->health));

	edge_watch_read(path, candidate->edge, &candidate->health);
	while (edge_health_is_claimed(&candidate->health, deadline_now_ms()) &&
	       !deadline_has_passed(deadline)) {
		poll(NULL, 0, LOOK_PAUSE_MS);
		edge_watch_read(path, candidate->edge, &candidate->health);
	}
}

static bool try_last(struct search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		struct candidate *candidate = &search->candidates[i];

		if (candidate->was_tried || deadline_has_passed(search->attempt->deadline))
			continue;
		wait_for_others(search, candidate);
		if (!candidate->health.is_down) {
			if (try_edge(search->attempt, candidate, try_ms_of(search, candidate),
				     false, search->status) == 0)
				return true;
		} else if (candidate->health.failed_ms <= search->began_ms &&
			   claim_and_try(search, candidate, true)) {
			return true;
		}
	}
	return false;
}

/* No attempt of ours has said why. */
static void refuse(const struct search *search, struct delivery_status *status)
{
	const struct candidate *candidate = &search->candidates[0];
	int64_t now_ms = deadline_now_ms();

	delivery_status_set_local(
		status, STAGE_TUNNEL, ENHANCED_STATUS(4, 4, 1),
		"no edge of the route answers; edge %s has been down for %lld s, the next attempt is "
		"due in %lld ms",
		candidate->edge->name,
		(long long)(edge_state_age_ms(candidate->health.since_ms, now_ms) / 1000),
		(long long)edge_health_left_ms(&candidate->health, now_ms));
}

int edge_attempt_route(const struct edge_attempt *attempt, const struct edge *const *edges,
		       size_t count, struct delivery_status *status)
{
	struct search search = { .attempt = attempt,
				 .count = count,
				 .began_ms = deadline_now_ms(),
				 .status = status };

	memset(status, 0, sizeof(*status));
	for (size_t i = 0; i < count; i++) {
		search.candidates[i].edge = edges[i];
		edge_watch_read(attempt->conf->edge_state, edges[i], &search.candidates[i].health);
		/* The usual case, and no look at the others. */
		if (i == 0 && relay_is_live_to(attempt->relay, edges[0]) &&
		    !edge_health_is_silent(&search.candidates[0].health))
			return 0;
	}
	if (probe(&search) || try_usable(&search) || try_last(&search))
		return 0;
	if (status->reason[0] == '\0')
		refuse(&search, status);
	return -1;
}

int edge_attempt_only(const struct edge_attempt *attempt, const struct edge *edge,
		      struct delivery_status *status)
{
	struct candidate candidate = { .edge = edge };

	edge_watch_read(attempt->conf->edge_state, edge, &candidate.health);
	return try_edge(attempt, &candidate,
			edge_health_try_ms(&candidate.health, candidate.health.is_down,
					   attempt->conf->connect_timeout),
			false, status);
}
