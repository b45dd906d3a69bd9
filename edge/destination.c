/*
 * Places and a line for each destination that is busy at the moment, and what was learnt about some of those that are not. Whoever makes
 * room gives the place to the first in line who may have it, so no wake-up is lost: a place is either given, seen under the
 * lock, or still free.
 *
 * The speed of a destination decides how long a line may be. A burst to a fast one waits its turn; a burst to a slow one goes
 * back to the mail host's queue before it has taken every slot there (destination_share.c). As that a destination is slow often shows
 * only when the line is there, those who stand in it look twice a second whether they still may.
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

#include "destination_share.h"
#include "lib/ascii.h"
#include "lib/condition.h"
#include "lib/log.h"
#include "lib/smtp_limits.h"

/* Weight of one delivery in the average: an eighth, as in TCP's round-trip time (RFC 6298). */
#define AVERAGE_WEIGHT 8

/* How often a waiter looks whether it may stay. */
#define LOOK_AGAIN_MS 500
#define CLIENT_NAME_BYTES 128

/* A mail host with something inside or in line. */
struct destination_client {
	char name[CLIENT_NAME_BYTES];	/* the key */
	size_t slots;			/* of the last request */
	size_t busy;			/* active and in line, everywhere */
	struct destination_presence *presences;
	UT_hash_handle hh;
};

/* What one client has at one destination. */
struct destination_presence {
	struct destination_presence *prev, *next;	/* of the client */
	struct destination_presence *other, *another;	/* of the destination */
	struct destination_client *client;
	struct destination *destination;
	size_t active, waiting;
};

/* On the stack of the thread that waits; protected by the table's lock. */
struct waiter {
	struct waiter *prev, *next;
	struct destination_presence *presence;	/* or NULL */
	pthread_cond_t called;		/* has a place, or is to look at is_stopping and at the door */
	bool has_place, is_probe;
	int64_t entered_ms;		/* with a place */
	uint64_t number;		/* rises along the line */
};

struct destination {
	char domain[SMTP_DOMAIN_MAX + 1];	/* lower case; the key */
	size_t limit;			/* of the last request: a reload may change it */
	size_t active;
	int64_t entered_sum_ms;		/* of those active */
	int64_t average_ms;		/* time inside of those who left; 0: nobody has */
	struct destination_pace pace;
	char words[DESTINATION_WORDS_MAX];	/* why it was closed */
	bool is_probed;			/* closed no longer, but one is still finding out */
	struct waiter *line;		/* first come first */
	size_t waiting;
	uint64_t last_number;
	struct destination_presence *presences;
	int64_t left_ms;		/* when somebody left last; 0: nobody has */
	int64_t called_ms;		/* since when nobody has got further than called_step; 0: nobody is about to, or a host has greeted */
	enum destination_step called_step;
	struct destination *older, *newer;	/* of those remembered */
	bool is_remembered;
	UT_hash_handle hh;
};

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
	return destination->average_ms >= DESTINATION_SLOW_MS ||
	       !destination_pace_is_fresh(&destination->pace, destination->limit);
}

/* Nobody is there any more: what was learnt stays for a while, if there is anything. */
static void settle(struct destination_table *table, struct destination *destination)
{
	int64_t now_ms = deadline_now_ms();

	if (destination->active > 0 || destination->waiting > 0)
		return;
	if (destination->left_ms == 0)
		destination->left_ms = now_ms;
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
					     now_ms - table->remembered->left_ms > DESTINATION_REMEMBERED_MS))
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
	return found;
}

/* ---- who has what where ---- */

static struct destination_client *find_or_add_client(struct destination_table *table, const char *name)
{
	struct destination_client *client;

	HASH_FIND_STR(table->clients, name, client);
	if (client != NULL || strlen(name) >= sizeof(client->name) || (client = calloc(1, sizeof(*client))) == NULL)
		return client;
	strcpy(client->name, name);
	HASH_ADD_STR(table->clients, name, client);
	if (client->hh.tbl != NULL)
		return client;
	free(client);
	return NULL;
}

static void drop_client_if_gone(struct destination_table *table, struct destination_client *client)
{
	if (client == NULL || client->presences != NULL)
		return;
	HASH_DEL(table->clients, client);
	free(client);
}

