/*
 * The state file of the limits: what is left in the buckets that are not full, so that a restart
 * gives nobody a new allowance. One line of header, one line for each bucket:
 *
 *	postern-limits 1 WALL_MS		; format version; when the levels were true
 *	OWNER KIND TOKENS DURATION_MS LEVEL	; login:alice messages 60 60000 12500
 *
 * LEVEL counts thousandths of a token. Bytes of OWNER that are not visible ASCII, and "%", are
 * written as %XX. Buckets go on refilling while nobody counts, by the wall clock; one that was set
 * back in the meantime refills nothing, one that leapt ahead fills them, no more than that.
 */
#ifndef RATE_STATE_H
#define RATE_STATE_H

#include "bucket_table.h"

/*
 * Fills an empty table. A file that does not exist is empty; one that cannot be read or has another
 * format is taken for empty; damaged lines are skipped. All this is logged, with PATH:LINE. wall_ms:
 * time of day now, in ms since 1970.
 */
void rate_state_read(struct bucket_table *table, const char *path, int64_t now_ms, int64_t wall_ms);
/*
 * Replaces the file in one step. 0, or -1 with "PATH: reason" in error; the file is then as it was.
 */
int rate_state_write(const struct bucket_list *list, const char *path, int64_t wall_ms, char *error, size_t error_size);

#endif
