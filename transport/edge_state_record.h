/*
 * One record of the shared edge state (edge_state.h) in memory and on the disk.
 *
 *   record  = kind(1) flags(1) zero(2) number(4) since(8) key(24) rest(72) checksum(16)
 *   rest    = edge-name(64) edge-id(8)                                           ; of an outcome
 *   rest   =/ next(8) claimed(8) failed(8) answered(8) opened-count(8) failed-count(8)
 *             cost(4) failures(4) outages(4) zero(12)                            ; of health
 *   number  = how long the last tunnel took to open                              ; of health
 *
 * Times are milliseconds of this host's monotonic clock, lasting ones milliseconds.
 *
 * Integers are big-endian. A record of zeros is free. The checksum is the beginning of BLAKE2b-256
 * over what stands before it and the number of the slot, so that a record at the wrong place is
 * none. A kind that is not known here belongs to a later version: it is left alone.
 */
#ifndef EDGE_STATE_RECORD_H
#define EDGE_STATE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge_health.h"
#include "edge_table.h"

#define EDGE_STATE_RECORD_BYTES 128
#define EDGE_STATE_KEY_BYTES 24
#define EDGE_STATE_EDGE_ID_BYTES 8

/* A number is for ever. */
enum edge_state_kind {
	EDGE_STATE_FREE = 0,
	EDGE_STATE_OUTCOME = 1, /* an edge may know what became of a recipient */
	EDGE_STATE_COUNTERS = 2,
	EDGE_STATE_HEALTH = 3, /* is an edge up, and when is it tried again */
};

struct edge_state_entry {
	uint8_t kind;	  /* enum edge_state_kind, or one of a later version */
	bool is_answered; /* OUTCOME: the mail system was told; whether it heard is not known */
	int64_t since_ms; /* deadline_now_ms() of the host's boot at that time */
	uint8_t key[EDGE_STATE_KEY_BYTES];
	char edge[EDGE_NAME_MAX + 1];
	uint8_t edge_id[EDGE_STATE_EDGE_ID_BYTES]; /* the beginning of its public key */
	struct edge_health health;		   /* HEALTH: this and the key, nothing else */
};

enum edge_state_read { EDGE_STATE_READ_OK, EDGE_STATE_READ_DAMAGED };

void edge_state_record_write(uint8_t bytes[EDGE_STATE_RECORD_BYTES],
			     const struct edge_state_entry *entry, uint32_t slot);
/* DAMAGED: *entry is free. */
enum edge_state_read edge_state_record_read(struct edge_state_entry *entry,
					    const uint8_t bytes[EDGE_STATE_RECORD_BYTES],
					    uint32_t slot);
/*
 * How old at least. The monotonic clock knows no jumps but starts anew at each boot: a time later
 * than now is from before the boot, so that at least the time since the boot has passed. Never
 * negative.
 */
int64_t edge_state_age_ms(int64_t since_ms, int64_t now_ms);

#endif
