/*
 * The answers to deliveries. Whoever finds nothing about a domain marks its entry busy and looks
 * it up without the lock; the others wait until it is not busy any more and look again. How long
 * one may wait is each one's own affair: what somebody finds out with no time left is not kept.
 */
#include "sts_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/condition.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "sts_file.h"
#include "sts_store_state.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
/* The file need not know more precisely when a policy was used. */
#define USED_AGAIN_S 86400

const struct sts_times sts_times_default = {
	.fetch = MINUTE,
	/* The resolver keeps the record for its TTL, so that this costs next to nothing. */
	.look = 30 * SECOND,
	.refetch = DAY,
	.unasked = DAY,
	.unused = 30 * DAY,
	.retry = 5 * MINUTE,
	.retry_max = HOUR,
	.negative = 5 * MINUTE,
	.unknown = MINUTE,
	.save = 2 * SECOND,
};

int64_t sts_store_now(void)
{
	return (int64_t)time(NULL);
}

int sts_store_wait(struct sts_store *store, pthread_cond_t *condition, struct deadline deadline)
{

	return condition_wait_until(condition, &store->lock, deadline);
}

/* ---- making and ending ---- */

/* When the text of this policy, which was fetched `age` ago, is to be fetched again. */
static struct deadline refetch_after(const struct sts_store *store, const struct sts_policy *policy,
				     int64_t age_s)
{
	int64_t interval_ms = policy->max_age_s * SECOND / 2;

	if (interval_ms > store->times.refetch)
		interval_ms = store->times.refetch;
	return deadline_in_ms(interval_ms - age_s * SECOND);
}

/* What it holds may be out of date: everything is looked at again when it is used. */
static void read_file(struct sts_store *store)
{
	int64_t now = sts_store_now();
	char error[512];

	if (store->file[0] == '\0')
		return;
	if (sts_file_read(&store->table, store->file, now, error, sizeof(error)) < 0)
		log_warning("%s; MTA-STS policies will be fetched again", error);
	sts_table_trim(&store->table, now);
	for (size_t i = 0; i < store->table.count; i++) {
		struct sts_entry *entry = store->table.entries[i];

		entry->look = deadline_in_ms(0);
		entry->refetch = refetch_after(store, &entry->policy, now - entry->fetched_at);
	}
}

static int start_threads(struct sts_store *store)
{
	while (store->refresher_count < STS_REFRESHERS) {
		if (thread_start(&store->refreshers[store->refresher_count], sts_refresher_run,
				 store) < 0)
			return -1;
		store->refresher_count++;
	}
	if (store->file[0] == '\0')
		return 0;
	store->has_writer = thread_start(&store->writer, sts_writer_run, store) == 0;
	return store->has_writer ? 0 : -1;
}

struct sts_store *sts_store_create(const char *file, const char *helper,
				   const struct sts_times *times, char *error, size_t error_size)
{
	struct sts_store *store = calloc(1, sizeof(*store));

	if (store == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	store->times = times != NULL ? *times : sts_times_default;
	pthread_mutex_init(&store->lock, NULL);
	condition_init(&store->finished);
	condition_init(&store->work);
	condition_init(&store->changed);
	log_limit_init(&store->log_limit);
	store->file = strdup(file);
	store->fetcher = sts_fetcher_create(helper);
	if (store->file != NULL && store->fetcher != NULL) {
		read_file(store);
		if (start_threads(store) == 0)
			return store;
	}
	snprintf(error, error_size, "no memory, descriptors or threads left for MTA-STS policies");
	sts_store_destroy(store);
	return NULL;
}

void sts_store_stop(struct sts_store *store)
{
	if (store == NULL)
		return;
	pthread_mutex_lock(&store->lock);
	store->is_stopping = true;
	pthread_cond_broadcast(&store->finished);
	pthread_cond_broadcast(&store->work);
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->lock);
	if (store->fetcher != NULL)
		sts_fetcher_cancel(store->fetcher);
	for (size_t i = 0; i < store->refresher_count; i++)
		pthread_join(store->refreshers[i], NULL);
	store->refresher_count = 0;
	if (store->has_writer)
		pthread_join(store->writer, NULL);
	store->has_writer = false;
}

