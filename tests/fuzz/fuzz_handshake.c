/*
 * The edge's door and the records behind it. The first byte of the input says how the rest is used:
 *
 *   0  what a stranger sends, as it is
 *   1  edits (offset, xor) to a good first message, then its mac1 is made right again
 *   2  edits to a good first message, mac1 included
 *   3  what follows the handshake on the wire, as it is, for an established tunnel
 *   4  frames (length, bytes), each sealed as a peer with the right keys would
 *
 * Strangers never get a tunnel nor a byte; an unedited first message gets message 2 and no more;
 * and no record that was not sealed with the key is ever taken for a frame.
 *
 * feeds: what comes to the edge's door: message 1 and the first records
 * covers: tunnel/tunnel_server.c tunnel/noise_handshake.c:noise_handshake_read_message,
 *     noise_handshake_write_message
 */
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tunnel/tunnel.h"
#include "tunnel/tunnel_handshake.h"

#define WIRE_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const uint8_t edge_secret[NOISE_DHLEN] = { 1, 2, 3 };
static const uint8_t client_secret[NOISE_DHLEN] = { 4, 5, 6 };
static const uint8_t ephemeral_secret[NOISE_DHLEN] = { 7, 8, 9 };
static const uint8_t record_key[NOISE_KEYLEN] = { 10, 11, 12 };

static void require(bool condition)
{
	if (!condition)
		abort();
}

static bool authorize(void *context, const uint8_t public_key[NOISE_DHLEN],
		      uint8_t psk_out[NOISE_KEYLEN])
{
	struct noise_keypair client;

	++*(int *)context;
	require(noise_keypair_from_secret(&client, client_secret) == 0);
	require(memcmp(public_key, client.public_key, NOISE_DHLEN) == 0);
	memset(psk_out, 0, NOISE_KEYLEN);
	return true;
}

