/* Clients and destinations, each in the lists of the other; a client that has nothing anywhere is forgotten. */
#include "destination_presence.h"

#include <stdlib.h>
#include <string.h>

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

void destination_presence_drop_if_gone(struct destination_table *table, struct destination_presence *presence)
{
	struct destination_client *client;

	if (presence == NULL || presence->active > 0 || presence->waiting > 0)
		return;
	client = presence->client;
	DL_DELETE(client->presences, presence);
	DL_DELETE2(presence->destination->presences, presence, other, another);
	free(presence);
	client->left_one_ms = deadline_now_ms();
	drop_client_if_gone(table, client);
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

/* Has the client mail for other destinations, as far as can be seen? */
static bool has_others(const struct destination_client *client, int64_t now_ms)
{
	return client->presences->next != NULL ||
	       (client->left_one_ms > 0 && now_ms - client->left_one_ms < DESTINATION_OTHERS_MS);
}

struct destination_share destination_presence_share(const struct destination_presence *presence)
{
	const struct destination_client *client = presence->client;
	int64_t now_ms = deadline_now_ms();
	struct destination_share share = {
		.speed = destination_service_speed(&presence->destination->service, now_ms),
		.is_silent = destination_service_until_silent_ms(&presence->destination->service, now_ms) == 0 &&
			     has_others(client, now_ms),
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
