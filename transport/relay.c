/*
 * The mail host's half of a transaction (doc/PROTOCOL.md). Statuses are audited before they count;
 * what the edge must not do (an index that was never asked for, a second and different status) is
 * answered by doubt, never by trust: the recipient gets a temporary failure.
 *
 * It does not choose edges, does not retry after content was taken, and prints nothing to Postfix.
 */
#include "relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "status_audit.h"
#include "tunnel/tunnel_limits.h"

/* After the last status only DONE is missing. */
#define DONE_TIMEOUT_MS 5000

void relay_init(struct relay *relay, struct edge_link link)
{
	memset(relay, 0, sizeof(*relay));
	relay->link = link;
}

static void close_link(struct relay *relay, enum close_reason reason, const char *text)
{
	if (relay->is_open)
		relay->link.ops->close(relay->link.context, reason, text);
	relay->is_open = false;
	relay->is_active = false;
}

void relay_wipe(struct relay *relay)
{
	relay_finish(relay);
	close_link(relay, CLOSE_SHUTDOWN, "");
	explicit_bzero(&relay->edge, sizeof(relay->edge));
}

void relay_close(struct relay *relay)
{
	close_link(relay, CLOSE_IDLE, "");
}

static bool leads_to(const struct relay *relay, const struct edge *edge)
{
	return strcmp(relay->edge.name, edge->name) == 0 &&
	       strcmp(relay->edge.endpoint.host, edge->endpoint.host) == 0 &&
	       strcmp(relay->edge.endpoint.port, edge->endpoint.port) == 0 &&
	       memcmp(relay->edge.public_key, edge->public_key, sizeof(edge->public_key)) == 0 &&
	       memcmp(relay->edge.psk, edge->psk, sizeof(edge->psk)) == 0;
}

/*
 * Between transactions the edge has nothing to say but goodbye: any input, and any end of it, makes
 * a kept tunnel useless.
 */
static bool is_stale(struct relay *relay)
{
	const struct edge_link_ops *ops = relay->link.ops;

	return ops->has_input(relay->link.context) ||
	       (ops->is_outdated != NULL && ops->is_outdated(relay->link.context));
}

bool relay_is_live(struct relay *relay)
{
	return relay->is_open && !is_stale(relay);
}

bool relay_is_live_to(struct relay *relay, const struct edge *edge)
{
	return leads_to(relay, edge) && relay_is_live(relay);
}

int relay_open(struct relay *relay, const struct edge *edge, struct deadline deadline,
	       struct delivery_status *status)
{
	enum tunnel_failure failure;

	if (relay_is_live_to(relay, edge))
		return 0;
	relay_close(relay);
	if (edge != &relay->edge)
		relay->edge = *edge;
	relay->transaction = 0;
	memset(&relay->info, 0, sizeof(relay->info));
	failure = relay->link.ops->open(relay->link.context, &relay->edge, deadline, &relay->info);
	relay->open_failure = failure;
	if (failure == TUNNEL_OK) {
		log_printable(relay->info.edge_name, sizeof(relay->info.edge_name),
			      relay->info.edge_name,
			      strnlen(relay->info.edge_name, sizeof(relay->info.edge_name) - 1));
		relay->is_open = true;
		return 0;
	}
	relay_failure_status(status, RELAY_CONNECTING, failure,
			     relay->link.ops->error(relay->link.context));
	return -1;
}

static void set_outcome(struct relay *relay, size_t index, const struct delivery_status *status)
{
	struct relay_outcome *outcome = &relay->outcomes[index];

	if (!outcome->is_known)
		relay->known++;
	outcome->is_known = true;
	outcome->status = *status;
}

static void set_all_unknown(struct relay *relay, const struct delivery_status *status)
{
	for (size_t i = 0; i < relay->count; i++)
		if (!relay->outcomes[i].is_known)
			set_outcome(relay, i, status);
}

static void fail(struct relay *relay, enum tunnel_failure failure, const char *sentence)
{
	struct delivery_status status;

	log_warning("edge=%s: %s", relay->edge.name, sentence);
	relay_failure_status(&status, relay->stage, failure, sentence);
	set_all_unknown(relay, &status);
	close_link(relay, failure == TUNNEL_BAD_FRAME ? CLOSE_PROTOCOL_ERROR : 0, sentence);
}

static int sent(struct relay *relay, enum tunnel_failure failure)
{
	if (failure == TUNNEL_OK)
		return 0;
	fail(relay, failure, relay->link.ops->error(relay->link.context));
	return -1;
}

static int send_frame(struct relay *relay, const struct frame *frame)
{
	return sent(relay, relay->link.ops->send(relay->link.context, frame, relay->deadline));
}

static struct frame make_frame(const struct relay *relay, enum frame_type type)
{
	return (struct frame){ .type = (uint8_t)type,
			       .flags = FRAME_FLAG_CRITICAL,
			       .transaction = relay->transaction };
}