/* NULL: no client, or no memory; it is then not counted. */
static struct destination_presence *find_or_add_presence(struct destination_table *table, struct destination *destination,
							 const struct destination_request *request)
{
	struct destination_client *client = request->client != NULL ? find_or_add_client(table, request->client) : NULL;
	struct destination_presence *presence;

	if (client == NULL)
		return NULL;
	client->slots = request->slots;
	for (presence = destination->presences; presence != NULL; presence = presence->another)
		if (presence->client == client)
			return presence;
	presence = calloc(1, sizeof(*presence));
	if (presence == NULL) {
		drop_client_if_gone(table, client);
		return NULL;
	}
	presence->client = client;
	presence->destination = destination;
	DL_APPEND(client->presences, presence);
	DL_APPEND2(destination->presences, presence, other, another);
	return presence;
}

static void drop_presence_if_gone(struct destination_table *table, struct destination_presence *presence)
{
	struct destination_client *client;

	if (presence == NULL || presence->active > 0 || presence->waiting > 0)
		return;
	client = presence->client;
	DL_DELETE(client->presences, presence);
	DL_DELETE2(presence->destination->presences, presence, other, another);
	free(presence);
	drop_client_if_gone(table, client);
}

static void count_waiting(struct destination_presence *presence, int by)
{
	if (presence == NULL)
		return;
	presence->waiting += (size_t)by;
	presence->client->busy += (size_t)by;
}

static void count_active(struct destination_presence *presence, int by)
{
	if (presence == NULL)
		return;
	presence->active += (size_t)by;
	presence->client->busy += (size_t)by;
}

/* ---- speed, shares ---- */

/* Mean age of those inside; but as long as others come out, one that is stuck means nothing. */
static int64_t mean_age_ms(const struct destination *destination)
{
	int64_t now_ms = deadline_now_ms(), age_ms = 0;

	if (destination->active > 0)
		age_ms = now_ms - destination->entered_sum_ms / (int64_t)destination->active;
	return now_ms - destination->left_ms < age_ms ? now_ms - destination->left_ms : age_ms;
}

/*
 * How long a delivery takes here. Of a tarpit nobody comes back to tell: those who are still inside
 * count as soon as they have been there for longer than the others were.
 */
static int64_t service_ms(const struct destination *destination)
{
	int64_t inside_ms = mean_age_ms(destination);

	return inside_ms > destination->average_ms ? inside_ms : destination->average_ms;
}

static enum destination_speed speed_of(const struct destination *destination)
{
	return destination_share_speed(destination->average_ms, mean_age_ms(destination));
}

/* How long until it is silent: 0, it is; -1, it will not be. What is known of its speed says more. */
static int64_t until_silent_ms(const struct destination *destination)
{
	int64_t left_ms = destination->called_ms + DESTINATION_SILENT_MS - deadline_now_ms();

	if (destination->called_ms == 0 || destination->average_ms > 0)
		return -1;
	return left_ms > 0 ? left_ms : 0;
}

static struct destination_share share_of(const struct destination_presence *presence)
{
	const struct destination_client *client = presence->client;
	struct destination_share share = {
		.speed = speed_of(presence->destination),
		.is_silent = until_silent_ms(presence->destination) == 0,
		.slots = client->slots,
		.busy = client->busy,
		.active = presence->active,
		.held = presence->active + presence->waiting,
	};

	if (share.speed == DESTINATION_QUICK)
		return share;	/* what others have does not matter then */
	for (const struct destination_presence *other = client->presences; other != NULL; other = other->next) {
		enum destination_speed speed = speed_of(other->destination);

		if (other == presence || speed != DESTINATION_QUICK)
			share.not_quick += other->active + other->waiting;
		if (other != presence && speed == DESTINATION_SLOW)
			share.slow += other->active + other->waiting;
	}
	return share;
}

static bool may_enter(const struct waiter *waiter)
{
	struct destination_share share;

	if (waiter->presence == NULL)
		return true;
	share = share_of(waiter->presence);
	return destination_share_allows(&share);
}

static size_t places_of(const struct destination *destination)
{
	return destination_pace_places(&destination->pace, destination->limit);
}

/* ---- the line ---- */

