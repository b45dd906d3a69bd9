/*
 * Destinations that are busy at the moment, and what was learnt about some of those that are not. Who waits for a place is destination_line.c,
 * who has how many destination_presence.c.
 */
#include "destination.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "destination_line.h"
#include "destination_presence.h"
#include "destination_state.h"
#include "lib/ascii.h"
#include "lib/log.h"

void destination_table_init(struct destination_table *table)
{
	pthread_mutex_init(&table->lock, NULL);
	table->by_domain = table->remembered = NULL;
	table->remembered_count = 0;
	table->clients = NULL;
	table->is_stopping = false;
}

void destination_table_stop(struct destination_table *table)
{
	struct destination *destination, *next;

	pthread_mutex_lock(&table->lock);
	table->is_stopping = true;
	HASH_ITER(hh, table->by_domain, destination, next)
		destination_line_call_all(destination);
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
static struct destination *add(struct destination_table *table, const char *key, size_t limit)
{
	struct destination *fresh = calloc(1, sizeof(*fresh));

	if (fresh == NULL)
		return NULL;
	strcpy(fresh->domain, key);
	fresh->limit = limit;
	destination_pace_init(&fresh->pace, limit);
	HASH_ADD_STR(table->by_domain, domain, fresh);
	if (fresh->hh.tbl != NULL)
		return fresh;
	free(fresh);
	return NULL;
}

static void forget(struct destination_table *table, struct destination *destination)
{
	if (destination->is_remembered) {
		DL_DELETE2(table->remembered, destination, older, newer);
		table->remembered_count--;
	}
	HASH_DEL(table->by_domain, destination);
	free(destination);
}

static void recall(struct destination_table *table, struct destination *destination)
{
	if (!destination->is_remembered)
		return;
	DL_DELETE2(table->remembered, destination, older, newer);
	table->remembered_count--;
	destination->is_remembered = false;
}

static bool is_memorable(const struct destination *destination)
{
	return destination->service.average_ms >= DESTINATION_SLOW_MS ||
	       !destination_pace_is_fresh(&destination->pace, destination->limit);
}

/* Nobody is there any more: what was learnt stays for a while, if there is anything. */
static void settle(struct destination_table *table, struct destination *destination)
{
	int64_t now_ms = deadline_now_ms();

	if (destination->service.active > 0 || destination->waiting > 0)
		return;
	if (destination->service.left_ms == 0)
		destination->service.left_ms = now_ms;
	if (!is_memorable(destination)) {
		forget(table, destination);
		return;
	}
	if (!destination->is_remembered) {
		destination->is_remembered = true;
		DL_APPEND2(table->remembered, destination, older, newer);
		table->remembered_count++;
	}
	while (table->remembered != NULL && (table->remembered_count > DESTINATIONS_REMEMBERED_MAX ||
					     now_ms - table->remembered->service.left_ms > DESTINATION_REMEMBERED_MS))
		forget(table, table->remembered);
}

static struct destination *find_or_add(struct destination_table *table, const char *domain, size_t limit)
{
	char key[SMTP_DOMAIN_MAX + 1];
	struct destination *found;

	snprintf(key, sizeof(key), "%s", domain);
	for (char *at = key; *at != '\0'; at++)
		*at = ascii_lower(*at);
	found = find(table, key);
	if (found == NULL)
		return add(table, key, limit);
	recall(table, found);
	if (found->limit != limit)
		destination_pace_change_limit(&found->pace, found->limit, limit);
	found->limit = limit;
	return found;
}

static void learn(struct destination *destination, const struct destination_place *place,
		  const struct destination_lesson *lesson)
{
	size_t before = destination_pace_places(&destination->pace, destination->limit), places;
	int64_t now_ms = deadline_now_ms();

	if (place->is_probe) {
		destination->is_probed = false;
		destination->pace.closed_until_ms = 0;
	}
	destination_pace_learn(&destination->pace, destination->limit, lesson->news, lesson->pause_ms, place->entered_ms, now_ms);
	if (lesson->news == DESTINATION_NEWS_PAUSE || lesson->news == DESTINATION_NEWS_UNREACHABLE)
		snprintf(destination->words, sizeof(destination->words), "%s", lesson->words);
	places = destination_pace_places(&destination->pace, destination->limit);
	if (places < before)
		log_info("destination %s asks for less: %zu deliveries at a time, after %zu", destination->domain, places, before);
	if (destination_line_is_closed(destination))
		destination_line_call_all(destination);
}

/* Above, the caller holds the lock. */

size_t destination_table_occupied(struct destination_table *table)
{
	size_t count;

	pthread_mutex_lock(&table->lock);
	count = HASH_COUNT(table->by_domain) - table->remembered_count;
	pthread_mutex_unlock(&table->lock);
	return count;
}

void destination_table_wipe(struct destination_table *table)
{
	while (table->remembered != NULL)
		forget(table, table->remembered);
	destination_presence_forget_all(table);
	pthread_mutex_destroy(&table->lock);
}

enum destination_result destination_enter(struct destination_table *table,
					  const struct destination_request *request,
					  struct destination_place *place_out)
{
	enum destination_result result = DESTINATION_NO_MEMORY;
	struct destination *destination;

	pthread_mutex_lock(&table->lock);
	destination = find_or_add(table, request->domain, request->limit);
	if (destination != NULL) {
		*place_out = (struct destination_place){ .destination = NULL };
		result = destination_line_stand(table, destination, request, place_out);
		place_out->active = destination->service.active;
		place_out->waiting = destination->waiting;
		place_out->closed_for_ms = destination_pace_closed_for_ms(&destination->pace, deadline_now_ms());
		snprintf(place_out->words, sizeof(place_out->words), "%s", destination->words);
		if (result != DESTINATION_ENTERED)
			settle(table, destination);
	}
	pthread_mutex_unlock(&table->lock);
	return result;
}

void destination_note(struct destination_table *table, const struct destination_place *place, enum destination_step step)
{
	pthread_mutex_lock(&table->lock);
	destination_service_note(&place->destination->service, step, deadline_now_ms());
	pthread_mutex_unlock(&table->lock);
}

void destination_leave(struct destination_table *table, const struct destination_place *place,
		       const struct destination_lesson *lesson)
{
	const struct destination_lesson nothing = { .news = DESTINATION_NEWS_NONE };
	struct destination *destination = place->destination;

	pthread_mutex_lock(&table->lock);
	destination_service_leave(&destination->service, place->entered_ms, deadline_now_ms());
	destination_presence_count_active(place->presence, -1);
	learn(destination, place, lesson != NULL ? lesson : &nothing);
	destination_presence_drop_if_gone(place->presence);
	destination_line_serve(destination);
	settle(table, destination);
	pthread_mutex_unlock(&table->lock);
}
