/*
 * Two threads share a job: the one that delivers, and the session that waits. Outcomes go from one
 * to the other through a list. Whoever is the last to need the job frees it.
 */
#include "delivery_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/condition.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "tls_context.h"

struct outcome {
	struct outcome *next;
	size_t recipient;
	struct delivery_status status;
};

struct delivery_job {
	struct edge *edge;		/* fixed, like the three below */
	bool is_journaled;
	int64_t left_max;		/* deliveries left to themselves, of all */
	struct transaction transaction;	/* the delivering thread's */
	struct delivery_progress progress;	/* has its own lock */

	pthread_mutex_t lock;		/* protects these */
	pthread_cond_t changed;
	struct outcome *first, **last;
	bool is_done;
	bool is_left;			/* nobody listens */
	int references;
};

static void destroy(struct delivery_job *job)
{
	struct outcome *next;

	for (struct outcome *outcome = job->first; outcome != NULL; outcome = next) {
		next = outcome->next;
		free(outcome);
	}
	delivery_progress_wipe(&job->progress);
	pthread_mutex_destroy(&job->lock);
	pthread_cond_destroy(&job->changed);
	free(job);
}

void delivery_job_release(struct delivery_job *job)
{
	bool is_last;

	pthread_mutex_lock(&job->lock);
	is_last = --job->references == 0;
	pthread_mutex_unlock(&job->lock);
	if (is_last)
		destroy(job);
}

/* An outcome for which there is no memory is not told: the mail host takes it for temporary, and asks the journal. */
static void hand_over(void *context, size_t recipient, const struct delivery_status *status)
{
	struct delivery_job *job = context;
	struct outcome *outcome = malloc(sizeof(*outcome));

	if (outcome == NULL)
		return;
	*outcome = (struct outcome){ .recipient = recipient, .status = *status };
	pthread_mutex_lock(&job->lock);
	*job->last = outcome;
	job->last = &outcome->next;
	pthread_cond_signal(&job->changed);
	pthread_mutex_unlock(&job->lock);
}

static void *run(void *argument)
{
	struct delivery_job *job = argument;
	struct edge *edge = job->edge;
	bool was_left;

	log_set_tag(job->transaction.envelope.queue_id);
	transaction_deliver(&job->transaction, edge, &job->progress, hand_over, job);
	/* DONE brings the next message; there shall be room for it. */
	transaction_end(&job->transaction);
	pthread_mutex_lock(&job->lock);
	job->is_done = true;
	was_left = job->is_left;
	pthread_cond_signal(&job->changed);
	pthread_mutex_unlock(&job->lock);
	if (was_left)
		atomic_fetch_sub(&edge->load.threads, 1);
	delivery_job_release(job);
	tls_context_thread_end();
	delivery_jobs_end(&edge->jobs);
	return NULL;
}

struct delivery_job *delivery_job_start(struct edge *edge, struct transaction *transaction)
{
	/* calloc(3) would not do: the digest in it is aligned to more than max_align_t. */
	struct delivery_job *job = aligned_alloc(_Alignof(struct delivery_job), sizeof(*job));

	if (job == NULL)
		return NULL;
	memset(job, 0, sizeof(*job));
	job->edge = edge;
	job->last = &job->first;
	job->references = 2;
	job->is_journaled = edge->journal != NULL && transaction->envelope.queue_id[0] != '\0';
	job->left_max = transaction->setup->conf.delivery_threads;
	pthread_mutex_init(&job->lock, NULL);
	condition_init(&job->changed);
	delivery_progress_init(&job->progress, transaction->envelope.recipient_count);
	transaction_move(&job->transaction, transaction);
	delivery_jobs_begin(&edge->jobs);
	if (thread_start_detached(run, job) == 0)
		return job;
	delivery_jobs_end(&edge->jobs);
	transaction_move(transaction, &job->transaction);
	destroy(job);
	return NULL;
}

/* Caller holds the lock. NULL: none has come. */
static struct outcome *take_outcome(struct delivery_job *job)
{
	struct outcome *outcome = job->first;

	if (outcome == NULL)
		return NULL;
	job->first = outcome->next;
	if (job->first == NULL)
		job->last = &job->first;
	return outcome;
}

enum delivery_job_event delivery_job_wait(struct delivery_job *job, struct deadline deadline,
					  size_t *recipient, struct delivery_status *status)
{
	struct outcome *outcome;
	bool is_done;
	int error = 0;

	pthread_mutex_lock(&job->lock);
	while (job->first == NULL && !job->is_done && error == 0)
		error = condition_wait_until(&job->changed, &job->lock, deadline);
	outcome = take_outcome(job);
	is_done = job->is_done;
	pthread_mutex_unlock(&job->lock);
	if (outcome == NULL)
		return is_done ? DELIVERY_JOB_DONE : DELIVERY_JOB_WAIT_OVER;
	*recipient = outcome->recipient;
	*status = outcome->status;
	free(outcome);
	return DELIVERY_JOB_STATUS;
}

char *delivery_job_print_place(struct delivery_job *job, size_t recipient, char *out, size_t size)
{
	return delivery_progress_print(&job->progress, recipient, out, size);
}

bool delivery_job_leave(struct delivery_job *job)
{
	_Atomic int64_t *threads = &job->edge->load.threads;
	bool is_left = false;

	pthread_mutex_lock(&job->lock);
	if (!job->is_done && job->first == NULL && job->is_journaled) {
		is_left = atomic_fetch_add(threads, 1) < job->left_max;
		if (!is_left)
			atomic_fetch_sub(threads, 1);
	}
	job->is_left = is_left;
	pthread_mutex_unlock(&job->lock);
	return is_left;
}
