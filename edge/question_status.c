/* Of the asking client alone: the name under which everything is looked up is that of its key. */
#include "question_status.h"

#include "status_report.h"

/* Without the tunnel that the question came by. */
static json_t *make_client(const struct edge_question *question)
{
	json_t *client = status_report_client(question->edge, question->client);
	json_int_t tunnels = json_integer_value(json_object_get(client, "tunnels"));

	if (client != NULL && tunnels > 0)
		json_object_set_new(client, "tunnels", json_integer(tunnels - 1));
	return client;
}

json_t *question_status(const struct edge_question *question)
{
	json_t *answer = status_report_edge(question->edge);

	if (answer != NULL &&
	    json_object_set_new(answer, "client", make_client(question)) == 0 &&
	    json_object_set_new(answer, "destinations",
				status_report_destinations(question->edge, question->client, STATUS_DESTINATIONS_MAX)) == 0)
		return answer;
	json_decref(answer);
	return NULL;
}
