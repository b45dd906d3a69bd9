/*
 * What the mail host reads from who answers at the edge's address. The ephemeral key is always the
 * same, so that the right answer is known beforehand. The first byte says how the rest is used:
 *
 *   0  the answer, as it is
 *   1  edits (offset, xor) to the right answer, with what an edge says next behind it
 *   2  behind the right answer: records, as they are
 *   3  behind the right answer: frames (length, bytes), each sealed as the edge would
 *
 * No tunnel comes of an answer that was touched, nor without INFO as the first frame; and who
 * answers sees message 1 and a PING, no more.
 *
 * feeds: what answers at the edge's address, to the mail host: message 2 and the first records
 * covers: tunnel/tunnel_client.c:no_answer, send_initiation, read_response, shake_hands, greet,
 *     tunnel_connect tunnel/noise_handshake.c tunnel/noise_symmetric.c tunnel/noise_hash.c
 */
#include <sodium.h>
#include <sys/socket.h>

#include "fuzz_target.h"
#include "no_chance.h"
#include "tunnel/tunnel.h"
#include "tunnel/tunnel_handshake.h"

#define WIRE_MAX 16384
#define PING_RECORD (2 + TUNNEL_FRAME_HEADER + TUNNEL_TAG_SIZE)

static const uint8_t edge_secret[NOISE_DHLEN] = { 1, 2, 3 },
		     client_secret[NOISE_DHLEN] = { 4, 5, 6 };
static const uint8_t ephemeral_secret[NOISE_DHLEN] = { 7, 8, 9 },
		     psk[NOISE_KEYLEN] = { 10, 11, 12 };
static struct noise_keypair client, edge;
static uint8_t response[TUNNEL_RESPONSE_SIZE];
static struct noise_cipher_state edge_sending;
static int waiting_end = -1;

/* Before libc's: every connection leads to the end that is waiting. */
int connect(int fd, const struct sockaddr *address, socklen_t length)
{
	(void)address;
	(void)length;
	return dup2(waiting_end, fd) == fd ? 0 : -1;
}

/* The edge's side of the handshake that the client will always make. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct noise_keypair client_ephemeral, edge_ephemeral;
	struct noise_handshake_params params = {
		.pattern = NOISE_IKPSK2,
		.role = NOISE_INITIATOR,
		.prologue = TUNNEL_PROLOGUE,
		.prologue_length = strlen(TUNNEL_PROLOGUE),
		.remote_static = edge.public_key,
		.fixed_ephemeral = &client_ephemeral,
	};
	struct noise_handshake_state theirs, ours;
	struct noise_cipher_state receiving;
	uint8_t message[TUNNEL_INITIATION_SIZE], hash[NOISE_HASHLEN];
	size_t length;

	(void)argc;
	(void)argv;
	require(no_chance_begin() == 0);
	require(noise_keypair_from_secret(&client, client_secret) == 0 &&
		noise_keypair_from_secret(&edge, edge_secret) == 0);
	require(noise_keypair_from_secret(&edge_ephemeral, ephemeral_secret) == 0);
	noise_keypair_generate(&client_ephemeral);
	memcpy(params.psk, psk, sizeof(psk));
	params.s = noise_keypair_static_key(&client);
	noise_handshake_init(&theirs, &params);
	require(noise_handshake_write_message(&theirs, NULL, 0, message, &length) == 0);
	params.role = NOISE_RESPONDER;
	params.remote_static = NULL;
	params.fixed_ephemeral = &edge_ephemeral;
	params.s = noise_keypair_static_key(&edge);
	noise_handshake_init(&ours, &params);
	require(noise_handshake_read_message(&ours, message, length, message, &length) == 0);
	noise_handshake_set_psk(&ours, psk);
	require(noise_handshake_write_message(&ours, NULL, 0, response, &length) == 0 &&
		length == sizeof(response));
	require(noise_handshake_finish(&ours, &edge_sending, &receiving, hash) == 0);
	noise_handshake_wipe(&theirs);
	return 0;
}

/* Offers these bytes and connects. What the client said is counted. */
static enum tunnel_failure call(const uint8_t *wire, size_t length)
{
	struct tunnel_client_params params = { .edge = { .is_unix = true, .host = "/edge" },
					       .deadline = deadline_in_ms(600000) };
	struct frame_info info = { .edge_name = "" };
	uint8_t heard[4 * TUNNEL_INITIATION_SIZE];
	enum tunnel_failure failure;
	struct tunnel tunnel;
	ssize_t got;
	int fds[2];

