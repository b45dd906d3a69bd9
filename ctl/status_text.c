/*
 * Only what there is to say: what is 0 and what is as it should be gets no line. Ages are told by the
 * edge's clock, which made the times.
 */
#include "status_text.h"

#include <string.h>

#include "age_text.h"
#include "answer_number.h"
#include "lib/log.h"

/* Quiet destinations that are told of. */
#define QUIET_DESTINATIONS_MAX 5

struct printing {
	FILE *out;
	bool is_all;
	long long now;		/* by the clock of the edge that is told of */
};

static long long number(const json_t *object, const char *name)
{
	return answer_number(object, name);
}

/* "" where there is none. */
static const char *text(const json_t *object, const char *name, char *out, size_t size)
{
	const char *value = json_string_value(json_object_get(object, name));

	return log_printable(out, size, value != NULL ? value : "", value != NULL ? strlen(value) : 0);
}

static void print_ago(const struct printing *printing, long long then)
{
	char age[64];

	fprintf(printing->out, "%s ago", age_text_print(age, sizeof(age), printing->now - then));
}

/* "  LABEL: 3 a, 2 b": those that are not 0; nothing if all are. */
static void print_numbers(const struct printing *printing, const char *label, const json_t *numbers)
{
	const char *before = label, *name;
	json_t *value;
	char clean[64];

	json_object_foreach((json_t *)numbers, name, value)
	{
		if (json_integer_value(value) == 0)
			continue;
		fprintf(printing->out, "%s%s%lld %s", before == label ? "  " : "", before,
			(long long)json_integer_value(value), log_printable(clean, sizeof(clean), name, strlen(name)));
		before = ", ";
	}
	if (before != label)
		fputc('\n', printing->out);
}

static void print_client(const struct printing *printing, const json_t *client)
{
	const json_t *day = json_object_get(client, "day");

	fprintf(printing->out, "  tunnels: %lld, messages under way: %lld\n", number(client, "tunnels"),
		number(client, "active"));
	fputs("  last delivery: ", printing->out);
	if (number(client, "last_delivery") > 0)
		print_ago(printing, number(client, "last_delivery"));
	else
		fputs("none since the edge started", printing->out);
	fprintf(printing->out, "\n  last 24 hours: %lld sent, %lld deferred, %lld bounced\n", number(day, "sent"),
		number(day, "deferred"), number(day, "bounced"));
	print_numbers(printing, "tls: ", json_object_get(day, "tls"));
	print_numbers(printing, "deferred because: ", json_object_get(day, "reasons"));
	print_numbers(printing, "turned away: ", json_object_get(client, "refused"));
}

static bool is_quiet(const json_t *destination)
{
	return number(destination, "active") == 0 && number(destination, "waiting") == 0 &&
	       json_object_get(destination, "places") == NULL && json_object_get(destination, "closed_for_ms") == NULL;
}

static void print_destination(const struct printing *printing, const json_t *destination)
{
	const json_t *last = json_object_get(destination, "last");
	const char *before = ": ";
	char clean[300];

	fprintf(printing->out, "  destination: %s", text(destination, "domain", clean, sizeof(clean)));
	if (number(destination, "active") > 0 || number(destination, "waiting") > 0) {
		fprintf(printing->out, ": %lld active, %lld waiting", number(destination, "active"),
			number(destination, "waiting"));
		before = ", ";
	}
	if (json_object_get(destination, "places") != NULL) {
		fprintf(printing->out, "%sslowed to %lld of %lld at a time", before, number(destination, "places"),
			number(destination, "limit"));
		before = ", ";
	}
	if (json_object_get(destination, "closed_for_ms") != NULL) {
		fprintf(printing->out, "%snot tried again for %lld s", before,
			(number(destination, "closed_for_ms") + 999) / 1000);
		before = ", ";
	}
	if (last != NULL) {
		fprintf(printing->out, "%s%s ", before, text(last, "status", clean, sizeof(clean)));
		print_ago(printing, number(last, "time"));
		fprintf(printing->out, " (%s)", text(last, "text", clean, sizeof(clean)));
	}
	fputc('\n', printing->out);
}

