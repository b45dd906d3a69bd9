/* A table of the relays that are held, which are few; whoever notes one takes those out that are not any more. */
/* Memory that is not there costs no more than a try; uthash would exit. */
#define HASH_NONFATAL_OOM 1

#include "relay_refusals.h"

#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#include "lib/deadline.h"
#include "lib/smtp_limits.h"

struct relay_refusal {
	char next_hop[SMTP_DOMAIN_MAX + 1];
	uint64_t generation;
	struct deadline end;
	UT_hash_handle hh;
};

void relay_refusals_init(struct relay_refusals *refusals)
{
	pthread_mutex_init(&refusals->lock, NULL);
	refusals->by_next_hop = NULL;
}

void relay_refusals_wipe(struct relay_refusals *refusals)
{
	struct relay_refusal *refusal, *next;

	HASH_ITER(hh, refusals->by_next_hop, refusal, next) {
		HASH_DEL(refusals->by_next_hop, refusal);
		free(refusal);
	}
	pthread_mutex_destroy(&refusals->lock);
}

/* Caller holds the lock. */
static void drop_old(struct relay_refusals *refusals, const char *next_hop)
{
	struct relay_refusal *refusal, *next;

	HASH_ITER(hh, refusals->by_next_hop, refusal, next) {
		if (!deadline_has_passed(refusal->end) && strcmp(refusal->next_hop, next_hop) != 0)
			continue;
		HASH_DEL(refusals->by_next_hop, refusal);
		free(refusal);
	}
}

void relay_refusals_note(struct relay_refusals *refusals, const char *next_hop, uint64_t generation,
			 int64_t hold_ms)
{
	struct relay_refusal *fresh = calloc(1, sizeof(*fresh));

	if (fresh == NULL)
		return;
	snprintf(fresh->next_hop, sizeof(fresh->next_hop), "%s", next_hop);
	fresh->generation = generation;
	fresh->end = deadline_in_ms(hold_ms);
	pthread_mutex_lock(&refusals->lock);
	drop_old(refusals, next_hop);
	HASH_ADD_STR(refusals->by_next_hop, next_hop, fresh);
	if (fresh->hh.tbl == NULL)
		free(fresh);
	pthread_mutex_unlock(&refusals->lock);
}

bool relay_refusals_hold(struct relay_refusals *refusals, const char *next_hop, uint64_t generation)
{
	struct relay_refusal *found;
	bool is_held;

	pthread_mutex_lock(&refusals->lock);
	HASH_FIND_STR(refusals->by_next_hop, next_hop, found);
	is_held = found != NULL && found->generation == generation && !deadline_has_passed(found->end);
	pthread_mutex_unlock(&refusals->lock);
	return is_held;
}
