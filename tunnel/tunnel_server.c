/*
 * The edge's end: respond to a handshake (the messages are shown in tunnel_client.c).
 *
 * Who is at the other end is unknown for most of this file. So it works on the stack with exactly
 * the bytes that the protocol allows, in the order of cost: mac1 (one hash), message 1 (two
 * Diffie-Hellman computations), the allow-list; and whatever fails, the connection is closed
 * without a byte having been sent. Message 1 may be a replay, therefore even an authorised key gets
 * nothing but message 2 before its first record verified.
 */
#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base64_key.h"
#include "tunnel_handshake.h"

/* The first record: a PING frame. */
#define FIRST_RECORD_SIZE (2 + TUNNEL_FRAME_HEADER + TUNNEL_TAG_SIZE)
/* Enough of a key to find it in a list, not enough to copy it. */
#define KEY_HINT 8

/*
 * Exactly `length` bytes, without reading ahead: nobody is trusted with a buffer yet. The deadline
 * is that of the whole handshake, so one byte per second gets nobody further.
 */
static enum stream_result read_exactly(int fd, uint8_t *bytes, size_t length,
				       struct deadline deadline)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	size_t done = 0;
	ssize_t got;

	while (done < length) {
		if (deadline_has_passed(deadline))
			return STREAM_TIMEOUT;
		if (poll(&pollfd, 1, deadline_poll_ms(deadline)) < 0 && errno != EINTR)
			return STREAM_ERROR;
		got = recv(fd, bytes + done, length - done, MSG_DONTWAIT);
		if (got == 0)
			return STREAM_EOF;
		if (got > 0)
			done += (size_t)got;
		else if (errno != EAGAIN && errno != EINTR)
			return STREAM_ERROR;
	}
	return STREAM_OK;
}

static enum tunnel_failure read_failed(struct tunnel *tunnel, enum stream_result result,
				       const char *what)
{
	if (result == STREAM_TIMEOUT)
		return tunnel_fail(tunnel, TUNNEL_TIMED_OUT, "timed out waiting for %s", what);
	return tunnel_fail(tunnel, TUNNEL_LOST, "the peer closed before %s was complete", what);
}

static enum tunnel_failure read_initiation(struct tunnel *tunnel,
					   const struct tunnel_server_params *params,
					   struct noise_handshake_state *handshake)
{
	uint8_t initiation[TUNNEL_INITIATION_SIZE], mac1[TUNNEL_MAC1_SIZE];
	uint8_t *message = initiation + TUNNEL_MAC1_SIZE;
	size_t length = sizeof(initiation) - TUNNEL_MAC1_SIZE;
	enum stream_result result;

	result = read_exactly(tunnel->stream.read_fd, initiation, sizeof(initiation),
			      params->deadline);
	if (result != STREAM_OK)
		return read_failed(tunnel, result, "the first handshake message");
	tunnel_mac1(mac1, params->own.public_key, message, length);
	if (sodium_memcmp(mac1, initiation, sizeof(mac1)) != 0)
		return tunnel_fail(
			tunnel, TUNNEL_NO_ANSWER,
			"not for this edge: the peer is no postern, or has another edge's key=");
	if (noise_handshake_read_message(handshake, message, length, message, &length) < 0)
		return tunnel_fail(tunnel, TUNNEL_NO_ANSWER,
				   "the first handshake message does not verify: another version "
				   "than " TUNNEL_PROLOGUE ", or damaged");
	return TUNNEL_OK;
}

static enum tunnel_failure authorize(struct tunnel *tunnel,
				     const struct tunnel_server_params *params,
				     struct noise_handshake_state *handshake)
{
	uint8_t psk[NOISE_KEYLEN] = { 0 };
	char key[BASE64_KEY_TEXT + 1];
	bool is_authorized;

	is_authorized = params->authorize(params->authorize_context, handshake->rs, psk);
	noise_handshake_set_psk(handshake, psk);
	sodium_memzero(psk, sizeof(psk));
	if (is_authorized)
		return TUNNEL_OK;
	base64_key_encode(key, handshake->rs);
	return tunnel_fail(tunnel, TUNNEL_NO_ANSWER, "key %.*s... is not authorised", KEY_HINT,
			   key);
}

