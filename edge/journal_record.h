/*
 * One record of the journal, as it lies on disk:
 *
 *	0	magic(4)	"PJ01"
 *	4	state(1) zero(3)
 *	8	time(8)		seconds since 1970
 *	16	name(16)	journal_seal.h
 *	32	outcome(464)	sealed; zeros unless the state is an outcome
 *	496	checksum(16)	over all before it and the number of its slot
 *
 * Integers are big-endian. A record is one sector of a disk, and is written in place: a write that
 * was cut short costs this record alone, and the checksum says so. The outcome is a packed
 * delivery_status; if its texts are too long together the server's words are cut, then the words
 * about TLS.
 */
#ifndef JOURNAL_RECORD_H
#define JOURNAL_RECORD_H

#include <stdint.h>

#include "journal_seal.h"
#include "lib/delivery_status.h"

#define JOURNAL_RECORD_BYTES 512

enum journal_state {
	JOURNAL_FREE,		/* nothing: all zeros on disk */
	JOURNAL_DOT,		/* the final dot was about to be sent; what came of it is not known */
	JOURNAL_RELAYED,	/* with the outcome */
	JOURNAL_FAILED,		/* likewise */
};

struct journal_record {
	enum journal_state state;
	int64_t time_s;
	uint8_t name[JOURNAL_NAME_BYTES];
};

enum journal_record_result {
	JOURNAL_RECORD_OK,	/* the state may be JOURNAL_FREE */
	JOURNAL_RECORD_DAMAGED,
};

void journal_record_print(uint8_t out[JOURNAL_RECORD_BYTES], const uint8_t key[JOURNAL_KEY_BYTES],
			  uint32_t slot, enum journal_state state, int64_t time_s,
			  const struct journal_name *name, const struct delivery_status *outcome);
enum journal_record_result journal_record_read(struct journal_record *record,
					       const uint8_t bytes[JOURNAL_RECORD_BYTES],
					       const uint8_t key[JOURNAL_KEY_BYTES], uint32_t slot);
/* The outcome of a record that was read well. 0, or -1: it is not one of this name, or damaged. */
int journal_record_outcome(struct delivery_status *outcome, const uint8_t bytes[JOURNAL_RECORD_BYTES],
			   const struct journal_name *name);

#endif
