/*
 * Frames in; what goes out in answer to a message is session_delivery.c. The thread owns its struct
 * and frees it at its end, unless it leaves it to another thread, and has only its delivery from then on.
 */
#include "edge_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/endpoint.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "message_log.h"
#include "session_delivery.h"
#include "session_question.h"

/* A mail host that does not take what we say of ourselves for this long is gone. */
#define INFO_WRITE_TIMEOUT_MS 30000
/* The holder of an invite has one question, and has it ready. */
#define INVITED_IDLE_MS 20000

static bool authorize(void *context, const uint8_t public_key[NOISE_DHLEN],
		      uint8_t psk_out[NOISE_KEYLEN])
{
	struct edge_session *session = context;
	struct tenant_terms terms;
	enum keeper_word word = keeper_client_authorize(session->edge->keeper, public_key,
							&session->client, &terms);

	session->is_unknown = word == KEEPER_UNKNOWN;
	session->is_invited = word == KEEPER_INVITED;
	if (word != KEEPER_YES && word != KEEPER_INVITED)
		return false;
	if (session->is_invited)
		terms = (struct tenant_terms){ .is_unknown = false };
	session->limits = terms.limits;
	memcpy(psk_out, session->client.psk, NOISE_KEYLEN);
	/* It is for this handshake only. */
	explicit_bzero(session->client.psk, sizeof(session->client.psk));
	return true;
}

/* The only way a session closes its tunnel. */
static void close_tunnel(struct edge_session *session, enum close_reason reason, const char *text)
{
	if (reason == CLOSE_REVOKED)
		tenant_table_count_refusal(&session->edge->tenants, session->client.name, TENANT_REVOKED);
	session_table_release(&session->edge->sessions, &session->entry);
	tunnel_close(&session->tunnel, reason, text);
}

static const char *reason_text(enum close_reason reason)
{
	return reason == CLOSE_REVOKED ? "this host's key was revoked" : "the edge is stopping";
}

static void explain_failed_handshake(struct edge_session *session)
{
	struct edge *edge = session->edge;
	const char *reason = session->tunnel.error;

	if (handshake_table_has_dropped(&edge->handshakes, &session->handshake))
		reason = "it made room for newer ones (handshakes, handshakes_per_network)";
	else if (session->is_unknown)
		reason = "its key was not found authorised before, and the socketmap cannot be asked now";
	if (log_limit_allows(&edge->handshake_log, deadline_now_ms()))
		log_info("handshake with %s failed: %s", session->peer, reason);
}

/* The handshake is done: is there room for one more tunnel? */
static bool admit(struct edge_session *session)
{
	struct edge *edge = session->edge;
	struct edge_setup *setup = edge_acquire_setup(edge);
	struct session_limits limits = {
		.in_all = (size_t)setup->conf.sessions,
		.per_client = (size_t)setup->conf.sessions_per_client,
	};
	enum close_reason reason;

	edge_setup_release(setup);
	switch (session_table_admit(&edge->sessions, &session->entry, session->fd, &session->client,
				    limits)) {
	case SESSION_ADMITTED:
		return true;
	case SESSION_STOPPING:
		reason = session_table_end_reason(&edge->sessions, &session->entry);
		close_tunnel(session, reason, reason_text(reason));
		return false;
	case SESSION_TOO_MANY:
		log_warning("no room for another tunnel (sessions = %zu); client=%s, %s turned away",
			    limits.in_all, session->client.name, session->peer);
		close_tunnel(session, CLOSE_LIMIT, "too many tunnels");
		return false;
	case SESSION_TOO_MANY_OF_CLIENT:
		log_warning("client=%s: more than %zu tunnels (sessions_per_client); %s turned away",
			    session->client.name, limits.per_client, session->peer);
		tenant_table_count_refusal(&edge->tenants, session->client.name, TENANT_SESSIONS);
		close_tunnel(session, CLOSE_LIMIT, "too many tunnels of this client");
		return false;
	}
	return false;
}

