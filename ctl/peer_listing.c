/*
 * Both forms are made from the same objects: by name, what the edge said. What the edge counted of a
 * name that is not in the list any more is shown after the others.
 */
#include "peer_listing.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/quantity.h"
#include "lib/utc_time.h"
#include "tunnel/base64_key.h"

#define COUNTS_LINE_MAX 4096
#define WORDS_MAX 32

/* {name: counts}; NULL: no memory, or a line that is none. */
static json_t *read_counts(FILE *counts)
{
	json_t *by_name = json_object();
	char line[COUNTS_LINE_MAX];

	while (by_name != NULL && counts != NULL && fgets(line, sizeof(line), counts) != NULL) {
		json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		const char *name = json_string_value(json_object_get(object, "name"));

		if (name == NULL || json_object_set(by_name, name, object) < 0) {
			json_decref(by_name);
			by_name = NULL;
		}
		json_decref(object);
	}
	return by_name;
}

static long long number(const json_t *counts, const char *name)
{
	return json_integer_value(json_object_get(counts, name));
}

static void print_refusals(const json_t *counts)
{
	const char *before = "; turned away: ", *kind;
	json_t *count;

	json_object_foreach(json_object_get(counts, "refused"), kind, count)
	{
		if (json_integer_value(count) == 0)
			continue;
		printf("%s%s %lld", before, kind, json_integer_value(count));
		before = ", ";
	}
}

/* "; rate 60/1m: 12 left" */
static void print_rate(const json_t *counts, const char *name)
{
	const json_t *rate = json_object_get(counts, name);
	char duration[32];

	if (rate != NULL)
		printf("; %s %lld/%s: %lld left", name, number(rate, "tokens"),
		       quantity_print(QUANTITY_DURATION, duration, sizeof(duration), number(rate, "duration_ms")),
		       number(rate, "left"));
}

static void print_last_use(const json_t *counts)
{
	time_t last_use = (time_t)number(counts, "last_use");
	struct tm local;
	char text[40];

	if (last_use == 0 || localtime_r(&last_use, &local) == NULL)
		return;
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local);
	printf("; last use %s", text);
}

static void print_counts(const json_t *counts)
{
	const json_t *recipients = json_object_get(counts, "recipients");

	if (counts == NULL) {
		puts("  not seen since the edge started");
		return;
	}
	printf("  tunnels %lld, messages under way %lld; messages %lld, recipients: %lld relayed, %lld delayed, %lld failed",
	       number(counts, "sessions"), number(counts, "active"), number(counts, "transactions"),
	       number(recipients, "relayed"), number(recipients, "delayed"), number(recipients, "failed"));
	print_refusals(counts);
	print_rate(counts, "rate");
	print_rate(counts, "bounces");
	print_last_use(counts);
	putchar('\n');
}

/* The line of the table that a client was read from; *next goes on from one to the other. */
static struct table_line *line_of(const struct peer_listing *listing, const struct authorized_client *client,
				  size_t *next)
{
	struct table *table = listing->table;

	while (*next < table->count && table->lines[*next].line < client->line)
		++*next;
	return *next < table->count && table->lines[*next].line == client->line ? &table->lines[*next] : NULL;
}

/* The options as they stand in the line, behind the name. */
static int split(struct table_line *line, char *words[WORDS_MAX])
{
	return line != NULL ? table_split(line->value, words, WORDS_MAX) : 0;
}

/* What stands for a key that is not there yet; NULL: it is. */
static const char *invite_state(const struct authorized_client *client)
{
	if (!client->is_pending)
		return NULL;
	return client->options.invite_expires > time(NULL) ? "invited" : "invite-expired";
}

/* The time of an invite that was used is of no interest any more, but that of its use may be. */
static const char *shown_option(const struct authorized_client *client, const char *word, char *room, size_t size)
{
	char moment[UTC_TIME_TEXT + 1];

	if (client->is_pending || strncmp(word, "invite=", 7) != 0)
		return word;
	snprintf(room, size, "enrolled=%s", utc_time_print(client->enrolled, moment));
	return room;
}

