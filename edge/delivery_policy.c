/*
 * What each failure of a delivery means. Pure: an event in, a decision out.
 *
 * The rules are those of Postfix 3.7 (src/smtp/smtp_trouble.c), where a soft error moves on to the
 * next host while there is one, whether it came at connect, greeting, EHLO, MAIL, RCPT or DATA, and
 * a hard error after the handshake is final. Three things differ, on purpose:
 * - Once the final dot may have left nothing makes us try another host: not even a 4xx, where
 *   Postfix would (RFC 1047).
 * - A 5xx greeting, or a 5xx to EHLO and HELO, is permanent if every host says so;
 *   smtp_skip_5xx_greeting makes it temporary whatever they say.
 * - 552 to RCPT means 452 (RFC 5321 4.5.3.1.10); Postfix bounces.
 *
 * What is unknown is temporary, never permanent and never success. A 2xx counts in reply to the
 * final dot and nowhere else. Enhanced codes: RFC 3463. No switch here has a default: a new failure
 * or stage must be given its meaning.
 */
#include "delivery_policy.h"

#include <stdio.h>
#include <string.h>

static const char *while_doing(enum delivery_stage stage)
{
	switch (stage) {
	case STAGE_TUNNEL:
	case STAGE_EDGE:
	case STAGE_DNS:
		return "preparing the delivery";
	case STAGE_CONNECT:
		return "connecting";
	case STAGE_GREETING:
		return "receiving the initial server greeting";
	case STAGE_EHLO:
		return "performing the EHLO handshake";
	case STAGE_TLS:
		return "receiving the STARTTLS response";
	case STAGE_MAIL:
		return "sending MAIL FROM";
	case STAGE_RCPT:
		return "sending RCPT TO";
	case STAGE_DATA:
		return "sending DATA command";
	case STAGE_CONTENT:
		return "sending message body";
	case STAGE_AFTER_FINAL_DOT:
		return "sending end of data";
	case STAGE_COUNT:
		break;
	}
	return "talking";
}

#define DETAIL_FORMAT "%s%s%s"
#define DETAIL(event, before, after) \
	(event)->detail[0] != '\0' ? before : "", (event)->detail, \
		(event)->detail[0] != '\0' ? after : ""

/* RFC 1047: the server may have taken the message. Nobody knows; the queue must keep it. */
static void decide_in_doubt(const struct smtp_event *event, struct delivery_decision *decision)
{
	const char *what = "lost connection";

	if (event->failure == SMTP_FAILURE_TIMEOUT || event->failure == SMTP_FAILURE_SLOW)
		what = "conversation timed out";
	else if (event->failure == SMTP_FAILURE_PROTOCOL || event->failure == SMTP_FAILURE_FLOOD)
		what = "protocol error";
	delivery_status_set_local(
		&decision->status, STAGE_AFTER_FINAL_DOT, ENHANCED_STATUS(4, 4, 2),
		"%s while sending end of data -- delivery status unknown" DETAIL_FORMAT, what,
		DETAIL(event, " (", ")"));
	decision->status.maybe_duplicate = true;
	decision->next = DELIVERY_NEXT_FINAL;
}

/* No TLS was to be had from this server, in whatever way. */
static void decide_without_tls(enum tls_level tls_level, struct delivery_decision *decision)
{
	decision->next = tls_level == TLS_MAY ? DELIVERY_NEXT_CLEARTEXT : DELIVERY_NEXT_HOST;
}

/* Time-out, lost connection, or too slow: `what` in Postfix's words. */
static void decide_broken(const struct smtp_event *event, enum tls_level tls_level,
			  const char *what, struct delivery_decision *decision)
{
	struct enhanced_status code = ENHANCED_STATUS(4, 4, 2);

	decision->next = DELIVERY_NEXT_HOST;
	if (event->stage == STAGE_CONNECT)
		code = ENHANCED_STATUS(4, 4, 1);
	if (event->stage == STAGE_TLS) {
		decide_without_tls(tls_level, decision);
		code = ENHANCED_STATUS(4, 7, 4);
	}
	delivery_status_set_local(&decision->status, event->stage, code,
				  "%s while %s" DETAIL_FORMAT, what, while_doing(event->stage),
				  DETAIL(event, " (", ")"));
}

