/*
 * When a running program reads a table again: whenever its file has changed. While the file is bad,
 * what was read before stays in force, the log says so once a minute, and the file is tried again
 * every second, though it looks the same: it may have been bad for a reason outside it.
 */
#ifndef TABLE_WATCH_H
#define TABLE_WATCH_H

#include <stdbool.h>
#include <sys/stat.h>

#include "reminder.h"

/* All zero, with the status of the first reading. The caller's lock protects it. */
struct table_watch {
	struct stat status;		/* of the file that what is in force came from */
	struct deadline retry;
	struct reminder reminder;
};

/* Is the file to be read now? If so, one of the two below follows. */
bool table_watch_is_due(const struct table_watch *watch, const char *path);
/* What was read with this status is in force. */
void table_watch_take(struct table_watch *watch, const struct stat *status);
/* Nothing could be read; "ERROR; CONSEQUENCE" in the log ("the relays read before stay in force"). */
void table_watch_refuse(struct table_watch *watch, const char *error, const char *consequence);

#endif
