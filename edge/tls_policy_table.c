/* The lines of tls_policy behind a lock. */
#include "tls_policy_table.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain_patterns.h"
#include "lib/log.h"
#include "lib/table_watch.h"
#include "lib/text_file.h"

struct entries {
	struct domain_patterns patterns;	/* their values are indices into policies */
	struct tls_policy *policies;
};

struct tls_policy_table {
	pthread_mutex_t lock;			/* protects what is not fixed */
	struct entries entries;
	struct table_watch watch;
	char *path;				/* fixed */
};

static void entries_wipe(struct entries *entries)
{
	domain_patterns_wipe(&entries->patterns);
	free(entries->policies);
	memset(entries, 0, sizeof(*entries));
}

static int take_lines(struct entries *entries, struct table *table, char *error, size_t error_size,
		      size_t *line)
{
	for (size_t i = 0; i < table->count; i++) {
		struct table_line *read = &table->lines[i];

		*line = read->line;
		if (domain_patterns_add(&entries->patterns, read->key, *line, i, error, error_size) < 0 ||
		    tls_policy_parse(&entries->policies[i], read->value, error, error_size) < 0)
			return -1;
		entries->policies[i].line = *line;
	}
	return domain_patterns_sort(&entries->patterns, line, error, error_size);
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
	entries->policies = calloc(table.count > 0 ? table.count : 1, sizeof(*entries->policies));
	if (domain_patterns_init(&entries->patterns, table.count) < 0 || entries->policies == NULL) {
		snprintf(error, error_size, "%s: out of memory", path);
		table_wipe(&table);
		entries_wipe(entries);
		return -1;
	}
	result = take_lines(entries, &table, reason, sizeof(reason), &line);
	table_wipe(&table);
	if (result < 0) {
		snprintf(error, error_size, "%s:%zu: %s", path, line, reason);
		entries_wipe(entries);
	}
	return result;
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
	if (read_entries(&table->entries, path, &table->watch.status, error, error_size) == 0 ||
	    text_file_is_absent(&table->watch.status))
		return table;
	tls_policy_table_destroy(table);
	return NULL;
}

void tls_policy_table_destroy(struct tls_policy_table *table)
{
	if (table == NULL)
		return;
	pthread_mutex_destroy(&table->lock);
	entries_wipe(&table->entries);
	free(table->path);
	free(table);
}

/* Caller holds the lock. */
static void refresh(struct tls_policy_table *table)
{
	struct entries fresh;
	struct stat status;
	char error[400];

	if (!table_watch_is_due(&table->watch, table->path))
		return;
	if (read_entries(&fresh, table->path, &status, error, sizeof(error)) < 0) {
		table_watch_refuse(&table->watch, error, "the TLS policies read before stay in force");
		return;
	}
	table_watch_take(&table->watch, &status);
	log_info("%s was read again: %zu lines", table->path, fresh.patterns.count);
	entries_wipe(&table->entries);
	table->entries = fresh;
}

bool tls_policy_table_find(struct tls_policy_table *table, const char *domain,
			   struct tls_policy *policy)
{
	const struct domain_pattern *found;

	pthread_mutex_lock(&table->lock);
	refresh(table);
	found = domain_patterns_find(&table->entries.patterns, domain);
	if (found != NULL)
		*policy = table->entries.policies[found->value];
	pthread_mutex_unlock(&table->lock);
	return found != NULL;
}

const char *tls_policy_table_path(const struct tls_policy_table *table)
{
	return table->path;
}
