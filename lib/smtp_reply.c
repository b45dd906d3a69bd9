/*
 * Predicates and printing of an SMTP reply (RFC 5321 4.2). Making one out of lines is the work of
 * smtp_reply_parser.c; deciding what it means for a recipient that of delivery_status.c and its
 * callers.
 */
#include "smtp_reply.h"

#include <stdio.h>
#include <string.h>

enum reply_severity smtp_reply_severity(const struct smtp_reply *reply)
{
	return (enum reply_severity)(reply->code / 100);
}

bool smtp_reply_is(const struct smtp_reply *reply, enum reply_severity severity)
{
	return smtp_reply_severity(reply) == severity;
}

/*
 * A status that came with a later line is not in the text and has to be put back in front of it;
 * what stands there may look like one, but of another class.
 */
static bool lacks_status(const struct smtp_reply *reply)
{
	struct enhanced_status in_text = ENHANCED_STATUS_NONE;

	enhanced_status_parse(&in_text, reply->text, strlen(reply->text));
	return in_text.class != reply->status.class && enhanced_status_is_given(reply->status);
}

char *smtp_reply_print(const struct smtp_reply *reply, char *out, size_t size)
{
	char status[ENHANCED_STATUS_TEXT_MAX] = "";
	bool put_status = lacks_status(reply);

	if (put_status)
		enhanced_status_print(reply->status, status, sizeof(status));
	snprintf(out, size, "%03d%s%s%s%s", reply->code, put_status ? " " : "", status,
		 reply->text[0] != '\0' ? " " : "", reply->text);
	return out;
}
