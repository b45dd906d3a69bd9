/* As the transport does it: ENVELOPE, RECIPIENT, CONTENT, END in one go, then STATUS and DONE. */
#include <stdio.h>
#include <string.h>

#include "load_route.h"
#include "tunnel/content_digest.h"

static enum load_outcome lost(struct load_session *session)
{
	snprintf(session->reason, sizeof(session->reason), "tunnel: %.500s", session->tunnel.error);
	tunnel_close(&session->tunnel, 0, NULL);
	session->is_open = false;
	return LOAD_LOST;
}

int load_tunnel_open(struct load_session *session)
{
	struct tunnel_client_params params = { .edge = session->target->endpoint, .own = session->target->own,
					       .deadline = deadline_in_ms(60000) };
	struct frame_info info;

	memcpy(params.edge_public_key, session->target->edge_key, sizeof(params.edge_public_key));
	session->transaction = 0;
	if (tunnel_connect(&session->tunnel, &params, &info) != TUNNEL_OK) {
		lost(session);
		return -1;
	}
	session->is_open = true;
	return 0;
}

static bool put(struct load_session *session, struct frame *frame, uint8_t type)
{
	frame->type = type;
	frame->flags = FRAME_FLAG_CRITICAL;
	frame->transaction = session->transaction;
	return tunnel_send_frame(&session->tunnel, frame, deadline_in_ms(LOAD_PATIENCE_MS)) == TUNNEL_OK;
}

static bool put_envelope(struct load_session *session, const char *recipient, const struct load_message *message)
{
	const char *sender = session->target->sender;
	struct frame frame = { 0 };
	struct envelope *envelope = &frame.u.envelope.envelope;
	char error[200];

	/* A queue id of its own, as the journal wants one. */
	snprintf(envelope->queue_id, sizeof(envelope->queue_id), "B%.10s", message->stamp);
	if (mailbox_parse(&envelope->reverse_path.mailbox, sender, strlen(sender), false, error, sizeof(error)) < 0)
		return false;
	frame.u.envelope.budget_ms = LOAD_PATIENCE_MS;
	if (!put(session, &frame, FRAME_ENVELOPE))
		return false;
	memset(&frame, 0, sizeof(frame));
	return mailbox_parse(&frame.u.recipient.recipient.forward_path, recipient, strlen(recipient), false, error,
			     sizeof(error)) == 0 &&
	       put(session, &frame, FRAME_RECIPIENT);
}

static bool put_content(struct load_session *session, const struct load_message *message)
{
	struct content_digest digest;
	struct frame frame = { 0 };

	content_digest_init(&digest);
	for (size_t sent = 0; sent < message->length; sent += frame.u.content.length) {
		size_t left = message->length - sent;

		frame.u.content.bytes = (const uint8_t *)message->bytes + sent;
		frame.u.content.length = left < TUNNEL_CONTENT_MAX ? left : TUNNEL_CONTENT_MAX;
		content_digest_update(&digest, frame.u.content.bytes, frame.u.content.length);
		if (!put(session, &frame, FRAME_CONTENT))
			return false;
	}
	memset(&frame, 0, sizeof(frame));
	content_digest_final(&digest, frame.u.end.digest);
	frame.u.end.length = message->length;
	return put(session, &frame, FRAME_END_OF_CONTENT) &&
	       tunnel_flush(&session->tunnel, deadline_in_ms(LOAD_PATIENCE_MS)) == TUNNEL_OK;
}

static enum load_outcome outcome_of(struct load_session *session, const struct delivery_status *status)
{
	if (status->action != DELIVERY_RELAYED)
		delivery_status_print_lmtp(status, "edge", session->reason, sizeof(session->reason));
	return status->action == DELIVERY_RELAYED ? LOAD_RELAYED : status->action == DELIVERY_DELAYED ? LOAD_DELAYED : LOAD_FAILED;
}

enum load_outcome load_tunnel_send(struct load_session *session, const char *recipient, const struct load_message *message,
				   int64_t *waited_us)
{
	enum load_outcome outcome = LOAD_DELAYED;
	struct frame frame;
	int64_t ended;

	session->transaction++;
	if (!put_envelope(session, recipient, message) || !put_content(session, message))
		return lost(session);
	ended = load_now_us();
	do {
		if (tunnel_receive_frame(&session->tunnel, &frame, deadline_in_ms(LOAD_PATIENCE_MS)) != TUNNEL_OK)
			return lost(session);
		if (frame.type == FRAME_DELIVERY_STATUS) {
			*waited_us = load_now_us() - ended;
			outcome = outcome_of(session, &frame.u.status.status);
		} else if (frame.type == FRAME_CLOSE) {
			snprintf(session->tunnel.error, sizeof(session->tunnel.error), "%s", frame.u.close.text);
			return lost(session);
		}
	} while (frame.type != FRAME_DONE);
	return outcome;
}
