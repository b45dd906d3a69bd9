/*
 * Is what an edge says of a recipient sound? The edge is authenticated but may be broken or
 * compromised; a lie that fits together cannot be found out, a contradiction can. Pure.
 */
#ifndef STATUS_AUDIT_H
#define STATUS_AUDIT_H

#include <stdbool.h>

#include "lib/delivery_status.h"

/*
 * Makes the texts printable. NULL when the status is sound; otherwise the contradiction in words,
 * and the status is not to be used: its recipient is in doubt. `end_was_sent`: nobody can have
 * taken the message before that.
 */
const char *status_audit(struct delivery_status *status, bool end_was_sent);

/* Do two statuses for one recipient say the same? How the edge came to know it does not count. */
bool status_audit_is_same(const struct delivery_status *a, const struct delivery_status *b);

#endif
