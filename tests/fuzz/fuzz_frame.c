/*
 * Any bytes as a frame. What is accepted is within its bounds, and has one encoding: decoding that
 * gives the same frame again.
 *
 * feeds: frames after decryption
 * covers: tunnel/frame_decode.c tunnel/frame_fields.c tunnel/frame_encode.c
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void require_printable(const char *text, size_t maximum)
{
	require(strlen(text) <= maximum);
	for (; *text != '\0'; text++)
		require(*text >= ' ' && *text <= '~');
}

static void check_status(const struct delivery_status *status)
{
	require(status->action >= DELIVERY_RELAYED && status->action <= DELIVERY_FAILED);
	require(status->stage >= STAGE_TUNNEL && status->stage < STAGE_COUNT);
	require(status->status.class == 2 || status->status.class == 4 ||
		status->status.class == 5);
	require(status->status.subject <= 999 && status->status.detail <= 999);
	require(status->reply.code == 0 ||
		(status->reply.code >= 200 && status->reply.code <= 599));
	require(status->remote_port >= 0 && status->remote_port <= 65535);
	require_printable(status->reply.text, SMTP_REPLY_TEXT_MAX);
	require_printable(status->reason, SMTP_REPLY_TEXT_MAX);
	require_printable(status->remote_mta, DELIVERY_HOST_MAX);
	require_printable(status->remote_address, DELIVERY_ADDRESS_MAX);
	require_printable(status->tls, DELIVERY_TLS_MAX);
}

/* Nothing in it may end a line of SMTP. */
static void check_line_safe(const char *text)
{
	require(strpbrk(text, "\r\n") == NULL);
}

static void check_bounds(const struct frame *frame)
{
	switch (frame->type) {
	case FRAME_ENVELOPE:
		require_printable(frame->u.envelope.envelope.queue_id, QUEUE_ID_MAX);
		require_printable(frame->u.envelope.envelope.envid, SMTP_ENVID_MAX);
		check_line_safe(frame->u.envelope.envelope.reverse_path.mailbox.local_part);
		check_line_safe(frame->u.envelope.envelope.reverse_path.mailbox.domain);
		break;
	case FRAME_RECIPIENT:
		require(frame->u.recipient.index < TUNNEL_RECIPIENTS_MAX);
		require(frame->u.recipient.recipient.notify <= 15);
		check_line_safe(frame->u.recipient.recipient.orcpt);
		check_line_safe(frame->u.recipient.recipient.forward_path.local_part);
		check_line_safe(frame->u.recipient.recipient.forward_path.domain);
		break;
	case FRAME_CONTENT:
		require(frame->u.content.length > 0 &&
			frame->u.content.length <= TUNNEL_CONTENT_MAX);
		break;
	case FRAME_DELIVERY_STATUS:
		require(frame->u.status.index < TUNNEL_RECIPIENTS_MAX);
		check_status(&frame->u.status.status);
		break;
	case FRAME_INFO:
		require_printable(frame->u.info.edge_name, SMTP_DOMAIN_MAX);
		break;
	case FRAME_CLOSE:
		require(frame->u.close.reason >= CLOSE_IDLE &&
			frame->u.close.reason <= CLOSE_LIMIT);
		require_printable(frame->u.close.text, SMTP_REPLY_TEXT_MAX);
		break;
	case FRAME_ASK:
		require_printable(frame->u.ask.question, TUNNEL_QUESTION_MAX);
		require(strpbrk(frame->u.ask.question, " ") == NULL && frame->u.ask.question[0] != '\0');
		require_printable(frame->u.ask.argument, TUNNEL_ARGUMENT_MAX);
		break;
	case FRAME_ANSWER:
		require(frame->u.answer.length > 0 && frame->u.answer.length <= TUNNEL_ANSWER_PIECE_MAX);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static struct frame frame, again;
	struct buffer first, second;
	char error[64] = "";
	enum frame_decode_result result;

	result = frame_decode(&frame, bytes, length, error, sizeof(error));
	require((result == FRAME_BAD) == (error[0] != '\0'));
	if (result != FRAME_OK)
		return 0;
	check_bounds(&frame);
	buffer_init(&first, TUNNEL_FRAME_MAX);
	buffer_init(&second, TUNNEL_FRAME_MAX);
	require(frame_encode(&first, &frame) == 0);
	require(frame_decode(&again, buffer_data(&first), buffer_length(&first), error,
			     sizeof(error)) == FRAME_OK);
	require(again.type == frame.type && again.transaction == frame.transaction);
	require(frame_encode(&second, &again) == 0);
	require(buffer_length(&first) == buffer_length(&second));
	require(memcmp(buffer_data(&first), buffer_data(&second), buffer_length(&first)) == 0);
	buffer_wipe(&first);
	buffer_wipe(&second);
	return 0;
}
