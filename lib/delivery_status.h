/*
 * The outcome of one attempt for one recipient (RFC 3464 2.3 terms). A value, never an error code: everything that
 * goes wrong on the way becomes one of these, and unknown is DELIVERY_DELAYED, never success and never failure.
 */
#ifndef DELIVERY_STATUS_H
#define DELIVERY_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "enhanced_status.h"
#include "smtp_reply.h"

enum delivery_action { DELIVERY_RELAYED, DELIVERY_DELAYED, DELIVERY_FAILED };

enum delivery_stage {
	STAGE_TUNNEL,		/* between transport and edge */
	STAGE_EDGE,		/* inside the edge: limits, memory, policy */
	STAGE_DNS,
	STAGE_CONNECT,
	STAGE_GREETING,
	STAGE_EHLO,
	STAGE_TLS,
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_CONTENT,		/* writing the content, the final dot not yet sent */
	STAGE_AFTER_FINAL_DOT,
	STAGE_COUNT
};

#define DELIVERY_HOST_MAX 255
#define DELIVERY_ADDRESS_MAX 63
#define DELIVERY_TLS_MAX 95

struct delivery_status {
	enum delivery_action action;
	struct enhanced_status status;		/* class always fits the action */
	enum delivery_stage stage;
	struct smtp_reply reply;		/* the remote server's own words; code 0 = it said nothing that decided */
	char reason[SMTP_REPLY_TEXT_MAX + 1];	/* our own words when reply.code is 0; otherwise "" */
	char remote_mta[DELIVERY_HOST_MAX + 1];	/* MX host name, "" = none was reached */
	char remote_address[DELIVERY_ADDRESS_MAX + 1];	/* "192.0.2.9", "2001:db8::9" */
	int remote_port;
	char tls[DELIVERY_TLS_MAX + 1];		/* "TLSv1.3 TLS_AES_256_GCM_SHA384 (unauthenticated)"; "" = cleartext or none */
	/* delayed: the final dot was sent and no reply was read (RFC 1047); else: an earlier attempt's may have been */
	bool maybe_duplicate;
	bool in_progress;			/* delayed: the edge goes on; its next attempt there gets the outcome */
	bool dsn_offered;			/* the server took over RFC 3461 duties */
	bool from_journal;			/* an earlier attempt's outcome; nothing was sent this time */
};

/*
 * Both set action, status, stage, reply and reason, and leave the other members as they are; start from { 0 }.
 *
 * A status decided by us. class of `status` decides the action: 2 relayed, 4 delayed, 5 failed; a code without
 * one of these classes is delayed 4.0.0.
 */
void delivery_status_set_local(struct delivery_status *status, enum delivery_stage stage, struct enhanced_status code,
			       const char *format, ...) __attribute__((format(printf, 4, 5)));
/*
 * A status decided by a remote reply; 2xx relayed, 4xx delayed, 5xx failed, anything else delayed 4.5.0. `reply` may be
 * the one inside *status. Its text is made printable once more, as it may come from the tunnel; a code outside
 * 200..599 is no reply, and reason says so.
 */
void delivery_status_set_reply(struct delivery_status *status, enum delivery_stage stage, const struct smtp_reply *reply);

const char *delivery_action_word(enum delivery_action action);		/* "sent", "deferred", "bounced": Postfix's log words */
const char *delivery_stage_words(enum delivery_stage stage);		/* "in reply to RCPT TO command", as Postfix says it */
/* "mx1.example.net[192.0.2.9]:25" or "none" */
char *delivery_status_relay(const struct delivery_status *status, char *out, size_t size);

/*
 * The LMTP reply for it, one printable line without CRLF. `edge` is the edge's name ("" = the tunnel was never up):
 *   250 2.0.0 EDGE: mx[addr]:25 TLSv1.3 ... said: 250 2.0.0 Ok
 *   550 5.1.1 EDGE: host mx[addr] said: 550 5.1.1 no such user (in reply to RCPT TO command)
 *   554 5.0.0 EDGE: host mx[addr] refused to talk to me: 554 go away         (greeting, EHLO)
 *   451 4.4.1 EDGE: connect to mx[addr]:25: Connection timed out             (our reason, STAGE_CONNECT)
 *   451 4.4.2 EDGE: host mx[addr]: lost connection while sending RCPT TO     (our reason, later stages)
 *   451 4.4.3 EDGE: no answer from the resolver                              (our reason, no host reached)
 * so a reason does not name the host itself. delivery_status_note() stands at the end; where there is too little room,
 * the text before it is cut.
 *
 * The class of code and enhanced status is always that of the action. A remote 4xx or 5xx of this class is kept as the
 * code, except 421, which would end the LMTP session; everything else is 250, 451 or 550.
 */
#define DELIVERY_LMTP_REPLY_MAX 1400
char *delivery_status_print_lmtp(const struct delivery_status *status, const char *edge, char *out, size_t size);
/* The part after the LMTP code and enhanced status: for logs. */
char *delivery_status_print_text(const struct delivery_status *status, const char *edge, char *out, size_t size);
/*
 * What people must not miss about it, with a space in front: maybe_duplicate, or from_journal of a relayed or failed
 * one; "" when there is nothing. For those who do not print it with one of the functions above.
 */
const char *delivery_status_note(const struct delivery_status *status);

#endif