static void leave_line(struct destination *destination, struct waiter *waiter)
{
	DL_DELETE(destination->line, waiter);
	destination->waiting--;
	count_waiting(waiter->presence, -1);
}

static void let_in(struct destination *destination, struct waiter *waiter)
{
	leave_line(destination, waiter);
	destination->active++;
	count_active(waiter->presence, 1);
	waiter->has_place = true;
	waiter->entered_ms = deadline_now_ms();
	destination->entered_sum_ms += waiter->entered_ms;
	if (destination->pace.closed_until_ms > 0 && !destination->is_probed)
		waiter->is_probe = destination->is_probed = true;
	pthread_cond_signal(&waiter->called);
}

static bool is_closed(const struct destination *destination)
{
	return destination->is_probed || destination_pace_closed_for_ms(&destination->pace, deadline_now_ms()) > 0;
}

/* Gives the free places to the first in line who may have one. */
static void serve_line(struct destination *destination)
{
	struct waiter *waiter, *next;

	DL_FOREACH_SAFE(destination->line, waiter, next) {
		if (destination->active >= places_of(destination) || is_closed(destination))
			return;
		if (may_enter(waiter))
			let_in(destination, waiter);
	}
}

static void call_all(const struct destination *destination)
{
	struct waiter *waiter;

	DL_FOREACH(destination->line, waiter)
		pthread_cond_signal(&waiter->called);
}

/* Is there too much in line up to this waiter? */
static bool is_line_too_long(const struct destination *destination, const struct waiter *waiter, int64_t wait_max_ms)
{
	int64_t service = service_ms(destination);
	int64_t ahead = (int64_t)(waiter->number - destination->line->number) + 1;
	int64_t expected_ms = ahead * service / (destination->active > 0 ? (int64_t)destination->active : 1);
	bool counts_itself_out = false;

	if (waiter->presence != NULL) {
		struct destination_share share = share_of(waiter->presence);

		wait_max_ms = destination_share_wait_max_ms(&share, wait_max_ms, &counts_itself_out);
	}
	return expected_ms + (counts_itself_out ? service : 0) > wait_max_ms;
}

/* Only what has become known since may send somebody away who has been let into the line. */
static bool has_to_go(const struct destination *destination, const struct waiter *waiter, int64_t wait_max_ms)
{
	struct destination_share share;
	bool is_crowded;

	if (waiter->presence == NULL)
		return false;
	share = share_of(waiter->presence);
	destination_share_wait_max_ms(&share, wait_max_ms, &is_crowded);
	return is_crowded && is_line_too_long(destination, waiter, wait_max_ms);
}

static struct deadline next_look(const struct destination *destination)
{
	int64_t silent_ms = until_silent_ms(destination);

	return deadline_in_ms(silent_ms > 0 && silent_ms < LOOK_AGAIN_MS ? silent_ms : LOOK_AGAIN_MS);
}

/* The lock is given up while waiting. Returns with the waiter out of the line. */
static enum destination_result wait_in_line(struct destination_table *table, struct destination *destination,
					    const struct destination_request *request, struct waiter *waiter)
{
	struct deadline deadline = deadline_earlier(request->deadline, deadline_in_ms(request->wait_max_ms));
	bool goes = false;

	while (!waiter->has_place && !table->is_stopping && !deadline_has_passed(deadline) && !is_closed(destination) && !goes) {
		struct deadline next = deadline_earlier(deadline, next_look(destination));

		if (condition_wait_until(&waiter->called, &table->lock, next) == 0 || waiter->has_place)
			continue;
		/* Room may have come about elsewhere. */
		serve_line(destination);
		goes = !waiter->has_place && has_to_go(destination, waiter, request->wait_max_ms);
	}
	if (waiter->has_place)
		return DESTINATION_ENTERED;
	leave_line(destination, waiter);
	if (table->is_stopping)
		return DESTINATION_CANCELLED;
	return is_closed(destination) ? DESTINATION_CLOSED : DESTINATION_BUSY;
}

