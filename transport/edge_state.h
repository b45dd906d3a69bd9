/*
 * What all transport processes of this host know together about edges: one file of fixed size
 * (setting edge_state). It remembers which edge may know the outcome of an attempt, and which edges
 * are up; there is room for other kinds of records.
 *
 *   file   = header page, then EDGE_STATE_GROUPS groups of EDGE_STATE_GROUP_RECORDS records
 *   header = "postern edges.state 1\n", zeros, and in slot 1 a record of counters
 *
 * A record stands in the group that its key names: who looks for one reads one group, who writes
 * one writes 128 bytes in place. A process that is killed leaves at most one damaged record, which
 * counts as free. A file that is missing, or has another size or header, is made anew with a
 * warning.
 *
 * The advisory lock (fcntl(2)) is held for the few calls between open and close, never while
 * anything else is waited for. Who cannot have it in EDGE_STATE_LOCK_MS (somebody was stopped while
 * holding it) goes on without it, and looks afterwards whether what was written stands there.
 *
 * Nothing but open, fstat, fcntl, pread, pwrite, ftruncate and close is called: the transport runs
 * in Postfix's sandbox. Nothing is synced: a power cut forgets the last seconds.
 */
#ifndef EDGE_STATE_H
#define EDGE_STATE_H

#include "edge_state_record.h"

#define EDGE_STATE_GROUPS 512
#define EDGE_STATE_GROUP_RECORDS 16
#define EDGE_STATE_HEADER_BYTES 4096
#define EDGE_STATE_BYTES                                                                           \
	(EDGE_STATE_HEADER_BYTES +                                                                 \
	 EDGE_STATE_GROUPS * EDGE_STATE_GROUP_RECORDS * EDGE_STATE_RECORD_BYTES)
#define EDGE_STATE_LOCK_MS 2000
/* As long as mail waits in Postfix's queue by default: older records mean nothing. */
#define EDGE_STATE_KEEP_MS INT64_C(432000000)

struct edge_state {
	const char *path;
	int fd;
	bool is_locked;
	bool is_read_only;
	char error[200]; /* of the last call that failed: "PATH: what" */
};

enum edge_state_counter { EDGE_STATE_DUPLICATES, EDGE_STATE_EVICTIONS, EDGE_STATE_COUNTER_COUNT };

/*
 * 0, or -1 with state->error. `path` outlives the state. `for_writing`: the file is made if it is
 * not there, and the lock is exclusive; otherwise a file that is not there or not sound is an empty
 * one.
 */
int edge_state_open(struct edge_state *state, const char *path, bool for_writing);
/* After -1 too. */
void edge_state_close(struct edge_state *state);

/* The OUTCOME entries of this key, at most EDGE_STATE_GROUP_RECORDS; -1 with state->error. */
int edge_state_find(struct edge_state *state, const uint8_t key[EDGE_STATE_KEY_BYTES],
		    struct edge_state_entry found[EDGE_STATE_GROUP_RECORDS]);
/* The health under this key; all zero if there is none, or the state cannot be read. */
void edge_state_find_health(struct edge_state *state, const uint8_t key[EDGE_STATE_KEY_BYTES],
			    struct edge_health *health);
/*
 * Puts an entry in place of that of the same kind, key and (an outcome) edge, if there is one. When
 * its group is full the health of an edge that was not tried for EDGE_STATE_KEEP_MS or the oldest
 * outcome gives way, one that was answered before one that was not: *evicted_out says
 * which (kind EDGE_STATE_FREE: none, or one too old to matter); but it does not give way to a health.
 * 0, or -1 with state->error.
 */
int edge_state_put(struct edge_state *state, const struct edge_state_entry *entry, int64_t now_ms,
		   struct edge_state_entry *evicted_out);
/* Frees the entries of a key: those of one edge, or all of them if edge_id is NULL. As put. */
int edge_state_remove(struct edge_state *state, const uint8_t key[EDGE_STATE_KEY_BYTES],
		      const uint8_t *edge_id);

/* Since the file was made. A failure is none worth a word. */
void edge_state_count(struct edge_state *state, enum edge_state_counter counter);
uint64_t edge_state_counted(struct edge_state *state, enum edge_state_counter counter);

#endif