void sts_store_destroy(struct sts_store *store)
{
	if (store == NULL)
		return;
	sts_store_stop(store);
	sts_fetcher_destroy(store->fetcher);
	sts_table_wipe(&store->table);
	edge_setup_release(store->setup);
	pthread_cond_destroy(&store->changed);
	pthread_cond_destroy(&store->work);
	pthread_cond_destroy(&store->finished);
	pthread_mutex_destroy(&store->lock);
	free(store->file);
	free(store);
}

/* ---- answering ---- */

void sts_answer_wipe(struct sts_answer *answer)
{
	sts_policy_wipe(&answer->policy);
	*answer = (struct sts_answer){ 0 };
}

static void set_answer(struct sts_answer *answer, enum sts_finding finding, const char *reason)
{
	answer->finding = finding;
	snprintf(answer->reason, sizeof(answer->reason), "%s", reason);
}

/* Caller holds the lock. */
static void answer_from(const struct sts_entry *entry, struct sts_answer *answer)
{
	set_answer(answer, entry->finding, entry->reason);
	if (entry->finding != STS_FOUND || sts_policy_copy(&answer->policy, &entry->policy) == 0)
		return;
	/* A policy that allows no host: mode enforce then defers, which is what is left. */
	answer->policy.mode = entry->policy.mode;
	set_answer(answer, STS_FOUND, "out of memory");
}

/* Caller holds the lock. The setup is for the refreshers. */
static void remember_setup(struct sts_store *store, struct edge_setup *setup)
{
	if (store->setup == setup)
		return;
	edge_setup_release(store->setup);
	store->setup = edge_setup_acquire(setup);
	pthread_cond_broadcast(&store->work);
}

/* Caller holds the lock. */
static void mark_dirty(struct sts_store *store)
{
	store->is_dirty = true;
	pthread_cond_signal(&store->changed);
}

/* Caller holds the lock; the entry is known. */
static void use(struct sts_store *store, struct sts_entry *entry)
{
	int64_t now = sts_store_now();

	if (entry->finding != STS_FOUND)
		return;
	if (now - entry->used_at >= USED_AGAIN_S) {
		entry->used_at = now;
		mark_dirty(store);
	}
	if (entry->is_wanted || entry->is_busy || !deadline_has_passed(entry->look))
		return;
	entry->is_wanted = true;
	pthread_cond_broadcast(&store->work);
}

/* Caller holds the lock. false: the time is up, or the store is being stopped. */
static bool wait_for_others(struct sts_store *store, struct deadline deadline)
{
	return !store->is_stopping && sts_store_wait(store, &store->finished, deadline) == 0;
}

/*
 * Caller holds the lock. Answers from what is known, waiting if somebody is asking; or returns the
 * entry, marked busy, that the caller has to find out about. NULL: answered.
 */
static struct sts_entry *answer_or_claim(struct sts_store *store, const char *domain,
					 struct deadline deadline, struct sts_answer *answer)
{
	for (;;) {
		struct sts_entry *entry = sts_table_find(&store->table, domain);

		if (entry != NULL && sts_entry_is_known(entry, sts_store_now())) {
			use(store, entry);
			answer_from(entry, answer);
			return NULL;
		}
		if (entry == NULL)
			entry = sts_table_add(&store->table, domain);
		if (entry == NULL) {
			set_answer(answer, STS_ABSENT, "out of memory");
			return NULL;
		}
		if (!entry->is_busy) {
			entry->is_busy = true;
			return entry;
		}
		if (!wait_for_others(store, deadline)) {
			set_answer(answer, STS_ABSENT,
				   "another delivery was still asking for the policy");
			return NULL;
		}
	}
}

