/*
 * The queue between deliveries and the thread that counts. A delivery makes its row, puts it at the
 * end of a bounded list and goes on; everything that takes time - DNS, disk - is the thread's.
 */
#include "tlsrpt.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/condition.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "tlsrpt_store.h"

/* How often the log says that sessions were not counted. */
#define TELL_MS (60 * 60 * 1000)

struct entry {
	struct entry *next;
	struct edge_setup *setup; /* a reference */
	struct tlsrpt_row *row;	  /* owned */
	long day;
};

struct tlsrpt {
	pthread_mutex_t lock; /* protects what follows, down to lost */
	pthread_cond_t wake;  /* on CLOCK_MONOTONIC: something is queued, or the end has come */
	struct entry *first, **end;
	size_t queued;
	bool is_ending;
	struct deadline ending; /* for look-ups, once is_ending */
	uint64_t lost;		/* since the log last said so */

	/* The thread's alone. */
	struct tlsrpt_store store;
	int64_t tell_at_ms;

	pthread_t thread; /* create() and destroy() only */
};

static void free_entry(struct entry *entry)
{
	edge_setup_release(entry->setup);
	free(entry);
}

/* With the lock held. NULL: the queue is empty. */
static struct entry *pop(struct tlsrpt *tlsrpt)
{
	struct entry *entry = tlsrpt->first;

	if (entry == NULL)
		return NULL;
	tlsrpt->first = entry->next;
	if (tlsrpt->first == NULL)
		tlsrpt->end = &tlsrpt->first;
	tlsrpt->queued--;
	return entry;
}

/* With the lock held. Until there is something to do, or until the time. */
static void wait_until(struct tlsrpt *tlsrpt, int64_t until_ms)
{
	if (tlsrpt->first != NULL || tlsrpt->is_ending)
		return;
	if (until_ms == INT64_MAX)
		pthread_cond_wait(&tlsrpt->wake, &tlsrpt->lock);
	else
		condition_wait_until(&tlsrpt->wake, &tlsrpt->lock, (struct deadline){ until_ms });
}

/* With the lock held: how many the log is to be told of now. */
static uint64_t take_lost(struct tlsrpt *tlsrpt, int64_t now_ms)
{
	uint64_t lost = tlsrpt->lost;

	if (lost == 0 || (now_ms < tlsrpt->tell_at_ms && !tlsrpt->is_ending))
		return 0;
	tlsrpt->lost = 0;
	tlsrpt->tell_at_ms = now_ms + TELL_MS;
	return lost;
}

static void tell_lost(uint64_t lost)
{
	if (lost > 0)
		log_warning(
			"%llu TLS sessions were not counted for TLS reports: there were too many "
			"of them, or too many domains",
			(unsigned long long)lost);
}

/* Without the lock. */
static bool count(struct tlsrpt *tlsrpt, struct entry *entry, struct deadline ending)
{
	struct deadline deadline = deadline_earlier(deadline_in_ms(TLSRPT_LOOKUP_MS), ending);
	bool is_good = tlsrpt_store_take(&tlsrpt->store, entry->setup->resolver, deadline,
					 entry->row, entry->day);

	/* A queue that is never empty must not keep the file from being written. */
	tlsrpt_store_tend(&tlsrpt->store, entry->day, deadline_now_ms());
	free_entry(entry);
	return is_good;
}

static void *run(void *argument)
{
	struct tlsrpt *tlsrpt = argument;
	bool is_over = false;

	pthread_mutex_lock(&tlsrpt->lock);
	while (!is_over) {
		struct entry *entry;
		struct deadline ending;
		bool is_good = true;
		uint64_t lost;

		wait_until(tlsrpt, tlsrpt->store.write_at_ms);
		entry = pop(tlsrpt);
		is_over = entry == NULL && tlsrpt->is_ending;
		ending = tlsrpt->ending;
		lost = take_lost(tlsrpt, deadline_now_ms());
		pthread_mutex_unlock(&tlsrpt->lock);
		tell_lost(lost);
		if (entry != NULL)
			is_good = count(tlsrpt, entry, ending);
		else if (!is_over)
			tlsrpt_store_tend(&tlsrpt->store, tlsrpt_day_number(time(NULL)),
					  deadline_now_ms());
		pthread_mutex_lock(&tlsrpt->lock);
		tlsrpt->lost += !is_good;
	}
	tell_lost(take_lost(tlsrpt, deadline_now_ms()));
	pthread_mutex_unlock(&tlsrpt->lock);
	tlsrpt_store_wipe(&tlsrpt->store);
	return NULL;
}

