/*
 * One mail transaction after another through the tunnel to an edge: envelope, content, end, and one
 * status per recipient.
 *
 *   relay_open()      at MAIL: a tunnel, fresh or kept from the message before
 *   relay_begin()     ENVELOPE and RECIPIENTs
 *   relay_content()   as often as needed
 *   relay_end()       END; or relay_give_up() before that: ABORT
 *   relay_wait()      until it says false; after each call look at outcomes[]
 *   relay_finish()    forgets the transaction, keeps the tunnel
 *
 * Whatever fails on the way becomes the outcome of every recipient that has none yet, so that after
 * the last relay_wait() each has exactly one. A recipient is RELAYED only if the edge said so
 * soundly.
 */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge_link.h"
#include "lib/delivery_status.h"
#include "lib/envelope.h"
#include "relay_failure.h"
#include "tunnel/content_digest.h"

struct relay_outcome {
	bool is_known;
	bool is_answered; /* the caller has told Postfix: too late to change */
	struct delivery_status status;
};

struct relay {
	struct edge_link link;
	struct edge edge;	/* where the tunnel leads; a copy, since tables are re-read */
	struct frame_info info; /* what the edge said of itself; edge_name is printable */
	bool is_open;
	enum tunnel_failure open_failure; /* of the last relay_open() that needed a new tunnel */
	uint32_t transaction; /* counts up in one tunnel */

	/* of the current transaction */
	enum relay_stage stage;
	bool is_active; /* ENVELOPE was sent; neither DONE read nor ABORT sent nor the tunnel lost
			 */
	struct deadline deadline;
	struct deadline edge_deadline;	/* by what ENVELOPE said; never if it gave no time */
	struct relay_outcome *outcomes; /* one per recipient, in the order of the envelope */
	size_t count;
	size_t known;
	struct content_digest digest;
};

void relay_init(struct relay *relay, struct edge_link link);
/* Says CLOSE and wipes. */
void relay_wipe(struct relay *relay);

/*
 * Makes sure that there is a live tunnel to `edge`. 0, or -1 with *status. May be called again
 * before relay_begin(): nothing but the tunnel is touched.
 */
int relay_open(struct relay *relay, const struct edge *edge, struct deadline deadline,
	       struct delivery_status *status);

/* Is there a tunnel, and nothing that shows its end? */
bool relay_is_live(struct relay *relay);
/* The same, to this edge: relay_open() would do nothing. */
bool relay_is_live_to(struct relay *relay, const struct edge *edge);

/* Between transactions: the next relay_open() needs a new tunnel. */
void relay_close(struct relay *relay);

/*
 * 0, or -1: the transaction is over and every outcome is known. A kept tunnel that died in the
 * meantime is replaced once, within `connect_deadline`; everything until the last status must be
 * done before `deadline`.
 */
int relay_begin(struct relay *relay, const struct envelope *envelope,
		struct deadline connect_deadline, struct deadline deadline);
/*
 * 0, or -1: over, take no more content; every outcome is known (the edge decided early, or the
 * tunnel failed).
 */
int relay_content(struct relay *relay, const void *bytes, size_t length);
/*
 * Instead of relay_begin(): nothing is sent, every recipient gets *status. -1: out of memory, there
 * are no outcomes.
 */
int relay_refuse(struct relay *relay, const struct envelope *envelope,
		 const struct delivery_status *status);
/* The digest of the content so far. */
void relay_content_digest(const struct relay *relay, uint8_t digest[CONTENT_DIGEST_SIZE]);
/* Nothing is sent any more; recipients without an outcome get *status. */
void relay_give_up(struct relay *relay, const struct delivery_status *status);
/* The content is complete. Nothing is sent if the time that the edge was given is over: ABORT. */
void relay_end(struct relay *relay);
/*
 * Waits for the next words of the edge, and takes all that are there. false when nothing more will
 * come: all outcomes are known.
 */
bool relay_wait(struct relay *relay);
void relay_finish(struct relay *relay);

#endif
