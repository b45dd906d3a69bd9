/*
 * Reads the table of routes and chooses. Choosing is pure: it knows nothing of which edge is up;
 * the caller tries them in order while that is safe.
 */
#include "route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/table.h"

static int parse_sender(struct route *route, const char *text, char *error, size_t error_size)
{
	size_t length = strlen(text);

	if (length > SMTP_DOMAIN_MAX || strpbrk(text, "@<>\"") != NULL ||
	    (strchr(text, '*') != NULL && length > 1)) {
		snprintf(error, error_size, "\"%.80s\" is neither a sender domain nor *", text);
		return -1;
	}
	for (size_t i = 0; i <= length; i++)
		route->sender[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 'a' - 'A')
								    : text[i];
	return 0;
}

static bool has_edge(const struct route *route, const char *name)
{
	for (size_t i = 0; i < route->edge_count; i++)
		if (strcmp(route->edges[i], name) == 0)
			return true;
	return false;
}

static int add_name(struct route *route, const char *name, const struct edge_table *edges,
		    char *error, size_t error_size)
{
	const struct edge *edge = edge_table_find(edges, name);

	if (edge == NULL) {
		snprintf(error, error_size, "there is no edge \"%.80s\" in the table of edges",
			 name);
		return -1;
	}
	if (has_edge(route, name) || route->edge_count == ROUTE_EDGES_MAX) {
		snprintf(error, error_size,
			 route->edge_count < ROUTE_EDGES_MAX
				 ? "edge \"%s\" stands twice in this line"
				 : "edge \"%s\" is one too many; %d can be tried",
			 name, ROUTE_EDGES_MAX);
		return -1;
	}
	memcpy(route->edges[route->edge_count++], edge->name, sizeof(edge->name));
	return 0;
}

static int parse_route(struct route *route, struct table_line *line, const struct edge_table *edges,
		       char *error, size_t error_size)
{
	char *rest = NULL;

	route->line = line->line;
	if (parse_sender(route, line->key, error, error_size) < 0)
		return -1;
	for (char *name = strtok_r(line->value, ", \t", &rest); name != NULL;
	     name = strtok_r(NULL, ", \t", &rest))
		if (add_name(route, name, edges, error, error_size) < 0)
			return -1;
	if (route->edge_count == 0) {
		snprintf(error, error_size, "no edge for \"%s\"; expected `sender-domain edge'",
			 route->sender);
		return -1;
	}
	return 0;
}

static const struct route *find(const struct route_table *table, const char *sender)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcasecmp(table->routes[i].sender, sender) == 0)
			return &table->routes[i];
	return NULL;
}

static int add_route(struct route_table *table, struct table_line *line,
		     const struct edge_table *edges, char *error, size_t error_size)
{
	struct route *route = &table->routes[table->count];
	const struct route *same;

	if (parse_route(route, line, edges, error, error_size) < 0)
		return -1;
	same = find(table, route->sender);
	if (same != NULL) {
		snprintf(error, error_size, "\"%s\" already has a route in line %zu", route->sender,
			 same->line);
		return -1;
	}
	table->count++;
	return 0;
}

static int read_lines(struct route_table *table, const char *path, const struct edge_table *edges,
		      char *error, size_t error_size)
{
	struct table lines;
	char what[512];
	int result = 0;

	if (table_read(&lines, path, &table->status, error, error_size) < 0)
		return -1;
	table->routes = calloc(lines.count + 1, sizeof(*table->routes));
	if (table->routes == NULL) {
		snprintf(error, error_size, "%s: out of memory", path);
		result = -1;
	}
	for (size_t i = 0; result == 0 && i < lines.count; i++) {
		result = add_route(table, &lines.lines[i], edges, what, sizeof(what));
		if (result < 0)
			snprintf(error, error_size, "%s:%zu: %s", path, lines.lines[i].line, what);
	}
	table_wipe(&lines);
	return result;
}

int route_table_read(struct route_table *table, const char *path, const struct edge_table *edges,
		     char *error, size_t error_size)
{
	memset(table, 0, sizeof(*table));
	if (lstat(path, &table->status) < 0 && errno == ENOENT) {
		memset(&table->status, 0, sizeof(table->status));
		table->is_missing = true;
		return 0;
	}
	if (read_lines(table, path, edges, error, error_size) < 0) {
		route_table_wipe(table);
		return -1;
	}
	return 0;
}

void route_table_wipe(struct route_table *table)
{
	free(table->routes);
	table->routes = NULL;
	table->count = 0;
}

static size_t choose_all(const struct edge_table *edges, const struct edge *chosen[ROUTE_EDGES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < edges->count && count < ROUTE_EDGES_MAX; i++)
		if (!edges->edges[i].is_disabled)
			chosen[count++] = &edges->edges[i];
	return count;
}

size_t route_choose(const struct route_table *table, const struct edge_table *edges,
		    const char *sender_domain, const struct edge *chosen[ROUTE_EDGES_MAX])
{
	const struct route *route = NULL;
	size_t count = 0;

	if (table->is_missing)
		return choose_all(edges, chosen);
	if (sender_domain[0] != '\0')
		route = find(table, sender_domain);
	if (route == NULL)
		route = find(table, "*");
	for (size_t i = 0; route != NULL && i < route->edge_count; i++) {
		const struct edge *edge = edge_table_find(edges, route->edges[i]);

		if (edge != NULL && !edge->is_disabled)
			chosen[count++] = edge;
	}
	return count;
}
