/*
 * The mail host's end: connect, shake hands as initiator, read INFO.
 *
 *     -> mac1(16) e, es, s, ss (96)
 *     <- e, ee, se, psk (48)
 *     -> record(PING)          proves to the edge that message 1 was no replay
 *     <- record(INFO)
 *
 * The edge says nothing to strangers, so from here "wrong edge key", "not authorised" and "another
 * version" all look alike: a closed connection. The sentence says so and tells what to do.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base64_key.h"
#include "tunnel_handshake.h"

#ifndef POSTERN_SYSCONFDIR
#define POSTERN_SYSCONFDIR "/etc/postern"
#endif

static enum tunnel_failure open_connection(struct tunnel *tunnel,
					   const struct tunnel_client_params *params)
{
	struct deadline deadline =
		deadline_earlier(params->deadline, deadline_in_ms(TUNNEL_CONNECT_TIMEOUT_MS));
	char reason[256];
	int fd = endpoint_connect(&params->edge, deadline, reason, sizeof(reason));

	if (fd < 0)
		return tunnel_fail(tunnel, TUNNEL_UNREACHABLE, "%s cannot be reached: %s",
				   tunnel->peer, reason);
	endpoint_set_keepalive(fd, TUNNEL_DEAD_PEER_S);
	stream_init(&tunnel->stream, fd, fd);
	return TUNNEL_OK;
}

static enum tunnel_failure no_answer(struct tunnel *tunnel,
				     const struct tunnel_client_params *params)
{
	char own[BASE64_KEY_TEXT + 1];

	base64_key_encode(own, params->own.public_key);
	return tunnel_fail(
		tunnel, TUNNEL_NO_ANSWER,
		"%s closed the connection during the handshake: the key= in " POSTERN_SYSCONFDIR
		"/edges is not this edge's, or this host is not authorised "
		"there (on the edge: postern authorize %s NAME), or it has another version "
		"(this one speaks " TUNNEL_PROLOGUE "); its log says which",
		tunnel->peer, own);
}

static enum tunnel_failure silent(struct tunnel *tunnel, const char *stage)
{
	return tunnel_fail(
		tunnel, TUNNEL_TIMED_OUT,
		"%s took the connection but was silent until the time was up (stage: %s); is it "
		"overloaded, or is something else listening there?",
		tunnel->peer, stage);
}

static enum tunnel_failure send_initiation(struct tunnel *tunnel,
					   const struct tunnel_client_params *params,
					   struct noise_handshake_state *handshake,
					   struct deadline deadline)
{
	uint8_t initiation[TUNNEL_INITIATION_SIZE];
	uint8_t *message = initiation + TUNNEL_MAC1_SIZE;
	enum stream_result result;
	size_t length;

	if (noise_handshake_write_message(handshake, NULL, 0, message, &length) < 0)
		return tunnel_fail(
			tunnel, TUNNEL_LOCAL,
			"no handshake with %s: its key= is not a usable public key, or the own "
			"private key cannot be used",
			tunnel->peer);
	tunnel_mac1(initiation, params->edge_public_key, message, length);
	result = stream_write_full(&tunnel->stream, initiation, sizeof(initiation), deadline);
	if (result == STREAM_OK)
		return TUNNEL_OK;
	return result == STREAM_TIMEOUT ? silent(tunnel, "handshake") : no_answer(tunnel, params);
}

static enum tunnel_failure read_response(struct tunnel *tunnel,
					 const struct tunnel_client_params *params,
					 struct noise_handshake_state *handshake,
					 struct deadline deadline)
{
	uint8_t response[TUNNEL_RESPONSE_SIZE];
	enum stream_result result;
	size_t length;

	result = stream_read_full(&tunnel->stream, response, sizeof(response), deadline);
	if (result == STREAM_TIMEOUT)
		return silent(tunnel, "handshake");
	if (result != STREAM_OK)
		return no_answer(tunnel, params);
	if (noise_handshake_read_message(handshake, response, sizeof(response), response, &length) <
	    0)
		return tunnel_fail(
			tunnel, TUNNEL_WRONG_PSK,
			"the answer of %s does not verify: the preshared key (psk=) here and "
			"there differ, or something in between changed it",
			tunnel->peer);
	return TUNNEL_OK;
}

static enum tunnel_failure shake_hands(struct tunnel *tunnel,
				       const struct tunnel_client_params *params,
				       struct deadline deadline)
{
	struct noise_handshake_params noise = {
		.pattern = NOISE_IKPSK2,
		.role = NOISE_INITIATOR,
		.prologue = TUNNEL_PROLOGUE,
		.prologue_length = sizeof(TUNNEL_PROLOGUE) - 1,
		.s = params->own,
		.remote_static = params->edge_public_key,
	};
	struct noise_handshake_state handshake;
	enum tunnel_failure failure;

	memcpy(noise.psk, params->psk, NOISE_KEYLEN);
	noise_handshake_init(&handshake, &noise);
	sodium_memzero(noise.psk, NOISE_KEYLEN);
	failure = send_initiation(tunnel, params, &handshake, deadline);
	if (failure == TUNNEL_OK)
		failure = read_response(tunnel, params, &handshake, deadline);
	if (failure == TUNNEL_OK)
		tunnel_take_keys(tunnel, &handshake);
	noise_handshake_wipe(&handshake);
	return failure;
}

static enum tunnel_failure greet(struct tunnel *tunnel, struct frame_info *info,
				 struct deadline deadline)
{
	const struct frame ping = { .type = FRAME_PING };
	enum tunnel_failure failure;
	struct frame frame;

	failure = tunnel_send_frame(tunnel, &ping, deadline);
	if (failure == TUNNEL_OK)
		failure = tunnel_flush(tunnel, deadline);
	if (failure == TUNNEL_OK)
		failure = tunnel_receive_frame(tunnel, &frame, deadline);
	if (failure == TUNNEL_TIMED_OUT && tunnel->failed == TUNNEL_OK)
		return silent(tunnel, "greeting");
	if (failure != TUNNEL_OK)
		return failure;
	if (frame.type == FRAME_CLOSE)
		return tunnel_fail(tunnel, TUNNEL_LOST, "%s closed the tunnel: %s", tunnel->peer,
				   frame.u.close.text[0] != '\0' ? frame.u.close.text
								 : "no reason given");
	if (frame.type != FRAME_INFO)
		return tunnel_fail(tunnel, TUNNEL_BAD_FRAME,
				   "%s began with a %s frame instead of INFO", tunnel->peer,
				   frame_type_name(frame.type));
	*info = frame.u.info;
	return TUNNEL_OK;
}

enum tunnel_failure tunnel_connect(struct tunnel *tunnel, const struct tunnel_client_params *params,
				   struct frame_info *info)
{
	char edge[ENDPOINT_TEXT_MAX];
	enum tunnel_failure failure;
	struct deadline deadline;

	memset(tunnel, 0, sizeof(*tunnel));
	snprintf(tunnel->peer, sizeof(tunnel->peer), "edge %s",
		 endpoint_print(&params->edge, edge, sizeof(edge)));
	if (sodium_init() < 0)
		return tunnel_fail(tunnel, TUNNEL_LOCAL, "libsodium does not work here");
	if (open_connection(tunnel, params) != TUNNEL_OK)
		return tunnel->failed;
	deadline = deadline_earlier(params->deadline, deadline_in_ms(TUNNEL_HANDSHAKE_TIMEOUT_MS));
	failure = shake_hands(tunnel, params, deadline);
	if (failure == TUNNEL_OK)
		failure = tunnel_allocate(tunnel);
	if (failure == TUNNEL_OK)
		failure = greet(tunnel, info, deadline);
	if (failure != TUNNEL_OK)
		tunnel_wipe(tunnel);
	return failure;
}
