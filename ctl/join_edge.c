/*
 * Four questions, each in a tunnel of its own (ctl/edge_ask.h). The first is an enrolment of a key
 * that no edge enrols, all zero: its refusal says that the invite is good, and what time it is there.
 */
#include "join_edge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "doctor/finding_json.h"
#include "edge_ask.h"
#include "join_exit.h"
#include "lib/log.h"
#include "lib/utc_time.h"
#include "tunnel/base64_key.h"

#define TIMEOUT_MS 10000
/* Longer than an edge takes to look at itself. */
#define CHECK_MS 50000
#define REASON_MAX 512

void join_edge_init(struct join_edge *edge, const struct invite *invite)
{
	*edge = (struct join_edge){ .invite = invite };
	snprintf(edge->endpoint.host, sizeof(edge->endpoint.host), "%s", invite->host);
	snprintf(edge->endpoint.port, sizeof(edge->endpoint.port), "%u", invite->port);
}

static int explain(const struct join_edge *edge, const struct edge_reply *reply, const char *whose, char *error,
		   size_t error_size)
{
	char where[ENDPOINT_TEXT_MAX];

	endpoint_print(&edge->endpoint, where, sizeof(where));
	switch (reply->layer) {
	case EDGE_ASK_RESOLVE:
		snprintf(error, error_size, "%s: the edge's name has no address: %s. Does it have an A or AAAA record, and does "
			 "this host's resolver work (`getent hosts %s')?", where, reply->error, edge->endpoint.host);
		return JOIN_NO_ADDRESS;
	case EDGE_ASK_CONNECT:
		snprintf(error, error_size, "%s: no connection: %s. Does postern-edge run there (systemctl status postern-edge), "
			 "and do the VPS's firewall, its provider's and this network let TCP port %s through?",
			 where, reply->error, edge->endpoint.port);
		return JOIN_NO_CONNECTION;
	case EDGE_ASK_HANDSHAKE:
		snprintf(error, error_size, "%s: somebody listens there, and does not answer the handshake: it is not the edge that "
			 "made this invite, or it does not know %s any more. Compare the key: `postern pubkey "
			 "/var/lib/postern/edge.key' on the edge prints it; or have a new invite made. The edge's log says "
			 "what it saw", where, whose);
		return JOIN_WRONG_EDGE;
	case EDGE_ASK_OK:
	case EDGE_ASK_ANSWER:
		break;
	}
	snprintf(error, error_size, "%s: %s; see the log of postern-edge there", where, reply->error);
	return JOIN_NO_ANSWER;
}

static void init_ask(const struct join_edge *edge, struct edge_ask *ask, const char *question,
		     const char *argument)
{
	*ask = (struct edge_ask){ .edge = edge->endpoint, .question = question, .argument = argument,
				  .timeout_ms = TIMEOUT_MS };
	memcpy(ask->public_key, edge->invite->edge_key, sizeof(ask->public_key));
}

