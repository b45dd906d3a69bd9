/*
 * An established tunnel under attack: records cut, flipped, replayed, dropped, reordered, reflected
 * (cases 96-100), bad frames inside good records (case 104), and the rules of frames, time-outs and
 * closing.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "eventually.h"
#include "tunnel/tunnel.h"
#include "tunnel/tunnel_handshake.h"


static struct frame frame; /* big */
static char content[TUNNEL_CONTENT_MAX];

/* Two ends over a socket pair, with keys as after a handshake. */
static void make_pair(struct tunnel *client, struct tunnel *edge)
{
	uint8_t to_edge[NOISE_KEYLEN], to_client[NOISE_KEYLEN];
	int fds[2];

	randombytes_buf(to_edge, sizeof(to_edge));
	randombytes_buf(to_client, sizeof(to_client));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	memset(client, 0, sizeof(*client));
	memset(edge, 0, sizeof(*edge));
	strcpy(client->peer, "edge relay.example.com:7843");
	strcpy(edge->peer, "the client");
	stream_init(&client->stream, fds[0], fds[0]);
	stream_init(&edge->stream, fds[1], fds[1]);
	noise_cipher_initialize_key(&client->sending, to_edge);
	noise_cipher_initialize_key(&edge->receiving, to_edge);
	noise_cipher_initialize_key(&client->receiving, to_client);
	noise_cipher_initialize_key(&edge->sending, to_client);
	assert_int_equal(tunnel_allocate(client), TUNNEL_OK);
	assert_int_equal(tunnel_allocate(edge), TUNNEL_OK);
}

static void end_pair(struct tunnel *client, struct tunnel *edge)
{
	tunnel_close(client, 0, NULL);
	tunnel_close(edge, 0, NULL);
}

static void send_abort(struct tunnel *from, uint32_t transaction)
{
	const struct frame abort_frame = { .type = FRAME_ABORT, .transaction = transaction };

	assert_int_equal(tunnel_send_frame(from, &abort_frame, deadline_in_ms(PATIENCE_MS)),
			 TUNNEL_OK);
}

static enum tunnel_failure receive(struct tunnel *tunnel)
{
	return tunnel_receive_frame(tunnel, &frame, deadline_in_ms(PATIENCE_MS));
}

/* Takes the encrypted records that wait in the output buffer away. */
static size_t steal_output(struct tunnel *from, uint8_t *out, size_t size)
{
	size_t length = buffer_length(&from->output);

	assert_true(length <= size);
	assert_int_equal(buffer_get(&from->output, out, length), 0);
	return length;
}

static void put_raw(struct tunnel *from, const uint8_t *bytes, size_t length)
{
	assert_int_equal(send(from->stream.write_fd, bytes, length, MSG_NOSIGNAL), length);
}

static void assert_final(struct tunnel *tunnel, enum tunnel_failure failure)
{
	struct frame ping = { .type = FRAME_PING };

	assert_int_equal(receive(tunnel), failure);
	assert_int_equal(tunnel_send_frame(tunnel, &ping, deadline_in_ms(0)), failure);
	assert_int_equal(tunnel_flush(tunnel, deadline_in_ms(0)), failure);
	assert_true(tunnel_has_input(tunnel));
}

static void both_directions(void **state)
{
	struct tunnel client, edge;

	(void)state;
	make_pair(&client, &edge);
	for (uint32_t i = 1; i < 100; i++) {
		send_abort(&client, i);
		send_abort(&edge, 1000 + i);
	}
	assert_false(tunnel_has_input(&edge)); /* not flushed yet */
	assert_int_equal(tunnel_flush(&client, deadline_in_ms(PATIENCE_MS)), TUNNEL_OK);
	assert_int_equal(tunnel_flush(&edge, deadline_in_ms(PATIENCE_MS)), TUNNEL_OK);
	for (uint32_t i = 1; i < 100; i++) {
		assert_true(tunnel_has_input(&edge));
		assert_int_equal(receive(&edge), TUNNEL_OK);
		assert_int_equal(frame.transaction, i);
		assert_int_equal(receive(&client), TUNNEL_OK);
		assert_int_equal(frame.transaction, 1000 + i);
	}
	assert_false(tunnel_has_input(&edge));
	end_pair(&client, &edge);
}

