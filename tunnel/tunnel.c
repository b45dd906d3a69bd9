/*
 * Records: each frame travels as one Noise transport message behind its length.
 *
 *     record = length(2) ciphertext    ; length = that of the ciphertext, 22..65535, tag included
 *
 * The length is read before anything can be verified, so it only ever says how much of a buffer
 * that is there already will be filled. A record that does not verify ends the tunnel without a
 * word: whoever sent it learns nothing, and the nonce counter leaves no way to go on.
 */
#include "tunnel.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tunnel_handshake.h"

#define RECORD_HEADER 2
#define RECORD_MIN (TUNNEL_FRAME_HEADER + TUNNEL_TAG_SIZE)
/* Output is written when this much is waiting. */
#define OUTPUT_HIGH 65536
#define OUTPUT_MAX (OUTPUT_HIGH + RECORD_HEADER + TUNNEL_RECORD_MAX)

#define MAC1_KEY_SIZE 32

void tunnel_mac1(uint8_t mac1[TUNNEL_MAC1_SIZE], const uint8_t edge_public_key[NOISE_DHLEN],
		 const uint8_t *message, size_t length)
{
	static const char label[] = "postern/1 mac1";
	uint8_t labelled[sizeof(label) - 1 + NOISE_DHLEN];
	uint8_t key[MAC1_KEY_SIZE];

	memcpy(labelled, label, sizeof(label) - 1);
	memcpy(labelled + sizeof(label) - 1, edge_public_key, NOISE_DHLEN);
	crypto_generichash(key, sizeof(key), labelled, sizeof(labelled), NULL, 0);
	crypto_generichash(mac1, TUNNEL_MAC1_SIZE, message, length, key, sizeof(key));
}

enum tunnel_failure tunnel_fail(struct tunnel *tunnel, enum tunnel_failure failure,
				const char *format, ...)
{
	va_list arguments;

	if (tunnel->failed != TUNNEL_OK)
		return tunnel->failed;
	tunnel->failed = failure;
	va_start(arguments, format);
	vsnprintf(tunnel->error, sizeof(tunnel->error), format, arguments);
	va_end(arguments);
	return failure;
}

void tunnel_take_keys(struct tunnel *tunnel, struct noise_handshake_state *handshake)
{
	memcpy(tunnel->remote_static, handshake->rs, NOISE_DHLEN);
	noise_handshake_finish(handshake, &tunnel->sending, &tunnel->receiving,
			       tunnel->handshake_hash);
}

/*
 * Most of it is never touched, since most records are small; pages of the heap would be in use before and after us, and wiping them
 * would touch them all.
 */
