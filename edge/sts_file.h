/*
 * The file that keeps MTA-STS policies over a restart: text, one line a policy, each with a
 * checksum of its own, so that damage costs the lines it hit and no other.
 *
 *	line     = checksum SP domain SP id SP mode SP max_age SP fetched-at SP used-at *(SP mx)
 *	checksum = 32HEXDIG	; half of BLAKE2b-256 of what follows the space
 *
 * Times are seconds since 1970. Lines that begin with "#" and empty ones are no policies.
 */
#ifndef STS_FILE_H
#define STS_FILE_H

#include "sts_table.h"

/*
 * Adds what the file holds, as far as it is in force, to the table. Damaged lines are logged as
 * FILE:LINE. A file that does not exist holds nothing; -1 with error if it cannot be read.
 */
int sts_file_read(struct sts_table *table, const char *path, int64_t now, char *error,
		  size_t error_size);
/* The text for the policies in force: heap, or NULL without memory. */
char *sts_file_print(const struct sts_table *table, int64_t now, size_t *length);
/* In one step: whoever reads, after a crash too, finds the old file or the new one. -1 with error. */
int sts_file_write(const char *path, const char *text, size_t length, char *error,
		   size_t error_size);

#endif
