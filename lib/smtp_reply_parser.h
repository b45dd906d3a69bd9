/*
 * Reply lines to struct smtp_reply, bounded and strict. One parser object per reply.
 *
 *   Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF     (RFC 5321 4.2)
 */
#ifndef SMTP_REPLY_PARSER_H
#define SMTP_REPLY_PARSER_H

#include "smtp_reply.h"

enum smtp_reply_progress {
	SMTP_REPLY_MORE,		/* a "250-" line: feed the next */
	SMTP_REPLY_COMPLETE,
	SMTP_REPLY_PROTOCOL_ERROR,	/* malformed, code changed inside, too many lines or bytes; see error */
};

struct smtp_reply_parser {
	struct smtp_reply reply;	/* complete only after SMTP_REPLY_COMPLETE */
	size_t lines;
	size_t bytes;
	char error[120];		/* what was wrong, with the offending text made printable */
};

void smtp_reply_parser_init(struct smtp_reply_parser *parser);
/* One line without its line end. `line` may contain NUL and 8-bit bytes; they become '?' in the text. */
enum smtp_reply_progress smtp_reply_parse_line(struct smtp_reply_parser *parser, const char *line, size_t length);

#endif