static int send_envelope(struct relay *relay, const struct envelope *envelope)
{
	struct frame frame = make_frame(relay, FRAME_ENVELOPE);
	uint32_t budget_ms = relay_budget_ms(deadline_left_ms(relay->deadline));

	frame.u.envelope.envelope = *envelope;
	frame.u.envelope.envelope.recipients = NULL;
	frame.u.envelope.envelope.recipient_count = 0;
	frame.u.envelope.envelope.recipient_capacity = 0;
	frame.u.envelope.budget_ms = budget_ms;
	relay->edge_deadline = budget_ms > 0 ? deadline_in_ms(budget_ms) : DEADLINE_NEVER;
	return send_frame(relay, &frame);
}

static int send_recipients(struct relay *relay, const struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		struct frame frame = make_frame(relay, FRAME_RECIPIENT);

		frame.u.recipient.index = (uint32_t)i;
		frame.u.recipient.recipient = envelope->recipients[i];
		if (send_frame(relay, &frame) < 0)
			return -1;
	}
	return 0;
}

static int make_outcomes(struct relay *relay, const struct envelope *envelope)
{
	relay->stage = RELAY_BEFORE_END;
	relay->count = envelope->recipient_count;
	relay->known = 0;
	relay->outcomes = calloc(relay->count, sizeof(*relay->outcomes));
	if (relay->outcomes != NULL)
		return 0;
	relay->count = 0;
	return -1;
}

int relay_refuse(struct relay *relay, const struct envelope *envelope,
		 const struct delivery_status *status)
{
	if (make_outcomes(relay, envelope) < 0)
		return -1;
	set_all_unknown(relay, status);
	return 0;
}

void relay_content_digest(const struct relay *relay, uint8_t digest[CONTENT_DIGEST_SIZE])
{
	struct content_digest so_far = relay->digest;

	content_digest_final(&so_far, digest);
}

int relay_begin(struct relay *relay, const struct envelope *envelope,
		struct deadline connect_deadline, struct deadline deadline)
{
	struct delivery_status status;

	relay->deadline = deadline;
	if (make_outcomes(relay, envelope) < 0)
		return -1;
	content_digest_init(&relay->digest);
	if (relay_open(relay, &relay->edge, connect_deadline, &status) < 0) {
		set_all_unknown(relay, &status);
		return -1;
	}
	relay->transaction++;
	relay->is_active = true;
	return send_envelope(relay, envelope) < 0 || send_recipients(relay, envelope) < 0 ? -1 : 0;
}

static void protocol_error(struct relay *relay, const char *sentence)
{
	fail(relay, TUNNEL_BAD_FRAME, sentence);
}

/*
 * A second status for one recipient. If Postfix has heard the first, only the log can still say so.
 */
static void on_second_status(struct relay *relay, size_t index,
			     const struct delivery_status *status)
{
	struct relay_outcome *outcome = &relay->outcomes[index];

	if (status_audit_is_same(&outcome->status, status))
		return;
	log_warning("edge=%s: two different outcomes for recipient %zu%s", relay->edge.name, index,
		    outcome->is_answered ? ", the first was already answered" : "");
	if (!outcome->is_answered)
		relay_failure_status(&outcome->status, relay->stage, TUNNEL_BAD_FRAME,
				     "the edge gave two different outcomes");
}

static void on_status(struct relay *relay, struct frame *frame)
{
	size_t index = frame->u.status.index;
	struct delivery_status *status = &frame->u.status.status;
	const char *contradiction;

	if (index >= relay->count) {
		protocol_error(
			relay,
			"the edge gave an outcome for a recipient that it was not asked about");
		return;
	}
	contradiction = status_audit(status, relay->stage == RELAY_AFTER_END);
	if (contradiction != NULL) {
		log_warning("edge=%s: unsound outcome for recipient %zu: %s", relay->edge.name,
			    index, contradiction);
		relay_failure_status(status, relay->stage, TUNNEL_BAD_FRAME, contradiction);
	}
	if (relay->outcomes[index].is_known)
		on_second_status(relay, index, status);
	else
		set_outcome(relay, index, status);
}

static void on_done(struct relay *relay)
{
	struct delivery_status status;

	relay->is_active = false;
	if (relay->known == relay->count)
		return;
	log_warning("edge=%s: the edge gave no outcome for %zu recipients", relay->edge.name,
		    relay->count - relay->known);
	relay_failure_status(&status, relay->stage, TUNNEL_BAD_FRAME, "the edge gave no outcome");
	set_all_unknown(relay, &status);
}

static void on_close(struct relay *relay, struct frame_close *close)
{
	struct delivery_status status;

	log_printable(close->text, sizeof(close->text), close->text,
		      strnlen(close->text, sizeof(close->text) - 1));
	relay_failure_closed(&status, relay->stage, close);
	log_warning("edge=%s: %s", relay->edge.name, status.reason);
	set_all_unknown(relay, &status);
	close_link(relay, 0, NULL);
}

