/* The value of a header field as RFC 5322 2.2.3 unfolds it. Pure. */
#ifndef FIELD_VALUE_H
#define FIELD_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buffer.h"

/*
 * Appends the value without its line breaks ("\n" or "\r\n" before white space, which stays).
 * 0, or -1 with a reason: a line break that does not fold, a folded line of nothing but white space
 * (obs-FWS, which ends the header section for some readers), a control character but TAB, octets
 * beyond ASCII without `allow_utf8`, malformed UTF-8, out of memory.
 */
int field_value_unfold(struct buffer *out, const char *value, size_t length, bool allow_utf8, char *reason,
		       size_t reason_size);

#endif
