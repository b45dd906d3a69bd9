/*
 *	line     = destination 1*WSP user ":" password
 *	password = whatever is left of the line, colons and spaces in it included
 *
 * Nothing of a login gets into the log, nor does it stay in memory that was given back.
 */
#include "relay_passwords.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/table.h"
#include "lib/table_watch.h"
#include "lib/text_file.h"
#include "relay_destination.h"

struct entry {
	/* A destination's next_hop; or a host alone, for every port of it. */
	char key[SMTP_DOMAIN_MAX + 1];
	size_t line;
	struct sasl_login login;
};

struct entries {
	struct entry *items;		/* sorted by key */
	size_t count;
};

struct relay_passwords {
	char *path;
	struct entries entries;
	struct table_watch watch;
	uint64_t generation;
};

static void entries_wipe(struct entries *entries)
{
	if (entries->items != NULL)
		explicit_bzero(entries->items, entries->count * sizeof(*entries->items));
	free(entries->items);
	*entries = (struct entries){ 0 };
}

/* A key that others can read or replace keeps no door. */
static int check_file(const char *path, const struct stat *status, char *error, size_t error_size)
{
	if ((status->st_mode & 07177) != 0) {
		snprintf(error, error_size,
			 "%s: mode %04o lets others read these passwords; chmod 600 %.200s", path,
			 status->st_mode & 07777U, path);
		return -1;
	}
	if (status->st_uid != 0 && status->st_uid != geteuid()) {
		snprintf(error, error_size, "%s: owned by uid %ld, read by uid %ld; chown %ld %.200s",
			 path, (long)status->st_uid, (long)geteuid(), (long)geteuid(), path);
		return -1;
	}
	return 0;
}

/* A host alone stands for all its ports; everything else is a destination. */
static int take_key(struct entry *entry, const char *key, char *error, size_t error_size)
{
	struct relay_destination destination;

	if (relay_destination_parse(&destination, key, error, error_size) < 0)
		return -1;
	snprintf(entry->key, sizeof(entry->key), "%s",
		 strchr(key, ':') == NULL && !destination.is_host ? destination.host
								  : destination.next_hop);
	return 0;
}

static int fail(const char *reason, char *error, size_t error_size)
{
	snprintf(error, error_size, "%s", reason);
	return -1;
}

