/*
 * From bytes to struct frame, in two steps: a table per type says which fields there are, of which
 * kind and within which bounds, and frame_fields.c cuts the body into them; then a function per
 * type gives the values their places. Nothing is allocated, and nothing is believed: whatever
 * passes here is in range and printable. Whether it makes sense (an action that contradicts its
 * code, a status for a recipient never named) is for the session to decide.
 *
 *     frame = type(1) flags(1) transaction(4) body
 *     body  = 1*OCTET (CONTENT) / *field
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "frame_fields.h"
#include "lib/xtext.h"

struct decoding {
	struct frame *frame;
	struct frame_field fields[FIELD_TAG_LIMIT]; /* by tag */
	char *error;
	size_t error_size;
};

typedef enum frame_decode_result place_fn(struct decoding *decoding);

static const struct frame_field_rule envelope_rules[] = {
	{ ENVELOPE_REVERSE_PATH, "reverse-path", KIND_BYTES, true, 0, 0, MAILBOX_TEXT_MAX - 1 },
	{ ENVELOPE_QUEUE_ID, "queue-id", KIND_WORD, false, 0, 1, QUEUE_ID_MAX },
	{ ENVELOPE_BODY_TYPE, "body-type", KIND_NUMBER, false, 1, 0, BODY_8BITMIME },
	{ ENVELOPE_SMTPUTF8, "smtputf8", KIND_NUMBER, false, 1, 0, 1 },
	{ ENVELOPE_RET, "ret", KIND_NUMBER, false, 1, DSN_RETURN_FULL, DSN_RETURN_HEADERS },
	{ ENVELOPE_ENVID, "envid", KIND_WORD, false, 0, 1, SMTP_ENVID_MAX },
	{ ENVELOPE_DECLARED_SIZE, "declared-size", KIND_NUMBER, false, 8, 0, UINT64_MAX },
	{ ENVELOPE_BUDGET_MS, "budget", KIND_NUMBER, true, 4, 0, BUDGET_MS_MAX },
	{ ENVELOPE_REQUIRETLS, "requiretls", KIND_NUMBER, false, 1, 0, 1 },
	{ 0 },
};

static const struct frame_field_rule recipient_rules[] = {
	{ RECIPIENT_INDEX, "index", KIND_NUMBER, true, 4, 0, TUNNEL_RECIPIENTS_MAX - 1 },
	{ RECIPIENT_FORWARD_PATH, "forward-path", KIND_BYTES, true, 0, 1, MAILBOX_TEXT_MAX - 1 },
	{ RECIPIENT_NOTIFY, "notify", KIND_NUMBER, false, 1, 1, 15 },
	{ RECIPIENT_ORCPT, "orcpt", KIND_BYTES, false, 0, 1, SMTP_ORCPT_MAX },
	{ 0 },
};

static const struct frame_field_rule end_rules[] = {
	{ END_DIGEST, "digest", KIND_BYTES, true, 0, CONTENT_DIGEST_SIZE, CONTENT_DIGEST_SIZE },
	{ END_LENGTH, "length", KIND_NUMBER, true, 8, 0, UINT64_MAX },
	{ 0 },
};