static void content_frames(void **state)
{
	struct tunnel client, edge;
	size_t sizes[] = { 1, 2, 1000, 16383, 16384, 16385, TUNNEL_CONTENT_MAX };

	(void)state;
	make_pair(&client, &edge);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		randombytes_buf(content, sizes[i]);
		memset(&frame, 0, sizeof(frame));
		frame.type = FRAME_CONTENT;
		frame.transaction = 1;
		frame.u.content.bytes = (const uint8_t *)content;
		frame.u.content.length = sizes[i];
		assert_int_equal(tunnel_send_frame(&client, &frame, deadline_in_ms(PATIENCE_MS)),
				 TUNNEL_OK);
		assert_int_equal(tunnel_flush(&client, deadline_in_ms(PATIENCE_MS)), TUNNEL_OK);
		assert_int_equal(receive(&edge), TUNNEL_OK);
		assert_int_equal(frame.u.content.length, sizes[i]);
		assert_memory_equal(frame.u.content.bytes, content, sizes[i]);
	}
	end_pair(&client, &edge);
}

/* A receiver that does not read: the sender waits until its deadline, and that is final. */
static void stuck_receiver(void **state)
{
	struct tunnel client, edge;
	enum tunnel_failure failure = TUNNEL_OK;

	(void)state;
	make_pair(&client, &edge);
	memset(&frame, 0, sizeof(frame));
	frame.type = FRAME_CONTENT;
	frame.transaction = 1;
	frame.u.content.bytes = (const uint8_t *)content;
	frame.u.content.length = TUNNEL_CONTENT_MAX;
	for (int i = 0; i < 1000 && failure == TUNNEL_OK; i++)
		failure = tunnel_send_frame(&client, &frame, deadline_in_ms(50));
	assert_int_equal(failure, TUNNEL_TIMED_OUT);
	assert_non_null(strstr(client.error, "sending to edge relay.example.com:7843"));
	assert_final(&client, TUNNEL_TIMED_OUT);
	end_pair(&client, &edge);
}

/* Case 96: lengths that no record has; the claimed length alone costs nothing. */
static void bad_lengths(void **state)
{
	(void)state;
	for (unsigned int length = 0; length < 22; length++) {
		struct tunnel client, edge;
		uint8_t bytes[64] = { 0, (uint8_t)length };

		make_pair(&client, &edge);
		put_raw(&client, bytes, sizeof(bytes));
		assert_int_equal(receive(&edge), TUNNEL_BAD_RECORD);
		assert_non_null(strstr(edge.error, "the least is 22"));
		assert_final(&edge, TUNNEL_BAD_RECORD);
		end_pair(&client, &edge);
	}
}

/* Case 97: cut at every offset. */
static void cut_everywhere(void **state)
{
	uint8_t bytes[64];

	(void)state;
	for (size_t length = 0; length < 24; length++) {
		struct tunnel client, edge;

		make_pair(&client, &edge);
		send_abort(&client, 1);
		assert_int_equal(steal_output(&client, bytes, sizeof(bytes)), 24);
		if (length > 0)
			put_raw(&client, bytes, length);
		tunnel_close(&client, 0, NULL);
		assert_int_equal(receive(&edge), TUNNEL_LOST);
		assert_non_null(strstr(edge.error, "the client"));
		end_pair(&client, &edge);
	}
}

/* Case 98: every bit of a record, its length included; and 65535 claimed. */
static void flipped_bits(void **state)
{
	uint8_t bytes[64];

	(void)state;
	for (size_t bit = 0; bit < 24 * 8; bit++) {
		struct tunnel client, edge;
		enum tunnel_failure failure;
		uint8_t back[8];

		make_pair(&client, &edge);
		send_abort(&client, 1);
		assert_int_equal(steal_output(&client, bytes, sizeof(bytes)), 24);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		put_raw(&client, bytes, 24);
		shutdown(client.stream.write_fd, SHUT_WR);
		failure = receive(&edge);
		/* A length that grew waits for bytes that never come. */
		assert_true(failure == TUNNEL_BAD_RECORD || (bit < 16 && failure == TUNNEL_LOST));
		/* No oracle: not a byte comes back, whatever reason the owner gives. */
		tunnel_close(&edge, CLOSE_PROTOCOL_ERROR, "no");
		assert_int_equal(recv(client.stream.read_fd, back, sizeof(back), 0), 0);
		end_pair(&client, &edge);
	}
}