/* What one look found. */
struct look {
	char id[STS_ID_MAX + 1];
	struct sts_answer answer;
	int64_t kept_ms; /* without a policy */
};

/* Without the lock. */
static void look_up(struct sts_store *store, struct edge_setup *setup, const char *domain,
		    struct deadline deadline, struct look *look)
{
	struct sts_answer *answer = &look->answer;

	*look = (struct look){ .kept_ms = store->times.negative };
	deadline = deadline_earlier(deadline, deadline_in_ms(store->times.fetch));
	switch (sts_lookup_id(setup, domain, deadline, look->id, answer->reason,
			      sizeof(answer->reason))) {
	case STS_ANNOUNCED:
		answer->finding =
			sts_lookup_policy(store->fetcher, setup, domain, deadline, &answer->policy,
					  answer->reason, sizeof(answer->reason));
		break;
	case STS_ANNOUNCEMENT_UNKNOWN:
		look->kept_ms = store->times.unknown;
		answer->finding = STS_ABSENT;
		break;
	case STS_NOT_ANNOUNCED:
		answer->finding = STS_ABSENT;
		break;
	}
	if (answer->finding == STS_FOUND)
		answer->reason[0] = '\0';
}

/* ---- keeping ---- */

void sts_store_set_policy(struct sts_store *store, struct sts_entry *entry,
			  struct sts_policy *policy, const char *id)
{
	int64_t now = sts_store_now();
	size_t lost;

	if (entry->finding != STS_FOUND || strcmp(entry->id, id) != 0 ||
	    entry->policy.mode != policy->mode)
		log_info("MTA-STS: %s: mode %s, %zu mx, max_age %lld s, id %s", entry->domain,
			 sts_mode_name(policy->mode), policy->mx_count,
			 (long long)policy->max_age_s, id);
	sts_table_set_policy(&store->table, entry, policy, id, now);
	entry->refetch = refetch_after(store, &entry->policy, 0);
	entry->look = deadline_in_ms(store->times.look);
	pthread_cond_broadcast(&store->work);
	mark_dirty(store);
	lost = sts_table_trim(&store->table, now);
	if (lost > 0 && log_limit_allows(&store->log_limit, deadline_now_ms()))
		log_warning(
			"MTA-STS: more than %d policies: %zu of mode enforce had to be forgotten",
			STS_ENTRIES_MAX, lost);
}

/* Caller holds the lock. is_whole: the look had all the time that it could want. */
static void keep(struct sts_store *store, struct sts_entry *entry, const struct look *look,
		 bool is_whole)
{
	struct sts_policy policy;

	entry->is_busy = false;
	pthread_cond_broadcast(&store->finished);
	if (look->answer.finding == STS_FOUND &&
	    sts_policy_copy(&policy, &look->answer.policy) == 0) {
		entry->used_at = sts_store_now();
		sts_store_set_policy(store, entry, &policy, look->id);
	} else if (look->answer.finding != STS_FOUND && is_whole) {
		sts_table_set_absent(&store->table, entry, look->answer.finding,
				     deadline_in_ms(look->kept_ms));
		memcpy(entry->reason, look->answer.reason, sizeof(entry->reason));
		sts_table_trim(&store->table, sts_store_now());
	} else {
		sts_table_remove(&store->table, entry);
	}
}

void sts_store_find(struct sts_store *store, struct edge_setup *setup, const char *domain,
		    struct deadline deadline, struct sts_answer *answer)
{
	struct sts_entry *entry;
	struct look look;

	*answer = (struct sts_answer){ 0 };
	pthread_mutex_lock(&store->lock);
	remember_setup(store, setup);
	entry = answer_or_claim(store, domain, deadline, answer);
	pthread_mutex_unlock(&store->lock);
	if (entry == NULL)
		return;
	look_up(store, setup, domain, deadline, &look);
	pthread_mutex_lock(&store->lock);
	keep(store, entry, &look, !deadline_has_passed(deadline) && !store->is_stopping);
	pthread_mutex_unlock(&store->lock);
	*answer = look.answer;
}
