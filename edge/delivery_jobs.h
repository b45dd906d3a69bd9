/*
 * Deliveries for which a mail host waits, and a thread that looks at them when their time has come; and how many there are for which
 * nobody waits any more. Thread-safe.
 */
#ifndef DELIVERY_JOBS_H
#define DELIVERY_JOBS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/deadline.h"

struct delivery_watch;

/* What a look comes to: the delivery is left to itself from now on, or how many ms later it is to be looked at again. */
#define DELIVERY_IS_LEFT ((int64_t)-1)
/* Runs under the lock of the jobs: it may not block, nor call back. */
typedef int64_t delivery_look_fn(struct delivery_watch *watch);

/* Embedded in what is watched. */
struct delivery_watch {
	struct delivery_watch *next, **link;	/* NULL: not watched */
	int64_t look_at_ms;			/* deadline_now_ms() */
	delivery_look_fn *look;
};

struct delivery_jobs {
	pthread_mutex_t lock;		/* protects everything below */
	pthread_cond_t woken;		/* for the thread */
	pthread_cond_t emptied;
	struct delivery_watch *first;
	int64_t wakes_at_ms;		/* when the thread looks next */
	size_t left;			/* left to themselves */
	bool is_stopping;
	pthread_t thread;
};

void delivery_jobs_init(struct delivery_jobs *jobs);
/* The thread; -1: the system has no room for it. */
int delivery_jobs_start(struct delivery_jobs *jobs);
/* Ends the thread; nothing is watched any more. */
void delivery_jobs_stop(struct delivery_jobs *jobs);

/* Looks at it for the first time after so long. */
void delivery_jobs_watch(struct delivery_jobs *jobs, struct delivery_watch *watch, int64_t look_in_ms);
/* No look is under way, and none will come. */
void delivery_jobs_unwatch(struct delivery_jobs *jobs, struct delivery_watch *watch);

/* One that was left has ended: the last thing that its thread does with the edge. */
void delivery_jobs_end(struct delivery_jobs *jobs);
/* Waits until none that was left is under way or the deadline passes; returns how many are. */
size_t delivery_jobs_wait_empty(struct delivery_jobs *jobs, struct deadline deadline);

#endif
