/*
 * Which edge a message may go to, after what is remembered of its recipients. Pure.
 *
 * While a hold lasts the edge that may know is the only one; when it is over that edge is asked
 * first, as its journal keeps outcomes for days, and others may follow. An edge that was taken out
 * of the table, got another key or is disabled cannot be asked: the mail waits for the hold all the
 * same, since an administrator who takes an edge away for a minute shall not double mail by it.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "affinity.h"
#include "lib/deadline.h"

static bool is_same_edge(const struct edge_state_entry *a, const struct edge_state_entry *b)
{
	return memcmp(a->edge_id, b->edge_id, sizeof(a->edge_id)) == 0;
}

static void add_held(struct affinity_plan *plan, const struct edge_state_entry *entry,
		     int64_t left_ms)
{
	if (plan->held.kind == EDGE_STATE_FREE) {
		plan->held = *entry;
		plan->left_ms = left_ms;
		return;
	}
	if (!plan->is_split && !is_same_edge(&plan->held, entry)) {
		plan->is_split = true;
		if (left_ms < plan->left_ms)
			plan->left_ms = left_ms;
	} else if (plan->is_split ? left_ms < plan->left_ms : left_ms > plan->left_ms) {
		plan->left_ms = left_ms;
	}
}

void affinity_plan_add(struct affinity_plan *plan, const struct edge_state_entry *entry)
{
	int64_t age_ms = edge_state_age_ms(entry->since_ms, plan->now_ms);

	if (age_ms < plan->hold_ms)
		add_held(plan, entry, plan->hold_ms - age_ms);
	else if (age_ms < EDGE_STATE_KEEP_MS &&
		 (plan->past.kind == EDGE_STATE_FREE ||
		  age_ms < edge_state_age_ms(plan->past.since_ms, plan->now_ms)))
		plan->past = *entry;
}

static const struct edge *find_edge(const struct edge_table *edges,
				    const struct edge_state_entry *entry)
{
	for (size_t i = 0; i < edges->count; i++)
		if (memcmp(edge_identity(&edges->edges[i]), entry->edge_id, sizeof(entry->edge_id)) == 0)
			return &edges->edges[i];
	return NULL;
}

static void decide_held(struct affinity_plan *plan, const struct edge_table *edges)
{
	plan->edge = find_edge(edges, &plan->held);
	plan->verdict = AFFINITY_WAIT;
	if (plan->is_split)
		plan->obstacle = "attempts of other recipients were handed to other edges";
	else if (plan->edge == NULL)
		plan->obstacle = "it is no longer in the table of edges with this key";
	else if (plan->edge->is_disabled)
		plan->obstacle = "it is disabled in the table of edges";
	else
		plan->verdict = AFFINITY_ONLY;
}

void affinity_plan_decide(struct affinity_plan *plan, const struct edge_table *edges)
{
	plan->verdict = AFFINITY_ANY;
	if (plan->held.kind != EDGE_STATE_FREE) {
		decide_held(plan, edges);
	} else if (plan->past.kind != EDGE_STATE_FREE) {
		plan->edge = find_edge(edges, &plan->past);
		if (plan->edge != NULL && !plan->edge->is_disabled)
			plan->verdict = AFFINITY_FIRST;
	}
}

void affinity_plan_wait(const struct affinity_plan *plan, const char *why,
			struct delivery_status *status)
{
	time_t until = time(NULL) + (time_t)((plan->left_ms + 999) / 1000);
	char moment[40] = "?";
	struct tm tm;

	if (gmtime_r(&until, &tm) != NULL)
		strftime(moment, sizeof(moment), "%Y-%m-%d %H:%M:%S UTC", &tm);
	memset(status, 0, sizeof(*status));
	delivery_status_set_local(status, STAGE_TUNNEL, ENHANCED_STATUS(4, 4, 2),
				  "edge %s may hold the outcome of an earlier attempt; no other "
				  "edge is used until %s: "
				  "%.300s",
				  plan->held.edge, moment, why);
}
