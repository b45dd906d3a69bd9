/*
 * Reads the table of edges. It opens no connection and resolves no name: that is done when mail is
 * there. Preshared keys are wiped with the table.
 */
#include "edge_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/table.h"
#include "tunnel/base64_key.h"
#include "tunnel/keyfile.h"
#include "tunnel/tunnel_limits.h"

/* endpoint, key, and room for options. */
#define WORDS_MAX 16

static int parse_name(struct edge *edge, const char *text, char *error, size_t error_size)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t length = strlen(text);

	if (length == 0 || length > EDGE_NAME_MAX || strspn(text, allowed) != length) {
		snprintf(error, error_size,
			 "\"%.80s\" is no edge name; use 1 to %d letters, digits and -_.", text,
			 EDGE_NAME_MAX);
		return -1;
	}
	memcpy(edge->name, text, length + 1);
	return 0;
}

static int parse_psk(struct edge *edge, const char *path, char *error, size_t error_size)
{
	if (path[0] != '/') {
		snprintf(error, error_size,
			 "psk=%.100s: the file must be named by an absolute path", path);
		return -1;
	}
	return keyfile_read(edge->psk, path, error, error_size);
}

static int parse_weight(struct edge *edge, const char *text, char *error, size_t error_size)
{
	size_t digits = strspn(text, "0123456789");
	long weight = digits > 0 && digits <= 4 && text[digits] == '\0' ? strtol(text, NULL, 10) : 0;

	if (weight < 1 || weight > EDGE_WEIGHT_MAX) {
		snprintf(error, error_size, "edge \"%s\": weight=%.80s is no number from 1 to %d",
			 edge->name, text, EDGE_WEIGHT_MAX);
		return -1;
	}
	edge->weight = (unsigned)weight;
	return 0;
}

static int parse_service(struct edge *edge, const char *word, char *error, size_t error_size)
{
	if (edge->is_disabled || edge->is_drained) {
		snprintf(error, error_size, "edge \"%s\": one of drain and disabled, and once",
			 edge->name);
		return -1;
	}
	edge->is_disabled = word[1] == 'i';
	edge->is_drained = !edge->is_disabled;
	return 0;
}

static int parse_key(struct edge *edge, const char *text, bool *has_key, char *error,
		     size_t error_size)
{
	uint8_t *key = *has_key ? edge->former_key : edge->public_key;

	if (edge->has_former_key) {
		snprintf(error, error_size,
			 "third key= for edge \"%s\"; give one, or while the edge's key is being "
			 "replaced the new one and then the old one",
			 edge->name);
		return -1;
	}
	if (base64_key_decode(key, text, strlen(text)) < 0) {
		snprintf(error, error_size,
			 "edge \"%s\": key= is not the %d characters of `postern pubkey'",
			 edge->name, BASE64_KEY_TEXT);
		return -1;
	}
	edge->has_former_key = *has_key;
	*has_key = true;
	return 0;
}

static int parse_option(struct edge *edge, const char *word, bool *has_key, char *error,
			size_t error_size)
{
	if (strncmp(word, "key=", 4) == 0)
		return parse_key(edge, word + 4, has_key, error, error_size);
	if (strncmp(word, "psk=", 4) == 0)
		return parse_psk(edge, word + 4, error, error_size);
	if (strncmp(word, "weight=", 7) == 0)
		return parse_weight(edge, word + 7, error, error_size);
	if (strcmp(word, "disabled") == 0 || strcmp(word, "drain") == 0)
		return parse_service(edge, word, error, error_size);
	snprintf(error, error_size,
		 "unknown option \"%.80s\"; known are key=, weight=, psk=, drain, disabled", word);
	return -1;
}

