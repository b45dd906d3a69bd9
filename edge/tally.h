/*
 * What became of one client's mail in the last 24 hours, hour by hour: outcomes, how well delivered
 * mail was protected on its way, and why mail was put off. Of a fixed size, and without a domain or an
 * address. Pure; the holder has the clock and the lock. All zero: nothing was counted yet.
 */
#ifndef TALLY_H
#define TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/delivery_status.h"

#define TALLY_HOURS 24

/* Of recipients whose mail was relayed. */
enum tally_tls {
	TALLY_TLS_NONE,
	TALLY_TLS_UNAUTHENTICATED,
	TALLY_TLS_DANE,
	TALLY_TLS_STS,
	TALLY_TLS_VERIFIED,	/* by a rule of this edge: verify, secure, fingerprint */
	TALLY_TLS_KINDS
};

/* Of recipients that were put off. */
enum tally_reason {
	TALLY_DNS,		/* no answer, or one that does not validate */
	TALLY_CONNECT,		/* no host took a connection */
	TALLY_TLS,		/* no TLS of the kind that is needed */
	TALLY_LOST,		/* a connection broke off, or went silent */
	TALLY_POLICY,		/* a server said 4.7.x: greylisting, rates, reputation */
	TALLY_MAILBOX,		/* a server said 4.1.x or 4.2.x: the recipient's mailbox */
	TALLY_SERVER,		/* a server said another 4xx */
	TALLY_LIMITS,		/* this edge: its limits, a destination that is busy or rests */
	TALLY_REASONS
};

/* As they are told, by number. */
extern const char *const tally_tls_names[TALLY_TLS_KINDS];
extern const char *const tally_reason_names[TALLY_REASONS];

struct tally_counts {
	uint32_t sent, deferred, bounced;
	uint32_t tls[TALLY_TLS_KINDS];
	uint32_t reasons[TALLY_REASONS];
};

struct tally {
	struct tally_hour {
		int64_t hour;	/* since the epoch */
		struct tally_counts counts;
	} hours[TALLY_HOURS];	/* by hour modulo their number */
	int64_t last_sent_s;	/* seconds since the epoch; 0: nothing was */
};

/*
 * What was decided for `count` recipients. What comes from the journal was counted when it happened; what goes on will be counted when
 * it ends.
 */
void tally_add(struct tally *tally, const struct delivery_status *status, uint32_t count, int64_t now_s);
/* Of this hour and the 23 before it. */
struct tally_counts tally_sum(const struct tally *tally, int64_t now_s);

enum tally_reason tally_reason_of(const struct delivery_status *status);
/* From a delivery_status's text: what decided is its first word. */
enum tally_tls tally_tls_of(const char *text);

#endif
