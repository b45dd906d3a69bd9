/* Where Postfix's queue has a message now, as postqueue(1) tells it. */
#ifndef QUEUE_STATE_H
#define QUEUE_STATE_H

#include <stddef.h>

/*
 * "in the active queue", or "in the deferred queue: REASON", printable, into out; "not in the queue any more"; or why it cannot be
 * told. Returns out.
 */
char *queue_state_describe(const char *queue_id, char *out, size_t size);

#endif