/* Feeds the door; returns the bytes that came back. */
static ssize_t knock(const uint8_t *bytes, size_t length, int *authorize_calls)
{
	struct noise_keypair edge;
	struct tunnel_server_params params = { .authorize = authorize };
	struct tunnel tunnel;
	uint8_t answer[256];
	ssize_t got;
	int fds[2];

	require(noise_keypair_from_secret(&edge, edge_secret) == 0);
	params.own = noise_keypair_static_key(&edge);
	params.authorize_context = authorize_calls;
	params.deadline = deadline_in_ms(600000);
	require(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	require(length == 0 || write(fds[0], bytes, length) == (ssize_t)length);
	shutdown(fds[0], SHUT_WR);
	require(tunnel_accept(&tunnel, fds[1], &params) != TUNNEL_OK);
	require(tunnel.error[0] != '\0' && tunnel.record == NULL);
	got = recv(fds[0], answer, sizeof(answer), MSG_DONTWAIT);
	close(fds[0]);
	return got > 0 ? got : 0;
}

static void good_initiation(uint8_t out[TUNNEL_INITIATION_SIZE])
{
	struct noise_keypair client, edge, ephemeral;
	struct noise_handshake_state handshake;
	struct noise_handshake_params params = {
		.pattern = NOISE_IKPSK2,
		.role = NOISE_INITIATOR,
		.prologue = TUNNEL_PROLOGUE,
		.prologue_length = strlen(TUNNEL_PROLOGUE),
		.remote_static = edge.public_key,
		.fixed_ephemeral = &ephemeral,
	};
	size_t length;

	require(noise_keypair_from_secret(&client, client_secret) == 0);
	require(noise_keypair_from_secret(&edge, edge_secret) == 0);
	require(noise_keypair_from_secret(&ephemeral, ephemeral_secret) == 0);
	params.s = noise_keypair_static_key(&client);
	noise_handshake_init(&handshake, &params);
	require(noise_handshake_write_message(&handshake, NULL, 0, out + TUNNEL_MAC1_SIZE,
					      &length) == 0);
	tunnel_mac1(out, edge.public_key, out + TUNNEL_MAC1_SIZE, length);
}

static void edited_initiation(const uint8_t *bytes, size_t length, bool repair_mac1)
{
	uint8_t good[TUNNEL_INITIATION_SIZE], edited[TUNNEL_INITIATION_SIZE];
	struct noise_keypair edge;
	int authorize_calls = 0;
	ssize_t answer;

	good_initiation(good);
	memcpy(edited, good, sizeof(edited));
	for (; length >= 2; bytes += 2, length -= 2)
		edited[bytes[0] % sizeof(edited)] ^= bytes[1];
	require(noise_keypair_from_secret(&edge, edge_secret) == 0);
	if (repair_mac1)
		tunnel_mac1(edited, edge.public_key, edited + TUNNEL_MAC1_SIZE,
			    sizeof(edited) - TUNNEL_MAC1_SIZE);
	answer = knock(edited, sizeof(edited), &authorize_calls);
	if (memcmp(good, edited, sizeof(good)) == 0)
		require(answer == TUNNEL_RESPONSE_SIZE && authorize_calls == 1);
	else
		require(answer == 0 && authorize_calls == 0);
}

/* What an established tunnel makes of these bytes; returns the number of frames. */
static size_t receive_all(const uint8_t *wire, size_t length)
{
	static struct frame frame;
	struct tunnel tunnel = { .failed = TUNNEL_OK };
	enum tunnel_failure failure = TUNNEL_OK;
	size_t frames = 0;
	int fds[2];

	require(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	require(length == 0 || write(fds[0], wire, length) == (ssize_t)length);
	shutdown(fds[0], SHUT_WR);
	stream_init(&tunnel.stream, fds[1], fds[1]);
	noise_cipher_initialize_key(&tunnel.receiving, record_key);
	noise_cipher_initialize_key(&tunnel.sending, record_key);
	require(tunnel_allocate(&tunnel) == TUNNEL_OK);
	while ((failure = tunnel_receive_frame(&tunnel, &frame, deadline_in_ms(600000))) == TUNNEL_OK)
		frames++;
	require(failure == TUNNEL_LOST || failure == TUNNEL_BAD_RECORD ||
		failure == TUNNEL_BAD_FRAME);
	require(tunnel_receive_frame(&tunnel, &frame, deadline_in_ms(0)) == failure);
	tunnel_close(&tunnel, CLOSE_PROTOCOL_ERROR, tunnel.error);
	close(fds[0]);
	return frames;
}

static void sealed_frames(const uint8_t *bytes, size_t length)
{
	static uint8_t wire[2 * WIRE_MAX];
	struct noise_cipher_state sending = { .has_key = false };
	size_t made = 0, sealed;

	noise_cipher_initialize_key(&sending, record_key);
	while (length > 0) {
		size_t frame_length = bytes[0] < length - 1 ? bytes[0] : length - 1;

		if (made + 2 + frame_length + TUNNEL_TAG_SIZE > sizeof(wire))
			break;
		require(noise_cipher_encrypt_with_ad(&sending, NULL, 0, bytes + 1, frame_length,
						     wire + made + 2, &sealed) == 0);
		wire[made] = (uint8_t)(sealed >> 8);
		wire[made + 1] = (uint8_t)sealed;
		made += 2 + sealed;
		bytes += 1 + frame_length;
		length -= 1 + frame_length;
	}
	receive_all(wire, made);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	int authorize_calls = 0;

	if (length < 1 || length > WIRE_MAX || sodium_init() < 0)
		return 0;
	switch (bytes[0] % 5) {
	case 0:
		require(knock(bytes + 1, length - 1, &authorize_calls) == 0 &&
			authorize_calls == 0);
		break;
	case 1:
		edited_initiation(bytes + 1, length - 1, true);
		break;
	case 2:
		edited_initiation(bytes + 1, length - 1, false);
		break;
	case 3:
		require(receive_all(bytes + 1, length - 1) == 0);
		break;
	case 4:
		sealed_frames(bytes + 1, length - 1);
		break;
	}
	return 0;
}
