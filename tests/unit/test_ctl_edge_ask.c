/*
 * Asking an edge: each layer that can fail is named, and an answer in pieces is put together. The
 * edge is a thread that says what a row wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#include "ctl/edge_ask.h"
#include "tests/unit/fake_edge.h"

struct piece {
	const char *data;
	bool is_last;
};

struct answering {
	struct fake_edge fake;
	const struct piece *pieces;	/* ends with data NULL; then the edge goes */
	enum close_reason close;	/* 0: none */
	size_t filler;			/* pieces of 8000 bytes before the others */
	struct frame_ask heard;
};

static void send_piece(struct tunnel *tunnel, const char *data, size_t length, bool is_last)
{
	struct frame frame = fake_edge_frame(FRAME_ANSWER, 0);

	frame.u.answer.is_last = is_last;
	frame.u.answer.bytes = (const uint8_t *)data;
	frame.u.answer.length = length;
	fake_edge_send(tunnel, &frame);
}

static void answer(struct answering *answering, struct tunnel *tunnel)
{
	struct frame frame, info = fake_edge_frame(FRAME_INFO, 0), close = fake_edge_frame(FRAME_CLOSE, 0);
	static char filler[TUNNEL_ANSWER_PIECE_MAX];

	memset(filler, ' ', sizeof(filler));
	info.u.info = answering->fake.info;
	fake_edge_send(tunnel, &info);
	tunnel_flush(tunnel, deadline_in_ms(5000));
	if (tunnel_receive_frame(tunnel, &frame, deadline_in_ms(5000)) != TUNNEL_OK || frame.type != FRAME_ASK)
		return;
	answering->heard = frame.u.ask;
	for (size_t i = 0; i < answering->filler; i++)
		send_piece(tunnel, filler, sizeof(filler), false);
	for (const struct piece *piece = answering->pieces; piece->data != NULL; piece++)
		send_piece(tunnel, piece->data, strlen(piece->data), piece->is_last);
	if (answering->close != 0) {
		close.u.close.reason = answering->close;
		strcpy(close.u.close.text, "no");
		fake_edge_send(tunnel, &close);
	}
	tunnel_flush(tunnel, deadline_in_ms(5000));
}

static void *run(void *argument)
{
	struct answering *answering = argument;
	struct tunnel tunnel;
	int fd;

	while ((fd = accept(answering->fake.listen_fd, NULL, NULL)) >= 0) {
		if (tunnel_accept(&tunnel, fd, &(struct tunnel_server_params){
			.own = noise_keypair_static_key(&answering->fake.key),
			.authorize = fake_edge_authorize,
			.deadline = deadline_in_ms(5000),
		}) != TUNNEL_OK)
			continue;
		answer(answering, &tunnel);
		tunnel_close(&tunnel, 0, NULL);
	}
	return NULL;
}

static uint16_t listen_somewhere(struct answering *answering)
{
	struct sockaddr_in bound = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(bound);

	answering->fake.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(answering->fake.listen_fd, (struct sockaddr *)&bound, sizeof(bound)), 0);
	assert_int_equal(listen(answering->fake.listen_fd, 10), 0);
	assert_int_equal(getsockname(answering->fake.listen_fd, (struct sockaddr *)&bound, &length), 0);
	return ntohs(bound.sin_port);
}

static struct noise_keypair own;

static struct edge_ask start(struct answering *answering)
{
	struct edge_ask ask = { .question = "status", .timeout_ms = 5000 };

	noise_keypair_generate(&answering->fake.key);
	strcpy(answering->fake.info.edge_name, "relay.example.com");
	answering->fake.info.recipients_max = 10;
	strcpy(answering->fake.edge.endpoint.host, "127.0.0.1");
	snprintf(answering->fake.edge.endpoint.port, 8, "%u", listen_somewhere(answering));
	memcpy(answering->fake.edge.public_key, answering->fake.key.public_key, NOISE_DHLEN);
	edge_ask_from_table(&ask, &answering->fake.edge);
	ask.own = noise_keypair_static_key(&own);
	assert_int_equal(pthread_create(&answering->fake.thread, NULL, run, answering), 0);
	return ask;
}

static void stop(struct answering *answering)
{
	shutdown(answering->fake.listen_fd, SHUT_RDWR);
	pthread_join(answering->fake.thread, NULL);
	close(answering->fake.listen_fd);
}

