/* How many deliveries are under way, for the end of the edge. Thread-safe. */
#ifndef DELIVERY_JOBS_H
#define DELIVERY_JOBS_H

#include <pthread.h>
#include <stddef.h>

#include "lib/deadline.h"

struct delivery_jobs {
	pthread_mutex_t lock;		/* protects count */
	pthread_cond_t emptied;
	size_t count;
};

void delivery_jobs_init(struct delivery_jobs *jobs);
void delivery_jobs_begin(struct delivery_jobs *jobs);
/* The last thing that a delivery's thread does with the edge. */
void delivery_jobs_end(struct delivery_jobs *jobs);
/* Waits until none is left or the deadline passes; returns how many are. */
size_t delivery_jobs_wait_empty(struct delivery_jobs *jobs, struct deadline deadline);

#endif
