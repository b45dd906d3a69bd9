/*
 * For people a line for each edge, for programs the same as JSON. Ages come from the monotonic clock
 * of this host, so that there are only differences and no dates.
 */
#include "edge_listing.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/deadline.h"
#include "transport/edge_state.h"
#include "transport/edge_watch.h"
#include "tunnel/base64_key.h"

static const char *service_of(const struct edge *edge)
{
	if (edge->is_disabled)
		return "disabled";
	return edge->is_drained ? "drained" : "enabled";
}

static bool is_known(const struct edge_health *health)
{
	return health->opened > 0 || health->failed > 0;
}

static const char *health_of(const struct edge_health *health)
{
	if (!is_known(health))
		return "unknown";
	return health->is_down ? "down" : "up";
}

static long long age_s(int64_t since_ms, int64_t now_ms)
{
	return (long long)(edge_state_age_ms(since_ms, now_ms) / 1000);
}

/* Opening a tunnel takes three: TCP, the handshake, PING and INFO. */
static double round_trip_ms(const struct edge_health *health)
{
	return health->open_ms / 3.0;
}

/* "3 d", "4 h", "5 min", "6 s" */
static void print_age(const char *before, long long seconds)
{
	static const struct {
		long long seconds;
		const char *unit;
	} units[] = { { 172800, "d" }, { 7200, "h" }, { 120, "min" }, { 0, "s" } };
	static const long long lengths[] = { 86400, 3600, 60, 1 };
	size_t i = 0;

	while (seconds < units[i].seconds)
		i++;
	printf("%s%lld %s", before, seconds / lengths[i], units[i].unit);
}

static void print_health(const struct edge_health *health, int64_t now_ms)
{
	printf("%s", health_of(health));
	if (!is_known(health))
		return;
	print_age(" for ", age_s(health->since_ms, now_ms));
	if (health->is_down)
		printf(", next probe in %.1f s", (double)edge_health_left_ms(health, now_ms) / 1000);
	if (health->open_ms > 0)
		printf(", round trip %.0f ms", round_trip_ms(health));
	if (health->opened > 0)
		print_age(", last tunnel ", age_s(health->answered_ms, now_ms));
	printf("%s, %llu tunnels, %llu failures, %lu outages", health->opened > 0 ? " ago" : "",
	       (unsigned long long)health->opened, (unsigned long long)health->failed,
	       (unsigned long)health->outages);
}

static void print_line(const struct edge_listing *listing, const struct edge *edge, int width)
{
	char endpoint[ENDPOINT_TEXT_MAX];
	struct edge_health health;

	edge_watch_read(listing->state_path, edge, &health);
	printf("%-*s %s %s, weight %u, ", width, edge->name,
	       endpoint_print(&edge->endpoint, endpoint, sizeof(endpoint)), service_of(edge),
	       edge->weight);
	print_health(&health, deadline_now_ms());
	putchar('\n');
}

static json_t *routes_of(const struct edge_listing *listing, const struct edge *edge)
{
	size_t position = (size_t)(edge - listing->edges->edges);
	json_t *lines = json_array();

	for (size_t i = 0; i < listing->routes->count; i++)
		if (route_has_edge(listing->routes, &listing->routes->routes[i], position))
			json_array_append_new(lines, json_string(listing->routes->routes[i].key));
	return lines;
}

static json_t *make_health(const struct edge_health *health, int64_t now_ms)
{
	json_t *object = json_pack("{s:s, s:I, s:I, s:I}", "state", health_of(health), "tunnels",
				   (json_int_t)health->opened, "failures",
				   (json_int_t)health->failed, "outages",
				   (json_int_t)health->outages);

	if (object != NULL && is_known(health))
		json_object_set_new(object, "since_s",
				    json_integer(age_s(health->since_ms, now_ms)));
	if (object != NULL && health->opened > 0)
		json_object_set_new(object, "last_tunnel_s",
				    json_integer(age_s(health->answered_ms, now_ms)));
	if (object != NULL && health->open_ms > 0)
		json_object_set_new(object, "round_trip_ms", json_real(round_trip_ms(health)));
	if (object != NULL && health->is_down)
		json_object_set_new(object, "next_probe_ms",
				    json_integer(edge_health_left_ms(health, now_ms)));
	return object;
}

static json_t *make_object(const struct edge_listing *listing, const struct edge *edge)
{
	char endpoint[ENDPOINT_TEXT_MAX], key[BASE64_KEY_TEXT + 1];
	struct edge_health health;

	base64_key_encode(key, edge->public_key);
	edge_watch_read(listing->state_path, edge, &health);
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:o, s:o}", "name", edge->name, "endpoint",
			 endpoint_print(&edge->endpoint, endpoint, sizeof(endpoint)), "key", key,
			 "service", service_of(edge), "weight", (int)edge->weight, "line",
			 (int)edge->line, "routes", routes_of(listing, edge), "health",
			 make_health(&health, deadline_now_ms()));
}

static int print_json(json_t *value)
{
	char *text = value != NULL ? json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(4)) : NULL;

	json_decref(value);
	if (text == NULL)
		return -1;
	puts(text);
	free(text);
	return 0;
}

int edge_listing_print_one(const struct edge_listing *listing, const struct edge *edge)
{
	if (listing->is_json)
		return print_json(make_object(listing, edge));
	print_line(listing, edge, 0);
	return 0;
}

int edge_listing_print(const struct edge_listing *listing)
{
	json_t *array = listing->is_json ? json_array() : NULL;
	int width = 0;

	for (size_t i = 0; i < listing->edges->count; i++)
		if ((int)strlen(listing->edges->edges[i].name) > width)
			width = (int)strlen(listing->edges->edges[i].name);
	for (size_t i = 0; i < listing->edges->count; i++) {
		const struct edge *edge = &listing->edges->edges[i];

		if (!listing->is_json)
			print_line(listing, edge, width);
		else if (json_array_append_new(array, make_object(listing, edge)) < 0) {
			json_decref(array);
			return -1;
		}
	}
	return listing->is_json ? print_json(array) : 0;
}