static enum tunnel_failure send_response(struct tunnel *tunnel,
					 const struct tunnel_server_params *params,
					 struct noise_handshake_state *handshake)
{
	uint8_t response[TUNNEL_RESPONSE_SIZE];
	enum stream_result result;
	size_t length;

	if (noise_handshake_write_message(handshake, NULL, 0, response, &length) < 0)
		return tunnel_fail(tunnel, TUNNEL_NO_ANSWER,
				   "the peer's ephemeral key is unusable");
	result = stream_write_full(&tunnel->stream, response, length, params->deadline);
	return result == STREAM_OK ? TUNNEL_OK : read_failed(tunnel, result, "our answer");
}

static enum tunnel_failure read_first_record(struct tunnel *tunnel,
					     const struct tunnel_server_params *params)
{
	uint8_t record[FIRST_RECORD_SIZE];
	char reason[192];
	enum stream_result result;
	struct frame frame;
	size_t length;

	result = read_exactly(tunnel->stream.read_fd, record, sizeof(record), params->deadline);
	if (result == STREAM_EOF || result == STREAM_ERROR)
		return tunnel_fail(
			tunnel, TUNNEL_LOST,
			"the client closed after our answer: its psk= is not the one here, or "
			"its first message was a replay");
	if (result != STREAM_OK)
		return read_failed(tunnel, result,
				   "the first record (a replayed handshake sends none)");
	if (record[0] != 0 || record[1] != FIRST_RECORD_SIZE - 2 ||
	    noise_cipher_decrypt_with_ad(&tunnel->receiving, NULL, 0, record + 2,
					 FIRST_RECORD_SIZE - 2, record + 2, &length) < 0)
		return tunnel_fail(tunnel, TUNNEL_BAD_RECORD, "the first record does not verify");
	if (frame_decode(&frame, record + 2, length, reason, sizeof(reason)) != FRAME_OK ||
	    frame.type != FRAME_PING)
		return tunnel_fail(tunnel, TUNNEL_BAD_FRAME, "the first frame is not PING");
	return TUNNEL_OK;
}

static enum tunnel_failure respond(struct tunnel *tunnel, const struct tunnel_server_params *params)
{
	struct noise_handshake_params noise = {
		.pattern = NOISE_IKPSK2,
		.role = NOISE_RESPONDER,
		.prologue = TUNNEL_PROLOGUE,
		.prologue_length = sizeof(TUNNEL_PROLOGUE) - 1,
		.s = params->own,
	};
	struct noise_handshake_state handshake;
	enum tunnel_failure failure;

	noise_handshake_init(&handshake, &noise);
	failure = read_initiation(tunnel, params, &handshake);
	if (failure == TUNNEL_OK)
		failure = authorize(tunnel, params, &handshake);
	if (failure == TUNNEL_OK)
		failure = send_response(tunnel, params, &handshake);
	if (failure == TUNNEL_OK)
		tunnel_take_keys(tunnel, &handshake);
	noise_handshake_wipe(&handshake);
	return failure == TUNNEL_OK ? read_first_record(tunnel, params) : failure;
}

enum tunnel_failure tunnel_accept(struct tunnel *tunnel, int fd,
				  const struct tunnel_server_params *params)
{
	enum tunnel_failure failure;

	memset(tunnel, 0, sizeof(*tunnel));
	snprintf(tunnel->peer, sizeof(tunnel->peer), "the client");
	stream_init(&tunnel->stream, fd, fd);
	if (sodium_init() < 0)
		failure = tunnel_fail(tunnel, TUNNEL_LOCAL, "libsodium does not work here");
	else
		failure = respond(tunnel, params);
	if (failure == TUNNEL_OK)
		failure = tunnel_allocate(tunnel);
	if (failure == TUNNEL_OK)
		endpoint_set_keepalive(fd, TUNNEL_DEAD_PEER_S);
	else
		tunnel_wipe(tunnel);
	return failure;
}
