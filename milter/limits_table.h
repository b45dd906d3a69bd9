/*
 * The lines of `limits`, read once and never changed: who is in it, and with which numbers. Taken
 * whole or not at all, since a limit that is not understood would be no limit.
 */
#ifndef LIMITS_TABLE_H
#define LIMITS_TABLE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "limit_line.h"
#include "rate_key.h"

struct limits_table;

/* The line that counts for somebody, and whose bucket it fills. */
struct limits_match {
	struct limit_line line;
	size_t number;			/* of the line in the file */
	struct rate_key owner;		/* of the bucket: one login, address, /64 or domain, never a line */
};
/* login, client, domain */
#define LIMITS_MATCHES_MAX 3

/*
 * A file that does not exist has no lines. NULL with "PATH:LINE: ..." in error; *status is filled
 * in either case (text_file.h).
 */
struct limits_table *limits_table_read(const char *path, struct stat *status, char *error, size_t error_size);
void limits_table_destroy(struct limits_table *table);

/*
 * All lines that apply: that of the login or of "login:*"; "local" for what comes from sendmail(1),
 * otherwise the longest network or "client:*"; that of the envelope sender's domain or of
 * "domain:*". Returns how many.
 */
size_t limits_table_match(const struct limits_table *table, const struct client *client, const char *sender_domain,
			  struct limits_match matches[LIMITS_MATCHES_MAX]);
size_t limits_table_count(const struct limits_table *table);
bool limits_table_has_sizes(const struct limits_table *table);

#endif