/* At the end of the line; the first in it may be let in at once. */
static enum destination_result line_up(struct destination_table *table, struct destination *destination,
				       const struct destination_request *request, struct waiter *waiter)
{
	if (destination->limit != request->limit)
		destination_pace_change_limit(&destination->pace, destination->limit, request->limit);
	destination->limit = request->limit;
	if (is_closed(destination))
		return DESTINATION_CLOSED;
	waiter->presence = find_or_add_presence(table, destination, request);
	waiter->number = ++destination->last_number;
	DL_APPEND(destination->line, waiter);
	destination->waiting++;
	count_waiting(waiter->presence, 1);
	serve_line(destination);
	if (!waiter->has_place && is_line_too_long(destination, waiter, request->wait_max_ms)) {
		leave_line(destination, waiter);
		return DESTINATION_BUSY;
	}
	return wait_in_line(table, destination, request, waiter);
}

static void learn(struct destination *destination, const struct destination_place *place,
		  const struct destination_lesson *lesson)
{
	size_t places = places_of(destination);
	int64_t now_ms = deadline_now_ms();

	if (place->is_probe) {
		destination->is_probed = false;
		destination->pace.closed_until_ms = 0;
	}
	destination_pace_learn(&destination->pace, destination->limit, lesson->news, lesson->pause_ms, place->entered_ms, now_ms);
	if (lesson->news == DESTINATION_NEWS_PAUSE || lesson->news == DESTINATION_NEWS_UNREACHABLE)
		snprintf(destination->words, sizeof(destination->words), "%s", lesson->words);
	if (places_of(destination) < places)
		log_info("destination %s asks for less: %zu deliveries at a time, after %zu", destination->domain,
			 places_of(destination), places);
	if (is_closed(destination))
		call_all(destination);
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
	pthread_mutex_destroy(&table->lock);
}

static void waiter_init(struct waiter *waiter)
{
	memset(waiter, 0, sizeof(*waiter));
	condition_init(&waiter->called);
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
	destination = find_or_add(table, request->domain, request->limit);
	if (destination != NULL) {
		result = line_up(table, destination, request, &waiter);
		*place_out = (struct destination_place){
			.destination = result == DESTINATION_ENTERED ? destination : NULL,
			.presence = result == DESTINATION_ENTERED ? waiter.presence : NULL,
			.entered_ms = waiter.entered_ms,
			.is_probe = waiter.is_probe,
			.active = destination->active,
			.waiting = destination->waiting,
			.closed_for_ms = destination_pace_closed_for_ms(&destination->pace, deadline_now_ms()),
		};
		snprintf(place_out->words, sizeof(place_out->words), "%s", destination->words);
		if (result != DESTINATION_ENTERED) {
			drop_presence_if_gone(table, waiter.presence);
			settle(table, destination);
		}
	}
	pthread_mutex_unlock(&table->lock);
	pthread_cond_destroy(&waiter.called);
	return result;
}

void destination_note(struct destination_table *table, const struct destination_place *place, enum destination_step step)
{
	struct destination *destination = place->destination;

	pthread_mutex_lock(&table->lock);
	if (step == DESTINATION_GREETED) {
		destination->called_ms = 0;
	} else if (destination->called_ms == 0 || destination->called_step < step) {
		destination->called_ms = deadline_now_ms();
		destination->called_step = step;
	}
	pthread_mutex_unlock(&table->lock);
}

void destination_leave(struct destination_table *table, const struct destination_place *place,
		       const struct destination_lesson *lesson)
{
	const struct destination_lesson nothing = { .news = DESTINATION_NEWS_NONE };
	struct destination *destination = place->destination;
	int64_t inside_ms = deadline_now_ms() - place->entered_ms;

	pthread_mutex_lock(&table->lock);
	if (destination->average_ms == 0)
		destination->average_ms = inside_ms > 0 ? inside_ms : 1;
	else
		destination->average_ms += (inside_ms - destination->average_ms) / AVERAGE_WEIGHT;
	if (--destination->active == 0)
		destination->called_ms = 0;
	destination->entered_sum_ms -= place->entered_ms;
	destination->left_ms = deadline_now_ms();
	count_active(place->presence, -1);
	learn(destination, place, lesson != NULL ? lesson : &nothing);
	drop_presence_if_gone(table, place->presence);
	serve_line(destination);
	settle(table, destination);
	pthread_mutex_unlock(&table->lock);
}
