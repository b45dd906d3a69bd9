/*
 * Reads the table of routes and chooses. Choosing is pure: it knows nothing of which edge is up;
 * the caller tries them in order while that is safe.
 *
 * A line costs 32 bytes, a position for each of its edges, and a slot in the index: the process is
 * started often, and 10,000 lines must cost it little.
 */
#include "route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ascii.h"
#include "lib/table.h"

static const char login_prefix[] = "login:";
#define LOGIN_PREFIX_LENGTH (sizeof(login_prefix) - 1)
#define FIRST_CAPACITY 64

static const char *key_of(const void *routes, size_t position)
{
	return ((const struct route *)routes)[position].key;
}

static void make_lower(char *out, const char *text)
{
	do
		*out++ = ascii_lower(*text);
	while (*text++ != '\0');
}

static bool is_domain(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length <= SMTP_DOMAIN_MAX && text[0] != '.' &&
	       strpbrk(text, "@<>\"*,") == NULL;
}

static int parse_key(struct route *route, char *text, char *error, size_t error_size)
{
	size_t length = strlen(text);

	route->key = text;
	if (strncmp(text, login_prefix, LOGIN_PREFIX_LENGTH) == 0) {
		if (length > LOGIN_PREFIX_LENGTH && length <= LOGIN_PREFIX_LENGTH + ROUTE_LOGIN_MAX)
			return 0;
		snprintf(error, error_size, "\"%.80s\": a login has 1 to %d characters", text,
			 ROUTE_LOGIN_MAX);
		return -1;
	}
	if (strcmp(text, "*") == 0 || strcmp(text, "<>") == 0 || is_domain(text + (text[0] == '.'))) {
		make_lower(text, text);
		return 0;
	}
	snprintf(error, error_size,
		 "\"%.80s\" is no key; known are a sender domain, .domain for its subdomains, "
		 "login:NAME, <> and *",
		 text);
	return -1;
}

static int make_room(struct route_table *table)
{
	size_t larger = table->member_capacity > 0 ? 2 * table->member_capacity : FIRST_CAPACITY;
	uint16_t *members;

	if (table->member_count < table->member_capacity)
		return 0;
	members = realloc(table->members, larger * sizeof(*members));
	if (members == NULL)
		return -1;
	table->members = members;
	table->member_capacity = larger;
	return 0;
}

bool route_has_edge(const struct route_table *table, const struct route *route, size_t position)
{
	for (size_t i = 0; i < route->edge_count; i++)
		if (table->members[route->first + i] == position)
			return true;
	return false;
}

static int add_name(struct route_table *table, struct route *route, const char *name,
		    const struct edge_table *edges, char *error, size_t error_size)
{
	const struct edge *edge = edge_table_find(edges, name);
	size_t position = edge != NULL ? (size_t)(edge - edges->edges) : 0;

	if (edge == NULL)
		snprintf(error, error_size, "there is no edge \"%.80s\" in the table of edges",
			 name);
	else if (route_has_edge(table, route, position))
		snprintf(error, error_size, "edge \"%s\" stands twice in this line", name);
	else if (route->edge_count == ROUTE_EDGES_MAX)
		snprintf(error, error_size, "edge \"%s\" is one too many; a line takes %d", name,
			 ROUTE_EDGES_MAX);
	else if (make_room(table) < 0)
		snprintf(error, error_size, "out of memory");
	else {
		table->members[table->member_count++] = (uint16_t)position;
		route->edge_count++;
		return 0;
	}
	return -1;
}

static int parse_select(struct route *route, const char *word, char *error, size_t error_size)
{
	static const char *const words[] = { "failover", "hash", "weighted" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i]) == 0) {
			route->select = (uint8_t)i;
			return 0;
		}
	snprintf(error, error_size, "select=%.80s: known are failover, hash and weighted", word);
	return -1;
}

