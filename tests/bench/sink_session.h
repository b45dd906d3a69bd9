/*
 * The sink's side of an SMTP session (RFC 5321) without I/O: lines in, replies out. It takes whatever comes, and cares for nothing
 * that a benchmark does not need. What the local part of a recipient asks for:
 *
 *     refused@    550 to RCPT
 *     later@      450 to RCPT
 *     cut@        the connection ends at RCPT
 *     lost@       the connection ends after the final dot, the message is taken and no reply is written
 */
#ifndef SINK_SESSION_H
#define SINK_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sink_record.h"

#define SINK_LINE_MAX 1100
#define SINK_REPLIES_MAX 8192

enum sink_wish { SINK_GOES_ON, SINK_WANTS_TLS, SINK_WANTS_END, SINK_WANTS_LOSS };

struct sink_session {
	bool offers_tls;
	bool is_in_content, is_in_header, will_lose;
	size_t recipients;
	struct sink_message message;	/* of the transaction under way */
	char line[SINK_LINE_MAX];	/* the line that is not complete yet; cut if it is longer */
	size_t line_length;
	char replies[SINK_REPLIES_MAX];
	size_t replies_length;
};

void sink_session_begin(struct sink_session *session, bool offers_tls);
/*
 * Takes bytes until there is none left, until it wants something, or, if one_reply, until a reply was made. Returns how many it took;
 * replies are appended, and the caller empties them.
 */
size_t sink_session_feed(struct sink_session *session, const char *bytes, size_t length, bool one_reply, struct sink_record *record,
			 enum sink_wish *wish);

#endif