static void print_text(const struct peer_listing *listing, json_t *by_name)
{
	const struct authorized_clients *list = listing->list;
	json_t *seen = json_object(), *counts;
	size_t next = 0;
	const char *name;
	int width = 0;

	for (size_t i = 0; i < list->count; i++)
		if ((int)strlen(list->clients[i].name) > width)
			width = (int)strlen(list->clients[i].name);
	for (size_t i = 0; i < list->count; i++) {
		const struct authorized_client *client = &list->clients[i];
		char key[BASE64_KEY_TEXT + 1], room[64], *words[WORDS_MAX];
		const char *state = invite_state(client);
		int count = split(line_of(listing, client, &next), words);

		base64_key_encode(key, client->public_key);
		printf("%-*s %s", width, client->name, state != NULL ? state : key);
		for (int k = 1; k < count; k++)
			printf(" %s", shown_option(client, words[k], room, sizeof(room)));
		putchar('\n');
		if (listing->reason == NULL && json_object_get(seen, client->name) == NULL)
			print_counts(json_object_get(by_name, client->name));
		json_object_set_new(seen, client->name, json_true());
	}
	json_object_foreach(by_name, name, counts)
	{
		if (json_object_get(seen, name) != NULL)
			continue;
		printf("%s is not in the list\n", name);
		print_counts(counts);
	}
	json_decref(seen);
}

static json_t *make_key(const struct authorized_client *client, struct table_line *line)
{
	char key[BASE64_KEY_TEXT + 1], room[64], *words[WORDS_MAX];
	const char *state = invite_state(client);
	json_t *options = json_array();
	int count = split(line, words);

	base64_key_encode(key, client->public_key);
	for (int i = 1; i < count; i++)
		json_array_append_new(options, json_string(shown_option(client, words[i], room, sizeof(room))));
	return json_pack("{s:s?, s:s*, s:i, s:o}", "key", state == NULL ? key : NULL, "state", state, "line", (int)client->line, "options", options);
}

/* The object of this name in `clients`, made if there is none; `places`: {name: its position}. */
static json_t *client_object(json_t *clients, json_t *places, const char *name, json_t *by_name)
{
	const json_t *place = json_object_get(places, name);
	json_t *counts = json_object_get(by_name, name);
	json_t *object;

	if (place != NULL)
		return json_array_get(clients, (size_t)json_integer_value(place));
	object = json_pack("{s:s, s:[], s:O?}", "name", name, "keys", "counts", counts);
	json_object_del(json_object_get(object, "counts"), "name");
	json_object_set_new(places, name, json_integer((json_int_t)json_array_size(clients)));
	return json_array_append_new(clients, object) == 0 ? object : NULL;
}

static json_t *make_clients(const struct peer_listing *listing, json_t *by_name)
{
	json_t *clients = json_array(), *places = json_object(), *counts;
	const char *name;
	size_t next = 0;

	for (size_t i = 0; i < listing->list->count; i++) {
		const struct authorized_client *client = &listing->list->clients[i];
		json_t *object = client_object(clients, places, client->name, by_name);

		json_array_append_new(json_object_get(object, "keys"),
				      make_key(client, line_of(listing, client, &next)));
	}
	json_object_foreach(by_name, name, counts)
		client_object(clients, places, name, by_name);
	json_decref(places);
	return clients;
}

static int print_json(const struct peer_listing *listing, json_t *by_name)
{
	json_t *object = json_pack("{s:b, s:s?, s:o}", "is_running", listing->reason == NULL, "reason", listing->reason,
				   "clients", make_clients(listing, by_name));
	char *text = object != NULL ? json_dumps(object, JSON_INDENT(2)) : NULL;

	json_decref(object);
	if (text == NULL)
		return -1;
	puts(text);
	free(text);
	return 0;
}

int peer_listing_print(const struct peer_listing *listing)
{
	json_t *by_name = read_counts(listing->counts);
	int result = by_name == NULL ? -1 : 0;

	if (result == 0 && listing->is_json)
		result = print_json(listing, by_name);
	else if (result == 0)
		print_text(listing, by_name);
	json_decref(by_name);
	return result;
}