/* One word behind the key. */
static int parse_word(struct route_table *table, struct route *route, const char *word,
		      bool *has_select, const struct edge_table *edges, char *error,
		      size_t error_size)
{
	static const char prefix[] = "select=";

	if (strncmp(word, prefix, sizeof(prefix) - 1) != 0)
		return add_name(table, route, word, edges, error, error_size);
	if (*has_select) {
		snprintf(error, error_size, "a second select=; give one");
		return -1;
	}
	*has_select = true;
	return parse_select(route, word + sizeof(prefix) - 1, error, error_size);
}

static int parse_route(struct route_table *table, struct route *route, struct table_line *line,
		       const struct edge_table *edges, char *error, size_t error_size)
{
	bool has_select = false;
	char *rest = NULL;

	*route = (struct route){ .line = (uint32_t)line->line,
				 .first = (uint32_t)table->member_count };
	if (parse_key(route, line->key, error, error_size) < 0)
		return -1;
	for (char *word = strtok_r(line->value, ", \t", &rest); word != NULL;
	     word = strtok_r(NULL, ", \t", &rest))
		if (parse_word(table, route, word, &has_select, edges, error, error_size) < 0)
			return -1;
	if (route->edge_count == 0) {
		snprintf(error, error_size, "no edge for \"%s\"; expected `sender-domain edge'",
			 route->key);
		return -1;
	}
	return 0;
}

static const struct route *find(const struct route_table *table, const char *key)
{
	size_t position = name_index_find(&table->index, key_of, table->routes, key);

	return position != NAME_INDEX_NONE ? &table->routes[position] : NULL;
}

static int add_route(struct route_table *table, struct table_line *line,
		     const struct edge_table *edges, char *error, size_t error_size)
{
	struct route *route = &table->routes[table->count];
	const struct route *same;

	if (parse_route(table, route, line, edges, error, error_size) < 0)
		return -1;
	same = find(table, route->key);
	if (same != NULL) {
		snprintf(error, error_size, "\"%s\" already has a route in line %lu", route->key,
			 (unsigned long)same->line);
		return -1;
	}
	table->has_logins |= strncmp(route->key, login_prefix, LOGIN_PREFIX_LENGTH) == 0;
	name_index_add(&table->index, key_of, table->routes, table->count++);
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
	if (table->routes == NULL || name_index_init(&table->index, lines.count) < 0) {
		snprintf(error, error_size, "%s: out of memory", path);
		result = -1;
	}
	for (size_t i = 0; result == 0 && i < lines.count; i++) {
		result = add_route(table, &lines.lines[i], edges, what, sizeof(what));
		if (result < 0)
			snprintf(error, error_size, "%s:%zu: %s", path, lines.lines[i].line, what);
	}
	table->text = lines.text;
	lines.text = NULL;
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
	free(table->members);
	free(table->text);
	name_index_wipe(&table->index);
	table->routes = NULL;
	table->members = NULL;
	table->text = NULL;
	table->count = table->member_count = table->member_capacity = 0;
	table->has_logins = false;
}

/* The domain, then its parents from the closest on: "a.b.c", ".b.c", ".c". */
static const struct route *find_domain(const struct route_table *table, const char *domain)
{
	char lower[SMTP_DOMAIN_MAX + 1];
	const struct route *route;

	/* "*" and "<>" are keys of their own. */
	if (!is_domain(domain))
		return NULL;
	make_lower(lower, domain);
	route = find(table, lower);
	for (const char *dot = strchr(lower, '.'); route == NULL && dot != NULL;
	     dot = strchr(dot + 1, '.'))
		route = find(table, dot);
	return route;
}

static const struct route *find_login(const struct route_table *table, const char *login)
{
	char key[LOGIN_PREFIX_LENGTH + ROUTE_LOGIN_MAX + 1];

	if (!table->has_logins || login[0] == '\0' || strlen(login) > ROUTE_LOGIN_MAX)
		return NULL;
	snprintf(key, sizeof(key), "%s%s", login_prefix, login);
	return find(table, key);
}