	require(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	require(length == 0 || write(fds[0], wire, length) == (ssize_t)length);
	shutdown(fds[0], SHUT_WR);
	waiting_end = fds[1];
	memcpy(params.edge_public_key, edge.public_key, NOISE_DHLEN);
	memcpy(params.psk, psk, NOISE_KEYLEN);
	params.own = noise_keypair_static_key(&client);
	failure = tunnel_connect(&tunnel, &params, &info);
	close(fds[1]);
	require((failure == TUNNEL_OK) == (tunnel.record != NULL));
	require(failure == TUNNEL_OK || tunnel.error[0] != '\0');
	if (failure == TUNNEL_OK)
		require_printable(info.edge_name);
	got = recv(fds[0], heard, sizeof(heard), MSG_DONTWAIT);
	require(got == TUNNEL_INITIATION_SIZE || got >= TUNNEL_INITIATION_SIZE + PING_RECORD);
	require(failure != TUNNEL_OK || got >= TUNNEL_INITIATION_SIZE + PING_RECORD);
	tunnel_close(&tunnel, 0, NULL);
	close(fds[0]);
	return failure;
}

static size_t seal(struct noise_cipher_state *sending, const uint8_t *frame, size_t length,
		   uint8_t *out)
{
	size_t sealed;

	require(noise_cipher_encrypt_with_ad(sending, NULL, 0, frame, length, out + 2, &sealed) ==
		0);
	out[0] = (uint8_t)(sealed >> 8);
	out[1] = (uint8_t)sealed;
	return 2 + sealed;
}

static size_t seal_info(struct noise_cipher_state *sending, uint8_t *out)
{
	struct frame info = {
		.type = FRAME_INFO,
		.u.info = { .edge_name = "edge.example", .size_max = 1000, .recipients_max = 10 }
	};
	struct buffer plain;
	size_t length;

	buffer_init(&plain, TUNNEL_FRAME_MAX);
	require(frame_encode(&plain, &info) == 0);
	length = seal(sending, buffer_data(&plain), buffer_length(&plain), out);
	buffer_wipe(&plain);
	return length;
}

static void edited(const uint8_t *bytes, size_t length)
{
	uint8_t wire[1024];
	struct noise_cipher_state sending = edge_sending;
	size_t size = sizeof(response) + seal_info(&sending, wire + sizeof(response));

	memcpy(wire, response, sizeof(response));
	for (; length >= 2; bytes += 2, length -= 2)
		wire[bytes[0] % size] ^= bytes[1];
	/* The top bit of a public key on the curve does not count, but it is hashed: it is an edit, too. */
	if (memcmp(wire, response, sizeof(response)) != 0)
		require(call(wire, size) == TUNNEL_WRONG_PSK);
	else
		call(wire, size);
}

static bool is_info(const uint8_t *bytes, size_t length, bool *is_passed_over)
{
	static struct frame frame;
	char error[200];
	enum frame_decode_result result = frame_decode(&frame, bytes, length, error, sizeof(error));

	*is_passed_over =
		length >= TUNNEL_FRAME_HEADER &&
		(result == FRAME_SKIP || (result == FRAME_OK && frame.type == FRAME_PING));
	return length >= TUNNEL_FRAME_HEADER && result == FRAME_OK && frame.type == FRAME_INFO;
}

static void sealed_frames(const uint8_t *bytes, size_t length)
{
	static uint8_t wire[2 * WIRE_MAX];
	struct noise_cipher_state sending = edge_sending;
	bool begins_with_info = false, is_beginning = true;
	size_t made = sizeof(response);

	memcpy(wire, response, sizeof(response));
	while (length > 0) {
		size_t frame = bytes[0] < length - 1 ? bytes[0] : length - 1;

		if (made + 2 + frame + TUNNEL_TAG_SIZE > sizeof(wire))
			break;
		if (is_beginning)
			begins_with_info = is_info(bytes + 1, frame, &is_beginning);
		made += seal(&sending, bytes + 1, frame, wire + made);
		bytes += 1 + frame;
		length -= 1 + frame;
	}
	require((call(wire, made) == TUNNEL_OK) == begins_with_info);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static uint8_t wire[WIRE_MAX + TUNNEL_RESPONSE_SIZE];

	if (length < 1 || length > WIRE_MAX)
		return 0;
	switch (bytes[0] % 4) {
	case 0:
		require(call(bytes + 1, length - 1) != TUNNEL_OK);
		break;
	case 1:
		edited(bytes + 1, length - 1);
		break;
	case 2:
		memcpy(wire, response, sizeof(response));
		memcpy(wire + sizeof(response), bytes + 1, length - 1);
		require(call(wire, sizeof(response) + length - 1) != TUNNEL_OK);
		break;
	case 3:
		sealed_frames(bytes + 1, length - 1);
		break;
	}
	return 0;
}
