/*
 * Many lines may name the same relay, so relays are kept once each. That also makes sure that they
 * are described once: the options belong to the relay, not to a domain, and mail of all its domains
 * shares its connections.
 */
/* Memory that is not there is an error like others; uthash would exit. */
#define HASH_NONFATAL_OOM 1

#include "relay_table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uthash.h>

#include "domain_patterns.h"
#include "lib/ascii.h"
#include "lib/log.h"
#include "lib/table_watch.h"
#include "lib/text_file.h"
#include "mx_list.h"

/* A domain that goes to its own mail exchangers, whatever is said of "*" or a parent. */
#define DIRECT SIZE_MAX

struct relay {
	struct relay_hop hop;
	size_t index;
	UT_hash_handle hh;			/* by next_hop */
};

struct relay_map {
	atomic_int references;
	struct domain_patterns patterns;	/* their values are indices into relays, or DIRECT */
	struct relay **relays;
	size_t relay_count;
	struct relay *by_next_hop;
};

struct relay_table {
	pthread_mutex_t lock;			/* protects what is not fixed */
	struct relay_map *map;
	struct table_watch watch;
	char *path;				/* fixed */
};

static void map_destroy(struct relay_map *map)
{
	HASH_CLEAR(hh, map->by_next_hop);
	for (size_t i = 0; i < map->relay_count; i++)
		free(map->relays[i]);
	free(map->relays);
	domain_patterns_wipe(&map->patterns);
	free(map);
}

static struct relay_map *map_create(size_t lines)
{
	struct relay_map *map = calloc(1, sizeof(*map));

	if (map == NULL)
		return NULL;
	atomic_init(&map->references, 1);
	map->relays = calloc(lines > 0 ? lines : 1, sizeof(*map->relays));
	if (domain_patterns_init(&map->patterns, lines) == 0 && map->relays != NULL)
		return map;
	map_destroy(map);
	return NULL;
}

/* Takes over `relay`, or finds that it is there already. 0, or -1 with error. */
static int take_relay(struct relay_map *map, struct relay *relay, size_t *index_out, char *error,
		      size_t error_size)
{
	const char *next_hop = relay->hop.destination.next_hop;
	struct relay *known;

	HASH_FIND_STR(map->by_next_hop, next_hop, known);
	if (known != NULL) {
		bool is_same = relay_hop_is_same(&known->hop, &relay->hop);

		*index_out = known->index;
		if (!is_same)
			snprintf(error, error_size,
				 "%.260s has other options in line %zu; a relay has the same "
				 "everywhere",
				 next_hop, known->hop.tls.line);
		free(relay);
		return is_same ? 0 : -1;
	}
	HASH_ADD_STR(map->by_next_hop, hop.destination.next_hop, relay);
	if (relay->hh.tbl == NULL) {
		snprintf(error, error_size, "out of memory");
		free(relay);
		return -1;
	}
	*index_out = relay->index = map->relay_count;
	map->relays[map->relay_count++] = relay;
	return 0;
}

static int take_value(struct relay_map *map, const struct table_line *line, size_t *index_out,
		      char *error, size_t error_size)
{
	struct relay *relay;

	if (strcasecmp(line->value, "direct") == 0) {
		*index_out = DIRECT;
		return 0;
	}
	relay = calloc(1, sizeof(*relay));
	if (relay == NULL) {
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	if (relay_hop_parse(&relay->hop, line->value, line->line, error, error_size) == 0)
		return take_relay(map, relay, index_out, error, error_size);
	free(relay);
	return -1;
}

static int take_lines(struct relay_map *map, const struct table *table, size_t *line, char *error,
		      size_t error_size)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct table_line *read = &table->lines[i];
		size_t index;

		*line = read->line;
		if (take_value(map, read, &index, error, error_size) < 0 ||
		    domain_patterns_add(&map->patterns, read->key, *line, index, error,
					error_size) < 0)
			return -1;
	}
	return domain_patterns_sort(&map->patterns, line, error, error_size);
}

/* NULL with error; *status is filled in either case. */
static struct relay_map *read_map(const char *path, struct stat *status, char *error,
				  size_t error_size)
{
	struct relay_map *map;
	struct table table;
	char reason[500];
	size_t line = 0;

	if (table_read(&table, path, status, error, error_size) < 0)
		return NULL;
	map = map_create(table.count);
	if (map == NULL) {
		snprintf(error, error_size, "%s: out of memory", path);
	} else if (take_lines(map, &table, &line, reason, sizeof(reason)) < 0) {
		snprintf(error, error_size, "%s:%zu: %s", path, line, reason);
		map_destroy(map);
		map = NULL;
	}
	table_wipe(&table);
	return map;
}

struct relay_table *relay_table_create(const char *path, char *error, size_t error_size)
{
	struct relay_table *table = calloc(1, sizeof(*table));

	if (table == NULL || (table->path = strdup(path)) == NULL) {
		snprintf(error, error_size, "out of memory");
		free(table);
		return NULL;
	}
	pthread_mutex_init(&table->lock, NULL);
	table->map = read_map(path, &table->watch.status, error, error_size);
	if (table->map != NULL || text_file_is_absent(&table->watch.status))
		return table;
	relay_table_destroy(table);
	return NULL;
}

void relay_table_destroy(struct relay_table *table)
{
	if (table == NULL)
		return;
	relay_map_release(table->map);
	pthread_mutex_destroy(&table->lock);
	free(table->path);
	free(table);
}

const char *relay_table_path(const struct relay_table *table)
{
	return table->path;
}

/* Caller holds the lock. */
static void refresh(struct relay_table *table)
{
	struct relay_map *fresh;
	struct stat status;
	char error[1000];

	if (!table_watch_is_due(&table->watch, table->path))
		return;
	fresh = read_map(table->path, &status, error, sizeof(error));
	if (fresh == NULL) {
		table_watch_refuse(&table->watch, error, "the relays read before stay in force");
		return;
	}
	table_watch_take(&table->watch, &status);
	log_info("%s was read again: %zu lines", table->path, fresh->patterns.count);
	relay_map_release(table->map);
	table->map = fresh;
}

struct relay_map *relay_table_acquire(struct relay_table *table)
{
	struct relay_map *map;

	pthread_mutex_lock(&table->lock);
	refresh(table);
	map = table->map;
	if (map != NULL && map->patterns.count == 0)
		map = NULL;
	if (map != NULL)
		atomic_fetch_add(&map->references, 1);
	pthread_mutex_unlock(&table->lock);
	return map;
}

void relay_map_release(struct relay_map *map)
{
	if (map != NULL && atomic_fetch_sub(&map->references, 1) == 1)
		map_destroy(map);
}

const struct relay_hop *relay_map_find(const struct relay_map *map, const char *domain)
{
	const struct domain_pattern *found;
	char name[DNS_NAME_MAX + 1];

	/* What is no domain name gets its answer from mx_list. */
	if (mx_list_a_labels(name, domain) < 0)
		return NULL;
	found = domain_patterns_find(&map->patterns, name);
	return found != NULL && found->value != DIRECT ? &map->relays[found->value]->hop : NULL;
}

const struct relay_hop *relay_map_get(const struct relay_map *map, size_t index)
{
	return index < map->relay_count ? &map->relays[index]->hop : NULL;
}
