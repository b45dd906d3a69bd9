/*
 * Keeps policies fresh behind the deliveries' backs (RFC 8461 3.3, 10.2): looks at the TXT record
 * of what is in use, and fetches the text when the id is new, or when it was fetched long ago, so
 * that a policy does not end while somebody keeps its host from being reached.
 *
 * A failure changes nothing but the time of the next attempt. A TXT record that is gone is one: the
 * policy holds until it ends (5.1, case 89).
 */
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "sts_store_state.h"

/* One round of refreshing: it must not hold up the others for as long as a delivery may wait. */
#define REFRESH_MS 30000

/* What a thread works on, copied out from under the lock. */
struct job {
	struct sts_entry *entry;  /* busy: stays */
	struct edge_setup *setup; /* a reference */
	char domain[SMTP_DOMAIN_MAX + 1], id[STS_ID_MAX + 1];
	bool is_refetch_due;
};

/* Nobody has asked, but it is time: only for policies that live long and are in use. */
static bool is_due_unasked(const struct sts_store *store, const struct sts_entry *entry,
			   int64_t now)
{
	return entry->policy.max_age_s * 1000 >= store->times.unasked &&
	       (now - entry->used_at) * 1000 < store->times.unused;
}

/* When the entry is next to be looked at; DEADLINE_NEVER: not before somebody asks. */
static struct deadline due_at(const struct sts_store *store, struct sts_entry *entry, int64_t now)
{
	if (entry->is_busy || !sts_entry_is_in_force(entry, now))
		return DEADLINE_NEVER;
	if (entry->is_wanted)
		return entry->look;
	if (!is_due_unasked(store, entry, now))
		return DEADLINE_NEVER;
	return entry->refetch.at_ms > entry->look.at_ms ? entry->refetch : entry->look;
}

/* Caller holds the lock. The most urgent entry and its time; NULL: none ever. */
static struct sts_entry *find_due(struct sts_store *store, struct deadline *when)
{
	struct sts_entry *found = NULL;
	int64_t now = sts_store_now();

	*when = DEADLINE_NEVER;
	if (store->setup == NULL)
		return NULL;
	for (size_t i = 0; i < store->table.count; i++) {
		struct deadline due = due_at(store, store->table.entries[i], now);

		if (due.at_ms >= when->at_ms)
			continue;
		found = store->table.entries[i];
		*when = due;
	}
	return found;
}

/* Caller holds the lock. */
static void begin_job(struct sts_store *store, struct sts_entry *entry, struct job *job)
{
	entry->is_busy = true;
	entry->is_wanted = false;
	job->entry = entry;
	job->setup = edge_setup_acquire(store->setup);
	job->is_refetch_due = deadline_has_passed(entry->refetch);
	memcpy(job->domain, entry->domain, sizeof(job->domain));
	memcpy(job->id, entry->id, sizeof(job->id));
}

/* Caller holds the lock. Waits for something to do; false: the store is being stopped. */
static bool take_job(struct sts_store *store, struct job *job)
{
	while (!store->is_stopping) {
		struct deadline when;
		struct sts_entry *entry = find_due(store, &when);

		if (entry != NULL && deadline_has_passed(when)) {
			begin_job(store, entry, job);
			return true;
		}
		sts_store_wait(store, &store->work, when);
	}
	return false;
}

enum outcome { OUTCOME_SAME, OUTCOME_FRESH, OUTCOME_FAILED };

/* Without the lock. FRESH: *policy and the id in the job; FAILED: a reason. */
static enum outcome refresh(struct sts_store *store, struct job *job, struct sts_policy *policy,
			    char *reason, size_t reason_size)
{
	struct deadline deadline = deadline_in_ms(REFRESH_MS);
	char id[STS_ID_MAX + 1];

	switch (sts_lookup_id(job->setup, job->domain, deadline, id, reason, reason_size)) {
	case STS_NOT_ANNOUNCED:
		return OUTCOME_FAILED;
	case STS_ANNOUNCEMENT_UNKNOWN:
		if (!job->is_refetch_due)
			return OUTCOME_FAILED;
		break;
	case STS_ANNOUNCED:
		if (!job->is_refetch_due && strcmp(id, job->id) == 0)
			return OUTCOME_SAME;
		memcpy(job->id, id, sizeof(job->id));
		break;
	}
	if (sts_lookup_policy(store->fetcher, job->setup, job->domain, deadline, policy, reason,
			      reason_size) == STS_FOUND)
		return OUTCOME_FRESH;
	return OUTCOME_FAILED;
}

/* Caller holds the lock. */
static void put_off(struct sts_store *store, struct sts_entry *entry, const char *reason)
{
	int64_t wait_ms = store->times.retry;

	for (unsigned i = 0; i < entry->failures && wait_ms < store->times.retry_max; i++)
		wait_ms *= 2;
	if (wait_ms > store->times.retry_max)
		wait_ms = store->times.retry_max;
	entry->look = deadline_in_ms(wait_ms);
	snprintf(entry->reason, sizeof(entry->reason), "%s", reason);
	if (entry->failures++ == 0 && !store->is_stopping &&
	    log_limit_allows(&store->log_limit, deadline_now_ms()))
		log_warning("MTA-STS: the policy of %s could not be refreshed and holds until its "
			    "max_age is over: %s",
			    entry->domain, reason);
}

/* Caller holds the lock. */
static void finish_job(struct sts_store *store, struct job *job, enum outcome outcome,
		       struct sts_policy *policy, const char *reason)
{
	struct sts_entry *entry = job->entry;

	entry->is_busy = false;
	pthread_cond_broadcast(&store->finished);
	pthread_cond_broadcast(&store->work);
	switch (outcome) {
	case OUTCOME_SAME:
		entry->failures = 0;
		entry->reason[0] = '\0';
		entry->look = deadline_in_ms(store->times.look);
		break;
	case OUTCOME_FRESH:
		sts_store_set_policy(store, entry, policy, job->id);
		break;
	case OUTCOME_FAILED:
		put_off(store, entry, reason);
		break;
	}
}

void *sts_refresher_run(void *argument)
{
	struct sts_store *store = argument;
	struct job job;

	pthread_mutex_lock(&store->lock);
	while (take_job(store, &job)) {
		struct sts_policy policy = { 0 };
		char reason[STS_REASON_MAX] = "";
		enum outcome outcome;

		pthread_mutex_unlock(&store->lock);
		outcome = refresh(store, &job, &policy, reason, sizeof(reason));
		edge_setup_release(job.setup);
		pthread_mutex_lock(&store->lock);
		finish_job(store, &job, outcome, &policy, reason);
	}
	pthread_mutex_unlock(&store->lock);
	return NULL;
}
