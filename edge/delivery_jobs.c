/* A counter that can be waited for. See delivery_jobs.h. */
#include "delivery_jobs.h"

#include <time.h>

void delivery_jobs_init(struct delivery_jobs *jobs)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&jobs->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&jobs->emptied, &attributes);
	pthread_condattr_destroy(&attributes);
	jobs->count = 0;
}

void delivery_jobs_begin(struct delivery_jobs *jobs)
{
	pthread_mutex_lock(&jobs->lock);
	jobs->count++;
	pthread_mutex_unlock(&jobs->lock);
}

void delivery_jobs_end(struct delivery_jobs *jobs)
{
	pthread_mutex_lock(&jobs->lock);
	if (--jobs->count == 0)
		pthread_cond_broadcast(&jobs->emptied);
	pthread_mutex_unlock(&jobs->lock);
}

size_t delivery_jobs_wait_empty(struct delivery_jobs *jobs, struct deadline deadline)
{
	struct timespec until = { .tv_sec = deadline.at_ms / 1000,
				  .tv_nsec = deadline.at_ms % 1000 * 1000000 };
	size_t left;

	pthread_mutex_lock(&jobs->lock);
	while (jobs->count > 0 && pthread_cond_timedwait(&jobs->emptied, &jobs->lock, &until) == 0)
		;
	left = jobs->count;
	pthread_mutex_unlock(&jobs->lock);
	return left;
}
