/*
 * The edge's allow-list:
 *
 *     line   = key white-space name *( white-space option )        ; a postmap-style table
 *     key    = 44 characters of base64
 *     name   = 1*63( letter / digit / "-" / "_" / "." )
 *     option = "psk=" absolute-path / those of client_options.h
 *
 * One bad line must not lock the other clients out, so it is reported and skipped; a line that is
 * understood in part is bad as a whole, because an unknown option may be a restriction.
 */
#include "authorized_clients.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64_key.h"
#include "enrolled_keys.h"
#include "keyfile.h"
#include "lib/table.h"
#include "noise.h"

#define WORDS_MAX 32

struct reading {
	struct authorized_clients *list;
	const char *path;
	const uint8_t *own_public_key;
	authorized_clients_complain_fn *complain;
	void *context;
};

static int __attribute__((format(printf, 3, 4)))
bad_line(struct reading *reading, size_t line, const char *format, ...)
{
	va_list arguments;
	char reason[512], message[1024];

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	snprintf(message, sizeof(message), "%s:%zu: %s", reading->path, line, reason);
	reading->list->bad_lines++;
	if (reading->complain != NULL)
		reading->complain(reading->context, message);
	return -1;
}

static int parse_key(struct reading *reading, struct authorized_client *client, const char *text)
{
	if (base64_key_decode(client->public_key, text, strlen(text)) < 0)
		return bad_line(reading, client->line,
				"not a public key: expected %d characters of base64",
				BASE64_KEY_TEXT);
	if (reading->own_public_key != NULL &&
	    memcmp(client->public_key, reading->own_public_key, NOISE_DHLEN) == 0)
		return bad_line(reading, client->line,
				"this is the edge's own public key; the client's belongs here");
	if (noise_key_looks_secret(client->public_key))
		return bad_line(
			reading, client->line,
			"this looks like a private key; if it is one, it is known now: make a "
			"new one (postern keygen) and put its public half here (postern pubkey)");
	return 0;
}

static int __attribute__((format(printf, 3, 4)))
bad_value(char *reason, size_t reason_size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, reason_size, format, arguments);
	va_end(arguments);
	return -1;
}

static int parse_name(struct authorized_client *client, const char *name, char *reason,
		      size_t reason_size)
{
	size_t length = strlen(name);

	if (length == 0)
		return bad_value(reason, reason_size, "the name is empty");
	if (length > CLIENT_NAME_MAX)
		return bad_value(reason, reason_size, "name longer than %d characters",
				 CLIENT_NAME_MAX);
	if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") !=
	    length)
		return bad_value(reason, reason_size,
				 "a name is made of letters, digits, \"-\", \"_\" and \".\"");
	memcpy(client->name, name, length + 1);
	return 0;
}

/* Whoever guards the keys must know all of their names. */
static int note_psk_file(void *context, const char *path)
{
	struct authorized_clients *list = context;
	size_t capacity = list->psk_file_count;
	char **larger;

	/* Grows at powers of two. */
	if ((capacity & (capacity - 1)) == 0) {
		larger = reallocarray(list->psk_files, capacity > 0 ? 2 * capacity : 1,
				      sizeof(*larger));
		if (larger == NULL)
			return -1;
		list->psk_files = larger;
	}
	list->psk_files[capacity] = strdup(path);
	if (list->psk_files[capacity] == NULL)
		return -1;
	list->psk_file_count++;
	return 0;
}

static int read_psk(struct authorized_client *client, const char *path, char *reason,
		    size_t reason_size)
{
	char error[400];

	if (!sodium_is_zero(client->psk, sizeof(client->psk)))
		return bad_value(reason, reason_size, "psk= is there twice");
	if (keyfile_read(client->psk, path, error, sizeof(error)) < 0)
		return bad_value(reason, reason_size, "psk=%s", error);
	if (sodium_is_zero(client->psk, sizeof(client->psk)))
		return bad_value(reason, reason_size, "psk=%.200s: all zeros is no key", path);
	return 0;
}

int authorized_client_parse(struct authorized_client *client, char *value,
			    authorized_client_psk_fn *note, void *context, char *reason,
			    size_t reason_size)
{
	char *words[WORDS_MAX];
	int count = table_split(value, words, WORDS_MAX), result;

	if (count < 0)
		return bad_value(reason, reason_size, "too many words, or a quote without its end");
	if (count == 0)
		return bad_value(reason, reason_size, "a name must follow the key");
	result = parse_name(client, words[0], reason, reason_size);
	for (int i = 1; i < count && result == 0; i++) {
		const char *path = strncmp(words[i], "psk=", 4) == 0 ? words[i] + 4 : NULL;

		if (path == NULL)
			result = client_options_parse(&client->options, words[i], reason,
						      reason_size);
		else if (path[0] != '/')
			result = bad_value(reason, reason_size,
					   "psk= needs the absolute path of a file");
		else if (note(context, path) < 0)
			result = bad_value(reason, reason_size, "out of memory");
		else
			result = read_psk(client, path, reason, reason_size);
	}
	if (result == 0 && client->options.invite_expires != 0 && !sodium_is_zero(client->psk, sizeof(client->psk)))
		result = bad_value(reason, reason_size,
				   "psk= does not go with invite=: the invited host does not have it");
	return result;
}