static const struct frame_field_rule status_rules[] = {
	{ STATUS_INDEX, "index", KIND_NUMBER, true, 4, 0, TUNNEL_RECIPIENTS_MAX - 1 },
	{ STATUS_ACTION, "action", KIND_NUMBER, true, 1, 0, DELIVERY_FAILED },
	{ STATUS_CODE, "status", KIND_BYTES, true, 0, ENHANCED_STATUS_SIZE, ENHANCED_STATUS_SIZE },
	{ STATUS_STAGE, "stage", KIND_NUMBER, true, 1, 0, STAGE_COUNT - 1 },
	{ STATUS_REPLY_CODE, "reply-code", KIND_NUMBER, false, 2, 200, 599 },
	{ STATUS_REPLY_STATUS, "reply-status", KIND_BYTES, false, 0, ENHANCED_STATUS_SIZE,
	  ENHANCED_STATUS_SIZE },
	{ STATUS_REPLY_TEXT, "reply-text", KIND_TEXT, false, 0, 1, SMTP_REPLY_TEXT_MAX },
	{ STATUS_REASON, "reason", KIND_TEXT, false, 0, 1, SMTP_REPLY_TEXT_MAX },
	{ STATUS_REMOTE_MTA, "remote-mta", KIND_WORD, false, 0, 1, DELIVERY_HOST_MAX },
	{ STATUS_REMOTE_ADDRESS, "remote-address", KIND_WORD, false, 0, 1, DELIVERY_ADDRESS_MAX },
	{ STATUS_REMOTE_PORT, "remote-port", KIND_NUMBER, false, 2, 1, 65535 },
	{ STATUS_TLS, "tls", KIND_TEXT, false, 0, 1, DELIVERY_TLS_MAX },
	{ STATUS_MAYBE_DUPLICATE, "maybe-duplicate", KIND_NUMBER, false, 1, 0, 1 },
	{ STATUS_DSN_OFFERED, "dsn-offered", KIND_NUMBER, false, 1, 0, 1 },
	{ STATUS_FROM_JOURNAL, "from-journal", KIND_NUMBER, false, 1, 0, 1 },
	{ STATUS_IN_PROGRESS, "in-progress", KIND_NUMBER, false, 1, 0, 1 },
	{ 0 },
};

static const struct frame_field_rule info_rules[] = {
	{ INFO_EDGE_NAME, "edge-name", KIND_WORD, true, 0, 1, SMTP_DOMAIN_MAX },
	{ INFO_SIZE_MAX, "size-max", KIND_NUMBER, true, 8, 0, UINT64_MAX },
	{ INFO_RECIPIENTS_MAX, "recipients-max", KIND_NUMBER, true, 4, 1, UINT32_MAX },
	{ 0 },
};

static const struct frame_field_rule close_rules[] = {
	{ CLOSE_REASON, "reason", KIND_NUMBER, true, 1, CLOSE_IDLE, CLOSE_LIMIT },
	{ CLOSE_TEXT, "text", KIND_TEXT, false, 0, 1, SMTP_REPLY_TEXT_MAX },
	{ 0 },
};

static const struct frame_field_rule ask_rules[] = {
	{ ASK_QUESTION, "question", KIND_WORD, true, 0, 1, TUNNEL_QUESTION_MAX },
	{ ASK_ARGUMENT, "argument", KIND_TEXT, false, 0, 1, TUNNEL_ARGUMENT_MAX },
	{ 0 },
};

static const struct frame_field_rule answer_rules[] = {
	{ ANSWER_LAST, "last", KIND_NUMBER, true, 1, 0, 1 },
	{ ANSWER_DATA, "data", KIND_BYTES, true, 0, 1, TUNNEL_ANSWER_PIECE_MAX },
	{ 0 },
};

static const struct frame_field_rule no_rules[] = { { 0 } };

static enum frame_decode_result bad(struct decoding *decoding, const char *field, const char *why)
{
	snprintf(decoding->error, decoding->error_size, "%s frame: %s: %s",
		 frame_type_name(decoding->frame->type), field, why);
	return FRAME_BAD;
}

/* The rules have bounded the length by the size of what it is copied to. */
static void copy_text(char *out, const struct frame_field *field)
{
	if (field->length > 0)
		memcpy(out, field->bytes, field->length);
	out[field->length] = '\0';
}

static enum frame_decode_result place_enhanced_status(struct decoding *decoding, int tag,
						      const char *name,
						      struct enhanced_status *status)
{
	const uint8_t *bytes = decoding->fields[tag].bytes;

	status->class = bytes[0];
	status->subject = (uint16_t)(bytes[1] << 8 | bytes[2]);
	status->detail = (uint16_t)(bytes[3] << 8 | bytes[4]);
	if (status->class != 2 && status->class != 4 && status->class != 5)
		return bad(decoding, name, "class is not 2, 4 or 5");
	if (status->subject > ENHANCED_STATUS_PART_MAX || status->detail > ENHANCED_STATUS_PART_MAX)
		return bad(decoding, name, "number out of range");
	return FRAME_OK;
}

