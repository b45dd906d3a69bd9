/*
 * What the log shall say, but not each time that it is so: once a minute. All zero is one that is
 * due. The caller's lock protects it.
 */
#ifndef REMINDER_H
#define REMINDER_H

#include <stdbool.h>

#include "deadline.h"

struct reminder {
	struct deadline next;
};

/* Is it time to say it? If so, it is not again for the next minute. */
bool reminder_is_due(struct reminder *reminder);
/* It is over: the next time is news, and due at once. */
void reminder_reset(struct reminder *reminder);

#endif
