/*
 * The table has a row for each metric: its head is printed once, then a sample for each edge or client
 * that has the value. A counter starts again with the edge; Prometheus expects that.
 */
#include "metrics.h"

#include <stdbool.h>
#include <string.h>

enum owner {
	OF_AN_EDGE,		/* label edge: an object of "edges" */
	OF_A_CLIENT_THERE,	/* label edge: what it told of our mail */
	OF_A_CLIENT_HERE,	/* label client: an object of "clients" */
};

static const struct metric {
	const char *name;
	const char *type;
	const char *help;
	enum owner owner;
	const char *path;	/* members, with dots between */
	const char *label;	/* the member is an object: a sample for each of its numbers; NULL: a number */
} metrics[] = {
	{ "postern_edge_round_trip_seconds", "gauge", "Round trip to the edge", OF_AN_EDGE, "round_trip_ms", NULL },
	{ "postern_edge_clock_offset_seconds", "gauge", "The edge's clock less that of this host", OF_AN_EDGE,
	  "clock_offset_s", NULL },
	{ "postern_edge_uptime_seconds", "gauge", "Since the edge started", OF_AN_EDGE, "answer.uptime_s", NULL },
	{ "postern_transport_tunnels_total", "counter", "Tunnels that the transports of this host have opened", OF_AN_EDGE,
	  "transport.tunnels", NULL },
	{ "postern_transport_failures_total", "counter", "Tunnels that they could not open", OF_AN_EDGE,
	  "transport.failures", NULL },
	{ "postern_transport_outages_total", "counter", "Times that they found the edge down", OF_AN_EDGE,
	  "transport.outages", NULL },
	{ "postern_messages_active", "gauge", "Messages of this host under way at the edge", OF_A_CLIENT_THERE, "active",
	  NULL },
	{ "postern_messages_total", "counter", "Messages of this host that the edge took on", OF_A_CLIENT_THERE, "messages",
	  NULL },
	{ "postern_recipients_total", "counter", "Recipients, by what became of their mail", OF_A_CLIENT_THERE,
	  "recipients", "outcome" },
	{ "postern_turned_away_total", "counter", "What the edge turned away, by the limit", OF_A_CLIENT_THERE, "refused",
	  "limit" },
	{ "postern_last_delivery_timestamp_seconds", "gauge", "The last delivery, by the edge's clock", OF_A_CLIENT_THERE,
	  "last_delivery", NULL },
	{ "postern_day_sent", "gauge", "Recipients whose mail was relayed in the last 24 hours", OF_A_CLIENT_THERE,
	  "day.sent", NULL },
	{ "postern_day_deferred", "gauge", "Recipients whose mail was put off in the last 24 hours", OF_A_CLIENT_THERE,
	  "day.deferred", NULL },
	{ "postern_day_bounced", "gauge", "Recipients whose mail failed in the last 24 hours", OF_A_CLIENT_THERE,
	  "day.bounced", NULL },
	{ "postern_day_tls", "gauge", "Of those relayed, by the protection of the connection", OF_A_CLIENT_THERE, "day.tls",
	  "level" },
	{ "postern_day_deferred_by_reason", "gauge", "Of those put off, by the reason", OF_A_CLIENT_THERE, "day.reasons",
	  "reason" },
	{ "postern_client_tunnels", "gauge", "Tunnels of the client at this edge", OF_A_CLIENT_HERE, "tunnels", NULL },
	{ "postern_client_messages_active", "gauge", "Messages of the client under way", OF_A_CLIENT_HERE, "active", NULL },
	{ "postern_client_messages_total", "counter", "Messages of the client that this edge took on", OF_A_CLIENT_HERE,
	  "messages", NULL },
	{ "postern_client_recipients_total", "counter", "Recipients, by what became of their mail", OF_A_CLIENT_HERE,
	  "recipients", "outcome" },
	{ "postern_client_turned_away_total", "counter", "What this edge turned away, by the limit", OF_A_CLIENT_HERE,
	  "refused", "limit" },
	{ "postern_client_last_delivery_timestamp_seconds", "gauge", "The last delivery", OF_A_CLIENT_HERE,
	  "last_delivery", NULL },
	{ "postern_client_day_tls", "gauge", "Recipients relayed in the last 24 hours, by protection", OF_A_CLIENT_HERE,
	  "day.tls", "level" },
	{ "postern_client_day_deferred_by_reason", "gauge", "Recipients put off in the last 24 hours, by the reason",
	  OF_A_CLIENT_HERE, "day.reasons", "reason" },
};

#define METRICS (sizeof(metrics) / sizeof(metrics[0]))

/* NULL if a member on the way is missing. */
static const json_t *find(const json_t *object, const char *path)
{
	char name[40];
	size_t length;

	while (object != NULL && *path != '\0') {
		length = strcspn(path, ".");
		snprintf(name, sizeof(name), "%.*s", (int)length, path);
		object = json_object_get(object, name);
		path += length + (path[length] == '.');
	}
	return object;
}