static int parse_line(struct reading *reading, struct authorized_client *client,
		      struct table_line *line)
{
	char reason[480];

	client->line = line->line;
	if (parse_key(reading, client, line->key) < 0)
		return -1;
	if (authorized_client_parse(client, line->value, note_psk_file, reading->list, reason,
				    sizeof(reason)) < 0)
		return bad_line(reading, client->line, "%s", reason);
	client->is_pending = client->options.invite_expires != 0;
	if (client->is_pending)
		memcpy(client->invite_key, client->public_key, sizeof(client->invite_key));
	return 0;
}

/* ---- invites ---- */

static void take_damage(void *context, const char *message)
{
	struct reading *reading = context;

	if (reading->complain != NULL)
		reading->complain(reading->context, message);
}

static int enrol(struct reading *reading, struct authorized_client *client, const struct enrolled_key *key)
{
	if (reading->own_public_key != NULL && memcmp(key->client_key, reading->own_public_key, NOISE_DHLEN) == 0)
		return bad_line(reading, client->line, "the edge's own public key was enrolled for this invite");
	memcpy(client->public_key, key->client_key, sizeof(client->public_key));
	client->enrolled = key->time;
	client->is_pending = false;
	return 0;
}

/* Puts the enrolled keys in the places of their invites. 0, or -1 with error. */
static int take_enrolled(struct reading *reading, const char *path, char *error, size_t error_size)
{
	struct authorized_clients *list = reading->list;
	struct enrolled_keys enrolled;
	size_t pending = 0, kept = 0;

	for (size_t i = 0; i < list->count; i++)
		pending += list->clients[i].is_pending;
	if (pending == 0 || path == NULL)
		return 0;
	if (enrolled_keys_read(&enrolled, path, take_damage, reading, error, error_size) < 0)
		return -1;
	list->enrolled_status = enrolled.status;
	for (size_t i = 0; i < list->count; i++) {
		struct authorized_client *client = &list->clients[i];
		const struct enrolled_key *key =
			client->is_pending ? enrolled_keys_find(&enrolled, client->invite_key) : NULL;

		if (key != NULL && enrol(reading, client, key) < 0)
			authorized_client_wipe(client);
		else
			list->clients[kept++] = *client;
	}
	sodium_memzero(&list->clients[kept], (list->count - kept) * sizeof(*list->clients));
	list->count = kept;
	enrolled_keys_wipe(&enrolled);
	return 0;
}

static int by_invite(const void *left, const void *right)
{
	const struct authorized_client *const *a = left, *const *b = right;

	return memcmp((*a)->invite_key, (*b)->invite_key, sizeof((*a)->invite_key));
}

/* After the last sorting: the pointers stay good. 0, or -1: no memory. */
static int index_invites(struct authorized_clients *list)
{
	size_t count = 0;

	list->invites = calloc(list->count > 0 ? list->count : 1, sizeof(struct authorized_client *));
	if (list->invites == NULL)
		return -1;
	for (size_t i = 0; i < list->count; i++) {
		if (list->clients[i].options.invite_expires != 0)
			list->invites[count++] = &list->clients[i];
		list->pending_count += list->clients[i].is_pending;
	}
	list->invite_count = count;
	if (count > 0)
		qsort(list->invites, count, sizeof(struct authorized_client *), by_invite);
	return 0;
}

static int by_key_and_line(const void *left, const void *right)
{
	const struct authorized_client *a = left, *b = right;
	int order = memcmp(a->public_key, b->public_key, NOISE_DHLEN);

	if (order != 0)
		return order;
	return (a->line > b->line) - (a->line < b->line);
}

void authorized_client_wipe(struct authorized_client *client)
{
	client_options_wipe(&client->options);
	sodium_memzero(client, sizeof(*client));
}

/* Of several lines with one key the first stays. The list must be sorted. */
static void remove_doubles(struct reading *reading)
{
	struct authorized_clients *list = reading->list;
	size_t i, kept = 0;

	for (i = 0; i < list->count; i++) {
		const struct authorized_client *last = kept > 0 ? &list->clients[kept - 1] : NULL;
		struct authorized_client *client = &list->clients[i];

		if (last != NULL &&
		    memcmp(last->public_key, client->public_key, NOISE_DHLEN) == 0) {
			bad_line(reading, client->line, "the same key as in line %zu (%s)",
				 last->line, last->name);
			authorized_client_wipe(client);
		} else {
			list->clients[kept++] = *client;
		}
	}
	sodium_memzero(&list->clients[kept], (list->count - kept) * sizeof(*list->clients));
	list->count = kept;
}

