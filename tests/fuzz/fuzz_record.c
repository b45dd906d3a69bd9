/*
 * The record layer of an established tunnel: a stream of records that somebody between the two ends
 * cuts, swaps, repeats and edits. The input is a list of steps, each with a byte that says what it
 * is:
 *
 *   0  a frame (two bytes of length, bytes), sealed in its turn
 *   1  the same, and then bytes of the record are changed (offset, xor) before it is sent
 *   2  the record before this one once more
 *   3  bytes as they are (two bytes of length)
 *   4  a PING, sealed in its turn
 *   5  a record of the next turn is sent before that of this one
 *
 * Exactly the frames sealed before the first that is not in its turn are delivered, in order and
 * unchanged, every PING among them is answered, and nothing behind it is ever read. What this end
 * says can be read by the other, and by it alone.
 *
 * feeds: a stream of records that were cut, swapped, repeated and edited
 * covers: tunnel/tunnel.c:receive_record, tunnel_receive_frame, answer_ping, tunnel_send_frame,
 *     append_record, tunnel_flush, stream_failed, send_close, tunnel_close
 */
#include <sodium.h>
#include <sys/socket.h>

#include "fuzz_target.h"
#include "tunnel/tunnel.h"
#include "tunnel/tunnel_handshake.h"

#define WIRE_MAX (96 * 1024)
#define FRAMES_MAX 256

static const uint8_t to_us[NOISE_KEYLEN] = { 1, 2, 3 }, from_us[NOISE_KEYLEN] = { 4, 5, 6 };

struct wire {
	uint8_t bytes[WIRE_MAX];
	size_t length, last, last_length; /* .last: where the last record begins */
	struct noise_cipher_state sending;
	bool is_sound; /* so far everything came in its turn */
	struct {
		const uint8_t *plain;
		size_t length;
	} frames[FRAMES_MAX]; /* that have to arrive */
	size_t count;
};

static size_t take_length(const uint8_t **at, size_t *left)
{
	size_t length;

	if (*left < 2)
		return *left = 0;
	length = (size_t)(*at)[0] << 8 | (*at)[1];
	*at += 2;
	*left -= 2;
	return length < *left ? length : *left;
}

/* false: no room. */
static bool seal(struct wire *wire, const uint8_t *plain, size_t length)
{
	uint8_t *record = wire->bytes + wire->length;
	size_t sealed;

	if (length > TUNNEL_FRAME_MAX || wire->length + 2 + length + TUNNEL_TAG_SIZE > WIRE_MAX ||
	    wire->count == FRAMES_MAX)
		return false;
	require(noise_cipher_encrypt_with_ad(&wire->sending, NULL, 0, plain, length, record + 2,
					     &sealed) == 0);
	record[0] = (uint8_t)(sealed >> 8);
	record[1] = (uint8_t)sealed;
	wire->last = wire->length;
	wire->last_length = 2 + sealed;
	wire->length += 2 + sealed;
	/* Shorter than any frame is: refused before it is opened. */
	if (length < TUNNEL_FRAME_HEADER)
		wire->is_sound = false;
	if (wire->is_sound) {
		wire->frames[wire->count].plain = plain;
		wire->frames[wire->count++].length = length;
	}
	return true;
}

static void put(struct wire *wire, const uint8_t *bytes, size_t length)
{
	if (length == 0 || wire->length + length > WIRE_MAX)
		return;
	memcpy(wire->bytes + wire->length, bytes, length);
	wire->length += length;
	wire->is_sound = false;
}

static void edit(struct wire *wire, uint8_t offset, uint8_t with)
{
	if (with == 0)
		return;
	wire->bytes[wire->last + offset % wire->last_length] ^= with;
	if (wire->is_sound)
		wire->count--;
	wire->is_sound = false;
}

static void swap(struct wire *wire)
{
	static const uint8_t ping[TUNNEL_FRAME_HEADER] = { FRAME_PING, FRAME_FLAG_CRITICAL };

	wire->is_sound = false;
	wire->sending.n++;
	if (seal(wire, ping, sizeof(ping)))
		wire->sending.n -= 2;
	else
		wire->sending.n--;
	if (seal(wire, ping, sizeof(ping)))
		wire->sending.n++;
}

static void build(struct wire *wire, const uint8_t *at, size_t left)
{
	static const uint8_t ping[TUNNEL_FRAME_HEADER] = { FRAME_PING, FRAME_FLAG_CRITICAL };
	uint8_t step;
	size_t length;

	while (left > 0) {
		step = *at++ % 6;
		left--;
		length = step == 0 || step == 1 || step == 3 ? take_length(&at, &left) : 0;
		if (step == 3)
			put(wire, at, length);
		else if (step == 2)
			put(wire, wire->bytes + wire->last, wire->last_length);
		else if (step == 5)
			swap(wire);
		else if (!seal(wire, step == 4 ? ping : at, step == 4 ? sizeof(ping) : length))
			return;
		at += length;
		left -= length;
		if (step == 1 && left >= 2) {
			edit(wire, at[0], at[1]);
			at += 2;
			left -= 2;
		}
	}
}