static const char *domain_of(const struct route_query *query)
{
	return query->sender_domain[0] != '\0' ? query->sender_domain : query->recipient_domain;
}

const struct route *route_find(const struct route_table *table, const struct route_query *query)
{
	const struct route *route = find_login(table, query->login);

	if (route == NULL)
		route = find_domain(table, domain_of(query));
	if (route == NULL && query->sender_domain[0] == '\0')
		route = find(table, "<>");
	if (route == NULL)
		route = find(table, "*");
	return route;
}

bool route_is_known_by_sender(const struct route_table *table, const char *sender_domain)
{
	return table->is_missing || (!table->has_logins && sender_domain[0] != '\0');
}

static size_t choose_all(const struct edge_table *edges, const struct edge *chosen[ROUTE_TRIES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < edges->count && count < ROUTE_TRIES_MAX; i++)
		if (edge_takes_new_mail(&edges->edges[i]))
			chosen[count++] = &edges->edges[i];
	return count;
}

/* In the order of the line. */
static size_t usable_edges(const struct route_table *table, const struct edge_table *edges,
			   const struct route *route, const struct edge *usable[ROUTE_EDGES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < route->edge_count; i++) {
		const struct edge *edge = &edges->edges[table->members[route->first + i]];

		if (edge_takes_new_mail(edge))
			usable[count++] = edge;
	}
	return count;
}

static void put_in_order(const struct route *route, const struct route_query *query,
			 const uint8_t chance[ROUTE_CHANCE_BYTES],
			 const struct edge *usable[ROUTE_EDGES_MAX], size_t count)
{
	char domain[SMTP_DOMAIN_MAX + 1] = "";

	switch ((enum route_select)route->select) {
	case ROUTE_FAILOVER:
		break;
	case ROUTE_HASH:
		if (strlen(domain_of(query)) < sizeof(domain))
			make_lower(domain, domain_of(query));
		edge_order_sort(usable, count, domain, strlen(domain));
		break;
	case ROUTE_WEIGHTED:
		edge_order_sort(usable, count, chance, ROUTE_CHANCE_BYTES);
		break;
	}
}

size_t route_choose(const struct route_table *table, const struct edge_table *edges,
		    const struct route_query *query, const uint8_t chance[ROUTE_CHANCE_BYTES],
		    const struct edge *chosen[ROUTE_TRIES_MAX])
{
	const struct edge *usable[ROUTE_EDGES_MAX];
	const struct route *route;
	size_t count;

	if (table->is_missing)
		return choose_all(edges, chosen);
	route = route_find(table, query);
	if (route == NULL)
		return 0;
	count = usable_edges(table, edges, route, usable);
	put_in_order(route, query, chance, usable, count);
	if (count > ROUTE_TRIES_MAX)
		count = ROUTE_TRIES_MAX;
	memcpy(chosen, usable, count * sizeof(*chosen));
	return count;
}

void route_explain(const struct route_table *table, const struct edge_table *edges,
		   const struct route_query *query, char *out, size_t size)
{
	const struct route *route = table->is_missing ? NULL : route_find(table, query);
	size_t used;

	if (table->is_missing)
		snprintf(out, size, "no edge takes new mail");
	else if (route == NULL && query->sender_domain[0] == '\0')
		snprintf(out, size, "no route for mail without a sender to \"%.255s\"",
			 query->recipient_domain);
	else if (route == NULL)
		snprintf(out, size, "no route for sender domain \"%.255s\"", query->sender_domain);
	if (route == NULL)
		return;
	used = (size_t)snprintf(out, size, "line %lu (%.80s) has no edge that takes new mail:",
				(unsigned long)route->line, route->key);
	for (size_t i = 0; i < route->edge_count && used < size; i++) {
		const struct edge *edge = &edges->edges[table->members[route->first + i]];

		used += (size_t)snprintf(out + used, size - used, "%s %s is %s", i > 0 ? "," : "",
					 edge->name, edge->is_disabled ? "disabled" : "drained");
	}
}