static uint8_t *map_record(void)
{
	void *record = mmap(NULL, TUNNEL_RECORD_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return record == MAP_FAILED ? NULL : record;
}

enum tunnel_failure tunnel_allocate(struct tunnel *tunnel)
{
	buffer_init(&tunnel->output, OUTPUT_MAX);
	buffer_init(&tunnel->plain, TUNNEL_FRAME_MAX);
	tunnel->record = map_record();
	if (tunnel->record == NULL)
		return tunnel_fail(tunnel, TUNNEL_LOCAL, "out of memory for a tunnel with %s",
				   tunnel->peer);
	return TUNNEL_OK;
}

void tunnel_wipe(struct tunnel *tunnel)
{
	stream_wipe(&tunnel->stream);
	noise_cipher_wipe(&tunnel->sending);
	noise_cipher_wipe(&tunnel->receiving);
	buffer_wipe(&tunnel->output);
	buffer_wipe(&tunnel->plain);
	/* What is unmapped is nobody's any more. */
	if (tunnel->record != NULL)
		munmap(tunnel->record, TUNNEL_RECORD_MAX);
	tunnel->record = NULL;
}

static enum tunnel_failure stream_failed(struct tunnel *tunnel, enum stream_result result,
					 const char *doing)
{
	switch (result) {
	case STREAM_EOF:
		return tunnel_fail(tunnel, TUNNEL_LOST, "%s closed the connection", tunnel->peer);
	case STREAM_TIMEOUT:
		return tunnel_fail(tunnel, TUNNEL_TIMED_OUT, "timed out while %s %s", doing,
				   tunnel->peer);
	default:
		return tunnel_fail(tunnel, TUNNEL_LOST, "lost the connection while %s %s: %s",
				   doing, tunnel->peer, stream_error(&tunnel->stream));
	}
}

enum tunnel_failure tunnel_flush(struct tunnel *tunnel, struct deadline deadline)
{
	enum stream_result result;

	if (tunnel->failed != TUNNEL_OK)
		return tunnel->failed;
	if (buffer_length(&tunnel->output) == 0)
		return TUNNEL_OK;
	result = stream_write_full(&tunnel->stream, buffer_data(&tunnel->output),
				   buffer_length(&tunnel->output), deadline);
	if (result != STREAM_OK)
		return stream_failed(tunnel, result, "sending to");
	buffer_reset(&tunnel->output);
	return TUNNEL_OK;
}

/* Encrypts tunnel->plain into the output buffer, which has room. */
static enum tunnel_failure append_record(struct tunnel *tunnel)
{
	size_t length = buffer_length(&tunnel->plain);
	size_t sealed = length + TUNNEL_TAG_SIZE;
	uint8_t *record = buffer_reserve(&tunnel->output, RECORD_HEADER + sealed);

	if (record == NULL)
		return tunnel_fail(tunnel, TUNNEL_LOCAL, "out of memory while sending to %s",
				   tunnel->peer);
	record[0] = (uint8_t)(sealed >> 8);
	record[1] = (uint8_t)sealed;
	if (noise_cipher_encrypt_with_ad(&tunnel->sending, NULL, 0, buffer_data(&tunnel->plain),
					 length, record + RECORD_HEADER, &sealed) < 0)
		return tunnel_fail(tunnel, TUNNEL_LOST, "this tunnel with %s has no nonces left",
				   tunnel->peer);
	buffer_commit(&tunnel->output, RECORD_HEADER + sealed);
	return TUNNEL_OK;
}

enum tunnel_failure tunnel_send_frame(struct tunnel *tunnel, const struct frame *frame,
				      struct deadline deadline)
{
	if (tunnel->failed != TUNNEL_OK)
		return tunnel->failed;
	buffer_reset(&tunnel->plain);
	if (frame_encode(&tunnel->plain, frame) < 0)
		return tunnel_fail(tunnel, TUNNEL_LOCAL,
				   "a %s frame for %s cannot be encoded (out of memory?)",
				   frame_type_name(frame->type), tunnel->peer);
	if (append_record(tunnel) != TUNNEL_OK)
		return tunnel->failed;
	if (buffer_length(&tunnel->output) >= OUTPUT_HIGH)
		return tunnel_flush(tunnel, deadline);
	return TUNNEL_OK;
}

/* The deadline passed between two records: no final failure. */
static enum tunnel_failure nothing_came(struct tunnel *tunnel)
{
	snprintf(tunnel->error, sizeof(tunnel->error), "timed out waiting for %s", tunnel->peer);
	return TUNNEL_TIMED_OUT;
}

/* Reads one record into tunnel->record and decrypts it there. */
static enum tunnel_failure receive_record(struct tunnel *tunnel, size_t *length_out,
					  struct deadline deadline)
{
	uint8_t header[RECORD_HEADER];
	enum stream_result result;
	size_t sealed;

	result = stream_wait_input(&tunnel->stream, deadline);
	if (result == STREAM_TIMEOUT)
		return nothing_came(tunnel);
	if (result == STREAM_OK)
		result = stream_read_full(&tunnel->stream, header, sizeof(header), deadline);
	if (result != STREAM_OK)
		return stream_failed(tunnel, result, "receiving from");
	sealed = (size_t)header[0] << 8 | header[1];
	if (sealed < RECORD_MIN)
		return tunnel_fail(tunnel, TUNNEL_BAD_RECORD,
				   "%s sent a record of %zu bytes; the least is %d", tunnel->peer,
				   sealed, RECORD_MIN);
	result = stream_read_full(&tunnel->stream, tunnel->record, sealed, deadline);
	if (sealed > tunnel->record_used)
		tunnel->record_used = sealed;
	if (result != STREAM_OK)
		return stream_failed(tunnel, result, "receiving a record from");
	if (noise_cipher_decrypt_with_ad(&tunnel->receiving, NULL, 0, tunnel->record, sealed,
					 tunnel->record, length_out) < 0)
		return tunnel_fail(
			tunnel, TUNNEL_BAD_RECORD,
			"a record from %s does not verify: damaged or tampered with on the way",
			tunnel->peer);
	return TUNNEL_OK;
}

static enum tunnel_failure answer_ping(struct tunnel *tunnel, struct deadline deadline)
{
	const struct frame pong = { .type = FRAME_PONG };
	enum tunnel_failure failure = tunnel_send_frame(tunnel, &pong, deadline);

	return failure == TUNNEL_OK ? tunnel_flush(tunnel, deadline) : failure;
}

enum tunnel_failure tunnel_receive_frame(struct tunnel *tunnel, struct frame *frame,
					 struct deadline deadline)
{
	enum tunnel_failure failure = tunnel->failed;
	enum frame_decode_result result;
	char reason[192];
	size_t length;

	while (failure == TUNNEL_OK) {
		failure = receive_record(tunnel, &length, deadline);
		if (failure != TUNNEL_OK)
			break;
		result = frame_decode(frame, tunnel->record, length, reason, sizeof(reason));
		if (result == FRAME_BAD)
			return tunnel_fail(tunnel, TUNNEL_BAD_FRAME, "%s sent a bad frame: %s",
					   tunnel->peer, reason);
		if (result == FRAME_OK && frame->type != FRAME_PING)
			return TUNNEL_OK;
		if (result == FRAME_OK)
			failure = answer_ping(tunnel, deadline);
		/* A peer that always has one more of these must not stretch the deadline. */
		if (failure == TUNNEL_OK && deadline_has_passed(deadline))
			failure = nothing_came(tunnel);
	}
	return failure;
}

void tunnel_forget(struct tunnel *tunnel)
{
	if (tunnel->record != NULL)
		sodium_memzero(tunnel->record, tunnel->record_used);
	tunnel->record_used = 0;
	buffer_wipe(&tunnel->plain);
	stream_release_input(&tunnel->stream);
}

bool tunnel_has_input(struct tunnel *tunnel)
{
	return tunnel->failed != TUNNEL_OK || stream_has_input(&tunnel->stream);
}

static void send_close(struct tunnel *tunnel, enum close_reason reason, const char *text)
{
	struct frame frame = { .type = FRAME_CLOSE };

	frame.u.close.reason = reason;
	snprintf(frame.u.close.text, sizeof(frame.u.close.text), "%s", text != NULL ? text : "");
	if (tunnel_send_frame(tunnel, &frame, deadline_in_ms(0)) == TUNNEL_OK)
		tunnel_flush(tunnel, deadline_in_ms(0));
}

void tunnel_close(struct tunnel *tunnel, enum close_reason reason, const char *text)
{
	if (tunnel->record == NULL)
		return;
	/* After a bad frame the peer may be told so: its records verify, it knows us. */
	if (tunnel->failed == TUNNEL_BAD_FRAME)
		tunnel->failed = TUNNEL_OK;
	if (reason != 0 && tunnel->failed == TUNNEL_OK)
		send_close(tunnel, reason, text);
	tunnel_wipe(tunnel);
}
