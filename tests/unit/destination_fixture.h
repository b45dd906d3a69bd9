/* Destinations, those who enter them, and threads that stand in line. Needs cmocka.h. */
#ifndef DESTINATION_FIXTURE_H
#define DESTINATION_FIXTURE_H

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "edge/destination_state.h"
#include "eventually.h"

#define DOMAIN "example.com"
/*
 * Those in line look again twice a second, so that a call which they have missed would show in nothing but time. A thread that is only called
 * never looks again: without the call it waits for ever.
 */
static __thread bool is_only_called;
/* How often this thread has had to wait. */
static __thread unsigned waits;

int pthread_cond_timedwait(pthread_cond_t *called, pthread_mutex_t *lock, const struct timespec *until)
{
	waits++;
	if (is_only_called)
		return pthread_cond_wait(called, lock);
	return pthread_cond_clockwait(called, lock, CLOCK_MONOTONIC, until);
}

static inline enum destination_result enter(struct destination_table *table, const char *domain,
					    size_t limit, struct deadline deadline,
					    struct destination_place *place)
{
	return destination_enter(table, &(struct destination_request){
		.domain = domain,
		.limit = limit,
		.wait_max_ms = DESTINATION_WAIT_MAX_MS,
		.deadline = deadline,
	}, place);
}

/* Does not wait. */
static inline enum destination_result try_to_enter(struct destination_table *table, const char *domain,
						   size_t limit, struct destination_place *place)
{
	return enter(table, domain, limit, deadline_in_ms(0), place);
}

static inline void must_enter(struct destination_table *table, const char *domain, size_t limit,
			      struct destination_place *place)
{
	assert_int_equal(try_to_enter(table, domain, limit, place), DESTINATION_ENTERED);
}

/* What somebody who cannot wait is told. */
static inline void must_be_busy(struct destination_table *table, const char *domain, size_t limit,
				size_t active, size_t waiting)
{
	struct destination_place place;

	assert_int_equal(try_to_enter(table, domain, limit, &place), DESTINATION_BUSY);
	assert_int_equal(place.active, active);
	assert_int_equal(place.waiting, waiting);
}

/* As if whoever has this place had come so much earlier. */
static inline void make_older(struct destination_place *place, int64_t ms)
{
	place->entered_ms -= ms;
	place->destination->service.entered_sum_ms -= ms;
}

/* ---- a thread that stands in line ---- */

struct standing {
	struct destination_table *table;
	size_t limit;
	const char *client;		/* or NULL */
	pthread_t thread;
	enum destination_result result;
	struct destination_place place;
	bool looks_again;
};

static inline void *stand(void *argument)
{
	struct standing *standing = argument;

	is_only_called = !standing->looks_again;
	standing->result = destination_enter(standing->table, &(struct destination_request){
		.domain = DOMAIN,
		.limit = standing->limit,
		.wait_max_ms = DESTINATION_WAIT_MAX_MS,
		.deadline = DEADLINE_NEVER,
		.client = standing->client,
	}, &standing->place);
	return NULL;
}

static inline size_t count_waiting(struct destination_table *table)
{
	size_t waiting = 0;

	pthread_mutex_lock(&table->lock);
	for (struct destination *destination = table->by_domain; destination != NULL; destination = destination->hh.next)
		waiting += destination->waiting;
	pthread_mutex_unlock(&table->lock);
	return waiting;
}

/* Returns when the thread, whose request is there, is the last of `waiting` in line. */
static inline void start_standing(struct standing *standing, size_t waiting)
{
	assert_int_equal(pthread_create(&standing->thread, NULL, stand, standing), 0);
	EVENTUALLY(count_waiting(standing->table) == waiting);
}

static inline void line_up(struct standing *standing, struct destination_table *table, size_t limit,
			   size_t waiting)
{
	*standing = (struct standing){ .table = table, .limit = limit };
	start_standing(standing, waiting);
}

static inline void must_have(struct standing *standing, enum destination_result result)
{
	pthread_join(standing->thread, NULL);
	assert_int_equal(standing->result, result);
}

#endif