/* Case 99. */
static void order_changed(void **state)
{
	static const struct {
		const char *name;
		int order[4]; /* records that arrive, -1 ends; -2: one of the receiver's own */
		int good; /* so many are received */
	} rows[] = {
		{ "replayed", { 0, 0, -1 }, 1 },  { "replayed later", { 0, 1, 0, -1 }, 2 },
		{ "dropped", { 1, -1 }, 0 },	  { "dropped later", { 0, 2, -1 }, 1 },
		{ "reordered", { 1, 0, -1 }, 0 }, { "reflected", { -2, -1 }, 0 },
	};
	uint8_t records[3][24], own[24];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tunnel client, edge;
		int good = 0;

		make_pair(&client, &edge);
		for (uint32_t j = 0; j < 3; j++) {
			send_abort(&client, j + 1);
			steal_output(&client, records[j], sizeof(records[j]));
		}
		send_abort(&edge, 1);
		steal_output(&edge, own, sizeof(own));
		for (const int *next = rows[i].order; *next != -1; next++)
			put_raw(&client, *next == -2 ? own : records[*next], 24);
		while (receive(&edge) == TUNNEL_OK)
			good++;
		assert_int_equal(good, rows[i].good);
		assert_final(&edge, TUNNEL_BAD_RECORD);
		end_pair(&client, &edge);
	}
}

/* Case 100: the tunnel ends before a nonce would repeat. */
static void nonces_end(void **state)
{
	const struct frame ping = { .type = FRAME_PING };
	struct tunnel client, edge;

	(void)state;
	make_pair(&client, &edge);
	client.sending.n = edge.receiving.n = UINT64_MAX - 1;
	send_abort(&client, 1);
	assert_int_equal(tunnel_flush(&client, deadline_in_ms(PATIENCE_MS)), TUNNEL_OK);
	assert_int_equal(receive(&edge), TUNNEL_OK);
	assert_int_equal(tunnel_send_frame(&client, &ping, deadline_in_ms(PATIENCE_MS)),
			 TUNNEL_LOST);
	assert_final(&client, TUNNEL_LOST);
	assert_int_equal(buffer_length(&client.output), 0);
	end_pair(&client, &edge);
}

/* Sends plaintext of our choice in a record that verifies. */
static void send_plain(struct tunnel *from, const void *plain, size_t length)
{
	uint8_t record[2 + 256];
	size_t sealed;

	assert_int_equal(noise_cipher_encrypt_with_ad(&from->sending, NULL, 0, plain, length,
						      record + 2, &sealed),
			 0);
	record[0] = 0;
	record[1] = (uint8_t)sealed;
	put_raw(from, record, 2 + sealed);
}

/* Case 104: frames nobody knows. */
static void unknown_frames(void **state)
{
	struct tunnel client, edge;

	(void)state;
	make_pair(&client, &edge);
	send_plain(&client, "\x3f\x00\0\0\0\0whatever", 14); /* may be skipped */
	send_plain(&client, "\x05\x01\0\0\0\7", 6);
	assert_int_equal(receive(&edge), TUNNEL_OK);
	assert_int_equal(frame.transaction, 7);
	send_plain(&client, "\x3f\x01\0\0\0\0", 6); /* must not */
	assert_int_equal(receive(&edge), TUNNEL_BAD_FRAME);
	assert_non_null(strstr(edge.error, "unknown type 0x3f"));
	assert_final(&edge, TUNNEL_BAD_FRAME);
	/* This peer knows its keys, so it may be told. */
	tunnel_close(&edge, CLOSE_PROTOCOL_ERROR, edge.error);
	assert_non_null(strstr(edge.error, "unknown type 0x3f"));
	assert_int_equal(receive(&client), TUNNEL_OK);
	assert_int_equal(frame.type, FRAME_CLOSE);
	assert_int_equal(frame.u.close.reason, CLOSE_PROTOCOL_ERROR);
	assert_non_null(strstr(frame.u.close.text, "unknown type 0x3f"));
	assert_int_equal(receive(&client), TUNNEL_LOST);
	end_pair(&client, &edge);
}

