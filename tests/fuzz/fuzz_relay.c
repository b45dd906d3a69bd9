/*
 * Any frames from an edge that has our key and lies: two messages through one relay. Every
 * recipient gets exactly one outcome that fits together; success only if the edge said so of this
 * recipient of this message, after END, on a 2xx or from its journal; bounced only if it said that.
 * First byte: recipients, and what the transport does in between. Then for each frame a byte (even:
 * it is there before the transport waits), two of length, and the frame as it is before encryption;
 * a byte behind the last frame is how the tunnel fails then, and from then on no other is to be had
 * if the first byte says so.
 *
 * feeds: frames of an edge that lies, to the transport: statuses and their audit
 * covers: transport/relay.c transport/status_audit.c transport/relay_failure.c
 */
#include "fuzz_target.h"
#include "transport/relay.h"

#define RECIPIENTS_MAX 4

struct script {
	const uint8_t *at;
	size_t left;
	enum tunnel_failure end; /* how the tunnel fails behind the last frame */
	bool is_last;            /* no tunnel after the first */
	bool is_open, end_was_sent;
	uint32_t transaction; /* of the last ENVELOPE */
	/* What a truthful reading of the frames so far allows. */
	bool may_be_relayed[RECIPIENTS_MAX], may_be_failed[RECIPIENTS_MAX];
};

static size_t frame_length(const struct script *script)
{
	size_t length = (size_t)script->at[1] << 8 | script->at[2];

	return length < script->left - 3 ? length : script->left - 3;
}

static void note(struct script *script, const struct frame *frame)
{
	const struct delivery_status *status = &frame->u.status.status;
	uint32_t index = frame->u.status.index;

	if (frame->type != FRAME_DELIVERY_STATUS || frame->transaction != script->transaction ||
	    index >= RECIPIENTS_MAX)
		return;
	if (status->action == DELIVERY_RELAYED && script->end_was_sent &&
	    status->status.class == 2 &&
	    (status->reply.code / 100 == 2 || (status->from_journal && status->reply.code == 0)))
		script->may_be_relayed[index] = true;
	if (status->action == DELIVERY_FAILED && status->status.class == 5 &&
	    (status->reply.code / 100 == 5 || status->reply.code == 0))
		script->may_be_failed[index] = true;
}

static enum tunnel_failure last_failure(const uint8_t *bytes, size_t length)
{
	static const enum tunnel_failure failures[] = {
		TUNNEL_LOST,  TUNNEL_TIMED_OUT,   TUNNEL_BAD_RECORD, TUNNEL_BAD_FRAME,
		TUNNEL_LOCAL, TUNNEL_UNREACHABLE, TUNNEL_NO_ANSWER,  TUNNEL_WRONG_PSK,
	};

	return failures[bytes[length - 1] % (sizeof(failures) / sizeof(failures[0]))];
}

static enum tunnel_failure link_open(void *context, const struct edge *edge,
				     struct deadline deadline, struct frame_info *info)
{
	struct script *script = context;

	(void)edge;
	(void)deadline;
	require(!script->is_open);
	if (script->is_last && script->transaction > 0)
		return script->end;
	script->is_open = true;
	snprintf(info->edge_name, sizeof(info->edge_name), "edge.example");
	return TUNNEL_OK;
}

static enum tunnel_failure link_send(void *context, const struct frame *frame,
				     struct deadline deadline)
{
	struct script *script = context;

	(void)deadline;
	require(script->is_open);
	if (frame->type == FRAME_ENVELOPE) {
		script->transaction = frame->transaction;
		script->end_was_sent = false;
		memset(script->may_be_relayed, 0, sizeof(script->may_be_relayed));
		memset(script->may_be_failed, 0, sizeof(script->may_be_failed));
	}
	require(frame->transaction == script->transaction);
	if (frame->type == FRAME_END_OF_CONTENT)
		script->end_was_sent = true;
	return TUNNEL_OK;
}