/*
 * Postfix's words. A password that is wrong is no fault of a recipient's, so it is never permanent
 * (smtp_sasl_auth_soft_bounce); but asking the relay's next address would only have us locked out.
 */
static void decide_auth(const struct smtp_event *event, struct delivery_decision *decision)
{
	const struct smtp_reply *reply = &event->reply;
	struct enhanced_status code = ENHANCED_STATUS(4, 7, 0);
	char said[SMTP_REPLY_TEXT_MAX + 32];

	decision->next = smtp_reply_is(reply, REPLY_TRANSIENT) ? DELIVERY_NEXT_HOST : DELIVERY_NEXT_FINAL;
	if (enhanced_status_is_given(reply->status))
		code = ENHANCED_STATUS(4, reply->status.subject, reply->status.detail);
	else if (reply->code == 535)
		code = ENHANCED_STATUS(4, 7, 8);
	if (reply->code == 0)
		snprintf(said, sizeof(said), "%s", event->detail);
	else
		smtp_reply_print(reply, said, sizeof(said));
	delivery_status_set_local(&decision->status, event->stage, code,
				  "SASL authentication failed; %s%s",
				  reply->code == 0 ? "" : "server said: ", said);
}

static void decide_failure(const struct smtp_event *event, enum tls_level tls_level,
			   struct delivery_decision *decision)
{
	struct delivery_status *status = &decision->status;
	enum delivery_stage stage = event->stage;

	decision->next = DELIVERY_NEXT_HOST;
	switch (event->failure) {
	case SMTP_FAILURE_NONE:
		break;	/* decide_reply() */
	case SMTP_FAILURE_CONNECT:
		delivery_status_set_local(status, stage, ENHANCED_STATUS(4, 4, 1), "%s",
					  event->detail);
		break;
	case SMTP_FAILURE_TIMEOUT:
		decide_broken(event, tls_level, "conversation timed out", decision);
		break;
	case SMTP_FAILURE_LOST:
		decide_broken(event, tls_level, "lost connection", decision);
		break;
	case SMTP_FAILURE_SLOW:
		decide_broken(event, tls_level, "conversation timed out", decision);
		break;
	case SMTP_FAILURE_PROTOCOL:
		delivery_status_set_local(status, stage, ENHANCED_STATUS(4, 5, 0),
					  "protocol error while %s" DETAIL_FORMAT,
					  while_doing(stage), DETAIL(event, ": ", ""));
		break;
	case SMTP_FAILURE_FLOOD:
		delivery_status_set_local(status, stage, ENHANCED_STATUS(4, 4, 2),
					  "protocol error while %s" DETAIL_FORMAT,
					  while_doing(stage), DETAIL(event, ": ", ""));
		break;
	case SMTP_FAILURE_TLS_HANDSHAKE:
		decide_without_tls(tls_level, decision);
		delivery_status_set_local(status, stage, ENHANCED_STATUS(4, 7, 5),
					  "Cannot start TLS" DETAIL_FORMAT,
					  DETAIL(event, ": ", ""));
		break;
	case SMTP_FAILURE_TLS_CERTIFICATE:
		delivery_status_set_local(status, stage, ENHANCED_STATUS(4, 7, 5),
					  "Server certificate not accepted" DETAIL_FORMAT,
					  DETAIL(event, ": ", ""));
		break;
	case SMTP_FAILURE_TLS_INJECTION:
		/* Somebody is at work on this path: cleartext is what they want. */
		delivery_status_set_local(
			status, stage, ENHANCED_STATUS(4, 7, 0),
			"plaintext data behind the STARTTLS response" DETAIL_FORMAT,
			DETAIL(event, ": ", ""));
		break;
	case SMTP_FAILURE_TLS_NOT_OFFERED:
		delivery_status_set_local(status, stage, ENHANCED_STATUS(4, 7, 4),
					  "TLS is required, but was not offered" DETAIL_FORMAT,
					  DETAIL(event, " (demanded by ", ")"));
		break;
	case SMTP_FAILURE_REQUIRETLS:	/* RFC 8689 4.2.1 */
		delivery_status_set_local(status, stage, ENHANCED_STATUS(5, 7, 30), "%s",
					  event->detail);
		break;
	case SMTP_FAILURE_LOOP:
		decision->next = DELIVERY_NEXT_FINAL;
		delivery_status_set_local(status, stage, ENHANCED_STATUS(5, 4, 6),
					  "mail loops back to myself" DETAIL_FORMAT,
					  DETAIL(event, " (", ")"));
		break;
	case SMTP_FAILURE_AUTH:
		decide_auth(event, decision);
		break;
	case SMTP_FAILURE_CAPABILITY:
		decision->next = DELIVERY_NEXT_FINAL;
		delivery_status_set_local(status, stage, ENHANCED_STATUS(5, 6, 7), "%s",
					  event->detail);
		break;
	case SMTP_FAILURE_TOO_BIG:
		decision->next = DELIVERY_NEXT_FINAL;
		delivery_status_set_local(status, stage, ENHANCED_STATUS(5, 3, 4), "%s",
					  event->detail);
		break;
	case SMTP_FAILURE_CANCELLED:
		decision->next = DELIVERY_NEXT_FINAL;
		delivery_status_set_local(status, stage, ENHANCED_STATUS(4, 3, 2),
					  "the edge is stopping");
		break;
	case SMTP_FAILURE_LOCAL:
		decision->next = DELIVERY_NEXT_FINAL;
		delivery_status_set_local(status, stage, ENHANCED_STATUS(4, 3, 0),
					  "local data error" DETAIL_FORMAT,
					  DETAIL(event, ": ", ""));
		break;
	case SMTP_FAILURE_NO_TIME:
		/* Another server would need time as well. */
		decision->next = DELIVERY_NEXT_FINAL;
		delivery_status_set_local(status, stage, ENHANCED_STATUS(4, 4, 7),
					  "no time left for this delivery attempt");
		break;
	case SMTP_FAILURE_JOURNAL:
		/* Another server would not help. */
		decision->next = DELIVERY_NEXT_FINAL;
		delivery_status_set_local(status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 1),
					  "this edge cannot write its journal");
		break;
	}
}