/* Of the frames in their turn: how many are delivered, how many are PINGs; true if one is bad. */
static bool expect(const struct wire *wire, size_t *delivered, size_t *pings)
{
	static struct frame frame;
	char error[200];

	*delivered = *pings = 0;
	for (size_t i = 0; i < wire->count; i++) {
		switch (frame_decode(&frame, wire->frames[i].plain, wire->frames[i].length, error,
				     sizeof(error))) {
		case FRAME_BAD:
			return true;
		case FRAME_OK:
			++*(frame.type == FRAME_PING ? pings : delivered);
			break;
		case FRAME_SKIP:
			break;
		}
	}
	return false;
}

/* The words of this end, opened with the other's key. Returns the PONGs. */
static size_t count_pongs(int fd)
{
	static uint8_t heard[64 * 1024];
	struct noise_cipher_state receiving = { .has_key = false };
	size_t length = 0, pongs = 0, plain;
	char error[200];
	struct frame frame;
	ssize_t got;

	while (length < sizeof(heard) &&
	       (got = recv(fd, heard + length, sizeof(heard) - length, MSG_DONTWAIT)) > 0)
		length += (size_t)got;
	noise_cipher_initialize_key(&receiving, from_us);
	for (uint8_t *at = heard; at < heard + length; at += 2 + ((size_t)at[0] << 8 | at[1])) {
		size_t sealed = (size_t)at[0] << 8 | at[1];

		require(heard + length - at >= 2 && (size_t)(heard + length - at) >= 2 + sealed);
		require(noise_cipher_decrypt_with_ad(&receiving, NULL, 0, at + 2, sealed, at + 2,
						     &plain) == 0);
		require(frame_decode(&frame, at + 2, plain, error, sizeof(error)) == FRAME_OK);
		require(frame.type == FRAME_PONG || frame.type == FRAME_CLOSE);
		pongs += frame.type == FRAME_PONG;
	}
	return pongs;
}

/* Takes the frames; returns the failure at the end. */
static enum tunnel_failure receive(struct tunnel *tunnel, const struct wire *wire, size_t delivered)
{
	static struct frame frame, again;
	enum tunnel_failure failure;
	size_t count = 0, next = 0;
	char error[200];

	while ((failure = tunnel_receive_frame(tunnel, &frame, deadline_in_ms(600000))) ==
	       TUNNEL_OK) {
		require(++count <= delivered);
		while (frame_decode(&again, wire->frames[next].plain, wire->frames[next].length,
				    error, sizeof(error)) != FRAME_OK ||
		       again.type == FRAME_PING)
			next++;
		require(frame.type == again.type && frame.transaction == again.transaction);
		if (frame.type == FRAME_CONTENT)
			require(frame.u.content.length == again.u.content.length &&
				memcmp(frame.u.content.bytes, again.u.content.bytes,
				       frame.u.content.length) == 0);
		next++;
	}
	require(count == delivered && tunnel->error[0] != '\0');
	return failure;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static struct wire wire;
	struct tunnel tunnel = { .failed = TUNNEL_OK };
	enum tunnel_failure failure;
	size_t delivered, pings;
	int fds[2], big = 4 * WIRE_MAX;
	bool is_bad;

	if (sodium_init() < 0)
		return 0;
	memset(&wire, 0, sizeof(wire));
	wire.is_sound = true;
	noise_cipher_initialize_key(&wire.sending, to_us);
	build(&wire, bytes, length);
	is_bad = expect(&wire, &delivered, &pings);
	require(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	require(wire.length == 0 ||
		send(fds[0], wire.bytes, wire.length, MSG_DONTWAIT) == (ssize_t)wire.length);
	shutdown(fds[0], SHUT_WR);
	stream_init(&tunnel.stream, fds[1], fds[1]);
	noise_cipher_initialize_key(&tunnel.receiving, to_us);
	noise_cipher_initialize_key(&tunnel.sending, from_us);
	require(tunnel_allocate(&tunnel) == TUNNEL_OK);
	failure = receive(&tunnel, &wire, delivered);
	require(is_bad ? failure == TUNNEL_BAD_FRAME
		       : failure == TUNNEL_LOST ||
				 (!wire.is_sound && failure == TUNNEL_BAD_RECORD));
	require(tunnel_has_input(&tunnel));
	tunnel_close(&tunnel, CLOSE_PROTOCOL_ERROR, tunnel.error);
	require(count_pongs(fds[0]) == pings);
	close(fds[0]);
	return 0;
}