static bool shake_hands(struct edge_session *session)
{
	struct edge *edge = session->edge;
	enum tunnel_failure failure;

	endpoint_set_keepalive(session->fd, TUNNEL_DEAD_PEER_S);
	failure = tunnel_accept(&session->tunnel, session->fd, &(struct tunnel_server_params){
		.own = keeper_client_static_key(&session->own_key),
		.authorize = authorize,
		.authorize_context = session,
		.deadline = deadline_in_ms(TUNNEL_HANDSHAKE_TIMEOUT_MS),
	});
	if (failure != TUNNEL_OK) {
		explain_failed_handshake(session);
		return false;
	}
	handshake_table_remove(&edge->handshakes, &session->handshake);
	return admit(session);
}

static bool send_info(struct edge_session *session)
{
	struct edge_setup *setup = edge_acquire_setup(session->edge);
	struct deadline deadline = deadline_in_ms(INFO_WRITE_TIMEOUT_MS);
	struct frame frame = { .type = FRAME_INFO, .flags = FRAME_FLAG_CRITICAL };

	snprintf(frame.u.info.edge_name, sizeof(frame.u.info.edge_name), "%s",
		 setup->conf.ehlo_name);
	frame.u.info.size_max = (uint64_t)tenant_limit(setup->conf.message_size_limit,
						       session->limits.size);
	frame.u.info.recipients_max = (uint32_t)tenant_limit(setup->conf.recipient_limit,
							     session->limits.recipients);
	edge_setup_release(setup);
	return tunnel_send_frame(&session->tunnel, &frame, deadline) == TUNNEL_OK &&
	       tunnel_flush(&session->tunnel, deadline) == TUNNEL_OK;
}

static void end_transaction(struct edge_session *session)
{
	transaction_end(&session->transaction);
	message_log_end();
}

/* 0, or why this client may not deliver any more. terms->is_unknown: nobody can tell. */
static enum close_reason look_up(struct edge_session *session,
				 const struct reverse_path *sender, struct tenant_terms *terms)
{
	switch (keeper_client_admit(session->edge->keeper, session->tunnel.remote_static,
				    sender->is_null ? "" : sender->mailbox.domain, &session->admission, terms)) {
	case KEEPER_YES:
		return 0;
	case KEEPER_NO:
	case KEEPER_INVITED:
		return CLOSE_REVOKED;
	case KEEPER_UNKNOWN:
		*terms = (struct tenant_terms){ .is_unknown = true };
		snprintf(terms->tenant.name, sizeof(terms->tenant.name), "%s", session->client.name);
		return 0;
	case KEEPER_GONE:
		return CLOSE_SHUTDOWN;
	}
	return CLOSE_SHUTDOWN;
}

/* What becomes of the session after a frame. */
enum session_step {
	SESSION_GOES_ON,
	SESSION_ENDS,		/* the tunnel is closed, or to be */
	SESSION_IS_LEFT,	/* to another thread: it must not be touched any more */
};

static enum session_step step(bool goes_on)
{
	return goes_on ? SESSION_GOES_ON : SESSION_ENDS;
}

static bool on_envelope(struct edge_session *session, const struct frame *frame)
{
	struct edge *edge = session->edge;
	struct tenant_terms terms;
	enum close_reason reason;

	if (session->transaction.state == TRANSACTION_ANSWERED)
		end_transaction(session);
	if (session->transaction.state != TRANSACTION_NONE ||
	    frame->transaction <= session->transaction.id) {
		log_warning("client=%s: ENVELOPE out of turn", session->client.name);
		close_tunnel(session, CLOSE_PROTOCOL_ERROR, "ENVELOPE out of turn");
		return false;
	}
	if (session->is_invited) {
		log_warning("client=%s: ENVELOPE from the holder of an invite, who may only enrol",
			    session->client.name);
		close_tunnel(session, CLOSE_PROTOCOL_ERROR, "an invite is for `postern join' alone");
		return false;
	}
	reason = session_table_begin(&edge->sessions, &session->entry);
	if (reason == 0)
		reason = look_up(session, &frame->u.envelope.envelope.reverse_path, &terms);
	if (reason != 0) {
		log_info("client=%s: tunnel ended before a transaction: %s", session->client.name,
			 reason_text(reason));
		close_tunnel(session, reason, reason_text(reason));
		return false;
	}
	message_log_begin(session->client.name, frame->u.envelope.envelope.queue_id);
	transaction_begin(&session->transaction, edge, frame->transaction, &frame->u.envelope,
			  &terms);
	return true;
}