/* Without brackets, empty = null reverse-path. */
static enum frame_decode_result place_reverse_path(struct decoding *decoding, bool allow_utf8)
{
	const struct frame_field *field = &decoding->fields[ENVELOPE_REVERSE_PATH];
	struct reverse_path *path = &decoding->frame->u.envelope.envelope.reverse_path;
	char reason[128];

	path->is_null = field->length == 0;
	if (path->is_null)
		return FRAME_OK;
	if (mailbox_parse(&path->mailbox, (const char *)field->bytes, field->length, allow_utf8,
			  reason, sizeof(reason)) < 0)
		return bad(decoding, "reverse-path", reason);
	return FRAME_OK;
}

static enum frame_decode_result place_envelope(struct decoding *decoding)
{
	const struct frame_field *fields = decoding->fields;
	struct envelope *envelope = &decoding->frame->u.envelope.envelope;

	envelope_init(envelope);
	copy_text(envelope->queue_id, &fields[ENVELOPE_QUEUE_ID]);
	if (fields[ENVELOPE_QUEUE_ID].is_given &&
	    !envelope_queue_id_is_valid(envelope->queue_id, strlen(envelope->queue_id)))
		return bad(decoding, "queue-id", "not letters, digits and hyphens");
	envelope->body_type = (enum body_type)fields[ENVELOPE_BODY_TYPE].number;
	envelope->smtputf8 = fields[ENVELOPE_SMTPUTF8].number == 1;
	envelope->requiretls = fields[ENVELOPE_REQUIRETLS].number == 1;
	envelope->ret = (enum dsn_return)fields[ENVELOPE_RET].number;
	copy_text(envelope->envid, &fields[ENVELOPE_ENVID]);
	if (!xtext_is_valid(envelope->envid, strlen(envelope->envid)))
		return bad(decoding, "envid", "not xtext");
	envelope->declared_size = fields[ENVELOPE_DECLARED_SIZE].number;
	decoding->frame->u.envelope.budget_ms = (uint32_t)fields[ENVELOPE_BUDGET_MS].number;
	return place_reverse_path(decoding, envelope->smtputf8);
}

