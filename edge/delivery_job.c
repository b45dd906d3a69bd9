/*
 * The thread that waits is the one that delivers. To leave the delivery to itself is therefore to take the rest from it: the thread
 * of the jobs (delivery_jobs.h) finds that the time is over, and the listener goes on in a new thread. From then on the old one
 * knows nothing but the job. Whoever is the last to need that frees it.
 */
#include "delivery_job.h"

#include <stdlib.h>
#include <string.h>

/* When a delivery could not be left to itself: how soon it is tried again. */
#define LEAVE_AGAIN_MS 1000

struct delivery_job {
	struct edge *edge;		/* fixed, like the four below */
	struct delivery_listener listener;
	char queue_id[QUEUE_ID_MAX + 1];
	size_t recipient_count;
	bool can_be_left;		/* its outcomes can be collected later */
	int64_t left_max;		/* deliveries left to themselves, of all */
	int64_t began_ms;
	struct transaction transaction;	/* the delivering thread's */
	struct delivery_progress progress;	/* has its own lock */
	struct delivery_watch watch;	/* under the lock of edge->jobs */

	pthread_mutex_t lock;		/* protects these; held while an outcome is told */
	bool *is_told;			/* per recipient */
	bool is_left;
	int references;
};

static void destroy(struct delivery_job *job)
{
	delivery_progress_wipe(&job->progress);
	pthread_mutex_destroy(&job->lock);
	free(job->is_told);
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

struct delivery_job *delivery_job_create(struct edge *edge, struct transaction *transaction,
					 const struct delivery_listener *listener)
{
	/* calloc(3) would not do: the digest in it is aligned to more than max_align_t. */
	struct delivery_job *job = aligned_alloc(_Alignof(struct delivery_job), sizeof(*job));
	size_t count = transaction->envelope.recipient_count;
	bool *is_told = calloc(count, sizeof(*is_told));

	if (job == NULL || is_told == NULL) {
		free(job);
		free(is_told);
		return NULL;
	}
	memset(job, 0, sizeof(*job));
	job->edge = edge;
	job->listener = *listener;
	job->recipient_count = count;
	job->is_told = is_told;
	job->references = 1;
	job->can_be_left = edge->journal != NULL && transaction->envelope.queue_id[0] != '\0';
	job->left_max = transaction->setup->conf.delivery_threads;
	job->began_ms = deadline_now_ms();
	memcpy(job->queue_id, transaction->envelope.queue_id, sizeof(job->queue_id));
	pthread_mutex_init(&job->lock, NULL);
	delivery_progress_init(&job->progress, count);
	transaction_move(&job->transaction, transaction);
	return job;
}

static void tell(void *context, size_t recipient, const struct delivery_status *status)
{
	struct delivery_job *job = context;

	pthread_mutex_lock(&job->lock);
	if (!job->is_left) {
		job->is_told[recipient] = true;
		job->listener.tell(job->listener.context, recipient, status);
	}
	pthread_mutex_unlock(&job->lock);
}

/* Caller holds the lock. */
static bool leave(struct delivery_job *job)
{
	_Atomic int64_t *threads = &job->edge->load.threads;

	job->is_left = atomic_fetch_add(threads, 1) < job->left_max;
	job->references++;
	if (job->is_left)
		job->is_left = job->listener.take_over(job->listener.context, job);
	if (!job->is_left) {
		job->references--;
		atomic_fetch_sub(threads, 1);
	}
	return job->is_left;
}

int64_t delivery_job_waited_ms(const struct delivery_job *job)
{
	return deadline_now_ms() - job->began_ms;
}

static int64_t look(struct delivery_watch *watch)
{
	struct delivery_job *job = (struct delivery_job *)((char *)watch - offsetof(struct delivery_job, watch));
	int64_t patience_ms = job->listener.patience_ms(job->listener.context, delivery_job_waited_ms(job));
	bool is_left;

	if (patience_ms > 0)
		return patience_ms;
	/* An outcome is being told: there may be no need to leave. */
	if (pthread_mutex_trylock(&job->lock) != 0)
		return LEAVE_AGAIN_MS;
	is_left = leave(job);
	pthread_mutex_unlock(&job->lock);
	return is_left ? DELIVERY_IS_LEFT : LEAVE_AGAIN_MS;
}

bool delivery_job_run(struct delivery_job *job)
{
	struct edge *edge = job->edge;
	bool was_left;

	job->watch.look = look;
	if (job->can_be_left)
		delivery_jobs_watch(&edge->jobs, &job->watch,
				    job->listener.patience_ms(job->listener.context, 0));
	transaction_deliver(&job->transaction, edge, &job->progress, tell, job);
	/* What comes next, here or in the mail host's next message, shall have room. */
	transaction_end(&job->transaction);
	delivery_jobs_unwatch(&edge->jobs, &job->watch);
	pthread_mutex_lock(&job->lock);
	was_left = job->is_left;
	pthread_mutex_unlock(&job->lock);
	if (was_left)
		atomic_fetch_sub(&edge->load.threads, 1);
	delivery_job_release(job);
	return !was_left;
}

void *delivery_job_context(const struct delivery_job *job)
{
	return job->listener.context;
}

const char *delivery_job_queue_id(const struct delivery_job *job)
{
	return job->queue_id;
}

bool delivery_job_next_open(struct delivery_job *job, size_t *recipient)
{
	bool is_open = false;

	pthread_mutex_lock(&job->lock);
	while (*recipient < job->recipient_count && !is_open) {
		is_open = !job->is_told[*recipient];
		*recipient += !is_open;
	}
	pthread_mutex_unlock(&job->lock);
	return is_open;
}

char *delivery_job_print_place(struct delivery_job *job, size_t recipient, char *out, size_t size)
{
	return delivery_progress_print(&job->progress, recipient, out, size);
}