static const char *printable(char out[REASON_MAX], const json_t *answer, const char *name)
{
	const char *text = json_string_value(json_object_get(answer, name));

	return log_printable(out, REASON_MAX, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

/* The edge's time less ours; what it says may be any number. */
static int64_t difference_of(json_int_t there)
{
	return (there < 0 ? 0 : there < INT64_MAX / 2 ? (int64_t)there : INT64_MAX / 2) - (int64_t)time(NULL);
}

/* "enrol" with the key of the invite. `result_out` is the edge's word. */
static int ask_to_enrol(struct join_edge *edge, const uint8_t public_key[NOISE_DHLEN], char result_out[REASON_MAX],
			char reason_out[REASON_MAX], char *error, size_t error_size)
{
	struct noise_keypair invite_key;
	struct edge_reply reply;
	struct edge_ask ask;
	char text[BASE64_KEY_TEXT + 1];
	const json_t *seconds;
	int result = 0;

	base64_key_encode(text, public_key);
	init_ask(edge, &ask, "enrol", text);
	invite_derive(&invite_key, edge->invite->secret);
	ask.own = noise_keypair_static_key(&invite_key);
	if (edge_ask(&ask, &reply) != 0) {
		result = explain(edge, &reply, "the invite", error, error_size);
	} else {
		seconds = json_object_get(reply.answer, "time");
		edge->clock_difference_s = json_is_integer(seconds) ? difference_of(json_integer_value(seconds)) : 0;
		snprintf(edge->ehlo_name, sizeof(edge->ehlo_name), "%s", reply.info.edge_name);
		printable(result_out, reply.answer, "result");
		printable(reason_out, reply.answer, "reason");
	}
	edge_reply_wipe(&reply);
	noise_keypair_wipe(&invite_key);
	return result;
}

static int check_clock(const struct join_edge *edge, char *error, size_t error_size)
{
	int64_t difference = edge->clock_difference_s, now = (int64_t)time(NULL);
	char here[UTC_TIME_TEXT + 1], there[UTC_TIME_TEXT + 1];

	if (difference <= JOIN_EDGE_CLOCK_MAX_S && difference >= -JOIN_EDGE_CLOCK_MAX_S)
		return 0;
	snprintf(error, error_size, "the clocks differ: it is %s here and %s at the edge. Set the wrong one right "
		 "(timedatectl set-ntp true) and run this again: mail with a wrong date is refused by others, and "
		 "its signatures count as expired, or not yet valid", utc_time_print(now, here),
		 utc_time_print(now + difference, there));
	return JOIN_CLOCK;
}

/* What the edge said instead of "enrolled". */
static int refuse(const char *word, const char *reason, char *error, size_t error_size)
{
	const char *what = "the edge refuses", *remedy = "see the log of postern-edge there";
	int result = JOIN_REFUSED;

	if (strcmp(word, "used") == 0) {
		result = JOIN_USED;
		what = "the invite is used up";
		remedy = "if that was not this mail host, have `postern revoke' take it out there; have a new one made with `postern invite'";
	} else if (strcmp(word, "expired") == 0) {
		result = JOIN_EXPIRED;
		what = "the invite has expired";
		remedy = "have a new one made with `postern invite' on the edge";
	}
	snprintf(error, error_size, "%s: %s; %s", what, reason, remedy);
	return result;
}

int join_edge_probe(struct join_edge *edge, bool has_key, char *error, size_t error_size)
{
	static const uint8_t nobody[NOISE_DHLEN];
	char word[REASON_MAX], reason[REASON_MAX];
	int result = ask_to_enrol(edge, nobody, word, reason, error, error_size);

	if (result != 0)
		return result;
	if (strcmp(word, "expired") == 0 || (strcmp(word, "used") == 0 && !has_key))
		return refuse(word, reason, error, error_size);
	edge->is_used = strcmp(word, "used") == 0;
	return check_clock(edge, error, error_size);
}

int join_edge_enrol(struct join_edge *edge, const uint8_t public_key[NOISE_DHLEN], bool *is_certain,
		    char *error, size_t error_size)
{
	char word[REASON_MAX], reason[REASON_MAX];
	int result = ask_to_enrol(edge, public_key, word, reason, error, error_size);

	/* Without a tunnel the question was not asked. An edge that could not write may have written all the same. */
	*is_certain = result == 0 ? strcmp(word, "refused") != 0 : result != JOIN_NO_ANSWER;
	if (result != 0 || strcmp(word, "enrolled") == 0)
		return result;
	return refuse(word, reason, error, error_size);
}

/* Of the ways out one is enough: another address may have none. */
static int judge(const struct finding_list *list, char *error, size_t error_size)
{
	const struct finding *shut = NULL;
	bool is_open = false;

	for (size_t i = 0; i < list->count; i++) {
		const struct finding *finding = &list->items[i];
		bool is_egress = strcmp(finding->id, "edge-egress") == 0;

		if (is_egress && finding->result == FINDING_FAIL)
			shut = finding;
		else if (is_egress)
			is_open = true;
		else if (finding->result == FINDING_FAIL)
			printf("Note: the edge says of %s: %s. %s\n", finding->subject, finding->seen, finding->mend);
	}
	if (is_open || shut == NULL)
		return 0;
	snprintf(error, error_size, "the edge itself cannot reach port 25 of mail servers: %s; %s, then run this again", shut->seen,
		 shut->mend);
	return JOIN_NO_PORT_25;
}

/* An edge that is busy, or knows no such question, is not for that a bad one. */
static int look_at(struct join_edge *edge, const struct edge_reply *reply, char *error, size_t error_size)
{
	struct finding_list list = { .items = NULL };
	int result;

	if (finding_json_take(&list, reply->answer, error, error_size) != 0) {
		finding_list_wipe(&list);
		return 0;
	}
	edge->is_checked = true;
	result = judge(&list, error, error_size);
	finding_list_wipe(&list);
	return result;
}

/* "check" with this key, `whose` it is. */
static int ask_to_check(struct join_edge *edge, const struct noise_static_key *key, const char *whose, char *error,
			size_t error_size)
{
	struct edge_reply reply;
	struct edge_ask ask;
	int result = 0;

	init_ask(edge, &ask, "check", NULL);
	ask.own = *key;
	ask.timeout_ms = CHECK_MS;
	if (edge_ask(&ask, &reply) == 0)
		result = look_at(edge, &reply, error, error_size);
	else if (reply.layer == EDGE_ASK_ANSWER)
		printf("Note: what the edge thinks of itself is not known: %s\n", reply.error);
	else
		result = explain(edge, &reply, whose, error, error_size);
	edge_reply_wipe(&reply);
	return result;
}

int join_edge_check(struct join_edge *edge, char *error, size_t error_size)
{
	struct noise_keypair invite_key;
	struct noise_static_key key;
	int result;

	if (edge->is_used)
		return 0;
	invite_derive(&invite_key, edge->invite->secret);
	key = noise_keypair_static_key(&invite_key);
	result = ask_to_check(edge, &key, "the invite", error, error_size);
	noise_keypair_wipe(&invite_key);
	return result;
}

int join_edge_verify(struct join_edge *edge, const struct noise_static_key *own, char *error, size_t error_size)
{
	struct edge_reply reply;
	struct edge_ask ask;
	int result = 0;

	if (!edge->is_checked)
		return ask_to_check(edge, own, "this host's key", error, error_size);
	init_ask(edge, &ask, "status", NULL);
	ask.own = *own;
	if (edge_ask(&ask, &reply) != 0 && reply.layer != EDGE_ASK_ANSWER)
		result = explain(edge, &reply, "this host's key", error, error_size);
	edge_reply_wipe(&reply);
	return result;
}