static int take_login(struct sasl_login *login, const char *value, char *error, size_t error_size)
{
	const char *colon = strchr(value, ':');
	size_t user;

	if (colon == NULL || colon == value || colon[1] == '\0')
		return fail("behind the relay stands no user:password", error, error_size);
	user = (size_t)(colon - value);
	if (user > SASL_USER_MAX || strlen(colon + 1) > SASL_PASSWORD_MAX)
		return fail("user or password is longer than 255 bytes", error, error_size);
	memcpy(login->user, value, user);
	memcpy(login->password, colon + 1, strlen(colon + 1));
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static int find_double(const struct entries *entries, size_t *line, char *error, size_t error_size)
{
	for (size_t i = 1; i < entries->count; i++) {
		const struct entry *a = &entries->items[i - 1], *b = &entries->items[i];
		size_t first = a->line < b->line ? a->line : b->line;

		if (strcmp(a->key, b->key) == 0) {
			*line = a->line + b->line - first;
			snprintf(error, error_size, "%s stands in line %zu already", a->key, first);
			return -1;
		}
	}
	return 0;
}

static int take_lines(struct entries *entries, const struct table *table, size_t *line, char *error,
		      size_t error_size)
{
	for (size_t i = 0; i < table->count; i++) {
		struct entry *entry = &entries->items[entries->count++];

		*line = entry->line = table->lines[i].line;
		if (take_key(entry, table->lines[i].key, error, error_size) < 0 ||
		    take_login(&entry->login, table->lines[i].value, error, error_size) < 0)
			return -1;
	}
	if (entries->count > 1)
		qsort(entries->items, entries->count, sizeof(*entries->items), compare);
	return find_double(entries, line, error, error_size);
}

/* A table's text is freed as any memory is: wiped, but for builds with sanitizers. */
static int take_table(struct entries *entries, const struct table *table, const char *path,
		      char *error, size_t error_size)
{
	char reason[400];
	size_t line = 0;

	entries->items = calloc(table->count > 0 ? table->count : 1, sizeof(*entries->items));
	if (entries->items == NULL) {
		snprintf(error, error_size, "%s: out of memory", path);
		return -1;
	}
	if (take_lines(entries, table, &line, reason, sizeof(reason)) == 0)
		return 0;
	snprintf(error, error_size, "%s:%zu: %s", path, line, reason);
	entries_wipe(entries);
	return -1;
}

/* The usual mistake: root has written it, for somebody else to read. */
static void add_owner(const char *path, char *error, size_t error_size)
{
	size_t used = strlen(error);

	if (access(path, R_OK) < 0 && errno == EACCES)
		snprintf(error + used, error_size - used, "; read by uid %ld; chown %ld %.200s",
			 (long)geteuid(), (long)geteuid(), path);
}

/* 0, or -1 with error; *status is filled in either case. */
static int read_entries(struct entries *entries, const char *path, struct stat *status, char *error,
			size_t error_size)
{
	struct table table;
	int result;

	*entries = (struct entries){ 0 };
	if (table_read(&table, path, status, error, error_size) < 0) {
		add_owner(path, error, error_size);
		return -1;
	}
	result = check_file(path, status, error, error_size);
	if (result == 0)
		result = take_table(entries, &table, path, error, error_size);
	table_wipe(&table);
	return result;
}

struct relay_passwords *relay_passwords_create(const char *path, char *error, size_t error_size)
{
	struct relay_passwords *passwords = calloc(1, sizeof(*passwords));

	if (passwords == NULL || (passwords->path = strdup(path)) == NULL) {
		snprintf(error, error_size, "out of memory");
		free(passwords);
		return NULL;
	}
	if (read_entries(&passwords->entries, path, &passwords->watch.status, error, error_size) == 0 ||
	    text_file_is_absent(&passwords->watch.status))
		return passwords;
	relay_passwords_destroy(passwords);
	return NULL;
}

void relay_passwords_destroy(struct relay_passwords *passwords)
{
	if (passwords == NULL)
		return;
	entries_wipe(&passwords->entries);
	free(passwords->path);
	free(passwords);
}

size_t relay_passwords_count(const struct relay_passwords *passwords)
{
	return passwords->entries.count;
}

uint64_t relay_passwords_generation(const struct relay_passwords *passwords)
{
	return passwords->generation;
}

static void refresh(struct relay_passwords *passwords)
{
	struct entries fresh;
	struct stat status;
	char error[1000];

	if (!table_watch_is_due(&passwords->watch, passwords->path))
		return;
	if (read_entries(&fresh, passwords->path, &status, error, sizeof(error)) < 0) {
		table_watch_refuse(&passwords->watch, error, "the passwords read before stay in force");
		return;
	}
	table_watch_take(&passwords->watch, &status);
	log_info("%s was read again: %zu lines", passwords->path, fresh.count);
	entries_wipe(&passwords->entries);
	passwords->entries = fresh;
	passwords->generation++;
}

static const struct entry *find(const struct entries *entries, const char *key)
{
	size_t from = 0, to = entries->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int order = strcmp(key, entries->items[middle].key);

		if (order == 0)
			return &entries->items[middle];
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return NULL;
}

bool relay_passwords_find(struct relay_passwords *passwords, const char *next_hop,
			  struct sasl_login *login)
{
	struct relay_destination destination;
	const struct entry *found;
	char ignored[400];

	refresh(passwords);
	found = find(&passwords->entries, next_hop);
	if (found == NULL &&
	    relay_destination_parse(&destination, next_hop, ignored, sizeof(ignored)) == 0)
		found = find(&passwords->entries, destination.host);
	if (found != NULL)
		*login = found->login;
	return found != NULL;
}