static int by_name_and_line(const void *left, const void *right)
{
	const struct authorized_client *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	if (order != 0)
		return order;
	return (a->line > b->line) - (a->line < b->line);
}

/*
 * Two keys of one name are one client with one set of counters, so what is asked of it must be one
 * thing. The first line counts; the list is sorted by name afterwards.
 */
static void remove_contradictions(struct reading *reading)
{
	struct authorized_clients *list = reading->list;
	size_t i, kept = 0;

	qsort(list->clients, list->count, sizeof(*list->clients), by_name_and_line);
	for (i = 0; i < list->count; i++) {
		const struct authorized_client *last = kept > 0 ? &list->clients[kept - 1] : NULL;
		struct authorized_client *client = &list->clients[i];

		if (last != NULL && strcmp(last->name, client->name) == 0 &&
		    !client_options_are_same(&last->options, &client->options)) {
			bad_line(reading, client->line,
				 "other options than line %zu has for the same name; give both "
				 "lines the same (psk= and disabled aside)",
				 last->line);
			authorized_client_wipe(client);
		} else {
			list->clients[kept++] = *client;
		}
	}
	sodium_memzero(&list->clients[kept], (list->count - kept) * sizeof(*list->clients));
	list->count = kept;
}

static int fail(struct authorized_clients *list)
{
	struct stat status = list->status;

	authorized_clients_wipe(list);
	list->status = status;
	return -1;
}

int authorized_clients_read(struct authorized_clients *list, const char *path, const char *enrolled_path,
			    const uint8_t *own_public_key, authorized_clients_complain_fn *complain,
			    void *context, char *error, size_t error_size)
{
	struct reading reading = { list, path, own_public_key, complain, context };
	struct table table;
	size_t i;

	memset(list, 0, sizeof(*list));
	if (table_read(&table, path, &list->status, error, error_size) < 0)
		return -1;
	list->clients = calloc(table.count > 0 ? table.count : 1, sizeof(*list->clients));
	if (list->clients == NULL) {
		snprintf(error, error_size, "%s: out of memory", path);
		table_wipe(&table);
		return -1;
	}
	for (i = 0; i < table.count; i++) {
		struct authorized_client *client = &list->clients[list->count];

		if (parse_line(&reading, client, &table.lines[i]) == 0)
			list->count++;
		else
			authorized_client_wipe(client);
	}
	table_wipe(&table);
	if (take_enrolled(&reading, enrolled_path, error, error_size) < 0)
		return fail(list);
	qsort(list->clients, list->count, sizeof(*list->clients), by_key_and_line);
	remove_doubles(&reading);
	remove_contradictions(&reading);
	qsort(list->clients, list->count, sizeof(*list->clients), by_key_and_line);
	if (index_invites(list) == 0)
		return 0;
	snprintf(error, error_size, "%s: out of memory", path);
	return fail(list);
}

void authorized_clients_wipe(struct authorized_clients *list)
{
	for (size_t i = 0; i < list->count; i++)
		authorized_client_wipe(&list->clients[i]);
	free(list->clients);
	for (size_t i = 0; i < list->psk_file_count; i++)
		free(list->psk_files[i]);
	free(list->psk_files);
	free(list->invites);
	memset(list, 0, sizeof(*list));
}

static int by_key(const void *key, const void *element)
{
	const struct authorized_client *client = element;

	return memcmp(key, client->public_key, NOISE_DHLEN);
}

const struct authorized_client *authorized_clients_find(const struct authorized_clients *list,
							const uint8_t public_key[32])
{
	const struct authorized_client *found = NULL;

	if (list->count > 0)
		found = bsearch(public_key, list->clients, list->count, sizeof(*list->clients), by_key);
	return found != NULL && !found->is_pending ? found : NULL;
}

static int by_invite_key(const void *key, const void *element)
{
	const struct authorized_client *const *client = element;

	return memcmp(key, (*client)->invite_key, NOISE_DHLEN);
}

const struct authorized_client *authorized_clients_find_invite(const struct authorized_clients *list,
							       const uint8_t invite_key[32])
{
	struct authorized_client *const *found = NULL;

	if (list->invite_count > 0)
		found = bsearch(invite_key, list->invites, list->invite_count, sizeof(struct authorized_client *),
				by_invite_key);
	return found != NULL ? *found : NULL;
}
