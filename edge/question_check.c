/*
 * Looks, or gives what was found a moment ago (check_turn.h). The client's addresses are asked of
 * the keeper, who has the allow-list.
 */
#include "question_check.h"

#include <stdlib.h>
#include <string.h>

#include "doctor/finding_json.h"
#include "host_check.h"

/* For another client's check to end. */
#define WAIT_MS HOST_CHECK_MS

static void check_client(struct host_check *host, const struct edge_question *question)
{
	struct authorized_client client;
	struct tenant_terms terms;

	if (keeper_client_authorize(question->edge->keeper, question->public_key, &client, &terms) == KEEPER_YES)
		host_check_tenant(host, &terms.tenant);
	explicit_bzero(&client, sizeof(client));
}

/*
 * Who holds an invite wants to know before anything is enrolled. A used or expired one is good for
 * nothing any more. The keeper is asked to enrol a key that it enrols for nobody.
 */
static bool is_entitled(const struct edge_question *question, char reason[KEEPER_ERROR_MAX])
{
	static const uint8_t nobody[NOISE_DHLEN];

	return question->who != EDGE_QUESTION_INVITED ||
	       keeper_client_enrol(question->edge->keeper, question->public_key, nobody, reason, KEEPER_ERROR_MAX) ==
		       ENROLMENT_REFUSED;
}

static char *look(const struct edge_question *question)
{
	struct edge_setup *setup = edge_acquire_setup(question->edge);
	struct finding_list list = { .items = NULL };
	struct host_check host = { .setup = setup, .list = &list, .deadline = deadline_in_ms(HOST_CHECK_MS) };
	char *text;

	host_check_disk(&host);
	host_check_resolver(&host);
	host_check_own_addresses(&host);
	check_client(&host, question);
	text = finding_json_print(&list);
	finding_list_wipe(&list);
	edge_setup_release(setup);
	return text;
}

json_t *question_check(const struct edge_question *question)
{
	struct check_turn *turn = &question->edge->check_turn;
	char reason[KEEPER_ERROR_MAX];
	json_t *answer = NULL;
	char *text;

	if (!is_entitled(question, reason))
		return edge_question_error("%s", reason);
	switch (check_turn_begin(turn, question->client, deadline_in_ms(WAIT_MS), &text)) {
	case CHECK_TURN_BUSY:
		return edge_question_error("the edge is busy with other checks; ask again in a minute");
	case CHECK_TURN_YOURS:
		text = look(question);
		check_turn_end(turn, question->client, text);
		break;
	case CHECK_TURN_KEPT:
		break;
	}
	if (text != NULL)
		answer = json_loads(text, 0, NULL);
	free(text);
	return answer;
}