static void ping_and_pong(void **state)
{
	const struct frame ping = { .type = FRAME_PING };
	struct tunnel client, edge;

	(void)state;
	make_pair(&client, &edge);
	assert_int_equal(tunnel_send_frame(&client, &ping, deadline_in_ms(PATIENCE_MS)), TUNNEL_OK);
	send_abort(&client, 5);
	assert_int_equal(tunnel_flush(&client, deadline_in_ms(PATIENCE_MS)), TUNNEL_OK);
	assert_int_equal(receive(&edge), TUNNEL_OK);
	assert_int_equal(frame.type, FRAME_ABORT);
	assert_int_equal(receive(&client), TUNNEL_OK);
	assert_int_equal(frame.type, FRAME_PONG);
	end_pair(&client, &edge);
}

/* A time-out between records is no failure of the tunnel; in the middle of one it is. */
static void time_outs(void **state)
{
	struct tunnel client, edge;
	uint8_t bytes[24];

	(void)state;
	make_pair(&client, &edge);
	assert_int_equal(tunnel_receive_frame(&edge, &frame, deadline_in_ms(20)), TUNNEL_TIMED_OUT);
	assert_non_null(strstr(edge.error, "waiting for the client"));
	send_abort(&client, 1);
	assert_int_equal(tunnel_flush(&client, deadline_in_ms(PATIENCE_MS)), TUNNEL_OK);
	assert_int_equal(receive(&edge), TUNNEL_OK);
	send_abort(&client, 2);
	steal_output(&client, bytes, sizeof(bytes));
	put_raw(&client, bytes, 10);
	assert_int_equal(tunnel_receive_frame(&edge, &frame, deadline_in_ms(20)), TUNNEL_TIMED_OUT);
	put_raw(&client, bytes + 10, 14);
	assert_final(&edge, TUNNEL_TIMED_OUT);
	end_pair(&client, &edge);
}

/* Frames that are skipped do not stretch the deadline. */
static void flood_of_nothing(void **state)
{
	struct tunnel client, edge;

	(void)state;
	make_pair(&client, &edge);
	for (int i = 0; i < 100; i++)
		send_plain(&client, "\x3f\x00\0\0\0\0", 6);
	assert_int_equal(tunnel_receive_frame(&edge, &frame, deadline_in_ms(0)), TUNNEL_TIMED_OUT);
	assert_true(tunnel_has_input(&edge));
	end_pair(&client, &edge);
}

static void closing(void **state)
{
	struct tunnel client, edge, nothing;

	(void)state;
	make_pair(&client, &edge);
	send_abort(&edge, 3); /* waiting: leaves before CLOSE */
	tunnel_close(&edge, CLOSE_SHUTDOWN, "the edge stops\r\n");
	assert_int_equal(receive(&client), TUNNEL_OK);
	assert_int_equal(frame.type, FRAME_ABORT);
	assert_int_equal(receive(&client), TUNNEL_OK);
	assert_int_equal(frame.type, FRAME_CLOSE);
	assert_int_equal(frame.u.close.reason, CLOSE_SHUTDOWN);
	assert_string_equal(frame.u.close.text, "the edge stops??");
	assert_int_equal(receive(&client), TUNNEL_LOST);
	assert_non_null(strstr(client.error, "edge relay.example.com:7843 closed the connection"));
	end_pair(&client, &edge);
	make_pair(&client, &edge);
	tunnel_close(&edge, 0, NULL);
	assert_true(sodium_is_zero(edge.sending.k, NOISE_KEYLEN));
	assert_true(sodium_is_zero(edge.receiving.k, NOISE_KEYLEN));
	assert_int_equal(receive(&client), TUNNEL_LOST);
	end_pair(&client, &edge);
	memset(&nothing, 0, sizeof(nothing));
	tunnel_close(&nothing, CLOSE_IDLE, "nothing");
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0); /* descriptor 0 was not taken for its own */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_directions), cmocka_unit_test(content_frames),
		cmocka_unit_test(stuck_receiver),  cmocka_unit_test(bad_lengths),
		cmocka_unit_test(cut_everywhere),  cmocka_unit_test(flipped_bits),
		cmocka_unit_test(order_changed),   cmocka_unit_test(nonces_end),
		cmocka_unit_test(unknown_frames),  cmocka_unit_test(ping_and_pong),
		cmocka_unit_test(time_outs),	   cmocka_unit_test(flood_of_nothing),
		cmocka_unit_test(closing),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
