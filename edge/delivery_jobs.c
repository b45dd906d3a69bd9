/* A counter that can be waited for. See delivery_jobs.h. */
#include "delivery_jobs.h"

#include "lib/condition.h"

void delivery_jobs_init(struct delivery_jobs *jobs)
{
	pthread_mutex_init(&jobs->lock, NULL);
	condition_init(&jobs->emptied);
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
	size_t left;

	pthread_mutex_lock(&jobs->lock);
	while (jobs->count > 0 && condition_wait_until(&jobs->emptied, &jobs->lock, deadline) == 0)
		;
	left = jobs->count;
	pthread_mutex_unlock(&jobs->lock);
	return left;
}
