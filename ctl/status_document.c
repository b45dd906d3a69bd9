/* Puts together what the edges answered and what this host knows of them. */
#include "status_document.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "answer_number.h"
#include "lib/control_client.h"
#include "lib/control_socket.h"
#include "transport/edge_watch.h"

static const char *service_of(const struct edge *edge)
{
	if (edge->is_disabled)
		return "disabled";
	return edge->is_drained ? "drained" : "enabled";
}

static json_t *make_transport(const struct edge_survey *survey, const struct edge *edge)
{
	struct edge_health health;

	edge_watch_read(survey->conf.edge_state, edge, &health);
	return json_pack("{s:I, s:I, s:I}", "tunnels", (json_int_t)health.opened, "failures", (json_int_t)health.failed,
			 "outages", (json_int_t)health.outages);
}

/* The clock's difference in whole seconds: an answer takes less. */
static int describe_up(json_t *object, const struct edge_reply *reply)
{
	int64_t edge_time = answer_number(reply->answer, "time");

	if (json_object_set_new(object, "state", json_string("up")) < 0 ||
	    json_object_set_new(object, "round_trip_ms", json_real(reply->open_ms / 3)) < 0 ||
	    json_object_set(object, "answer", reply->answer) < 0)
		return -1;
	return edge_time == 0 ? 0
			      : json_object_set_new(object, "clock_offset_s",
						    json_integer(edge_time - reply->answered_ms / 1000));
}

static int describe_down(json_t *object, const struct edge_reply *reply)
{
	if (json_object_set_new(object, "state", json_string("down")) < 0 ||
	    json_object_set_new(object, "layer", json_string(edge_ask_layer_name(reply->layer))) < 0)
		return -1;
	return json_object_set_new(object, "reason", json_string(reply->error));
}

static int describe(json_t *object, const struct edge_survey_row *row)
{
	if (!row->is_asked)
		return json_object_set_new(object, "state", json_string("disabled"));
	return row->reply.layer == EDGE_ASK_OK ? describe_up(object, &row->reply) : describe_down(object, &row->reply);
}

json_t *status_document_edges(const struct edge_survey *survey)
{
	json_t *array = json_array();

	for (size_t i = 0; array != NULL && i < survey->count; i++) {
		const struct edge *edge = survey->rows[i].edge;
		char endpoint[ENDPOINT_TEXT_MAX];
		json_t *object = json_pack("{s:s, s:s, s:s, s:o}", "name", edge->name, "endpoint",
					   endpoint_print(&edge->endpoint, endpoint, sizeof(endpoint)), "service",
					   service_of(edge), "transport", make_transport(survey, edge));

		if (object == NULL || describe(object, &survey->rows[i]) < 0 || json_array_append_new(array, object) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

/* ---- the edge on this host ---- */

/* A line is an object with one member, which says what it is. */
static int take_line(json_t *here, const char *line)
{
	json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL), *value;
	int result = -1;

	if ((value = json_object_get(object, "edge")) != NULL)
		result = json_object_set(here, "edge", value);
	else if ((value = json_object_get(object, "client")) != NULL)
		result = json_array_append(json_object_get(here, "clients"), value);
	else if ((value = json_object_get(object, "destination")) != NULL)
		result = json_array_append(json_object_get(here, "destinations"), value);
	json_decref(object);
	return result;
}

static json_t *take_lines(FILE *lines)
{
	json_t *here = json_pack("{s:[], s:[]}", "clients", "destinations");
	char line[CONTROL_LINE_MAX + 1];

	while (here != NULL && fgets(line, sizeof(line), lines) != NULL)
		if (take_line(here, line) < 0) {
			json_decref(here);
			here = NULL;
		}
	return here;
}

json_t *status_document_here(const char *socket, int *result_out, char *error, size_t error_size)
{
	FILE *lines = control_client_open(socket, "postern-edge", "status", result_out, error, error_size);
	json_t *here;

	if (lines == NULL)
		return NULL;
	here = take_lines(lines);
	if (here == NULL) {
		*result_out = EX_DATAERR;
		snprintf(error, error_size, "the edge's answer is not understood; is it of the same version?");
	}
	fclose(lines);
	return here;
}
