/*
 * A session answers in its own thread, and nothing else goes out meanwhile. Whether the question is
 * in turn has been looked at before.
 */
#include "session_question.h"

#include <poll.h>
#include <stdlib.h>

#include "edge_question.h"
#include "lib/log.h"

/* A mail host that does not take a piece of an answer for this long is gone. */
#define ANSWER_WRITE_TIMEOUT_MS 30000
/*
 * So many questions at once in a tunnel, then one in 100 ms: an answer takes locks that deliveries need, too, for a moment.
 */
#define QUESTIONS_RATE ((struct token_rate){ 20, 2000 })

/* In pieces; a mail host that does not take them has lost its tunnel. */
static bool send_answer(struct edge_session *session, const char *text, size_t length)
{
	struct frame frame = { .type = FRAME_ANSWER, .flags = FRAME_FLAG_CRITICAL };
	enum tunnel_failure failure = TUNNEL_OK;

	for (size_t at = 0; at < length && failure == TUNNEL_OK; at += frame.u.answer.length) {
		size_t left = length - at;

		frame.u.answer.is_last = left <= TUNNEL_ANSWER_PIECE_MAX;
		frame.u.answer.bytes = (const uint8_t *)text + at;
		frame.u.answer.length = frame.u.answer.is_last ? left : TUNNEL_ANSWER_PIECE_MAX;
		failure = tunnel_send_frame(&session->tunnel, &frame, deadline_in_ms(ANSWER_WRITE_TIMEOUT_MS));
	}
	if (failure == TUNNEL_OK)
		failure = tunnel_flush(&session->tunnel, deadline_in_ms(ANSWER_WRITE_TIMEOUT_MS));
	if (failure != TUNNEL_OK)
		log_info("client=%s: an answer could not be told: %s", session->client.name, session->tunnel.error);
	return failure == TUNNEL_OK;
}

/* Who asks faster waits. */
static void keep_pace(struct token_bucket *questions)
{
	if (questions->rate.tokens == 0)
		token_bucket_init(questions, QUESTIONS_RATE, deadline_now_ms());
	token_bucket_refill(questions, deadline_now_ms());
	if (!token_bucket_has_token(questions)) {
		poll(NULL, 0, (int)token_bucket_wait_ms(questions));
		token_bucket_refill(questions, deadline_now_ms());
	}
	token_bucket_take(questions);
}

bool session_question_answer(struct edge_session *session, const struct frame_ask *ask)
{
	struct edge_question question = {
		.edge = session->edge,
		.who = session->is_invited ? EDGE_QUESTION_INVITED : EDGE_QUESTION_CLIENT,
		.client = session->client.name,
		.public_key = session->tunnel.remote_static,
		.argument = ask->argument,
	};
	bool is_told = false;
	size_t length;
	char *text;

	log_debug("client=%s asks \"%s\"", session->client.name, ask->question);
	keep_pace(&session->questions);
	text = edge_question_answer(&question, ask->question, &length);
	if (text == NULL)
		log_warning("client=%s: no memory for an answer", session->client.name);
	else
		is_told = send_answer(session, text, length);
	free(text);
	return is_told;
}
