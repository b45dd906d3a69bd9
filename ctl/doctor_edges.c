/*
 * A thread for each edge: status, for its clock, then check. What cannot be asked is a finding of
 * its own, with the layer that failed.
 */
#include "doctor_edges.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "doctor/finding_json.h"
#include "edge_ask.h"
#include "transport/transport_setup.h"

#define STATUS_MS 15000
/* The edge looks for 40 s at most, and may have to wait for another client's check. */
#define CHECK_MS 60000
/* At the same time; an edge is mostly waited for. */
#define THREADS_MAX 16
/* As long the signatures of DNSSEC and the handshake of TLS do not mind. */
#define CLOCK_WARN_S 5
#define CLOCK_FAIL_S 120

struct edge_visit {
	const struct edge *edge;
	const struct noise_static_key *own;
	struct finding_list list;	/* this thread's, until it is joined */
};

/* "vps 198.51.100.20:7843" */
static const char *subject_of(const struct edge *edge, char *text, size_t size)
{
	char endpoint[ENDPOINT_TEXT_MAX];

	snprintf(text, size, "%s %s", edge->name, endpoint_print(&edge->endpoint, endpoint, sizeof(endpoint)));
	return text;
}

/* What to do, by the layer that failed. */
static void mend_unreachable(struct finding *finding, const struct edge *edge, enum edge_ask_layer layer)
{
	switch (layer) {
	case EDGE_ASK_OK:
		return;
	case EDGE_ASK_RESOLVE:
		finding_mend(finding, "correct the name in the table of edges, or its A record: dig %s", edge->endpoint.host);
		return;
	case EDGE_ASK_CONNECT:
		finding_mend(finding,
			     "on the VPS: systemctl status postern-edge\nits firewall and the provider's must let TCP port %s in; try: nc -vz %s %s",
			     edge->endpoint.port, edge->endpoint.host, edge->endpoint.port);
		return;
	case EDGE_ASK_HANDSHAKE:
		finding_mend(finding,
			     "on the VPS: systemctl status postern-edge\nis key= in the table of edges what `postern pubkey' prints on the VPS?\nis this host's key in `postern peers' there? the edge's log says which of the two: journalctl -t postern/edge");
		return;
	case EDGE_ASK_ANSWER:
		finding_mend(finding, "is postern-edge on the VPS of the same version?");
	}
}

/* 0, or -1 and a finding. Silence is asked a second time. */
static int ask(struct edge_visit *visit, const char *question, int64_t timeout_ms, struct edge_reply *reply)
{
	struct edge_ask ask = { .own = *visit->own, .question = question, .timeout_ms = timeout_ms };
	char subject[400];
	struct finding *finding;

	edge_ask_from_table(&ask, visit->edge);
	for (int i = 0; i < 2; i++) {
		if (edge_ask(&ask, reply) == 0) {
			explicit_bzero(ask.psk, sizeof(ask.psk));
			return 0;
		}
		if (i == 0)
			edge_reply_wipe(reply);
	}
	explicit_bzero(ask.psk, sizeof(ask.psk));
	subject_of(visit->edge, subject, sizeof(subject));
	finding = finding_add(&visit->list, "edge-reachable", subject,
			      reply->layer == EDGE_ASK_ANSWER || reply->is_unknown ? FINDING_UNKNOWN : FINDING_FAIL, "no answer to \"%s\" (%s): %s",
			      question, edge_ask_layer_name(reply->layer), reply->error);
	mend_unreachable(finding, visit->edge, reply->layer);
	return -1;
}

/* The answer was given between the question and now. */
static void tell_clock(struct edge_visit *visit, const json_t *status, time_t before, time_t after)
{
	const json_t *value = json_object_get(status, "time");
	long long edges = (long long)json_integer_value(value), difference = 0;
	enum finding_result result = FINDING_OK;

	if (!json_is_integer(value))
		return;
	if (edges < (long long)before - 1)
		difference = edges - (long long)before;
	else if (edges > (long long)after + 1)
		difference = edges - (long long)after;
	if (llabs(difference) > CLOCK_FAIL_S)
		result = FINDING_FAIL;
	else if (llabs(difference) > CLOCK_WARN_S)
		result = FINDING_WARN;
	if (result == FINDING_OK)
		finding_add(&visit->list, "host-clock", visit->edge->name, result, "the clocks of both hosts agree");
	else
		finding_mend(finding_add(&visit->list, "host-clock", visit->edge->name, result,
					 "the edge's clock is %lld s %s this host's", llabs(difference),
					 difference < 0 ? "behind" : "ahead of"),
			     "timedatectl on both hosts says whose clock is not synchronised; there: timedatectl set-ntp true");
}

static void *visit_edge(void *argument)
{
	struct edge_visit *visit = argument;
	char subject[400], error[200], prefix[EDGE_NAME_MAX + 3];
	struct finding_list found = { .selection = visit->list.selection };
	struct edge_reply reply;
	time_t before = time(NULL);

	if (ask(visit, "status", STATUS_MS, &reply) < 0) {
		edge_reply_wipe(&reply);
		return NULL;
	}
	finding_add(&visit->list, "edge-reachable", subject_of(visit->edge, subject, sizeof(subject)), FINDING_OK,
		    "answers as %s, round trip %.0f ms", reply.info.edge_name, reply.open_ms / 3);
	tell_clock(visit, reply.answer, before, time(NULL));
	edge_reply_wipe(&reply);
	if (!finding_is_wanted(&visit->list, "edge"))
		return NULL;
	snprintf(prefix, sizeof(prefix), "%s: ", visit->edge->name);
	if (ask(visit, "check", CHECK_MS, &reply) == 0 &&
	    finding_json_take(&found, reply.answer, error, sizeof(error)) < 0)
		finding_add(&visit->list, "edge-reachable", subject, FINDING_UNKNOWN, "its answer cannot be read: %s", error);
	finding_list_take(&visit->list, &found, prefix);
	edge_reply_wipe(&reply);
	return NULL;
}

/* Up to THREADS_MAX of them; without a thread for one it is visited here. */
static void visit_all(struct edge_visit *visits, size_t count, struct finding_list *list)
{
	pthread_t threads[THREADS_MAX];
	bool has_thread[THREADS_MAX];

	for (size_t i = 0; i < count; i++)
		has_thread[i] = pthread_create(&threads[i], NULL, visit_edge, &visits[i]) == 0;
	for (size_t i = 0; i < count; i++) {
		if (has_thread[i])
			pthread_join(threads[i], NULL);
		else
			visit_edge(&visits[i]);
		finding_list_take(list, &visits[i].list, NULL);
	}
}

void doctor_edges_check(struct finding_list *list, const char *conf_path)
{
	struct edge_visit visits[THREADS_MAX];
	struct transport_setup setup;
	char error[512];
	size_t count = 0;

	if (transport_setup_read(&setup, conf_path, error, sizeof(error)) < 0)
		finding_add(list, "edge-reachable", conf_path, FINDING_UNKNOWN, "no edge can be asked: %s", error);
	else
		for (size_t i = 0; i < setup.edges.count; i++) {
			if (!setup.edges.edges[i].is_disabled)
				visits[count++] = (struct edge_visit){ .edge = &setup.edges.edges[i], .own = &setup.key,
								       .list.selection = list->selection };
			if (count == THREADS_MAX || (i + 1 == setup.edges.count && count > 0)) {
				visit_all(visits, count, list);
				count = 0;
			}
		}
	transport_setup_wipe(&setup);
}
