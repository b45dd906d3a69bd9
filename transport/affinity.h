/*
 * An unknown outcome lies at one edge: its journal knows what became of an attempt of which we have
 * not heard. The next attempt must ask there; another edge would deliver again.
 *
 * affinity_plan_*() is the rule, pure. A struct affinity is one message with the names of its
 * recipients in the shared edge state (edge_state.h):
 *
 *   affinity_begin()       when the queue id is known, or at END the digest of the content instead
 *   affinity_make_plan()   which edge may be used
 *   affinity_before_end()  END is about to go to this edge: from now on it may know
 *   affinity_note()        an outcome came; says in it whether it may be a second delivery
 *   affinity_confirm()     the mail system took the outcomes in: what is certain is forgotten
 *   affinity_end()         it may not have: success is remembered for a while
 *
 * A name is the digest of queue id (or content digest) and recipient. Without a queue id no edge
 * keeps an outcome, so nothing is waited for; what is known is only that an attempt may be a second
 * delivery. Nothing here delays or refuses
 * mail because the state cannot be read or written: that is logged for each message.
 */
#ifndef AFFINITY_H
#define AFFINITY_H

#include "edge_state.h"
#include "edge_table.h"
#include "lib/delivery_status.h"
#include "lib/envelope.h"
#include "tunnel/frame.h"

enum affinity_verdict {
	AFFINITY_ANY,	/* nothing is known of this message */
	AFFINITY_FIRST, /* this edge if it can be had; another one's delivery may be a second one */
	AFFINITY_ONLY,	/* this edge, or wait */
	AFFINITY_WAIT,	/* the edge may not be used: wait */
};

/* What the entries of all recipients say together. Start from { .hold_ms, .now_ms }. */
struct affinity_plan {
	int64_t hold_ms, now_ms;
	struct edge_state_entry held; /* kind FREE: none */
	int64_t left_ms;	      /* of the hold: until something else may be done */
	bool is_split;		      /* outcomes are held at more than one edge */
	struct edge_state_entry past; /* the youngest whose hold is over; kind FREE: none */

	enum affinity_verdict verdict;
	const struct edge *edge; /* FIRST, ONLY: in the table */
	const char *obstacle;	 /* WAIT: why it may not be used */
};

void affinity_plan_add(struct affinity_plan *plan, const struct edge_state_entry *entry);
/* Fills in the verdict. An edge is known by its key; whatever its name and route are now. */
void affinity_plan_decide(struct affinity_plan *plan, const struct edge_table *edges);
/* The outcome of an attempt that has to wait for an edge; `why` it cannot be had. */
void affinity_plan_wait(const struct affinity_plan *plan, const char *why,
			struct delivery_status *status);

enum affinity_fate {
	AFFINITY_UNTRIED,   /* END did not go out in this attempt */
	AFFINITY_OPEN,	    /* END went out */
	AFFINITY_FINAL,	    /* relayed or failed */
	AFFINITY_TEMPORARY, /* for certain not delivered, by this attempt or one before it */
};

struct affinity_recipient {
	uint8_t key[EDGE_STATE_KEY_BYTES];
	bool is_doubtful; /* an attempt through another edge may have been delivered */
	bool was_open;	  /* this edge may know of an earlier attempt, too */
	enum affinity_fate fate;
};

struct affinity {
	const char *path; /* of the state; NULL: nothing is remembered */
	int64_t hold_ms;
	struct affinity_recipient *recipients; /* in the order of the envelope; NULL: not begun */
	size_t count;
	bool is_by_content;
	uint8_t edge_id[EDGE_STATE_EDGE_ID_BYTES]; /* where END went */
};

void affinity_init(struct affinity *affinity, const char *path, int64_t hold_ms);
/*
 * `digest` (CONTENT_DIGEST_SIZE) counts when the envelope has no queue id; NULL: it is not known
 * yet, and nothing is begun then. Out of memory: likewise, and logged.
 */
void affinity_begin(struct affinity *affinity, const struct envelope *envelope,
		    const uint8_t *digest);
bool affinity_has_begun(const struct affinity *affinity);
/* AFFINITY_ANY when nothing was begun or the state cannot be read (which is logged). */
void affinity_make_plan(struct affinity *affinity, const struct edge_table *edges,
			struct affinity_plan *plan);
void affinity_before_end(struct affinity *affinity, const struct envelope *envelope,
			 const struct edge *edge);
/* Before the outcome is told to anybody. */
void affinity_note(struct affinity *affinity, size_t recipient, struct delivery_status *status);
void affinity_confirm(struct affinity *affinity);
void affinity_end(struct affinity *affinity);

#endif
