/*
 * From struct frame to bytes. Fields are written in the order of their tags; those whose value is
 * the default (empty text, zero, false) are left out unless they are mandatory, so one frame has
 * exactly one encoding.
 *
 * Text that came from a mail server is made printable once more here: a status must get through,
 * whatever the server said.
 */
#include <string.h>

#include "frame_fields.h"
#include "lib/log.h"

static int put_header(struct buffer *out, uint8_t tag, size_t length)
{
	if (buffer_put_u8(out, tag) < 0)
		return -1;
	return buffer_put_u16(out, (uint16_t)length);
}

static int put_bytes(struct buffer *out, uint8_t tag, const void *bytes, size_t length)
{
	if (put_header(out, tag, length) < 0)
		return -1;
	return buffer_put(out, bytes, length);
}

static int put_u8(struct buffer *out, uint8_t tag, uint8_t value)
{
	return put_bytes(out, tag, &value, sizeof(value));
}

static int put_u16(struct buffer *out, uint8_t tag, uint16_t value)
{
	if (put_header(out, tag, sizeof(value)) < 0)
		return -1;
	return buffer_put_u16(out, value);
}

static int put_u32(struct buffer *out, uint8_t tag, uint32_t value)
{
	if (put_header(out, tag, sizeof(value)) < 0)
		return -1;
	return buffer_put_u32(out, value);
}

static int put_u64(struct buffer *out, uint8_t tag, uint64_t value)
{
	if (put_header(out, tag, sizeof(value)) < 0)
		return -1;
	return buffer_put_u64(out, value);
}

static int put_flag(struct buffer *out, uint8_t tag, bool value)
{
	return value ? put_u8(out, tag, 1) : 0;
}

/* Empty text is no field. */
static int put_text(struct buffer *out, uint8_t tag, const char *text)
{
	return text[0] != '\0' ? put_bytes(out, tag, text, strlen(text)) : 0;
}

static int put_printable(struct buffer *out, uint8_t tag, const char *peer_text)
{
	char printable[SMTP_REPLY_TEXT_MAX + 1];

	log_printable(printable, sizeof(printable), peer_text, strlen(peer_text));
	return put_text(out, tag, printable);
}

/* The same for what must be one word. */
static int put_word(struct buffer *out, uint8_t tag, const char *peer_text)
{
	char word[SMTP_REPLY_TEXT_MAX + 1];

	log_printable(word, sizeof(word), peer_text, strlen(peer_text));
	for (char *space = strchr(word, ' '); space != NULL; space = strchr(space, ' '))
		*space = '?';
	return put_text(out, tag, word);
}

static int put_enhanced_status(struct buffer *out, uint8_t tag, struct enhanced_status status)
{
	if (put_header(out, tag, ENHANCED_STATUS_SIZE) < 0 ||
	    buffer_put_u8(out, status.class) < 0 || buffer_put_u16(out, status.subject) < 0)
		return -1;
	return buffer_put_u16(out, status.detail);
}

static int encode_envelope(struct buffer *out, const struct frame_envelope *frame)
{
	const struct envelope *envelope = &frame->envelope;
	char path[MAILBOX_TEXT_MAX];

	reverse_path_print(&envelope->reverse_path, path, sizeof(path));
	if (put_bytes(out, ENVELOPE_REVERSE_PATH, path, strlen(path)) < 0 ||
	    put_text(out, ENVELOPE_QUEUE_ID, envelope->queue_id) < 0 ||
	    put_flag(out, ENVELOPE_BODY_TYPE, envelope->body_type == BODY_8BITMIME) < 0 ||
	    put_flag(out, ENVELOPE_SMTPUTF8, envelope->smtputf8) < 0)
		return -1;
	if (envelope->ret != DSN_RETURN_UNSET &&
	    put_u8(out, ENVELOPE_RET, (uint8_t)envelope->ret) < 0)
		return -1;
	if (put_text(out, ENVELOPE_ENVID, envelope->envid) < 0)
		return -1;
	if (envelope->declared_size > 0 &&
	    put_u64(out, ENVELOPE_DECLARED_SIZE, envelope->declared_size) < 0)
		return -1;
	if (put_u32(out, ENVELOPE_BUDGET_MS, frame->budget_ms) < 0)
		return -1;
	return put_flag(out, ENVELOPE_REQUIRETLS, envelope->requiretls);
}

static int encode_recipient(struct buffer *out, uint32_t index, const struct recipient *recipient)
{
	char path[MAILBOX_TEXT_MAX];

	mailbox_print(&recipient->forward_path, path, sizeof(path));
	if (put_u32(out, RECIPIENT_INDEX, index) < 0 ||
	    put_text(out, RECIPIENT_FORWARD_PATH, path) < 0)
		return -1;
	if (recipient->notify != 0 && put_u8(out, RECIPIENT_NOTIFY, recipient->notify) < 0)
		return -1;
	return put_text(out, RECIPIENT_ORCPT, recipient->orcpt);
}

static int encode_content(struct buffer *out, const uint8_t *bytes, size_t length)
{
	if (length == 0 || length > TUNNEL_CONTENT_MAX)
		return -1;
	return buffer_put(out, bytes, length);
}