/* 0, or why this client is told nothing any more. Where nobody can tell, it is what it was at the handshake. */
static enum close_reason look_up_again(struct edge_session *session)
{
	switch (keeper_client_is_authorized(session->edge->keeper, session->tunnel.remote_static)) {
	case KEEPER_YES:
	case KEEPER_INVITED:
	case KEEPER_UNKNOWN:
		return 0;
	case KEEPER_NO:
		return CLOSE_REVOKED;
	case KEEPER_GONE:
		return CLOSE_SHUTDOWN;
	}
	return CLOSE_SHUTDOWN;
}

/* It is as busy as with a transaction: whoever ends the session waits for the answer. */
static bool on_ask(struct edge_session *session, const struct frame *frame)
{
	enum close_reason reason;

	if (session->transaction.state == TRANSACTION_ANSWERED)
		end_transaction(session);
	if (session->transaction.state != TRANSACTION_NONE) {
		log_warning("client=%s: ASK out of turn", session->client.name);
		close_tunnel(session, CLOSE_PROTOCOL_ERROR, "ASK out of turn");
		return false;
	}
	reason = session_table_begin(&session->edge->sessions, &session->entry);
	if (reason == 0)
		reason = look_up_again(session);
	if (reason != 0) {
		close_tunnel(session, reason, reason_text(reason));
		return false;
	}
	return session_question_answer(session, &frame->u.ask);
}

static void log_transaction(const struct edge_session *session)
{
	const struct envelope *envelope = &session->transaction.envelope;
	const char *sender = envelope->reverse_path.is_null ? ""
							    : envelope->reverse_path.mailbox.domain;
	char domain[SMTP_DOMAIN_MAX + 1];

	log_info("client=%s, from=<%s%s>, size=%llu, nrcpt=%zu", session->client.name,
		 sender[0] == '\0' ? "" : "@",
		 log_printable(domain, sizeof(domain), sender, strlen(sender)),
		 (unsigned long long)session->transaction.content.length,
		 envelope->recipient_count);
}

static enum session_step on_end(struct edge_session *session, const struct frame *frame)
{
	struct transaction *transaction = &session->transaction;

	if (!transaction_complete(transaction, frame->u.end.digest, frame->u.end.length)) {
		log_warning("client=%s: END does not fit the content", session->client.name);
		close_tunnel(session, CLOSE_PROTOCOL_ERROR, "END does not fit the content");
		return SESSION_ENDS;
	}
	if (transaction->state == TRANSACTION_REFUSED) {
		session_delivery_refuse(session);
	} else if (transaction->state == TRANSACTION_RECEIVING) {
		log_transaction(session);
		/* It may be minutes until there is more to receive. */
		tunnel_forget(&session->tunnel);
		if (!session_delivery_run(session))
			return SESSION_IS_LEFT;
	}
	end_transaction(session);
	return SESSION_GOES_ON;
}

/* May it have been under way when its transaction ended? Only what a mail host sends in one. */
static bool is_leftover(const struct transaction *transaction, const struct frame *frame)
{
	if (frame->type != FRAME_RECIPIENT && frame->type != FRAME_CONTENT &&
	    frame->type != FRAME_END_OF_CONTENT && frame->type != FRAME_ABORT)
		return false;
	return frame->transaction < transaction->id ||
	       (frame->transaction == transaction->id && transaction->state == TRANSACTION_NONE);
}

/* Frames that belong to the open transaction. */
static enum session_step on_transaction_frame(struct edge_session *session, const struct frame *frame)
{
	struct transaction *transaction = &session->transaction;
	bool is_sound = true;

