/*
 * Questions to the server, their answers in a cache. When to ask is question_pace.c, how long an
 * answer counts client_cache.c, what an answer means tunnel/authorized_clients.c.
 *
 * The server is trusted to say who may deliver, which is its purpose, and not to answer, or to answer
 * with sense. What the log says is bounded: one line a minute of each kind.
 */
#include "client_map.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_cache.h"
#include "lib/deadline.h"
#include "lib/log.h"
#include "lib/reminder.h"
#include "lib/socketmap.h"
#include "question_pace.h"
#include "tunnel/base64_key.h"

#define ERROR_MAX 1024
/* Enough of a key to find it in a list. */
#define KEY_HINT 8

struct client_map {
	struct socketmap *server;
	struct client_cache cache;
	struct question_pace pace;
	uint64_t generation;
	struct reminder trouble, nonsense, haste;
	bool has_told_trouble;		/* and not yet that it is over */
	uint8_t own_public_key[32];	/* fixed, like the next */
	authorized_client_psk_fn *note_psk_file;
	void *context;
};

/* A resolver would be one more that the keeper talks to, and getaddrinfo(3) waits as long as it likes. */
static int check_address(const struct socketmap *server, char *error, size_t error_size)
{
	const struct endpoint *endpoint = socketmap_endpoint(server);
	uint8_t ignored[sizeof(struct in6_addr)];
	char host[ENDPOINT_HOST_MAX];

	if (endpoint->is_unix || inet_pton(AF_INET, endpoint->host, ignored) == 1 ||
	    inet_pton(AF_INET6, endpoint->host, ignored) == 1)
		return 0;
	snprintf(error, error_size, "\"%s\" is no IP address; a socketmap of clients is not looked up in the DNS",
		 log_printable(host, sizeof(host), endpoint->host, strlen(endpoint->host)));
	return -1;
}

static struct socketmap *open_server(const char *setting, char *error, size_t error_size)
{
	struct socketmap *server = socketmap_create(socketmap_spec(setting), CLIENT_MAP_TIMEOUT_MS, error, error_size);

	if (server == NULL || check_address(server, error, error_size) == 0)
		return server;
	socketmap_destroy(server);
	return NULL;
}

int client_map_check(const char *setting, char *error, size_t error_size)
{
	struct socketmap *server = open_server(setting, error, error_size);

	socketmap_destroy(server);
	return server != NULL ? 0 : -1;
}

