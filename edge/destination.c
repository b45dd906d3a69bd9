/*
 * Places and a line for each destination that is busy at the moment; one that is idle has no entry.
 * Whoever makes room gives the place to the first in line, so nobody overtakes and no wake-up is
 * lost: a place is either given, seen under the lock, or still free.
 *
 * The speed of a destination decides how long a line may be. A burst to a fast one waits its turn;
 * a burst to a slow one goes back to the mail host's queue before it has taken every slot there.
 */
/* Memory that is not there is an outcome like others; uthash would exit. */
#define HASH_NONFATAL_OOM 1

#include "destination.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>
#include <utlist.h>

#include "lib/ascii.h"
#include "lib/smtp_limits.h"

/* Weight of one delivery in the average: an eighth, as in TCP's round-trip time (RFC 6298). */
#define AVERAGE_WEIGHT 8

/* On the stack of the thread that waits; protected by the table's lock. */
struct waiter {
	struct waiter *prev, *next;
	pthread_cond_t called;		/* has a place, or is to look at is_stopping */
	bool has_place;
	int64_t entered_ms;		/* with a place */
};

struct destination {
	char domain[SMTP_DOMAIN_MAX + 1];	/* lower case; the key */
	size_t limit;			/* of the last request: a reload may change it */
	size_t active;
	int64_t entered_sum_ms;		/* of those active */
	int64_t average_ms;		/* time inside of those who left; 0: nobody has */
	struct waiter *line;		/* first come first */
	size_t waiting;
	UT_hash_handle hh;
};

void destination_table_init(struct destination_table *table)
{
	pthread_mutex_init(&table->lock, NULL);
	table->by_domain = NULL;
	table->is_stopping = false;
}

void destination_table_wipe(struct destination_table *table)
{
	pthread_mutex_destroy(&table->lock);
}

void destination_table_stop(struct destination_table *table)
{
	struct destination *destination, *next;
	struct waiter *waiter;

	pthread_mutex_lock(&table->lock);
	table->is_stopping = true;
	HASH_ITER(hh, table->by_domain, destination, next)
		DL_FOREACH(destination->line, waiter)
			pthread_cond_signal(&waiter->called);
	pthread_mutex_unlock(&table->lock);
}

/* Below, the caller holds the lock. */

static struct destination *find(const struct destination_table *table, const char *key)
{
	struct destination *found;

	HASH_FIND_STR(table->by_domain, key, found);
	return found;
}

/* NULL: out of memory. */
static struct destination *add(struct destination_table *table, const char *key)
{
	struct destination *fresh = calloc(1, sizeof(*fresh));

	if (fresh == NULL)
		return NULL;
	strcpy(fresh->domain, key);
	HASH_ADD_STR(table->by_domain, domain, fresh);
	if (fresh->hh.tbl != NULL)
		return fresh;
	free(fresh);
	return NULL;
}

static struct destination *find_or_add(struct destination_table *table, const char *domain)
{
	char key[SMTP_DOMAIN_MAX + 1];
	struct destination *found;

	snprintf(key, sizeof(key), "%s", domain);
	for (char *at = key; *at != '\0'; at++)
		*at = ascii_lower(*at);
	found = find(table, key);
	return found != NULL ? found : add(table, key);
}

static void drop_if_idle(struct destination_table *table, struct destination *destination)
{
	if (destination->active > 0 || destination->waiting > 0)
		return;
	HASH_DEL(table->by_domain, destination);
	free(destination);
}

static void leave_line(struct destination *destination, struct waiter *waiter)
{
	DL_DELETE(destination->line, waiter);
	destination->waiting--;
}

/* Gives the free places to the first in line. */
static void serve_line(struct destination *destination)
{
	while (destination->line != NULL && destination->active < destination->limit) {
		struct waiter *first = destination->line;

		leave_line(destination, first);
		destination->active++;
		first->has_place = true;
		first->entered_ms = deadline_now_ms();
		destination->entered_sum_ms += first->entered_ms;
		pthread_cond_signal(&first->called);
	}
}

