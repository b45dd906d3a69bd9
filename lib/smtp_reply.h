/* An SMTP or LMTP reply (RFC 5321 4.2). Only replies that were read in full exist as this struct. */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "enhanced_status.h"
#include "smtp_limits.h"

enum reply_severity {
	REPLY_COMPLETION = 2,
	REPLY_INTERMEDIATE = 3,
	REPLY_TRANSIENT = 4,
	REPLY_PERMANENT = 5,
};

struct smtp_reply {
	int code;				/* 200..599; 0 = no reply */
	struct enhanced_status status;		/* of the first line that has one; class equal to the code's, otherwise none */
	char text[SMTP_REPLY_TEXT_MAX + 1];	/* every line, without code and hyphen, joined by a space, printable, cut;
						   the enhanced status of the first line stays in, of further lines is removed */
};

enum reply_severity smtp_reply_severity(const struct smtp_reply *reply);
bool smtp_reply_is(const struct smtp_reply *reply, enum reply_severity severity);
/* "550 5.1.1 text" */
char *smtp_reply_print(const struct smtp_reply *reply, char *out, size_t size);

#endif
