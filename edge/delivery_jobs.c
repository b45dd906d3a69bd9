/* A list, looked through when the first of it is due, and not more often than it must. See delivery_jobs.h. */
#include "delivery_jobs.h"

#include "lib/condition.h"
#include "lib/thread.h"

/* With nothing to look at the thread goes to sleep for good, but not before this: one delivery after the other need not wake it. */
#define REST_MS 1000

void delivery_jobs_init(struct delivery_jobs *jobs)
{
	*jobs = (struct delivery_jobs){ .wakes_at_ms = INT64_MAX };
	pthread_mutex_init(&jobs->lock, NULL);
	condition_init(&jobs->woken);
	condition_init(&jobs->emptied);
}

/* Caller holds the lock, here and below. */
static void take_out(struct delivery_watch *watch)
{
	*watch->link = watch->next;
	if (watch->next != NULL)
		watch->next->link = watch->link;
	watch->next = NULL;
	watch->link = NULL;
}

static void look_at(struct delivery_jobs *jobs, struct delivery_watch *watch, int64_t now_ms)
{
	int64_t again_ms = watch->look(watch);

	watch->look_at_ms = now_ms + again_ms;
	if (again_ms != DELIVERY_IS_LEFT)
		return;
	take_out(watch);
	jobs->left++;
}

/* Returns when the next look is due; INT64_MAX: there is nothing to look at. */
static int64_t look_at_due(struct delivery_jobs *jobs)
{
	int64_t now_ms = deadline_now_ms(), soonest_ms = INT64_MAX;

	for (struct delivery_watch *watch = jobs->first, *next; watch != NULL; watch = next) {
		next = watch->next;
		if (watch->look_at_ms <= now_ms)
			look_at(jobs, watch, now_ms);
		if (watch->link != NULL && watch->look_at_ms < soonest_ms)
			soonest_ms = watch->look_at_ms;
	}
	return soonest_ms;
}

static void *run(void *argument)
{
	struct delivery_jobs *jobs = argument;
	bool rests = false;

	pthread_mutex_lock(&jobs->lock);
	while (!jobs->is_stopping) {
		int64_t next_ms = look_at_due(jobs);

		rests = next_ms == INT64_MAX && !rests;
		if (rests)
			next_ms = deadline_now_ms() + REST_MS;
		jobs->wakes_at_ms = next_ms;
		if (next_ms == INT64_MAX)
			pthread_cond_wait(&jobs->woken, &jobs->lock);
		else
			condition_wait_until(&jobs->woken, &jobs->lock, (struct deadline){ .at_ms = next_ms });
	}
	pthread_mutex_unlock(&jobs->lock);
	return NULL;
}

int delivery_jobs_start(struct delivery_jobs *jobs)
{
	return thread_start(&jobs->thread, run, jobs);
}

void delivery_jobs_stop(struct delivery_jobs *jobs)
{
	pthread_mutex_lock(&jobs->lock);
	jobs->is_stopping = true;
	pthread_cond_signal(&jobs->woken);
	pthread_mutex_unlock(&jobs->lock);
	pthread_join(jobs->thread, NULL);
}

void delivery_jobs_watch(struct delivery_jobs *jobs, struct delivery_watch *watch, int64_t look_in_ms)
{
	watch->look_at_ms = deadline_now_ms() + look_in_ms;
	pthread_mutex_lock(&jobs->lock);
	watch->next = jobs->first;
	watch->link = &jobs->first;
	if (watch->next != NULL)
		watch->next->link = &watch->next;
	jobs->first = watch;
	if (watch->look_at_ms < jobs->wakes_at_ms)
		pthread_cond_signal(&jobs->woken);
	pthread_mutex_unlock(&jobs->lock);
}

void delivery_jobs_unwatch(struct delivery_jobs *jobs, struct delivery_watch *watch)
{
	pthread_mutex_lock(&jobs->lock);
	if (watch->link != NULL)
		take_out(watch);
	pthread_mutex_unlock(&jobs->lock);
}

void delivery_jobs_end(struct delivery_jobs *jobs)
{
	pthread_mutex_lock(&jobs->lock);
	if (--jobs->left == 0)
		pthread_cond_broadcast(&jobs->emptied);
	pthread_mutex_unlock(&jobs->lock);
}

size_t delivery_jobs_wait_empty(struct delivery_jobs *jobs, struct deadline deadline)
{
	size_t left;

	pthread_mutex_lock(&jobs->lock);
	while (jobs->left > 0 && condition_wait_until(&jobs->emptied, &jobs->lock, deadline) == 0)
		;
	left = jobs->left;
	pthread_mutex_unlock(&jobs->lock);
	return left;
}