static int encode_end(struct buffer *out, const uint8_t digest[CONTENT_DIGEST_SIZE],
		      uint64_t length)
{
	if (put_bytes(out, END_DIGEST, digest, CONTENT_DIGEST_SIZE) < 0)
		return -1;
	return put_u64(out, END_LENGTH, length);
}

static int encode_reply(struct buffer *out, const struct smtp_reply *reply)
{
	if (reply->code == 0)
		return 0;
	if (put_u16(out, STATUS_REPLY_CODE, (uint16_t)reply->code) < 0)
		return -1;
	if (enhanced_status_is_given(reply->status) &&
	    put_enhanced_status(out, STATUS_REPLY_STATUS, reply->status) < 0)
		return -1;
	return put_printable(out, STATUS_REPLY_TEXT, reply->text);
}

static int encode_status(struct buffer *out, uint32_t index, const struct delivery_status *status)
{
	if (put_u32(out, STATUS_INDEX, index) < 0 ||
	    put_u8(out, STATUS_ACTION, (uint8_t)status->action) < 0 ||
	    put_enhanced_status(out, STATUS_CODE, status->status) < 0 ||
	    put_u8(out, STATUS_STAGE, (uint8_t)status->stage) < 0 ||
	    encode_reply(out, &status->reply) < 0 ||
	    put_printable(out, STATUS_REASON, status->reason) < 0 ||
	    put_word(out, STATUS_REMOTE_MTA, status->remote_mta) < 0 ||
	    put_word(out, STATUS_REMOTE_ADDRESS, status->remote_address) < 0)
		return -1;
	if (status->remote_port != 0 &&
	    put_u16(out, STATUS_REMOTE_PORT, (uint16_t)status->remote_port) < 0)
		return -1;
	if (put_printable(out, STATUS_TLS, status->tls) < 0 ||
	    put_flag(out, STATUS_MAYBE_DUPLICATE, status->maybe_duplicate) < 0 ||
	    put_flag(out, STATUS_DSN_OFFERED, status->dsn_offered) < 0)
		return -1;
	if (put_flag(out, STATUS_FROM_JOURNAL, status->from_journal) < 0)
		return -1;
	return put_flag(out, STATUS_IN_PROGRESS, status->in_progress);
}

static int encode_info(struct buffer *out, const struct frame_info *info)
{
	if (put_word(out, INFO_EDGE_NAME, info->edge_name) < 0 ||
	    put_u64(out, INFO_SIZE_MAX, info->size_max) < 0)
		return -1;
	return put_u32(out, INFO_RECIPIENTS_MAX, info->recipients_max);
}

static int encode_close(struct buffer *out, const struct frame_close *close)
{
	if (put_u8(out, CLOSE_REASON, (uint8_t)close->reason) < 0)
		return -1;
	return put_printable(out, CLOSE_TEXT, close->text);
}

static int encode_ask(struct buffer *out, const struct frame_ask *ask)
{
	if (put_text(out, ASK_QUESTION, ask->question) < 0)
		return -1;
	return put_text(out, ASK_ARGUMENT, ask->argument);
}

static int encode_answer(struct buffer *out, bool is_last, const uint8_t *bytes, size_t length)
{
	if (length == 0 || length > TUNNEL_ANSWER_PIECE_MAX || put_u8(out, ANSWER_LAST, is_last) < 0)
		return -1;
	return put_bytes(out, ANSWER_DATA, bytes, length);
}

static int encode_body(struct buffer *out, const struct frame *frame)
{
	switch (frame->type) {
	case FRAME_ENVELOPE:
		return encode_envelope(out, &frame->u.envelope);
	case FRAME_RECIPIENT:
		return encode_recipient(out, frame->u.recipient.index,
					&frame->u.recipient.recipient);
	case FRAME_CONTENT:
		return encode_content(out, frame->u.content.bytes, frame->u.content.length);
	case FRAME_END_OF_CONTENT:
		return encode_end(out, frame->u.end.digest, frame->u.end.length);
	case FRAME_DELIVERY_STATUS:
		return encode_status(out, frame->u.status.index, &frame->u.status.status);
	case FRAME_INFO:
		return encode_info(out, &frame->u.info);
	case FRAME_CLOSE:
		return encode_close(out, &frame->u.close);
	case FRAME_ASK:
		return encode_ask(out, &frame->u.ask);
	case FRAME_ANSWER:
		return encode_answer(out, frame->u.answer.is_last, frame->u.answer.bytes, frame->u.answer.length);
	case FRAME_ABORT:
	case FRAME_DONE:
	case FRAME_PING:
	case FRAME_PONG:
		return 0;
	default:
		return -1;
	}
}

int frame_encode(struct buffer *out, const struct frame *frame)
{
	if (buffer_put_u8(out, frame->type) < 0 || buffer_put_u8(out, FRAME_FLAG_CRITICAL) < 0 ||
	    buffer_put_u32(out, frame->transaction) < 0)
		return -1;
	return encode_body(out, frame);
}
