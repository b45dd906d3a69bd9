/* What kind of message may have the null reverse-path: the classes of null_sender_classes. */
#ifndef NULL_SENDER_H
#define NULL_SENDER_H

#include <stdbool.h>

#include "message.h"

/*
 * "bounce": a report of delivery (RFC 3464); "disposition-notification": of reading (RFC 8098);
 * "auto-reply": Auto-Submitted says so (RFC 3834); "any": every message. In doubt false.
 */
bool null_sender_is_class(const struct message *message, const char *class);

#endif
