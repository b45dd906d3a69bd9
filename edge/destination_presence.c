/* Clients and destinations, each in the lists of the other; a client that has nothing anywhere is forgotten after a while. */
#include "destination_presence.h"

#include <stdlib.h>
#include <string.h>

static bool is_forgettable(const struct destination_client *client, int64_t now_ms)
{
	return client->presences == NULL && now_ms - client->left[0].at_ms >= DESTINATION_OTHERS_MS;
}

static void forget(struct destination_table *table, struct destination_client *client)
{
	HASH_DEL(table->clients, client);
	free(client);
}

static struct destination_client *add_client(struct destination_table *table, const char *name)
{
	struct destination_client *client, *next;
	int64_t now_ms = deadline_now_ms();

	for (client = table->clients; client != NULL; client = next) {
		next = client->hh.next;
		if (is_forgettable(client, now_ms))
			forget(table, client);
	}
	if (strlen(name) >= sizeof(client->name) || (client = calloc(1, sizeof(*client))) == NULL)
		return NULL;
	strcpy(client->name, name);
	HASH_ADD_STR(table->clients, name, client);
	if (client->hh.tbl != NULL)
		return client;
	free(client);
	return NULL;
}

static struct destination_client *find_or_add_client(struct destination_table *table, const char *name)
{
	struct destination_client *client;

	HASH_FIND_STR(table->clients, name, client);
	return client != NULL ? client : add_client(table, name);
}

void destination_presence_forget_all(struct destination_table *table)
{
	while (table->clients != NULL)
		forget(table, table->clients);
}

static void note_left(struct destination_client *client, const char *domain)
{
	if (strcmp(client->left[0].domain, domain) != 0) {
		client->left[1] = client->left[0];
		strcpy(client->left[0].domain, domain);
	}
	client->left[0].at_ms = deadline_now_ms();
}

struct destination_presence *destination_presence_find_or_add(struct destination_table *table, struct destination *destination,
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
	if (presence == NULL)
		return NULL;
	presence->client = client;
	presence->destination = destination;
	DL_APPEND(client->presences, presence);
	DL_APPEND2(destination->presences, presence, other, another);
	return presence;
}

void destination_presence_drop_if_gone(struct destination_presence *presence)
{
	struct destination_client *client;

	if (presence == NULL || presence->active > 0 || presence->waiting > 0)
		return;
	client = presence->client;
	DL_DELETE(client->presences, presence);
	DL_DELETE2(presence->destination->presences, presence, other, another);
	note_left(client, presence->destination->domain);
	free(presence);
}

void destination_presence_count_waiting(struct destination_presence *presence, int by)
{
	if (presence == NULL)
		return;
	presence->waiting += (size_t)by;
	presence->client->busy += (size_t)by;
}

void destination_presence_count_active(struct destination_presence *presence, int by)
{
	if (presence == NULL)
		return;
	presence->active += (size_t)by;
	presence->client->busy += (size_t)by;
}

/* Has the client mail for other destinations than this one, as far as can be seen? */
static bool has_others(const struct destination_client *client, const char *domain, int64_t now_ms)
{
	for (size_t i = 0; i < 2; i++)
		if (client->left[i].at_ms > 0 && now_ms - client->left[i].at_ms < DESTINATION_OTHERS_MS &&
		    strcmp(client->left[i].domain, domain) != 0)
			return true;
	return client->presences->next != NULL;
}

struct destination_share destination_presence_share(const struct destination_presence *presence)
{
	const struct destination_client *client = presence->client;
	int64_t now_ms = deadline_now_ms();
	struct destination_share share = {
		.speed = destination_service_speed(&presence->destination->service, now_ms),
		.is_silent = destination_service_until_silent_ms(&presence->destination->service, now_ms) == 0 &&
			     has_others(client, presence->destination->domain, now_ms),
		.slots = client->slots,
		.busy = client->busy,
		.active = presence->active,
		.held = presence->active + presence->waiting,
	};

	if (share.speed == DESTINATION_QUICK)
		return share;	/* what others have does not matter then */
	for (const struct destination_presence *other = client->presences; other != NULL; other = other->next) {
		enum destination_speed speed = destination_service_speed(&other->destination->service, now_ms);

		if (other == presence || speed != DESTINATION_QUICK)
			share.not_quick += other->active + other->waiting;
		if (other != presence && speed == DESTINATION_SLOW)
			share.slow += other->active + other->waiting;
	}
	return share;
}
