/*
 * Whoever makes room gives the place to the first in line who may have it, so no wake-up is lost: a place is either given, seen under the
 * lock, or still free.
 *
 * The speed of a destination decides how long a line may be. A burst to a fast one waits its turn; a burst to a slow one goes
 * back to the mail host's queue before it has taken every slot there (destination_share.h). As that a destination is slow often shows
 * only when the line is there, those who stand in it look twice a second whether they still may.
 */
#include "destination_line.h"

#include <string.h>

#include "destination_presence.h"
#include "lib/condition.h"

/* How often a waiter looks whether it may stay. */
#define LOOK_AGAIN_MS 500

/* On the stack of the thread that waits. */
struct destination_waiter {
	struct destination_waiter *prev, *next;
	struct destination_presence *presence;	/* or NULL */
	pthread_cond_t called;		/* has a place, or is to look at is_stopping and at the door */
	bool has_place, is_probe;
	int64_t entered_ms;		/* with a place */
	uint64_t number;		/* rises along the line */
};

static bool may_enter(const struct destination_waiter *waiter)
{
	struct destination_share share;

	if (waiter->presence == NULL)
		return true;
	share = destination_presence_share(waiter->presence);
	return destination_share_allows(&share);
}

static void leave_line(struct destination *destination, struct destination_waiter *waiter)
{
	DL_DELETE(destination->line, waiter);
	destination->waiting--;
	destination_presence_count_waiting(waiter->presence, -1);
}

static void let_in(struct destination *destination, struct destination_waiter *waiter)
{
	leave_line(destination, waiter);
	destination_presence_count_active(waiter->presence, 1);
	waiter->has_place = true;
	waiter->entered_ms = deadline_now_ms();
	destination_service_enter(&destination->service, waiter->entered_ms);
	if (destination->pace.closed_until_ms > 0 && !destination->is_probed)
		waiter->is_probe = destination->is_probed = true;
	pthread_cond_signal(&waiter->called);
}

bool destination_line_is_closed(const struct destination *destination)
{
	return destination->is_probed || destination_pace_closed_for_ms(&destination->pace, deadline_now_ms()) > 0;
}

void destination_line_serve(struct destination *destination)
{
	struct destination_waiter *waiter, *next;

	DL_FOREACH_SAFE(destination->line, waiter, next) {
		if (destination->service.active >= destination_pace_places(&destination->pace, destination->limit) ||
		    destination_line_is_closed(destination))
			return;
		if (may_enter(waiter))
			let_in(destination, waiter);
	}
}

void destination_line_call_all(const struct destination *destination)
{
	struct destination_waiter *waiter;

	DL_FOREACH(destination->line, waiter)
		pthread_cond_signal(&waiter->called);
}

/* Is there too much in line up to this waiter? */
static bool is_line_too_long(const struct destination *destination, const struct destination_waiter *waiter, int64_t wait_max_ms)
{
	int64_t service = destination_service_ms(&destination->service, deadline_now_ms());
	int64_t ahead = (int64_t)(waiter->number - destination->line->number) + 1;
	int64_t expected_ms = ahead * service / (destination->service.active > 0 ? (int64_t)destination->service.active : 1);
	bool counts_itself_out = false;

	if (waiter->presence != NULL) {
		struct destination_share share = destination_presence_share(waiter->presence);

		wait_max_ms = destination_share_wait_max_ms(&share, wait_max_ms, &counts_itself_out);
	}
	return expected_ms + (counts_itself_out ? service : 0) > wait_max_ms;
}

/* Only what has become known since may send somebody away who has been let into the line. */
static bool has_to_go(const struct destination *destination, const struct destination_waiter *waiter, int64_t wait_max_ms)
{
	struct destination_share share;
	bool is_crowded;

	if (waiter->presence == NULL)
		return false;
	share = destination_presence_share(waiter->presence);
	destination_share_wait_max_ms(&share, wait_max_ms, &is_crowded);
	return is_crowded && is_line_too_long(destination, waiter, wait_max_ms);
}

static struct deadline next_look(const struct destination *destination)
{
	int64_t silent_ms = destination_service_until_silent_ms(&destination->service, deadline_now_ms());

	return deadline_in_ms(silent_ms > 0 && silent_ms < LOOK_AGAIN_MS ? silent_ms : LOOK_AGAIN_MS);
}

/* The lock is given up while waiting. Returns with the waiter out of the line. */
static enum destination_result wait_in_line(struct destination_table *table, struct destination *destination,
					    const struct destination_request *request, struct destination_waiter *waiter)
{
	struct deadline deadline = deadline_earlier(request->deadline, deadline_in_ms(request->wait_max_ms));
	bool goes = false;

	while (!waiter->has_place && !table->is_stopping && !deadline_has_passed(deadline) &&
	       !destination_line_is_closed(destination) && !goes) {
		struct deadline next = deadline_earlier(deadline, next_look(destination));

		if (condition_wait_until(&waiter->called, &table->lock, next) == 0 || waiter->has_place)
			continue;
		/* Room may have come about elsewhere. */
		destination_line_serve(destination);
		goes = !waiter->has_place && has_to_go(destination, waiter, request->wait_max_ms);
	}
	if (waiter->has_place)
		return DESTINATION_ENTERED;
	leave_line(destination, waiter);
	if (table->is_stopping)
		return DESTINATION_CANCELLED;
	return destination_line_is_closed(destination) ? DESTINATION_CLOSED : DESTINATION_BUSY;
}

/* At the end of the line; the first in it may be let in at once. */
static enum destination_result line_up(struct destination_table *table, struct destination *destination,
				       const struct destination_request *request, struct destination_waiter *waiter)
{
	if (destination_line_is_closed(destination))
		return DESTINATION_CLOSED;
	waiter->presence = destination_presence_find_or_add(table, destination, request);
	waiter->number = ++destination->last_number;
	DL_APPEND(destination->line, waiter);
	destination->waiting++;
	destination_presence_count_waiting(waiter->presence, 1);
	destination_line_serve(destination);
	if (!waiter->has_place && is_line_too_long(destination, waiter, request->wait_max_ms)) {
		leave_line(destination, waiter);
		return DESTINATION_BUSY;
	}
	return wait_in_line(table, destination, request, waiter);
}

enum destination_result destination_line_stand(struct destination_table *table, struct destination *destination,
					       const struct destination_request *request, struct destination_place *place)
{
	struct destination_waiter waiter;
	enum destination_result result;

	memset(&waiter, 0, sizeof(waiter));
	condition_init(&waiter.called);
	result = line_up(table, destination, request, &waiter);
	pthread_cond_destroy(&waiter.called);
	if (result != DESTINATION_ENTERED) {
		destination_presence_drop_if_gone(waiter.presence);
		return result;
	}
	place->destination = destination;
	place->presence = waiter.presence;
	place->entered_ms = waiter.entered_ms;
	place->is_probe = waiter.is_probe;
	return result;
}