static int parse_edge(struct edge *edge, struct table_line *line, char *error, size_t error_size)
{
	char *words[WORDS_MAX];
	bool has_key = false;
	int count;

	edge->line = line->line;
	edge->weight = 1;
	if (parse_name(edge, line->key, error, error_size) < 0)
		return -1;
	count = table_split(line->value, words, WORDS_MAX);
	if (count < 2) {
		snprintf(error, error_size, "expected `name host:port key=...'");
		return -1;
	}
	if (endpoint_parse(&edge->endpoint, words[0], TUNNEL_DEFAULT_PORT, error, error_size) < 0)
		return -1;
	/* Every address is something to listen on, nothing to connect to. */
	if (edge->endpoint.host[0] == '\0') {
		snprintf(error, error_size, "edge \"%s\": \"%.80s\" names no host", edge->name,
			 words[0]);
		return -1;
	}
	for (int i = 1; i < count; i++)
		if (parse_option(edge, words[i], &has_key, error, error_size) < 0)
			return -1;
	if (!has_key) {
		snprintf(error, error_size, "edge \"%s\" has no key=", edge->name);
		return -1;
	}
	return 0;
}

static const char *name_of(const void *edges, size_t position)
{
	return ((const struct edge *)edges)[position].name;
}

static int add_edge(struct edge_table *table, struct table_line *line, char *error,
		    size_t error_size)
{
	struct edge *edge = &table->edges[table->count];
	const struct edge *same;

	if (parse_edge(edge, line, error, error_size) < 0)
		return -1;
	same = edge_table_find(table, edge->name);
	if (same != NULL) {
		snprintf(error, error_size, "edge \"%s\" is already in line %zu", edge->name,
			 same->line);
		return -1;
	}
	name_index_add(&table->index, name_of, table->edges, table->count++);
	return 0;
}

/* Puts "PATH:LINE: " before what is in error. */
static void locate(char *error, size_t error_size, const char *path, size_t line)
{
	char what[512];

	snprintf(what, sizeof(what), "%s", error);
	snprintf(error, error_size, "%s:%zu: %s", path, line, what);
}

int edge_table_read(struct edge_table *table, const char *path, char *error, size_t error_size)
{
	struct table lines;
	int result = 0;

	memset(table, 0, sizeof(*table));
	if (table_read(&lines, path, &table->status, error, error_size) < 0)
		return -1;
	if (lines.count > EDGES_MAX) {
		snprintf(error, error_size, "%s: more than %d edges", path, EDGES_MAX);
		table_wipe(&lines);
		return -1;
	}
	table->edges = calloc(lines.count + 1, sizeof(*table->edges));
	if (table->edges == NULL || name_index_init(&table->index, lines.count) < 0) {
		snprintf(error, error_size, "%s: out of memory", path);
		result = -1;
	}
	for (size_t i = 0; result == 0 && i < lines.count; i++) {
		result = add_edge(table, &lines.lines[i], error, error_size);
		if (result < 0)
			locate(error, error_size, path, lines.lines[i].line);
	}
	if (result == 0 && table->count == 0) {
		snprintf(error, error_size,
			 "%s: no edge in it; add a line `name host:port key=...'", path);
		result = -1;
	}
	table_wipe(&lines);
	if (result < 0)
		edge_table_wipe(table);
	return result;
}

void edge_table_wipe(struct edge_table *table)
{
	/* One more than count: a line that failed half-way has its psk there. */
	if (table->edges != NULL)
		explicit_bzero(table->edges, (table->count + 1) * sizeof(*table->edges));
	free(table->edges);
	name_index_wipe(&table->index);
	table->edges = NULL;
	table->count = 0;
}

const uint8_t *edge_identity(const struct edge *edge)
{
	return edge->has_former_key ? edge->former_key : edge->public_key;
}

const struct edge *edge_table_find(const struct edge_table *table, const char *name)
{
	size_t position = name_index_find(&table->index, name_of, table->edges, name);

	return position != NAME_INDEX_NONE ? &table->edges[position] : NULL;
}

bool edge_takes_new_mail(const struct edge *edge)
{
	return !edge->is_disabled && !edge->is_drained;
}
