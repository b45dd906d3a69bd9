/*
 * The journal's index: which slot of the file belongs to which name, in memory. Slots are numbered
 * from 0. Finding, taking and giving back cost the same however many there are. Not thread-safe:
 * journal.c has the lock.
 */
#ifndef JOURNAL_INDEX_H
#define JOURNAL_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "journal_record.h"

#define JOURNAL_NO_SLOT UINT32_MAX

/* Small, as there is one for each slot; 32 bits of seconds last until 2106. */
struct journal_entry {
	uint8_t name[JOURNAL_NAME_BYTES];
	uint32_t time_s;
	uint32_t next;			/* of the same bucket, or of the free slots */
	uint8_t state;			/* enum journal_state, what the disk says */
	bool is_held;			/* a delivery is under way */
	bool is_taken;
};

struct journal_index {
	struct journal_entry *entries;
	uint32_t *buckets;
	uint32_t slots, bucket_mask;
	uint32_t first_free, never_used;
	uint32_t taken;
};

/* 0, or -1 when memory is out. */
int journal_index_init(struct journal_index *index, uint32_t slots);
void journal_index_wipe(struct journal_index *index);
/* JOURNAL_NO_SLOT: not there. */
uint32_t journal_index_find(const struct journal_index *index, const uint8_t name[JOURNAL_NAME_BYTES]);
/* A slot for a name that is not there; JOURNAL_NO_SLOT: all are taken. */
uint32_t journal_index_take(struct journal_index *index, const uint8_t name[JOURNAL_NAME_BYTES]);
/* For what was read from the file, in the order of its slots, before anything else is taken. */
void journal_index_put(struct journal_index *index, uint32_t slot, const struct journal_record *record);
void journal_index_give_back(struct journal_index *index, uint32_t slot);
/* Gives back what is older than `before_s` and not held; returns how many. */
uint32_t journal_index_expire(struct journal_index *index, int64_t before_s);

#endif