static enum tunnel_failure link_flush(void *context, struct deadline deadline)
{
	(void)deadline;
	require(((struct script *)context)->is_open);
	return TUNNEL_OK;
}

static enum tunnel_failure link_receive(void *context, struct frame *frame,
					struct deadline deadline)
{
	struct script *script = context;
	enum frame_decode_result result = FRAME_SKIP;
	char error[200];

	(void)deadline;
	require(script->is_open);
	while (result == FRAME_SKIP) {
		size_t length;

		if (script->left < 3)
			return script->end;
		length = frame_length(script);
		result = frame_decode(frame, script->at + 3, length, error, sizeof(error));
		script->at += 3 + length;
		script->left -= 3 + length;
	}
	if (result == FRAME_BAD)
		return TUNNEL_BAD_FRAME;
	note(script, frame);
	return TUNNEL_OK;
}

static bool link_has_input(void *context)
{
	const struct script *script = context;

	return script->left >= 3 && (script->at[0] & 1) == 0;
}

static void link_close(void *context, enum close_reason reason, const char *text)
{
	struct script *script = context;

	(void)reason;
	(void)text;
	require(script->is_open);
	script->is_open = false;
}

static const char *link_error(void *context)
{
	(void)context;
	return "the connection was lost";
}

static const struct edge_link_ops ops = { link_open,      link_send,  link_flush, link_receive,
					  link_has_input, NULL, link_close, link_error };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	be_silent();
	return 0;
}

static void check_outcomes(const struct script *script, const struct relay *relay)
{
	static const int classes[] = {
		[DELIVERY_RELAYED] = 2, [DELIVERY_DELAYED] = 4, [DELIVERY_FAILED] = 5
	};
	char reply[DELIVERY_LMTP_REPLY_MAX];

	require(relay->known == relay->count && !relay->is_active);
	for (size_t i = 0; i < relay->count; i++) {
		const struct delivery_status *status = &relay->outcomes[i].status;

		require(relay->outcomes[i].is_known &&
			status->status.class == classes[status->action]);
		require(status->action != DELIVERY_RELAYED || script->may_be_relayed[i]);
		require(status->action != DELIVERY_FAILED || script->may_be_failed[i]);
		require_printable(status->reply.text);
		require_printable(status->reason);
		require_printable(delivery_status_print_lmtp(status, "us", reply, sizeof(reply)));
		require(reply[0] == '0' + classes[status->action]);
	}
}

static void send_message(struct relay *relay, const struct envelope *envelope, bool is_given_up)
{
	struct deadline deadline = deadline_in_ms(600000);
	struct delivery_status status = { 0 };

	if (relay_begin(relay, envelope, deadline, deadline) < 0)
		return;
	if (relay_content(relay, "Subject: x\r\n", 12) < 0 ||
	    relay_content(relay, "\r\nx\r\n", 5) < 0)
		return;
	if (is_given_up) {
		delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 0),
					  "too late");
		relay_give_up(relay, &status);
		return;
	}
	relay_end(relay);
	while (relay_wait(relay))
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const struct edge edge = { .name = "us", .endpoint = { .host = "h", .port = "1" } };
	struct recipient recipients[RECIPIENTS_MAX] = { { .notify = 0 } };
	struct envelope envelope = { .recipients = recipients };
	struct delivery_status status;
	struct script script = { .at = bytes + 1, .left = length - 1 };
	struct relay relay;

	if (length < 1)
		return 0;
	script.end = last_failure(bytes, length);
	script.is_last = bytes[0] & 0x40;
	envelope.recipient_count = 1 + bytes[0] % RECIPIENTS_MAX;
	relay_init(&relay, (struct edge_link){ &ops, &script });
	require(relay_open(&relay, &edge, deadline_in_ms(600000), &status) == 0);
	for (int message = 0; message < 2; message++) {
		send_message(&relay, &envelope, bytes[0] & (0x10 << message));
		check_outcomes(&script, &relay);
		relay_finish(&relay);
	}
	relay_wipe(&relay);
	require(!script.is_open);
	return 0;
}