/* A complete reply that is no answer to what was asked. */
static void decide_unexpected(const struct smtp_event *event, struct delivery_decision *decision)
{
	decision->next = DELIVERY_NEXT_HOST;
	delivery_status_set_local(&decision->status, event->stage, ENHANCED_STATUS(4, 5, 0),
				  "protocol error while %s: unexpected reply \"%d %s\"",
				  while_doing(event->stage), event->reply.code, event->reply.text);
}

/*
 * The reply decides; a temporary one lets the next host try, a permanent one is final unless
 * `permanent_next` says otherwise.
 */
static void decide_refusal(const struct smtp_event *event, enum delivery_next permanent_next,
			   struct delivery_decision *decision)
{
	if (smtp_reply_is(&event->reply, REPLY_TRANSIENT)) {
		decision->next = DELIVERY_NEXT_HOST;
		delivery_status_set_reply(&decision->status, event->stage, &event->reply);
	} else if (smtp_reply_is(&event->reply, REPLY_PERMANENT)) {
		decision->next = permanent_next;
		delivery_status_set_reply(&decision->status, event->stage, &event->reply);
	} else {
		decide_unexpected(event, decision);
	}
}

/*
 * 452 and 552 are "too many recipients" (RFC 5321 4.5.3.1.10) and say nothing about this one,
 * unless an enhanced code with subject 1 or 2 (address, mailbox) says otherwise: "452 4.2.2 mailbox
 * full".
 */
static void decide_rcpt(const struct smtp_event *event, size_t accepted_before,
			struct delivery_decision *decision)
{
	const struct smtp_reply *reply = &event->reply;

	decide_refusal(event, DELIVERY_NEXT_FINAL, decision);
	if (reply->code != 452 && reply->code != 552)
		return;
	decision->status.action = DELIVERY_DELAYED;
	decision->status.status.class = 4;
	if (accepted_before > 0 && reply->status.subject != 1 && reply->status.subject != 2)
		decision->next = DELIVERY_NEXT_TRANSACTION;
	else
		decision->next = DELIVERY_NEXT_HOST;
}