/*
 * How long a delivery takes here. Of a tarpit nobody comes back to tell: those who are still inside
 * count as soon as they have been there for longer than the others were.
 */
static int64_t service_ms(const struct destination *destination)
{
	int64_t inside_ms = 0;

	if (destination->active > 0)
		inside_ms = deadline_now_ms() -
			    destination->entered_sum_ms / (int64_t)destination->active;
	return inside_ms > destination->average_ms ? inside_ms : destination->average_ms;
}

static bool is_line_too_long(const struct destination *destination, int64_t wait_max_ms)
{
	int64_t expected_ms = (int64_t)destination->waiting * service_ms(destination) /
			      (int64_t)destination->limit;

	return expected_ms > wait_max_ms;
}

/* The lock is given up while waiting. Returns with the waiter out of the line. */
static enum destination_result wait_in_line(struct destination_table *table,
					    struct destination *destination, struct waiter *waiter,
					    struct deadline deadline)
{
	struct timespec until = { .tv_sec = deadline.at_ms / 1000,
				  .tv_nsec = deadline.at_ms % 1000 * 1000000 };
	int error = 0;

	while (!waiter->has_place && !table->is_stopping && error == 0)
		error = pthread_cond_timedwait(&waiter->called, &table->lock, &until);
	if (waiter->has_place)
		return DESTINATION_ENTERED;
	leave_line(destination, waiter);
	return table->is_stopping ? DESTINATION_CANCELLED : DESTINATION_BUSY;
}

/* At the end of the line; the first in it may be let in at once. */
static enum destination_result line_up(struct destination_table *table,
				       struct destination *destination,
				       const struct destination_request *request,
				       struct waiter *waiter)
{
	destination->limit = request->limit;
	DL_APPEND(destination->line, waiter);
	destination->waiting++;
	serve_line(destination);
	if (!waiter->has_place && is_line_too_long(destination, request->wait_max_ms)) {
		leave_line(destination, waiter);
		return DESTINATION_BUSY;
	}
	return wait_in_line(table, destination, waiter,
			    deadline_earlier(request->deadline,
					     deadline_in_ms(request->wait_max_ms)));
}

/* Above, the caller holds the lock. */

static void waiter_init(struct waiter *waiter)
{
	pthread_condattr_t attributes;

	waiter->has_place = false;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&waiter->called, &attributes);
	pthread_condattr_destroy(&attributes);
}

enum destination_result destination_enter(struct destination_table *table,
					  const struct destination_request *request,
					  struct destination_place *place_out)
{
	enum destination_result result = DESTINATION_NO_MEMORY;
	struct destination *destination;
	struct waiter waiter;

	waiter_init(&waiter);
	pthread_mutex_lock(&table->lock);
	destination = find_or_add(table, request->domain);
	if (destination != NULL) {
		result = line_up(table, destination, request, &waiter);
		*place_out = (struct destination_place){
			.destination = result == DESTINATION_ENTERED ? destination : NULL,
			.entered_ms = waiter.entered_ms,
			.active = destination->active,
			.waiting = destination->waiting,
		};
		if (result != DESTINATION_ENTERED)
			drop_if_idle(table, destination);
	}
	pthread_mutex_unlock(&table->lock);
	pthread_cond_destroy(&waiter.called);
	return result;
}

void destination_leave(struct destination_table *table, const struct destination_place *place)
{
	struct destination *destination = place->destination;
	int64_t inside_ms = deadline_now_ms() - place->entered_ms;

	pthread_mutex_lock(&table->lock);
	if (destination->average_ms == 0)
		destination->average_ms = inside_ms;
	else
		destination->average_ms += (inside_ms - destination->average_ms) / AVERAGE_WEIGHT;
	destination->active--;
	destination->entered_sum_ms -= place->entered_ms;
	serve_line(destination);
	drop_if_idle(table, destination);
	pthread_mutex_unlock(&table->lock);
}