	if (is_leftover(transaction, frame))
		return SESSION_GOES_ON;
	if (frame->transaction != transaction->id)
		is_sound = false;
	else if (frame->type == FRAME_RECIPIENT)
		is_sound = transaction_add_recipient(transaction, frame->u.recipient.index,
						     &frame->u.recipient.recipient);
	else if (frame->type == FRAME_CONTENT)
		is_sound = transaction_add_content(transaction, frame->u.content.bytes,
						   frame->u.content.length);
	else if (frame->type == FRAME_END_OF_CONTENT)
		return on_end(session, frame);
	else if (frame->type == FRAME_ABORT)
		end_transaction(session);
	else
		is_sound = false;
	if (is_sound && frame->type == FRAME_CONTENT && transaction->state == TRANSACTION_REFUSED)
		session_delivery_refuse(session);
	if (!is_sound) {
		log_warning("client=%s: %s out of turn", session->client.name,
			    frame_type_name(frame->type));
		close_tunnel(session, CLOSE_PROTOCOL_ERROR, "frame out of turn");
	}
	return step(is_sound);
}

/* After a transaction: is the tunnel still wanted? */
static bool may_go_on(struct edge_session *session)
{
	enum close_reason reason;

	if (session->transaction.state != TRANSACTION_NONE)
		return true;
	reason = session_table_finish(&session->edge->sessions, &session->entry);
	if (reason == 0 && !session->is_lost)
		return true;
	close_tunnel(session, reason, reason_text(reason));
	return false;
}

static void explain_loss(struct edge_session *session, enum tunnel_failure failure)
{
	enum close_reason reason = session_table_end_reason(&session->edge->sessions,
							    &session->entry);

	if (session->transaction.state == TRANSACTION_RECEIVING)
		log_info("client=%s: tunnel lost before the message was complete; nothing was "
			 "delivered: %s",
			 session->client.name, session->tunnel.error);
	else if (failure != TUNNEL_LOST && failure != TUNNEL_TIMED_OUT)
		log_warning("client=%s: %s", session->client.name, session->tunnel.error);
	/*
	 * Our own session_table ended the input to wake this thread up: the peer is there, and may
	 * be told the reason.
	 */
	if (reason != 0 && failure == TUNNEL_LOST)
		session->tunnel.failed = TUNNEL_OK;
	if (reason != 0)
		close_tunnel(session, reason, reason_text(reason));
	else if (failure == TUNNEL_TIMED_OUT)
		close_tunnel(session, CLOSE_IDLE, "idle");
	else if (failure == TUNNEL_BAD_FRAME)
		close_tunnel(session, CLOSE_PROTOCOL_ERROR, session->tunnel.error);
	else
		close_tunnel(session, 0, NULL);
}

/* Between two messages nothing is left of the one before, however long the tunnel stays open. */
static void forget(struct edge_session *session, struct frame *frame)
{
	explicit_bzero(frame, sizeof(*frame));
	tunnel_forget(&session->tunnel);
	thread_forget_stack();
}

static enum session_step on_frame(struct edge_session *session, const struct frame *frame)
{
	enum session_step next = SESSION_GOES_ON;

	if (frame->type == FRAME_CLOSE)
		return SESSION_ENDS;
	if (frame->type == FRAME_ENVELOPE)
		next = step(on_envelope(session, frame));
	else if (frame->type == FRAME_ASK)
		next = step(on_ask(session, frame));
	else if (frame->type != FRAME_PONG)
		next = on_transaction_frame(session, frame);
	return next == SESSION_GOES_ON ? step(may_go_on(session)) : next;
}

/* false: the session is another thread's. */
static bool serve(struct edge_session *session)
{
	struct frame *frame = calloc(1, sizeof(*frame));
	const int64_t idle_ms = session->is_invited ? INVITED_IDLE_MS : TUNNEL_IDLE_TIMEOUT_MS;
	enum session_step next = step(frame != NULL);

	while (next == SESSION_GOES_ON) {
		bool is_open = session->transaction.state != TRANSACTION_NONE;
		enum tunnel_failure failure = tunnel_receive_frame(
			&session->tunnel, frame,
			deadline_in_ms(is_open ? TUNNEL_FRAME_TIMEOUT_MS : idle_ms));

		if (failure != TUNNEL_OK) {
			explain_loss(session, failure);
			break;
		}
		next = on_frame(session, frame);
		if (next == SESSION_GOES_ON && session->transaction.state == TRANSACTION_NONE)
			forget(session, frame);
	}
	free(frame);
	return next != SESSION_IS_LEFT;
}