struct client_map *client_map_create(const char *setting, const uint8_t own_public_key[32],
				     authorized_client_psk_fn *note_psk_file, void *context, char *error,
				     size_t error_size)
{
	struct client_map *map = calloc(1, sizeof(*map));

	if (map == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	map->server = open_server(setting, error, error_size);
	if (map->server == NULL) {
		free(map);
		return NULL;
	}
	question_pace_init(&map->pace, deadline_now_ms());
	memcpy(map->own_public_key, own_public_key, sizeof(map->own_public_key));
	map->note_psk_file = note_psk_file;
	map->context = context;
	return map;
}

void client_map_destroy(struct client_map *map)
{
	if (map == NULL)
		return;
	client_cache_wipe(&map->cache);
	socketmap_destroy(map->server);
	free(map);
}

const struct endpoint *client_map_endpoint(const struct client_map *map)
{
	return socketmap_endpoint(map->server);
}

static void tell_trouble(struct client_map *map, const char *error)
{
	if (!reminder_is_due(&map->trouble))
		return;
	map->has_told_trouble = true;
	log_warning("%s; who may deliver is what it said last, for %d s at most", error, CLIENT_CACHE_KEEP_MS / 1000);
}

static void tell_answer(struct client_map *map)
{
	char place[ENDPOINT_TEXT_MAX];

	if (!map->has_told_trouble)
		return;
	map->has_told_trouble = false;
	log_info("socketmap %s answers again",
		 endpoint_print(socketmap_endpoint(map->server), place, sizeof(place)));
}

/* The reason may quote the answer, and that anything. */
static void tell_nonsense(struct client_map *map, const char *key, const char *reason)
{
	char printable[ERROR_MAX];

	if (!reminder_is_due(&map->nonsense))
		return;
	log_warning("socketmap: the answer for key %.*s... is not understood: %s; the key is not authorised", KEY_HINT,
		    key, log_printable(printable, sizeof(printable), reason, strlen(reason)));
}

/* The server was not asked: it did not answer a moment ago, or there are too many questions. */
static void tell_haste(struct client_map *map)
{
	if (!reminder_is_due(&map->haste))
		return;
	log_warning("socketmap: a key is put off: its server is slow, does not answer, or is asked about too many keys");
}

/* Moves the client into the cache; NULL: not authorised. */
static void remember(struct client_map *map, const uint8_t public_key[32], struct authorized_client *client)
{
	const struct client_answer *before = client_cache_find(&map->cache, public_key);
	const struct authorized_client *was = before != NULL ? client_answer_client(before) : NULL;

	if (was != NULL && client == NULL) {
		log_info("client=%s: a key of it is not authorised any more", was->name);
		map->generation++;
	}
	client_cache_put(&map->cache, public_key, client, deadline_now_ms());
}

static void take_answer(struct client_map *map, const uint8_t public_key[32], const char *key, char *value)
{
	struct authorized_client client = { 0 };
	char reason[ERROR_MAX];
	bool is_good;

	memcpy(client.public_key, public_key, sizeof(client.public_key));
	is_good = authorized_client_parse(&client, value, map->note_psk_file, map->context, reason, sizeof(reason)) == 0;
	if (is_good && client.options.invite_expires != 0) {
		snprintf(reason, sizeof(reason), "invite= has no effect in a socketmap");
		is_good = false;
	}
	if (!is_good)
		tell_nonsense(map, key, reason);
	if (is_good && !client.options.is_disabled)
		remember(map, public_key, &client);
	else
		remember(map, public_key, NULL);
	authorized_client_wipe(&client);
}

static void ask(struct client_map *map, const uint8_t public_key[32])
{
	int64_t asked_ms = deadline_now_ms(), now_ms;
	char key[BASE64_KEY_TEXT + 1], error[ERROR_MAX], *value = NULL;
	enum socketmap_result result;

	base64_key_encode(key, public_key);
	result = socketmap_find(map->server, key, &value, error, sizeof(error));
	now_ms = deadline_now_ms();
	question_pace_note(&map->pace, result == SOCKETMAP_TROUBLE, now_ms - asked_ms, now_ms);
	if (result == SOCKETMAP_TROUBLE)
		tell_trouble(map, error);
	else
		tell_answer(map);
	if (result == SOCKETMAP_FOUND)
		take_answer(map, public_key, key, value);
	else if (result == SOCKETMAP_NOT_FOUND)
		remember(map, public_key, NULL);
	free(value);
}

static bool is_fresh(const struct client_answer *answer)
{
	return answer != NULL && client_answer_age(answer, deadline_now_ms()) == CLIENT_ANSWER_FRESH;
}

enum client_word client_map_find(struct client_map *map, const uint8_t public_key[32],
				 struct authorized_client *client_out)
{
	const struct client_answer *answer = client_cache_find(&map->cache, public_key);
	bool is_known = answer != NULL && client_answer_client(answer) != NULL;

	if (memcmp(public_key, map->own_public_key, sizeof(map->own_public_key)) == 0)
		return CLIENT_NOT_AUTHORIZED;
	if (!is_fresh(answer)) {
		if (question_pace_allows(&map->pace, is_known, deadline_now_ms()))
			ask(map, public_key);
		else if (answer == NULL)
			tell_haste(map);
	}
	answer = client_cache_find(&map->cache, public_key);
	if (answer == NULL || client_answer_age(answer, deadline_now_ms()) == CLIENT_ANSWER_EXPIRED)
		return CLIENT_UNKNOWN;
	if (client_answer_client(answer) == NULL)
		return CLIENT_NOT_AUTHORIZED;
	*client_out = *client_answer_client(answer);
	return CLIENT_AUTHORIZED;
}

enum client_word client_map_recall(const struct client_map *map, const uint8_t public_key[32])
{
	const struct client_answer *answer = client_cache_find(&map->cache, public_key);

	if (answer == NULL)
		return CLIENT_UNKNOWN;
	return client_answer_client(answer) != NULL ? CLIENT_AUTHORIZED : CLIENT_NOT_AUTHORIZED;
}

uint64_t client_map_generation(struct client_map *map)
{
	client_cache_expire(&map->cache, deadline_now_ms());
	return map->generation;
}

enum client_word client_map_probe(const char *setting, const uint8_t public_key[32], char *error, size_t error_size)
{
	struct socketmap *server = open_server(setting, error, error_size);
	enum socketmap_result result = SOCKETMAP_TROUBLE;
	char key[BASE64_KEY_TEXT + 1], *value = NULL;

	base64_key_encode(key, public_key);
	if (server != NULL)
		result = socketmap_find(server, key, &value, error, error_size);
	socketmap_destroy(server);
	free(value);
	switch (result) {
	case SOCKETMAP_FOUND:
		return CLIENT_AUTHORIZED;
	case SOCKETMAP_NOT_FOUND:
		return CLIENT_NOT_AUTHORIZED;
	case SOCKETMAP_TROUBLE:
		break;
	}
	return CLIENT_UNKNOWN;
}
