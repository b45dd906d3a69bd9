/*
 * The journal: what has become of each recipient of each message, so that a mail host which has not
 * heard the outcome, and asks again, gets it instead of a second delivery (doc/ARCHITECTURE.md "The
 * journal"). Before the final dot an intent is on disk; after the reply, and before the mail host
 * is told, the outcome is. Between the two lies the one moment in which nobody can know (RFC 1047).
 *
 *   journal_claim()	at the start of a delivery; the answer may be there already
 *   journal_intend()	before the final dot, for everybody whom the server took
 *   journal_settle()	with the outcome; ends the claim
 *
 * A claim that ends without an outcome (the process is killed) leaves nothing behind if no dot was
 * about to be sent, otherwise an intent: whoever claims it next is told that a delivery may be a
 * second one. A temporary outcome leaves nothing: the next attempt asks the server again.
 *
 * Thread-safe.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal_seal.h"
#include "lib/deadline.h"
#include "lib/delivery_status.h"

struct journal;

struct journal_settings {
	const char *path;	/* of the file; its secret is in PATH.key, made when it is not there */
	uint64_t size;		/* bytes; JOURNAL_RECORD_BYTES a recipient */
	int64_t keep_ms;
	bool is_synced;		/* false: writes are left to the kernel; a power cut may lose them */
};

/*
 * Damaged records are ignored, with a warning. NULL with "PATH: ..." in error: not readable, another
 * process has it, no room on the disk.
 */
struct journal *journal_open(const struct journal_settings *settings, char *error, size_t error_size);
/* Whoever waits in journal_claim() is told JOURNAL_BUSY, from now on at once. NULL is allowed. */
void journal_stop(struct journal *journal);
/* NULL is allowed. Nobody may use it any more. */
void journal_close(struct journal *journal);

struct journal_claim {
	struct journal_name name;
	uint32_t slot;
	bool is_held;		/* false: nothing is journaled for it */
	bool is_in_doubt;	/* an earlier attempt sent the final dot, or was about to */
};

enum journal_answer {
	JOURNAL_CLAIMED,	/* deliver, then settle */
	JOURNAL_KNOWN,		/* *status is the outcome, marked from_journal */
	JOURNAL_BUSY,		/* another delivery of the same is under way */
	JOURNAL_REFUSED,	/* nothing can be written: *status (4.3.1) says why; deliver nothing */
};

/*
 * Waits until `deadline` while another delivery has it. A subject without a queue id cannot be told
 * from the same text sent twice on purpose: it is CLAIMED and not journaled.
 */
enum journal_answer journal_claim(struct journal *journal, const struct journal_subject *subject,
				  struct deadline deadline, struct journal_claim *claim,
				  struct delivery_status *status);
/*
 * 0, or -1: not all intents are on disk, so the final dot must not be sent; the log says why. Claims
 * that are not held are passed over.
 */
int journal_intend(struct journal *journal, struct journal_claim *const *claims, size_t count);
/*
 * Nothing is said of a failure to write: the outcome stands, and this process remembers it. Claims
 * that are not held are passed over.
 */
void journal_settle(struct journal *journal, struct journal_claim *claim,
		    const struct delivery_status *status);

#endif
