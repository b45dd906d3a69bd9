/* Destinations, those who enter them, and threads that stand in line. Needs cmocka.h. */
#ifndef DESTINATION_FIXTURE_H
#define DESTINATION_FIXTURE_H

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "edge/destination_state.h"

#define DOMAIN "example.com"
/* No wait takes this long unless a wake-up was lost; a busy machine needs some of it. */
#define PROMPT_MS 5000

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
	int64_t took_ms;
};

static inline void *stand(void *argument)
{
	struct standing *standing = argument;
	int64_t before_ms = deadline_now_ms();

	standing->result = destination_enter(standing->table, &(struct destination_request){
		.domain = DOMAIN,
		.limit = standing->limit,
		.wait_max_ms = DESTINATION_WAIT_MAX_MS,
		.deadline = DEADLINE_NEVER,
		.client = standing->client,
	}, &standing->place);
	standing->took_ms = deadline_now_ms() - before_ms;
	return NULL;
}

/* Returns when the thread is the last of `waiting` in line. */
static inline void line_up_of(struct standing *standing, struct destination_table *table, const char *client,
			      size_t limit, size_t waiting)
{
	struct deadline deadline = deadline_in_ms(PROMPT_MS);
	struct destination_place seen = { 0 };

	*standing = (struct standing){ .table = table, .limit = limit, .client = client };
	assert_int_equal(pthread_create(&standing->thread, NULL, stand, standing), 0);
	while (seen.waiting != waiting) {
		assert_false(deadline_has_passed(deadline));
		usleep(1000);
		assert_int_equal(try_to_enter(table, DOMAIN, limit, &seen), DESTINATION_BUSY);
	}
}

static inline void line_up(struct standing *standing, struct destination_table *table, size_t limit,
			   size_t waiting)
{
	line_up_of(standing, table, NULL, limit, waiting);
}

static inline void must_have(struct standing *standing, enum destination_result result)
{
	pthread_join(standing->thread, NULL);
	assert_int_equal(standing->result, result);
	assert_true(standing->took_ms < PROMPT_MS);
}

#endif
