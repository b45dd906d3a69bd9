/*
 * One mail transaction on the edge: envelope and content as they come in, the refusal if there is
 * one, then the delivery.
 */
#ifndef TRANSACTION_H
#define TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "content.h"
#include "edge.h"
#include "lib/dot_stuffing.h"
#include "tunnel/content_digest.h"
#include "tunnel/frame.h"

enum transaction_state {
	TRANSACTION_NONE,
	TRANSACTION_RECEIVING,
	TRANSACTION_REFUSED, /* decided early; outcomes go out with the next CONTENT or END, the
				rest is read and dropped */
	TRANSACTION_ANSWERED, /* refused and answered: frames up to END or ABORT are dropped */
};

struct transaction {
	enum transaction_state state;
	uint32_t id;
	struct envelope envelope;
	struct content content;
	struct dot_verifier verifier;
	struct content_digest digest;
	uint8_t content_digest[CONTENT_DIGEST_SIZE];	/* once complete */
	struct delivery_status refusal;
	struct edge_setup *setup;	/* our reference while state is not NONE */
	struct tenant tenant;
	struct tenant_row *row;		/* NULL: no memory for it */
	bool is_admitted;		/* counts among the tenant's transactions at once */
	int64_t size_max;		/* bytes; the smaller one of the edge's and the tenant's limit */
	size_t recipients_max;		/* likewise */
	size_t surplus;			/* recipients beyond; in no envelope, to be tried again */
	struct deadline deadline;
};

void transaction_init(struct transaction *transaction);
/* What `from` holds is `to`'s afterwards; `from` keeps its id. `to` holds nothing before. */
void transaction_move(struct transaction *to, struct transaction *from);
/* Frees content and envelope at once and leaves nothing but the id (ids only grow). Safe twice. */
void transaction_end(struct transaction *transaction);

void transaction_begin(struct transaction *transaction, struct edge *edge, uint32_t id,
		       const struct frame_envelope *frame, const struct tenant_terms *terms);
/*
 * false: the peer broke the protocol (gap in the indices, recipient after content, content or end
 * without a recipient). Limits of ours refuse the transaction instead, or what is beyond them:
 * surplus recipients have the indices after those of the envelope.
 */
bool transaction_add_recipient(struct transaction *transaction, uint32_t index,
			       const struct recipient *recipient);
bool transaction_add_content(struct transaction *transaction, const void *bytes, size_t length);
/* Checks length, digest, soundness, loops. After it the state is RECEIVING (deliver) or REFUSED. */
bool transaction_complete(struct transaction *transaction,
			  const uint8_t digest[CONTENT_DIGEST_SIZE], uint64_t length);
/* The outcome of the surplus. */
void transaction_surplus_status(const struct transaction *transaction,
				struct delivery_status *status);
/* Delivers; sink is called once per recipient. `progress` may be NULL. */
void transaction_deliver(struct transaction *transaction, struct edge *edge,
			 struct delivery_progress *progress, delivery_sink_fn *sink, void *context);

#endif