/* RFC 3461 4.2: atom ";" xtext; RFC 6533 3: "utf-8;" utf-8-enc-addr. */
static bool is_orcpt(const char *orcpt)
{
	size_t length =
		strspn(orcpt, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
	const char *address = orcpt + length + 1;

	if (length == 0 || orcpt[length] != ';' || address[0] == '\0')
		return false;
	if (length == 5 && strncasecmp(orcpt, "utf-8", 5) == 0)
		return xtext_utf8_address_is_valid(address, strlen(address), true);
	return xtext_is_valid(address, strlen(address));
}

static enum frame_decode_result place_recipient(struct decoding *decoding)
{
	const struct frame_field *fields = decoding->fields;
	const struct frame_field *path = &fields[RECIPIENT_FORWARD_PATH];
	struct recipient *recipient = &decoding->frame->u.recipient.recipient;
	char reason[128];

	decoding->frame->u.recipient.index = (uint32_t)fields[RECIPIENT_INDEX].number;
	if (mailbox_parse(&recipient->forward_path, (const char *)path->bytes, path->length, true,
			  reason, sizeof(reason)) < 0)
		return bad(decoding, "forward-path", reason);
	recipient->notify = (uint8_t)fields[RECIPIENT_NOTIFY].number;
	if ((recipient->notify & DSN_NOTIFY_NEVER) != 0 && recipient->notify != DSN_NOTIFY_NEVER)
		return bad(decoding, "notify", "NEVER does not stand alone");
	copy_text(recipient->orcpt, &fields[RECIPIENT_ORCPT]);
	if (fields[RECIPIENT_ORCPT].is_given && !is_orcpt(recipient->orcpt))
		return bad(decoding, "orcpt", "not type;xtext");
	return FRAME_OK;
}

static enum frame_decode_result place_end(struct decoding *decoding)
{
	memcpy(decoding->frame->u.end.digest, decoding->fields[END_DIGEST].bytes,
	       CONTENT_DIGEST_SIZE);
	decoding->frame->u.end.length = decoding->fields[END_LENGTH].number;
	return FRAME_OK;
}

static enum frame_decode_result place_reply(struct decoding *decoding, struct smtp_reply *reply)
{
	const struct frame_field *fields = decoding->fields;

	reply->code = (int)fields[STATUS_REPLY_CODE].number;
	copy_text(reply->text, &fields[STATUS_REPLY_TEXT]);
	if (reply->code == 0 &&
	    (fields[STATUS_REPLY_STATUS].is_given || fields[STATUS_REPLY_TEXT].is_given))
		return bad(decoding, "reply-code", "missing, but there is more of a reply");
	if (!fields[STATUS_REPLY_STATUS].is_given)
		return FRAME_OK;
	return place_enhanced_status(decoding, STATUS_REPLY_STATUS, "reply-status", &reply->status);
}

static enum frame_decode_result place_status(struct decoding *decoding)
{
	const struct frame_field *fields = decoding->fields;
	struct delivery_status *status = &decoding->frame->u.status.status;

	decoding->frame->u.status.index = (uint32_t)fields[STATUS_INDEX].number;
	status->action = (enum delivery_action)fields[STATUS_ACTION].number;
	status->stage = (enum delivery_stage)fields[STATUS_STAGE].number;
	copy_text(status->reason, &fields[STATUS_REASON]);
	copy_text(status->remote_mta, &fields[STATUS_REMOTE_MTA]);
	copy_text(status->remote_address, &fields[STATUS_REMOTE_ADDRESS]);
	status->remote_port = (int)fields[STATUS_REMOTE_PORT].number;
	copy_text(status->tls, &fields[STATUS_TLS]);
	status->maybe_duplicate = fields[STATUS_MAYBE_DUPLICATE].number == 1;
	status->dsn_offered = fields[STATUS_DSN_OFFERED].number == 1;
	status->from_journal = fields[STATUS_FROM_JOURNAL].number == 1;
	status->in_progress = fields[STATUS_IN_PROGRESS].number == 1;
	if (place_enhanced_status(decoding, STATUS_CODE, "status", &status->status) != FRAME_OK)
		return FRAME_BAD;
	return place_reply(decoding, &status->reply);
}

static enum frame_decode_result place_info(struct decoding *decoding)
{
	const struct frame_field *fields = decoding->fields;
	struct frame_info *info = &decoding->frame->u.info;

	copy_text(info->edge_name, &fields[INFO_EDGE_NAME]);
	info->size_max = fields[INFO_SIZE_MAX].number;
	info->recipients_max = (uint32_t)fields[INFO_RECIPIENTS_MAX].number;
	return FRAME_OK;
}

static enum frame_decode_result place_close(struct decoding *decoding)
{
	struct frame_close *close = &decoding->frame->u.close;

	close->reason = (enum close_reason)decoding->fields[CLOSE_REASON].number;
	copy_text(close->text, &decoding->fields[CLOSE_TEXT]);
	return FRAME_OK;
}

static enum frame_decode_result place_ask(struct decoding *decoding)
{
	copy_text(decoding->frame->u.ask.question, &decoding->fields[ASK_QUESTION]);
	copy_text(decoding->frame->u.ask.argument, &decoding->fields[ASK_ARGUMENT]);
	return FRAME_OK;
}

static enum frame_decode_result place_answer(struct decoding *decoding)
{
	decoding->frame->u.answer.is_last = decoding->fields[ANSWER_LAST].number == 1;
	decoding->frame->u.answer.bytes = decoding->fields[ANSWER_DATA].bytes;
	decoding->frame->u.answer.length = decoding->fields[ANSWER_DATA].length;
	return FRAME_OK;
}

static enum frame_decode_result place_nothing(struct decoding *decoding)
{
	(void)decoding;
	return FRAME_OK;
}

static const struct type_rule {
	uint8_t type;
	const char *name;
	bool has_transaction;
	const struct frame_field_rule *fields; /* NULL: CONTENT, which has none */
	place_fn *place;
} type_rules[] = {
	{ FRAME_ENVELOPE, "ENVELOPE", true, envelope_rules, place_envelope },
	{ FRAME_RECIPIENT, "RECIPIENT", true, recipient_rules, place_recipient },
	{ FRAME_CONTENT, "CONTENT", true, NULL, NULL },
	{ FRAME_END_OF_CONTENT, "END", true, end_rules, place_end },
	{ FRAME_ABORT, "ABORT", true, no_rules, place_nothing },
	{ FRAME_DELIVERY_STATUS, "STATUS", true, status_rules, place_status },
	{ FRAME_DONE, "DONE", true, no_rules, place_nothing },
	{ FRAME_INFO, "INFO", false, info_rules, place_info },
	{ FRAME_PING, "PING", false, no_rules, place_nothing },
	{ FRAME_PONG, "PONG", false, no_rules, place_nothing },
	{ FRAME_CLOSE, "CLOSE", false, close_rules, place_close },
	{ FRAME_ASK, "ASK", false, ask_rules, place_ask },
	{ FRAME_ANSWER, "ANSWER", false, answer_rules, place_answer },
};

static const struct type_rule *find_type(uint8_t type)
{
	for (size_t i = 0; i < sizeof(type_rules) / sizeof(type_rules[0]); i++)
		if (type_rules[i].type == type)
			return &type_rules[i];
	return NULL;
}

const char *frame_type_name(uint8_t type)
{
	const struct type_rule *rule = find_type(type);

	return rule != NULL ? rule->name : "unknown";
}

static enum frame_decode_result decode_content(struct decoding *decoding, const uint8_t *bytes,
					       size_t length)
{
	if (length == 0 || length > TUNNEL_CONTENT_MAX)
		return bad(decoding, "content", "length out of range");
	decoding->frame->u.content.bytes = bytes;
	decoding->frame->u.content.length = length;
	return FRAME_OK;
}

static enum frame_decode_result decode_known(struct decoding *decoding,
					     const struct type_rule *rule, const uint8_t *body,
					     size_t length)
{
	const char *field, *why;

	if ((decoding->frame->flags & ~FRAME_FLAG_CRITICAL) != 0)
		return bad(decoding, "flags", "unknown bits");
	if (rule->has_transaction != (decoding->frame->transaction != 0))
		return bad(decoding, "transaction", rule->has_transaction ? "missing" : "not zero");
	if (rule->fields == NULL)
		return decode_content(decoding, body, length);
	if (TUNNEL_FRAME_HEADER + length > TUNNEL_CONTROL_FRAME_MAX)
		return bad(decoding, "frame", "too long");
	if (frame_fields_take(decoding->fields, rule->fields, body, length, &field, &why) < 0)
		return bad(decoding, field, why);
	return rule->place(decoding);
}

enum frame_decode_result frame_decode(struct frame *frame, const uint8_t *bytes, size_t length,
				      char *error, size_t error_size)
{
	struct decoding decoding = { .frame = frame, .error = error, .error_size = error_size };
	const struct type_rule *rule;

	memset(frame, 0, sizeof(*frame));
	if (length < TUNNEL_FRAME_HEADER)
		return bad(&decoding, "frame header", "cut off");
	frame->type = bytes[0];
	frame->flags = bytes[1];
	frame->transaction = (uint32_t)bytes[2] << 24 | (uint32_t)bytes[3] << 16 |
			     (uint32_t)bytes[4] << 8 | bytes[5];
	rule = find_type(frame->type);
	if (rule != NULL)
		return decode_known(&decoding, rule, bytes + TUNNEL_FRAME_HEADER,
				    length - TUNNEL_FRAME_HEADER);
	if ((frame->flags & FRAME_FLAG_CRITICAL) == 0)
		return FRAME_SKIP;
	snprintf(error, error_size, "frame of unknown type 0x%02x that must not be skipped",
		 frame->type);
	return FRAME_BAD;
}