/*
 * May it be a label's value, as it is? What would have to be changed first is left out with its sample: two that differ in that
 * alone would be one sample twice, and whoever reads the file would refuse all of it.
 */
static bool is_label(const char *value)
{
	return value != NULL && value[0] != '\0' &&
	       strspn(value, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_.") == strlen(value);
}

static void print_number(FILE *out, const json_t *number)
{
	/* the one number that is none of whole ones is in milliseconds */
	if (json_is_real(number))
		fprintf(out, " %.6f\n", json_real_value(number) / 1000);
	else
		fprintf(out, " %lld\n", (long long)json_integer_value(number));
}

static void print_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* One metric, whose head stands before its first sample. */
struct printing {
	FILE *out;
	const struct metric *metric;
	bool has_head;
};

static void print_sample(struct printing *printing, const char *owner, const char *kind, const json_t *number)
{
	const struct metric *metric = printing->metric;

	if (!printing->has_head)
		print_head(printing->out, metric->name, metric->type, metric->help);
	printing->has_head = true;
	fprintf(printing->out, "%s{%s=\"%s\"", metric->name, metric->owner == OF_A_CLIENT_HERE ? "client" : "edge",
		owner);
	if (kind != NULL)
		fprintf(printing->out, ",%s=\"%s\"", metric->label, kind);
	fputc('}', printing->out);
	print_number(printing->out, number);
}

static void print_samples(struct printing *printing, const json_t *owner, const char *owner_name)
{
	const json_t *value = find(owner, printing->metric->path);
	const char *kind;
	json_t *number;

	if (!is_label(owner_name) || value == NULL)
		return;
	if (printing->metric->label == NULL) {
		if (json_is_number(value))
			print_sample(printing, owner_name, NULL, value);
		return;
	}
	json_object_foreach((json_t *)value, kind, number)
	{
		if (json_is_number(number) && is_label(kind))
			print_sample(printing, owner_name, kind, number);
	}
}

static void print_metric(FILE *out, const struct metric *metric, const json_t *document)
{
	const json_t *owners = metric->owner == OF_A_CLIENT_HERE ? find(document, "here.clients")
								 : json_object_get(document, "edges");
	const char *name = metric->owner == OF_A_CLIENT_HERE ? "client" : "name";
	struct printing printing = { .out = out, .metric = metric };
	json_t *owner;
	size_t i;

	json_array_foreach((json_t *)owners, i, owner)
	{
		print_samples(&printing, metric->owner == OF_A_CLIENT_THERE ? find(owner, "answer.client") : owner,
			      json_string_value(json_object_get(owner, name)));
	}
}

/* "" where there is none. */
static const char *text_of(const json_t *edge, const char *name)
{
	const char *text = json_string_value(json_object_get(edge, name));

	return text != NULL ? text : "";
}

static void print_of_edge(FILE *out, const char *metric, const json_t *edge, int number)
{
	if (is_label(text_of(edge, "name")))
		fprintf(out, "%s{edge=\"%s\"} %d\n", metric, text_of(edge, "name"), number);
}

/* Those that are not asked are neither up nor down. */
static void print_up(FILE *out, const json_t *edges)
{
	json_t *edge;
	size_t i;

	print_head(out, "postern_edge_up", "gauge", "Has the edge answered through a tunnel");
	json_array_foreach((json_t *)edges, i, edge)
	{
		if (strcmp(text_of(edge, "state"), "disabled") != 0)
			print_of_edge(out, "postern_edge_up", edge, strcmp(text_of(edge, "state"), "up") == 0);
	}
}

static bool is_slowed(const json_t *destination)
{
	return json_object_get(destination, "places") != NULL || json_object_get(destination, "closed_for_ms") != NULL;
}

/* How many destinations, without their names. */
static void print_slowed(FILE *out, const json_t *edges)
{
	json_t *edge, *destination;
	size_t i, k;

	print_head(out, "postern_destinations_slowed", "gauge", "Destinations of this host's mail that the edge slows down");
	json_array_foreach((json_t *)edges, i, edge)
	{
		int count = 0;

		if (strcmp(text_of(edge, "state"), "up") != 0)
			continue;
		json_array_foreach((json_t *)find(edge, "answer.destinations"), k, destination)
		{
			count += is_slowed(destination);
		}
		print_of_edge(out, "postern_destinations_slowed", edge, count);
	}
}

void metrics_print(const json_t *document, long long now, FILE *out)
{
	const json_t *edges = json_object_get(document, "edges");

	print_head(out, "postern_metrics_timestamp_seconds", "gauge", "When these numbers were asked for");
	fprintf(out, "postern_metrics_timestamp_seconds %lld\n", now);
	if (edges != NULL) {
		print_up(out, edges);
		print_slowed(out, edges);
	}
	for (size_t i = 0; i < METRICS; i++)
		print_metric(out, &metrics[i], document);
}