/* Those of one client. */
static void print_destinations(const struct printing *printing, const json_t *destinations, const char *client)
{
	size_t i, quiet = 0, left_out = 0;
	json_t *destination;

	json_array_foreach((json_t *)destinations, i, destination)
	{
		const char *owner = json_string_value(json_object_get(destination, "client"));

		if (owner == NULL || client == NULL || strcmp(owner, client) != 0)
			continue;
		if (is_quiet(destination) && ++quiet > QUIET_DESTINATIONS_MAX && !printing->is_all)
			left_out++;
		else
			print_destination(printing, destination);
	}
	if (left_out > 0)
		fprintf(printing->out, "  and %zu more destinations (--all shows them)\n", left_out);
}

static void print_self(const struct printing *printing, const json_t *edge)
{
	char name[300], version[80], age[64];

	fprintf(printing->out, "%s, postern %s, for %s", text(edge, "name", name, sizeof(name)),
		text(edge, "version", version, sizeof(version)),
		age_text_print(age, sizeof(age), number(edge, "uptime_s")));
}

static void print_up(struct printing *printing, const json_t *edge)
{
	const json_t *answer = json_object_get(edge, "answer"), *client = json_object_get(answer, "client");
	long long offset = number(edge, "clock_offset_s");

	printing->now += offset;
	fputs("  state: up (", printing->out);
	print_self(printing, answer);
	fprintf(printing->out, ")\n  round trip: %.1f ms\n", json_real_value(json_object_get(edge, "round_trip_ms")));
	if (offset < -1 || offset > 1)
		fprintf(printing->out, "  clock: the edge's is %lld s %s ours\n", offset < 0 ? -offset : offset,
			offset < 0 ? "behind" : "ahead of");
	print_client(printing, client);
	print_destinations(printing, json_object_get(answer, "destinations"),
			   json_string_value(json_object_get(client, "client")));
}

static void print_edge(struct printing printing, const json_t *edge)
{
	const char *state = json_string_value(json_object_get(edge, "state"));
	char clean[1000];

	fprintf(printing.out, "edge: %s\n", text(edge, "name", clean, sizeof(clean)));
	fprintf(printing.out, "  endpoint: %s", text(edge, "endpoint", clean, sizeof(clean)));
	text(edge, "service", clean, sizeof(clean));
	fprintf(printing.out, "%s%s\n", strcmp(clean, "enabled") != 0 ? ", " : "", strcmp(clean, "enabled") != 0 ? clean : "");
	if (state != NULL && strcmp(state, "up") == 0) {
		print_up(&printing, edge);
	} else if (state != NULL && strcmp(state, "down") == 0) {
		fprintf(printing.out, "  state: down, no %s: ", text(edge, "layer", clean, sizeof(clean)));
		fprintf(printing.out, "%s\n", text(edge, "reason", clean, sizeof(clean)));
	} else {
		fputs("  state: disabled, not asked\n", printing.out);
	}
}

static void print_here(struct printing printing, const json_t *here)
{
	const json_t *edge = json_object_get(here, "edge");
	json_t *client;
	char clean[200];
	size_t i;

	fputs("this edge: ", printing.out);
	print_self(&printing, edge);
	fputc('\n', printing.out);
	json_array_foreach(json_object_get(here, "clients"), i, client)
	{
		fprintf(printing.out, "\nclient: %s\n", text(client, "client", clean, sizeof(clean)));
		print_client(&printing, client);
		print_destinations(&printing, json_object_get(here, "destinations"),
				   json_string_value(json_object_get(client, "client")));
	}
	if (i == 0)
		fputs("\nno client has sent anything since the edge started; `postern peers' has the list of them\n",
		      printing.out);
}

void status_text_print(const json_t *document, bool is_all, long long now, FILE *out)
{
	const struct printing printing = { .out = out, .is_all = is_all, .now = now };
	const json_t *here = json_object_get(document, "here");
	json_t *edge;
	size_t i;

	json_array_foreach(json_object_get(document, "edges"), i, edge)
	{
		if (i > 0)
			fputc('\n', out);
		print_edge(printing, edge);
	}
	if (here == NULL)
		return;
	if (json_object_get(document, "edges") != NULL)
		fputc('\n', out);
	print_here(printing, here);
}
