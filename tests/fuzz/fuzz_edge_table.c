/*
 * Any bytes as the mail host's table of edges and, behind the first NUL, as its table of routes:
 * what is accepted keeps the bounds of the headers, a mistake is told with its file, and a choice
 * has each edge once, none that takes no new mail and none that is not there.
 *
 * feeds: the tables of edges and of routes
 * covers: transport/edge_table.c transport/route.c transport/edge_order.c transport/name_index.c
 */
#include "fuzz_target.h"
#include "transport/route.h"

#define KEY "key=AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="

/* For routes behind edges that are none. */
static const char sound_edges[] = "us 192.0.2.1 " KEY "\neu [2001:db8::1]:7843 " KEY
				  "\nasia unix:/run/edge " KEY " disabled\n";

static void check_edges(const struct edge_table *table)
{
	require(table->count > 0);
	for (size_t i = 0; i < table->count; i++) {
		const struct edge *edge = &table->edges[i];
		char text[ENDPOINT_TEXT_MAX];

		require(edge->name[0] != '\0' && strlen(edge->name) <= EDGE_NAME_MAX);
		require_printable(edge->name);
		require(edge_table_find(table, edge->name) == edge);
		require(edge->endpoint.host[0] != '\0');
		endpoint_print(&edge->endpoint, text, sizeof(text));
	}
}

static void check_choice(const struct route_table *routes, const struct edge_table *edges,
			 const struct route_query *query)
{
	static const uint8_t chance[ROUTE_CHANCE_BYTES] = "any";
	const struct edge *chosen[ROUTE_TRIES_MAX];
	size_t count = route_choose(routes, edges, query, chance, chosen);
	char why[512] = "";

	require(count <= ROUTE_TRIES_MAX);
	for (size_t i = 0; i < count; i++) {
		require(edge_takes_new_mail(chosen[i]) &&
			edge_table_find(edges, chosen[i]->name) == chosen[i]);
		for (size_t j = 0; j < i; j++)
			require(chosen[i] != chosen[j]);
	}
	if (count == 0)
		route_explain(routes, edges, query, why, sizeof(why));
	require((count == 0) == (why[0] != '\0'));
}

static void check_choices(const struct route_table *routes, const struct edge_table *edges,
			  const char *name)
{
	check_choice(routes, edges, &(struct route_query){ "", name, "" });
	check_choice(routes, edges, &(struct route_query){ "", "", name });
	check_choice(routes, edges, &(struct route_query){ name, "example.com", "" });
}

static void read_routes(const struct edge_table *edges, const uint8_t *bytes, size_t length)
{
	struct route_table routes;
	struct memory_file file;
	char error[512] = "";

	memory_file_open(&file, bytes, length);
	if (route_table_read(&routes, file.path, edges, error, sizeof(error)) < 0) {
		require(routes.count == 0 && routes.routes == NULL &&
			strncmp(error, file.path, strlen(file.path)) == 0);
	} else {
		for (size_t i = 0; i < routes.count; i++) {
			const struct route *route = &routes.routes[i];

			require(route->edge_count > 0 && route->edge_count <= ROUTE_EDGES_MAX &&
				route->first + route->edge_count <= routes.member_count);
			require(route->key[0] != '\0' && strchr(route->key, ' ') == NULL);
			check_choices(&routes, edges, route->key);
		}
		check_choices(&routes, edges, "");
		check_choices(&routes, edges, "sub.example.com");
	}
	route_table_wipe(&routes);
	memory_file_close(&file);
}

static bool read_edges(struct edge_table *edges, const void *bytes, size_t length)
{
	struct memory_file file;
	char error[512] = "";
	bool is_good;

	memory_file_open(&file, bytes, length);
	is_good = edge_table_read(edges, file.path, error, sizeof(error)) == 0;
	if (is_good)
		check_edges(edges);
	else
		require(edges->count == 0 && edges->edges == NULL &&
			strncmp(error, file.path, strlen(file.path)) == 0);
	memory_file_close(&file);
	return is_good;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const uint8_t *cut = length > 0 ? memchr(bytes, '\0', length) : NULL;
	size_t first = cut != NULL ? (size_t)(cut - bytes) : length;
	struct route_table missing = { .is_missing = true };
	struct edge_table edges;

	if (!read_edges(&edges, bytes, first))
		require(read_edges(&edges, sound_edges, sizeof(sound_edges) - 1));
	check_choices(&missing, &edges, "example.com");
	if (cut != NULL)
		read_routes(&edges, cut + 1, length - first - 1);
	edge_table_wipe(&edges);
	return 0;
}
