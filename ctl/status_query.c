/* Who is asked follows from what is on this host, unless an option says so. */
#include "status_query.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"
#include "edge_survey.h"
#include "status_document.h"

#define ERROR_MAX 4608 /* a path and a sentence or two */
#define EDGE_CONF_PATH POSTERN_SYSCONFDIR "/edge.conf"

bool status_query_parse_timeout(const char *text, int64_t *timeout_ms)
{
	char *end;
	long seconds = strtol(text, &end, 10);

	if (end == text || *end != '\0' || seconds < 1 || seconds > 600)
		return false;
	*timeout_ms = seconds * 1000;
	return true;
}

static bool is_any_down(const struct edge_survey *survey)
{
	for (size_t i = 0; i < survey->count; i++)
		if (survey->rows[i].is_asked && survey->rows[i].reply.layer != EDGE_ASK_OK)
			return true;
	return false;
}

static json_t *ask_edges(const struct status_query *query, int *result)
{
	struct edge_survey survey;
	json_t *edges = NULL;
	char error[ERROR_MAX];

	*result = edge_survey_open(&survey, query->conf_path != NULL ? query->conf_path : TRANSPORT_CONF_PATH, query->edge,
				   error, sizeof(error));
	if (*result != EX_OK)
		command_fail(*result, "%s", error);
	else if (edge_survey_ask(&survey, "status", NULL, query->timeout_ms) < 0 ||
		 (edges = status_document_edges(&survey)) == NULL)
		*result = command_fail(EX_OSERR, "out of memory");
	else if (is_any_down(&survey))
		*result = EX_UNAVAILABLE;
	edge_survey_close(&survey);
	return edges;
}

static json_t *ask_here(const struct status_query *query, int *result)
{
	char error[ERROR_MAX];
	json_t *here = status_document_here(query->socket != NULL ? query->socket : STATUS_QUERY_SOCKET, result, error,
					    sizeof(error));

	if (here == NULL)
		command_fail(*result, "%s", error);
	return here;
}

/* Takes over the reference. EX_OK, or an exit code, told. */
static int set(json_t *document, const char *name, json_t *value)
{
	return json_object_set_new(document, name, value) == 0 ? EX_OK : command_fail(EX_OSERR, "out of memory");
}

static int add_edges(const struct status_query *query, json_t *document, int *state)
{
	json_t *edges = ask_edges(query, state);

	return edges != NULL ? set(document, "edges", edges) : *state;
}

/* Beside edges that were asked, one here that does not answer is one of those that are down. */
static int add_here(const struct status_query *query, json_t *document, bool has_edges, int *state)
{
	int here_state;
	json_t *here = ask_here(query, &here_state);

	if (here != NULL)
		return set(document, "here", here);
	*state = EX_UNAVAILABLE;
	return has_edges ? EX_OK : here_state;
}

static int fill(const struct status_query *query, json_t *document, int *state)
{
	bool has_edges = query->conf_path != NULL || query->edge != NULL ||
			 (query->socket == NULL && access(TRANSPORT_CONF_PATH, F_OK) == 0);
	bool has_here = query->socket != NULL ||
			(query->conf_path == NULL && query->edge == NULL && access(EDGE_CONF_PATH, F_OK) == 0);
	int result = EX_OK;

	if (!has_edges && !has_here)
		return command_fail(EX_CONFIG, "neither %s nor %s is here: this is no mail host and no edge of postern",
				    TRANSPORT_CONF_PATH, EDGE_CONF_PATH);
	if (has_edges)
		result = add_edges(query, document, state);
	if (result == EX_OK && has_here)
		result = add_here(query, document, has_edges, state);
	return result;
}

json_t *status_query_run(const struct status_query *query, int *result_out)
{
	json_t *document = json_object();
	int state = EX_OK;

	*result_out = document != NULL ? fill(query, document, &state) : command_fail(EX_OSERR, "out of memory");
	if (*result_out == EX_OK) {
		*result_out = state;
		return document;
	}
	json_decref(document);
	return NULL;
}
