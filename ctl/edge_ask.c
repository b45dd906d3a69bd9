/*
 * The edge is trusted with mail and not with this host: an answer is read up to its bound, must be
 * sound JSON, and nothing in it is believed to be printable.
 */
#include "edge_ask.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"

void edge_ask_from_table(struct edge_ask *ask, const struct edge *edge)
{
	ask->edge = edge->endpoint;
	memcpy(ask->public_key, edge->public_key, sizeof(ask->public_key));
	memcpy(ask->former_key, edge->former_key, sizeof(ask->former_key));
	ask->has_former_key = edge->has_former_key;
	memcpy(ask->psk, edge->psk, sizeof(ask->psk));
}

const char *edge_ask_layer_name(enum edge_ask_layer layer)
{
	switch (layer) {
	case EDGE_ASK_OK:
		return "none";
	case EDGE_ASK_RESOLVE:
		return "name";
	case EDGE_ASK_CONNECT:
		return "connection";
	case EDGE_ASK_HANDSHAKE:
		return "handshake";
	case EDGE_ASK_ANSWER:
		return "answer";
	}
	return "none";
}

static int fail(struct edge_reply *reply, enum edge_ask_layer layer, const char *sentence)
{
	reply->layer = layer;
	log_printable(reply->error, sizeof(reply->error), sentence, strlen(sentence));
	return -1;
}

static int fail_of_tunnel(struct edge_reply *reply, const struct tunnel *tunnel, enum tunnel_failure failure)
{
	return fail(reply, failure == TUNNEL_UNREACHABLE ? EDGE_ASK_CONNECT : EDGE_ASK_HANDSHAKE, tunnel->error);
}

static double now_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1000000;
}

/* With the key that the edge is to have, or with the one it had. */
static int open_tunnel(const struct edge_ask *ask, struct tunnel *tunnel, struct deadline deadline,
		       struct edge_reply *reply)
{
	struct tunnel_client_params params = { .edge = ask->edge, .own = ask->own, .deadline = deadline };
	enum tunnel_failure failure;
	double began = now_ms(CLOCK_MONOTONIC);

	memcpy(params.edge_public_key, ask->public_key, NOISE_DHLEN);
	memcpy(params.psk, ask->psk, NOISE_KEYLEN);
	failure = tunnel_connect(tunnel, &params, &reply->info);
	if (failure == TUNNEL_NO_ANSWER && ask->has_former_key) {
		memcpy(params.edge_public_key, ask->former_key, NOISE_DHLEN);
		began = now_ms(CLOCK_MONOTONIC);
		failure = tunnel_connect(tunnel, &params, &reply->info);
		reply->is_former_key = failure == TUNNEL_OK;
	}
	explicit_bzero(params.psk, NOISE_KEYLEN);
	reply->open_ms = now_ms(CLOCK_MONOTONIC) - began;
	return failure == TUNNEL_OK ? 0 : fail_of_tunnel(reply, tunnel, failure);
}

static int send_question(const struct edge_ask *ask, struct tunnel *tunnel, struct deadline deadline,
			 struct edge_reply *reply)
{
	struct frame frame = { .type = FRAME_ASK };

	if (strlen(ask->question) > TUNNEL_QUESTION_MAX ||
	    (ask->argument != NULL && strlen(ask->argument) > TUNNEL_ARGUMENT_MAX))
		return fail(reply, EDGE_ASK_ANSWER, "the question is too long");
	strcpy(frame.u.ask.question, ask->question);
	strcpy(frame.u.ask.argument, ask->argument != NULL ? ask->argument : "");
	if (tunnel_send_frame(tunnel, &frame, deadline) != TUNNEL_OK || tunnel_flush(tunnel, deadline) != TUNNEL_OK)
		return fail(reply, EDGE_ASK_ANSWER, tunnel->error);
	return 0;
}

static int fail_closed(struct edge_reply *reply, const struct frame_close *close)
{
	char sentence[TUNNEL_ERROR_MAX];

	snprintf(sentence, sizeof(sentence), "the edge closed the tunnel instead of answering: %s%s", close->text,
		 close->reason == CLOSE_PROTOCOL_ERROR ? "; is it of an older version?" : "");
	return fail(reply, EDGE_ASK_ANSWER, sentence);
}

/* 1: there is more to come. */
static int take_piece(struct buffer *text, struct tunnel *tunnel, struct deadline deadline, struct edge_reply *reply)
{
	struct frame frame;
	enum tunnel_failure failure = tunnel_receive_frame(tunnel, &frame, deadline);

	if (failure == TUNNEL_TIMED_OUT)
		return fail(reply, EDGE_ASK_ANSWER, "the edge did not answer in time");
	if (failure != TUNNEL_OK)
		return fail(reply, EDGE_ASK_ANSWER, tunnel->error);
	if (frame.type == FRAME_PONG)
		return 1;
	if (frame.type == FRAME_CLOSE)
		return fail_closed(reply, &frame.u.close);
	if (frame.type != FRAME_ANSWER)
		return fail(reply, EDGE_ASK_ANSWER, "the edge sent something else than an answer");
	if (buffer_put(text, frame.u.answer.bytes, frame.u.answer.length) < 0)
		return fail(reply, EDGE_ASK_ANSWER, "the answer is too long");
	return frame.u.answer.is_last ? 0 : 1;
}

static int parse(const struct buffer *text, struct edge_reply *reply)
{
	const char *refusal;
	json_error_t error;
	char sentence[TUNNEL_ERROR_MAX];

	reply->answer = json_loadb((const char *)buffer_data(text), buffer_length(text), JSON_REJECT_DUPLICATES, &error);
	if (reply->answer == NULL) {
		snprintf(sentence, sizeof(sentence), "the answer is no JSON: %s", error.text);
		return fail(reply, EDGE_ASK_ANSWER, sentence);
	}
	refusal = json_string_value(json_object_get(reply->answer, "error"));
	if (refusal == NULL)
		return 0;
	snprintf(sentence, sizeof(sentence), "the edge answered: %s", refusal);
	edge_reply_wipe(reply);
	return fail(reply, EDGE_ASK_ANSWER, sentence);
}

static int take_answer(struct tunnel *tunnel, struct deadline deadline, struct edge_reply *reply)
{
	struct buffer text;
	int result;

	buffer_init(&text, TUNNEL_ANSWER_MAX);
	do
		result = take_piece(&text, tunnel, deadline, reply);
	while (result > 0);
	reply->answered_ms = (int64_t)now_ms(CLOCK_REALTIME);
	if (result == 0)
		result = parse(&text, reply);
	buffer_wipe(&text);
	return result;
}

int edge_ask(const struct edge_ask *ask, struct edge_reply *reply)
{
	char error[TUNNEL_ERROR_MAX];
	struct deadline deadline;
	struct tunnel tunnel;
	int result;

	memset(reply, 0, sizeof(*reply));
	result = endpoint_look_up(&ask->edge, error, sizeof(error));
	reply->is_unknown = result > 0;
	if (result != 0)
		return fail(reply, EDGE_ASK_RESOLVE, error);
	deadline = deadline_in_ms(ask->timeout_ms);
	if (open_tunnel(ask, &tunnel, deadline, reply) < 0)
		return -1;
	result = send_question(ask, &tunnel, deadline, reply);
	if (result == 0)
		result = take_answer(&tunnel, deadline, reply);
	tunnel_close(&tunnel, 0, NULL);
	return result;
}

void edge_reply_wipe(struct edge_reply *reply)
{
	json_decref(reply->answer);
	reply->answer = NULL;
}
