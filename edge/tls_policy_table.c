/* The lines of tls_policy in a sorted array behind a lock. */
#include "tls_policy_table.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/deadline.h"
#include "lib/log.h"

/* A bad file is looked at again this often, and complained about this often. */
#define RETRY_MS 1000
#define REMINDER_MS 60000

struct entry {
	char pattern[SMTP_DOMAIN_MAX + 1];	/* lower case */
	struct tls_policy policy;
};

struct entries {
	struct entry *items;			/* by pattern */
	size_t count;
};

struct tls_policy_table {
	pthread_mutex_t lock;			/* protects what is not fixed */
	struct entries entries;
	struct stat status;			/* of the file that entries came from */
	struct deadline retry;
	struct deadline reminder;
	char *path;				/* fixed */
};

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->pattern, y->pattern);
}

static int take_pattern(struct entry *entry, const char *key, char *error, size_t error_size)
{
	size_t length = strlen(key);

	if (length == 0 || length > SMTP_DOMAIN_MAX || strcmp(key, ".") == 0 ||
	    (strchr(key, '*') != NULL && strcmp(key, "*") != 0)) {
		snprintf(error, error_size,
			 "\"%.100s\" is neither a domain, a \".parent.domain\" nor \"*\"", key);
		return -1;
	}
	for (size_t i = 0; i <= length; i++)
		entry->pattern[i] =
			(char)(key[i] >= 'A' && key[i] <= 'Z' ? key[i] - 'A' + 'a' : key[i]);
	return 0;
}

/* Sorted, the second line of a pattern is beside the first. */
static int find_double(const struct entries *entries, char *error, size_t error_size, size_t *line)
{
	for (size_t i = 1; i < entries->count; i++) {
		const struct entry *a = &entries->items[i - 1], *b = &entries->items[i];
		size_t first = a->policy.line < b->policy.line ? a->policy.line : b->policy.line;

		if (strcmp(a->pattern, b->pattern) == 0) {
			*line = a->policy.line + b->policy.line - first;
			snprintf(error, error_size, "\"%.100s\" stands in line %zu already",
				 a->pattern, first);
			return -1;
		}
	}
	return 0;
}

static int take_lines(struct entries *entries, struct table *table, char *error, size_t error_size,
		      size_t *line)
{
	for (size_t i = 0; i < table->count; i++) {
		struct entry *entry = &entries->items[i];

		*line = table->lines[i].line;
		if (take_pattern(entry, table->lines[i].key, error, error_size) < 0 ||
		    tls_policy_parse(&entry->policy, table->lines[i].value, error, error_size) < 0)
			return -1;
		entry->policy.line = *line;
		entries->count++;
	}
	if (entries->count > 1)
		qsort(entries->items, entries->count, sizeof(*entries->items), compare);
	return find_double(entries, error, error_size, line);
}

/* 0, or -1 with error; *status is filled in either case. */
static int read_entries(struct entries *entries, const char *path, struct stat *status, char *error,
			size_t error_size)
{
	char reason[300];
	struct table table;
	size_t line = 0;
	int result;

	memset(entries, 0, sizeof(*entries));
	if (table_read(&table, path, status, error, error_size) < 0)
		return -1;
	entries->items = calloc(table.count > 0 ? table.count : 1, sizeof(*entries->items));
	if (entries->items == NULL) {
		snprintf(error, error_size, "%s: out of memory", path);
		table_wipe(&table);
		return -1;
	}
	result = take_lines(entries, &table, reason, sizeof(reason), &line);
	table_wipe(&table);
	if (result < 0) {
		snprintf(error, error_size, "%s:%zu: %s", path, line, reason);
		free(entries->items);
		memset(entries, 0, sizeof(*entries));
	}
	return result;
}

/* What stat(2) would have to say of a file that is not there; see text_file.h. */
static bool is_absent(const struct stat *status)
{
	return status->st_ino == 0 && status->st_mode == 0;
}

struct tls_policy_table *tls_policy_table_create(const char *path, char *error, size_t error_size)
{
	struct tls_policy_table *table = calloc(1, sizeof(*table));

	if (table == NULL || (table->path = strdup(path)) == NULL) {
		snprintf(error, error_size, "out of memory");
		free(table);
		return NULL;
	}
	pthread_mutex_init(&table->lock, NULL);
	if (read_entries(&table->entries, path, &table->status, error, error_size) < 0 &&
	    !is_absent(&table->status)) {
		tls_policy_table_destroy(table);
		return NULL;
	}
	table->retry = table->reminder = deadline_in_ms(0);
	return table;
}

void tls_policy_table_destroy(struct tls_policy_table *table)
{
	if (table == NULL)
		return;
	pthread_mutex_destroy(&table->lock);
	free(table->entries.items);
	free(table->path);
	free(table);
}

/* Caller holds the lock. */
static void refresh(struct tls_policy_table *table)
{
	struct entries fresh;
	struct stat status;
	char error[400];

	if (!deadline_has_passed(table->retry) || !table_has_changed(table->path, &table->status))
		return;
	if (read_entries(&fresh, table->path, &status, error, sizeof(error)) == 0) {
		log_info("%s was read again: %zu lines", table->path, fresh.count);
		free(table->entries.items);
		table->entries = fresh;
		table->status = status;
		table->reminder = deadline_in_ms(0);
		return;
	}
	table->retry = deadline_in_ms(RETRY_MS);
	if (deadline_has_passed(table->reminder)) {
		table->reminder = deadline_in_ms(REMINDER_MS);
		log_error("%s; the TLS policies read before stay in force", error);
	}
}

/* Caller holds the lock. */
static const struct tls_policy *find(const struct tls_policy_table *table, const char *pattern)
{
	struct entry key;
	const struct entry *found;

	snprintf(key.pattern, sizeof(key.pattern), "%s", pattern);
	if (table->entries.count == 0)
		return NULL;
	found = bsearch(&key, table->entries.items, table->entries.count, sizeof(key), compare);
	return found != NULL ? &found->policy : NULL;
}

bool tls_policy_table_find(struct tls_policy_table *table, const char *domain,
			   struct tls_policy *policy)
{
	const struct tls_policy *found;

	pthread_mutex_lock(&table->lock);
	refresh(table);
	found = find(table, domain);
	if (domain[0] != '[')
		for (const char *dot = strchr(domain, '.'); found == NULL && dot != NULL;
		     dot = strchr(dot + 1, '.'))
			found = find(table, dot);
	if (found == NULL)
		found = find(table, "*");
	if (found != NULL)
		*policy = *found;
	pthread_mutex_unlock(&table->lock);
	return found != NULL;
}

const char *tls_policy_table_path(const struct tls_policy_table *table)
{
	return table->path;
}
