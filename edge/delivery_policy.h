/*
 * Everything that can defer or bounce mail, as one pure function: (stage, what happened, reply) ->
 * what to do next and the status if this was the last word. STYLE: Postfix keeps the same in
 * smtp_trouble.c.
 */
#ifndef DELIVERY_POLICY_H
#define DELIVERY_POLICY_H

#include "lib/delivery_status.h"
#include "smtp_client.h"

enum delivery_next {
	DELIVERY_NEXT_FINAL,		/* the status stands */
	DELIVERY_NEXT_HOST,		/* try another address; stands if there is none */
	DELIVERY_NEXT_CLEARTEXT,	/* same address anew, without TLS; only at TLS_MAY */
	DELIVERY_NEXT_TRANSACTION,	/* same connection, once more: too many recipients */
};

struct delivery_decision {
	enum delivery_next next;
	struct delivery_status status;	/* remote_* and tls are filled in by the caller */
};

/*
 * `accepted_before`: recipients that this server took in this transaction before this RCPT reply.
 * The reason of a local status names no host ("lost connection while sending RCPT TO"):
 * delivery_status prints that from remote_*.
 */
void delivery_policy_decide(const struct smtp_event *event, enum tls_level tls_level,
			    size_t accepted_before, struct delivery_decision *decision);

/*
 * The verdict on a recipient whose mail goes to a relay of the administrator's choice. What is wrong
 * with that choice (it has no address, it may not be connected to, it is ourselves), and what the
 * relay holds against us and not against the message (its greeting, a missing log-in), is mended
 * here and not by the sender: permanent becomes temporary.
 */
void delivery_policy_soften_relay(struct delivery_status *status);

/*
 * Of two hosts' verdicts on the same recipient, which one tells the user more and is never wrong: a
 * temporary one beats a permanent one (some host may still take it), except that a later permanent
 * verdict on the message or the recipient itself (stage MAIL or beyond) stands. An outcome in doubt
 * gives way to nothing but a success. Between equals the one that came further wins, the later one
 * if both came equally far.
 */
void delivery_policy_merge(struct delivery_status *kept, const struct delivery_status *later);

#endif
