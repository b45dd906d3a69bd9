/*
 * The questions: a row each. An answer is made of copies that are taken under the lock of their
 * table, and printed when that is free again.
 */
#include "edge_control.h"

#include <stdlib.h>
#include <string.h>

#include "status_report.h"
#include "tenant_report.h"

static int answer_peers(struct edge *edge, FILE *out)
{
	size_t count, session_count;
	struct tenant_count *counts = tenant_table_copy(&edge->tenants, deadline_now_ms(), &count);
	session_client_name *sessions = session_table_names(&edge->sessions, &session_count);
	int result = -1;

	if ((counts != NULL || count == 0) && (sessions != NULL || session_count == 0)) {
		tenant_report_print(out, counts, count, sessions, session_count);
		result = 0;
	}
	free(sessions);
	free(counts);
	return result;
}

/* A line of its own; takes over the reference. 0, or -1: no memory. */
static int print_line(FILE *out, const char *name, json_t *value)
{
	json_t *line = value != NULL ? json_pack("{s:o}", name, value) : NULL;
	char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;

	json_decref(line);
	if (text == NULL)
		return -1;
	fprintf(out, "%s\n", text);
	free(text);
	return 0;
}

static int print_clients(struct edge *edge, FILE *out)
{
	size_t count;
	struct tenant_count *counts = tenant_table_copy(&edge->tenants, deadline_now_ms(), &count);
	int result = counts != NULL || count == 0 ? 0 : -1;

	for (size_t i = 0; i < count && result == 0; i++)
		result = print_line(out, "client", status_report_client(edge, counts[i].name));
	free(counts);
	return result;
}

static int answer_status(struct edge *edge, FILE *out)
{
	json_t *destinations = status_report_destinations(edge, NULL, EDGE_CONTROL_DESTINATIONS_MAX);
	int result = destinations != NULL ? print_line(out, "edge", status_report_edge(edge)) : -1;

	if (result == 0)
		result = print_clients(edge, out);
	for (size_t i = 0; i < json_array_size(destinations) && result == 0; i++)
		result = print_line(out, "destination", json_incref(json_array_get(destinations, i)));
	json_decref(destinations);
	return result;
}

static const struct {
	const char *question;
	int (*answer)(struct edge *edge, FILE *out); /* -1: no memory */
} questions[] = {
	{ "peers", answer_peers },
	{ "status", answer_status },
};

int edge_control_answer(void *edge, const char *request, FILE *out, char *error, size_t error_size)
{
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		if (strcmp(request, questions[i].question) != 0)
			continue;
		if (questions[i].answer(edge, out) == 0)
			return 0;
		snprintf(error, error_size, "the edge is out of memory");
		return -1;
	}
	snprintf(error, error_size, "unknown request \"%s\"; is the edge of the same version?", request);
	return -1;
}