static void init(struct tlsrpt *tlsrpt)
{
	condition_init(&tlsrpt->wake);
	pthread_mutex_init(&tlsrpt->lock, NULL);
	tlsrpt->end = &tlsrpt->first;
	tlsrpt->ending = DEADLINE_NEVER;
}

static void release(struct tlsrpt *tlsrpt)
{
	pthread_cond_destroy(&tlsrpt->wake);
	pthread_mutex_destroy(&tlsrpt->lock);
	free(tlsrpt);
}

struct tlsrpt *tlsrpt_create(const char *directory, char *error, size_t error_size)
{
	struct tlsrpt *tlsrpt = calloc(1, sizeof(*tlsrpt));

	if (tlsrpt == NULL ||
	    tlsrpt_store_init(&tlsrpt->store, directory, tlsrpt_day_number(time(NULL))) < 0) {
		snprintf(error, error_size, "out of memory");
		free(tlsrpt);
		return NULL;
	}
	init(tlsrpt);
	if (thread_start(&tlsrpt->thread, run, tlsrpt) == 0)
		return tlsrpt;
	snprintf(error, error_size, "no thread for TLS statistics");
	tlsrpt_store_wipe(&tlsrpt->store);
	release(tlsrpt);
	return NULL;
}

void tlsrpt_destroy(struct tlsrpt *tlsrpt)
{
	if (tlsrpt == NULL)
		return;
	pthread_mutex_lock(&tlsrpt->lock);
	tlsrpt->is_ending = true;
	tlsrpt->ending = deadline_in_ms(TLSRPT_LOOKUP_MS);
	pthread_cond_signal(&tlsrpt->wake);
	pthread_mutex_unlock(&tlsrpt->lock);
	pthread_join(tlsrpt->thread, NULL);
	release(tlsrpt);
}

static struct tlsrpt_row *make_row(const struct tlsrpt_session *session)
{
	const char *const text[TLSRPT_TEXTS] = {
		[TLSRPT_TEXT_DOMAIN] = session->domain,
		[TLSRPT_TEXT_POLICY_DOMAIN] = session->policy_domain,
		[TLSRPT_TEXT_POLICY] = session->policy_text,
		[TLSRPT_TEXT_MX_PATTERN] = session->mx_pattern,
		[TLSRPT_TEXT_MX_HOST] = session->mx_host,
		[TLSRPT_TEXT_RECEIVING_IP] = session->receiving_ip,
		[TLSRPT_TEXT_SENDING_IP] = session->sending_ip,
		[TLSRPT_TEXT_REASON] = session->reason,
	};

	return tlsrpt_row_create(session->policy, session->result, text);
}

/* With the lock held. false: the queue is full. */
static bool push(struct tlsrpt *tlsrpt, struct entry *entry)
{
	if (tlsrpt->queued >= TLSRPT_QUEUE_MAX || tlsrpt->is_ending)
		return false;
	*tlsrpt->end = entry;
	tlsrpt->end = &entry->next;
	tlsrpt->queued++;
	pthread_cond_signal(&tlsrpt->wake);
	return true;
}

void tlsrpt_count(struct tlsrpt *tlsrpt, struct edge_setup *setup,
		  const struct tlsrpt_session *session)
{
	struct tlsrpt_row *row;
	struct entry *entry;
	bool is_queued;

	if (tlsrpt == NULL || !setup->conf.tls_reports)
		return;
	row = make_row(session);
	entry = row != NULL ? calloc(1, sizeof(*entry)) : NULL;
	if (entry == NULL) {
		free(row);
		return;
	}
	*entry = (struct entry){ .setup = edge_setup_acquire(setup),
				 .row = row,
				 .day = tlsrpt_day_number(time(NULL)) };
	pthread_mutex_lock(&tlsrpt->lock);
	is_queued = push(tlsrpt, entry);
	tlsrpt->lost += !is_queued;
	pthread_mutex_unlock(&tlsrpt->lock);
	if (is_queued)
		return;
	free(row);
	free_entry(entry);
}