static void decide_starttls(const struct smtp_event *event, enum tls_level tls_level,
			    struct delivery_decision *decision)
{
	decide_without_tls(tls_level, decision);
	delivery_status_set_local(&decision->status, event->stage, ENHANCED_STATUS(4, 7, 4),
				  "TLS was offered, but refused: %d %s", event->reply.code,
				  event->reply.text);
}

static void decide_final(const struct smtp_event *event, struct delivery_decision *decision)
{
	if (!smtp_reply_is(&event->reply, REPLY_COMPLETION)) {
		decide_refusal(event, DELIVERY_NEXT_FINAL, decision);
		decision->status.maybe_duplicate = !smtp_reply_is(&event->reply, REPLY_TRANSIENT) &&
						   !smtp_reply_is(&event->reply, REPLY_PERMANENT);
	} else {
		delivery_status_set_reply(&decision->status, event->stage, &event->reply);
	}
	decision->next = DELIVERY_NEXT_FINAL;
}

static void decide_reply(const struct smtp_event *event, enum tls_level tls_level,
			 size_t accepted_before, struct delivery_decision *decision)
{
	switch (event->stage) {
	case STAGE_TUNNEL:
	case STAGE_EDGE:
	case STAGE_DNS:
	case STAGE_CONNECT:
	case STAGE_COUNT:
		decide_unexpected(event, decision);	/* no reply can be had there */
		break;
	case STAGE_GREETING:
	case STAGE_EHLO:
		decide_refusal(event, DELIVERY_NEXT_HOST, decision);
		break;
	case STAGE_TLS:
		if (event->reply.code == 421)	/* the service closes, it does not refuse TLS */
			decide_refusal(event, DELIVERY_NEXT_HOST, decision);
		else
			decide_starttls(event, tls_level, decision);
		break;
	case STAGE_RCPT:
		decide_rcpt(event, accepted_before, decision);
		break;
	case STAGE_MAIL:
	case STAGE_DATA:
	case STAGE_CONTENT:
		decide_refusal(event, DELIVERY_NEXT_FINAL, decision);
		break;
	case STAGE_AFTER_FINAL_DOT:
		decide_final(event, decision);
		break;
	}
}

void delivery_policy_decide(const struct smtp_event *event, enum tls_level tls_level,
			    size_t accepted_before, struct delivery_decision *decision)
{
	memset(decision, 0, sizeof(*decision));
	if (event->failure == SMTP_FAILURE_NONE)
		decide_reply(event, tls_level, accepted_before, decision);
	else if (event->final_dot_sent)
		decide_in_doubt(event, decision);
	else
		decide_failure(event, tls_level, decision);
}

/* RFC 4954 6: authentication required, too weak, failed, or refused without encryption. */
static bool is_about_login(int code)
{
	return code == 530 || code == 534 || code == 535 || code == 538;
}

static bool is_about_session(enum delivery_stage stage)
{
	return stage == STAGE_DNS || stage == STAGE_CONNECT || stage == STAGE_GREETING ||
	       stage == STAGE_EHLO;
}

void delivery_policy_soften_relay(struct delivery_status *status)
{
	if (status->action != DELIVERY_FAILED ||
	    (!is_about_session(status->stage) && !is_about_login(status->reply.code)))
		return;
	status->action = DELIVERY_DELAYED;
	status->status.class = 4;
}

static bool later_wins(const struct delivery_status *kept, const struct delivery_status *later)
{
	if (later->action == DELIVERY_RELAYED)
		return true;
	if (kept->action == DELIVERY_RELAYED || kept->maybe_duplicate)
		return false;
	if (kept->action == DELIVERY_FAILED && later->action == DELIVERY_DELAYED)
		return true;
	if (kept->action == DELIVERY_DELAYED && later->action == DELIVERY_FAILED)
		return later->stage >= STAGE_MAIL;
	return later->maybe_duplicate || later->stage >= kept->stage;
}

void delivery_policy_merge(struct delivery_status *kept, const struct delivery_status *later)
{
	if (later_wins(kept, later))
		*kept = *later;
}