static void end(struct edge_session *session)
{
	struct edge *edge = session->edge;

	transaction_end(&session->transaction);
	tls_context_thread_end();
	handshake_table_remove(&edge->handshakes, &session->handshake);
	session_table_remove(&edge->sessions, &session->entry);
	free(session);
}

/* Serves, if it goes on at all, and ends what is to be ended; the thread has nothing else to do afterwards. */
static void serve_to_end(struct edge_session *session, bool goes_on)
{
	struct edge *edge = session->edge;

	if (goes_on && !serve(session)) {
		tls_context_thread_end();
		delivery_jobs_end(&edge->jobs);
		return;
	}
	close_tunnel(session, 0, NULL);
	end(session);
}

void edge_session_resume(struct edge_session *session)
{
	end_transaction(session);
	serve_to_end(session, may_go_on(session));
}

static void greet(struct edge_session *session)
{
	log_debug("client=%s: tunnel up from %s", session->client.name, session->peer);
	if (session->is_old_key)
		log_info("client=%s uses the key of this edge that is being replaced; its "
			 "line in %s/edges needs the new one",
			 session->client.name, POSTERN_SYSCONFDIR);
}

static void *run(void *argument)
{
	struct edge_session *session = argument;

	transaction_init(&session->transaction);
	if (!shake_hands(session)) {
		end(session);
		return NULL;
	}
	greet(session);
	serve_to_end(session, send_info(session));
	return NULL;
}

/* The limits may have changed since the last visitor. */
static enum handshake_verdict begin_handshake(struct edge_session *session,
					      const struct edge_visitor *visitor)
{
	struct edge *edge = session->edge;
	struct edge_setup *setup = edge_acquire_setup(edge);
	struct handshake_limits limits = {
		.in_all = (size_t)setup->conf.handshakes,
		.per_network = (size_t)setup->conf.handshakes_per_network,
	};

	edge_setup_release(setup);
	return handshake_table_add(&edge->handshakes, &session->handshake, session->fd,
				   visitor->network, visitor->mac1, limits);
}

/* Runs in a thread of its own from now on; or not at all. */
static enum handshake_verdict start(struct edge_session *session, const struct edge_visitor *visitor)
{
	struct edge *edge = session->edge;
	enum handshake_verdict verdict = begin_handshake(session, visitor);

	if (verdict != HANDSHAKE_BEGINS)
		return verdict;
	verdict = HANDSHAKE_HAS_NO_ROOM;
	if (session_table_add(&edge->sessions, &session->entry)) {
		if (thread_start_detached(run, session) == 0)
			return HANDSHAKE_BEGINS;
		session_table_remove(&edge->sessions, &session->entry);
	}
	handshake_table_remove(&edge->handshakes, &session->handshake);
	return verdict;
}

void edge_session_start(struct edge *edge, int fd, const struct edge_visitor *visitor)
{
	/* calloc(3) would not do: the digest in it is aligned to more than max_align_t. */
	struct edge_session *session = aligned_alloc(_Alignof(struct edge_session),
						     sizeof(*session));
	enum handshake_verdict verdict = HANDSHAKE_HAS_NO_ROOM;

	if (session != NULL) {
		memset(session, 0, sizeof(*session));
		session->edge = edge;
		session->fd = fd;
		memcpy(session->peer, visitor->peer, sizeof(session->peer));
		session->own_key.client = edge->keeper;
		memcpy(session->own_key.public_key, visitor->own_key, NOISE_DHLEN);
		session->is_old_key = visitor->is_old_key;
		verdict = start(session, visitor);
	}
	if (verdict == HANDSHAKE_BEGINS)
		return;
	if (log_limit_allows(&edge->handshake_log, deadline_now_ms()))
		log_warning("handshake with %s refused: %s", visitor->peer,
			    verdict == HANDSHAKE_IS_REPLAY ? "its first message is a replay"
							   : "no room for another one");
	close(fd);
	free(session);
}