static void expect_failure(const struct edge_reply *reply, enum edge_ask_layer layer, const char *words)
{
	if (reply->layer != layer || reply->answer != NULL || strstr(reply->error, words) == NULL)
		fail_msg("%s, \"%s\" instead of %s, \"%s\"", edge_ask_layer_name(reply->layer), reply->error,
			 edge_ask_layer_name(layer), words);
}

static void answers(void **state)
{
	static const struct {
		const char *title;
		size_t filler;
		struct piece pieces[4];
		enum close_reason close;
		enum edge_ask_layer layer;
		const char *words;
	} rows[] = {
		{ "one piece", 0, { { "{\"name\":\"a\"}", true } }, 0, EDGE_ASK_OK, "" },
		{ "an array", 0, { { "[1]", true } }, 0, EDGE_ASK_OK, "" },
		{ "in pieces, one of them in a character", 0,
		  { { "{\"name\":\"\xc3", false }, { "\xbc\"", false }, { "}", true } }, 0, EDGE_ASK_OK, "" },
		{ "as long as can be", 32, { { "{\"name\":\"a\"}", true } }, 0, EDGE_ASK_OK, "" },
		{ "too long", 33, { { "{}", true } }, 0, EDGE_ASK_ANSWER, "too long" },
		{ "no JSON", 0, { { "hello", true } }, 0, EDGE_ASK_ANSWER, "no JSON" },
		{ "no UTF-8", 0, { { "{\"a\":\"\xff\"}", true } }, 0, EDGE_ASK_ANSWER, "no JSON" },
		{ "a member twice", 0, { { "{\"a\":1,\"a\":2}", true } }, 0, EDGE_ASK_ANSWER, "no JSON" },
		{ "an error", 0, { { "{\"error\":\"not \\u001b[31mnow\"}", true } }, 0, EDGE_ASK_ANSWER,
		  "answered: not ?[31mnow" },
		{ "no end", 0, { { "{", false } }, 0, EDGE_ASK_ANSWER, "closed" },
		{ "silence", 0, { { NULL, false } }, 0, EDGE_ASK_ANSWER, "closed" },
		{ "an older edge", 0, { { NULL, false } }, CLOSE_PROTOCOL_ERROR, EDGE_ASK_ANSWER, "older version" },
		{ "an edge that stops", 0, { { NULL, false } }, CLOSE_SHUTDOWN, EDGE_ASK_ANSWER, "answering: no" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answering answering = { .pieces = rows[i].pieces, .filler = rows[i].filler,
					       .close = rows[i].close };
		struct edge_ask ask = start(&answering);
		struct edge_reply reply;
		int result;

		ask.argument = "4ZA";
		result = edge_ask(&ask, &reply);
		assert_int_equal(result == 0, rows[i].layer == EDGE_ASK_OK);
		if (result < 0)
			expect_failure(&reply, rows[i].layer, rows[i].words);
		else
			assert_non_null(reply.answer);
		assert_string_equal(reply.info.edge_name, "relay.example.com");
		assert_true(reply.open_ms > 0 && !reply.is_former_key);
		edge_reply_wipe(&reply);
		stop(&answering);
		assert_string_equal(answering.heard.question, "status");
		assert_string_equal(answering.heard.argument, "4ZA");
	}
}

static void layers(void **state)
{
	static const struct piece pieces[] = { { "{}", true }, { NULL, false } };
	struct answering answering = { .pieces = pieces };
	struct edge_ask ask = start(&answering), other = ask;
	struct edge_reply reply;
	struct noise_keypair stranger;

	(void)state;
	strcpy(other.edge.host, "no-such-host.invalid");
	assert_int_equal(edge_ask(&other, &reply), -1);
	expect_failure(&reply, EDGE_ASK_RESOLVE, "cannot look up \"no-such-host.invalid\"");
	noise_keypair_generate(&stranger);
	other = ask;
	memcpy(other.public_key, stranger.public_key, NOISE_DHLEN);
	assert_int_equal(edge_ask(&other, &reply), -1);
	expect_failure(&reply, EDGE_ASK_HANDSHAKE, "during the handshake");
	/* the table's second key=: the edge has not changed its key yet */
	memcpy(other.former_key, ask.public_key, NOISE_DHLEN);
	other.has_former_key = true;
	assert_int_equal(edge_ask(&other, &reply), 0);
	assert_true(reply.is_former_key);
	edge_reply_wipe(&reply);
	stop(&answering);
	assert_int_equal(edge_ask(&ask, &reply), -1);
	expect_failure(&reply, EDGE_ASK_CONNECT, "refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(layers),
	};

	if (sodium_init() < 0)
		return 1;
	noise_keypair_generate(&own);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