static void on_frame(struct relay *relay, struct frame *frame)
{
	bool is_of_transaction = frame->type == FRAME_DELIVERY_STATUS || frame->type == FRAME_DONE;

	if (is_of_transaction && frame->transaction != relay->transaction) {
		if (frame->transaction == 0 || frame->transaction > relay->transaction)
			protocol_error(relay,
				       "the edge speaks of a transaction that was never begun");
		return; /* the last words of an aborted one */
	}
	switch (frame->type) {
	case FRAME_DELIVERY_STATUS:
		on_status(relay, frame);
		break;
	case FRAME_DONE:
		on_done(relay);
		break;
	case FRAME_CLOSE:
		on_close(relay, &frame->u.close);
		break;
	case FRAME_INFO:
	case FRAME_PONG:
		break;
	default:
		protocol_error(relay, "the edge sent a frame that only a mail host sends");
	}
}

static void receive_one(struct relay *relay, struct deadline deadline)
{
	struct frame frame;
	enum tunnel_failure failure = relay->link.ops->receive(relay->link.context, &frame,
							       deadline);

	if (failure == TUNNEL_OK)
		on_frame(relay, &frame);
	else if (relay->known == relay->count)
		close_link(relay, 0, NULL); /* every outcome is there; only DONE was missing */
	else
		fail(relay, failure, relay->link.ops->error(relay->link.context));
}

/*
 * ABORT ends an open transaction, and tells an edge that was DONE early that no more content
 * follows.
 */
static void send_abort(struct relay *relay)
{
	struct frame frame = make_frame(relay, FRAME_ABORT);

	if (!relay->is_open)
		return;
	if (relay->link.ops->send(relay->link.context, &frame, relay->deadline) != TUNNEL_OK ||
	    relay->link.ops->flush(relay->link.context, relay->deadline) != TUNNEL_OK)
		close_link(relay, 0, NULL);
	relay->is_active = false;
}

/* What the edge says before END can only be early outcomes, DONE or CLOSE. */
static int hear_early_words(struct relay *relay)
{
	while (relay->is_active && relay->link.ops->has_input(relay->link.context))
		receive_one(relay, relay->deadline);
	if (relay->is_active && relay->known < relay->count)
		return 0;
	send_abort(relay);
	return -1;
}

static int send_content(struct relay *relay, const uint8_t *bytes, size_t length)
{
	struct frame frame = make_frame(relay, FRAME_CONTENT);

	frame.u.content.bytes = bytes;
	frame.u.content.length = length;
	return send_frame(relay, &frame);
}

int relay_content(struct relay *relay, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	if (!relay->is_active || hear_early_words(relay) < 0)
		return -1;
	content_digest_update(&relay->digest, bytes, length);
	while (length > 0) {
		size_t piece = length < TUNNEL_CONTENT_MAX ? length : TUNNEL_CONTENT_MAX;

		if (send_content(relay, at, piece) < 0)
			return -1;
		at += piece;
		length -= piece;
	}
	return 0;
}

void relay_give_up(struct relay *relay, const struct delivery_status *status)
{
	if (relay->is_active)
		send_abort(relay);
	set_all_unknown(relay, status);
}

/* The mail system took so long to give us the message that the edge could do nothing with it. */
static bool is_too_late(struct relay *relay)
{
	struct delivery_status status = { 0 };

	if (relay_may_end(deadline_left_ms(relay->edge_deadline)))
		return false;
	delivery_status_set_local(&status, STAGE_TUNNEL, ENHANCED_STATUS(4, 4, 7),
				  "no time left for this delivery attempt: handing the message "
				  "over took too long");
	relay_give_up(relay, &status);
	return true;
}

void relay_end(struct relay *relay)
{
	struct frame frame = make_frame(relay, FRAME_END_OF_CONTENT);

	if (!relay->is_active || hear_early_words(relay) < 0 || is_too_late(relay))
		return;
	frame.u.end.length = relay->digest.length;
	content_digest_final(&relay->digest, frame.u.end.digest);
	relay->stage = RELAY_AFTER_END; /* before it is sent: a failing send may have sent it */
	if (send_frame(relay, &frame) == 0)
		sent(relay, relay->link.ops->flush(relay->link.context, relay->deadline));
}

bool relay_wait(struct relay *relay)
{
	struct deadline deadline = relay->deadline;

	if (!relay->is_active)
		return false;
	if (relay->known == relay->count)
		deadline = deadline_earlier(deadline, deadline_in_ms(DONE_TIMEOUT_MS));
	receive_one(relay, deadline);
	while (relay->is_active && relay->link.ops->has_input(relay->link.context))
		receive_one(relay, deadline);
	return relay->is_active;
}

void relay_finish(struct relay *relay)
{
	if (relay->is_active)
		send_abort(relay);
	free(relay->outcomes);
	relay->outcomes = NULL;
	relay->count = relay->known = 0;
	relay->stage = RELAY_CONNECTING;
}
