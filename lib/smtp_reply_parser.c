/*
 * Reply lines to struct smtp_reply, strict and bounded: what a hostile server can reach is here.
 *
 *   Reply-line = *( Reply-code "-" [ textstring ] CRLF )
 *                Reply-code [ SP textstring ] CRLF             (RFC 5321 4.2)
 *   Reply-code = %x32-35 2DIGIT       ; 1yz does not exist in SMTP
 *
 * A code alone, three digits and the line end, is a valid last line (RFC 5321 4.2.1;
 * CVE-2020-8794). The code may not change inside a reply. Text is made printable before it is kept
 * and cut at SMTP_REPLY_TEXT_MAX; what is beyond counts towards the bounds of the reply all the
 * same. Refuses to guess: anything else is a protocol error.
 */
#include "smtp_reply_parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

void smtp_reply_parser_init(struct smtp_reply_parser *parser)
{
	memset(parser, 0, sizeof(*parser));
}

__attribute__((format(printf, 2, 3)))
static enum smtp_reply_progress fail(struct smtp_reply_parser *parser, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(parser->error, sizeof(parser->error), format, arguments);
	va_end(arguments);
	return SMTP_REPLY_PROTOCOL_ERROR;
}

static enum smtp_reply_progress fail_with_line(struct smtp_reply_parser *parser, const char *what,
					       const char *line, size_t length)
{
	char quoted[65];

	return fail(parser, "%s: \"%s\"", what,
		    log_printable(quoted, sizeof(quoted), line, length));
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reply-code at the start of the line, or 0. */
static int parse_code(const char *line, size_t length)
{
	if (length < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) ||
	    !is_digit(line[2]))
		return 0;
	return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

/* Appends [ textstring ] to the text of the reply, printable and as far as there is room. */
static void append_text(struct smtp_reply *reply, const char *text, size_t length)
{
	size_t used = strlen(reply->text);

	while (length > 0 && text[length - 1] == ' ')
		length--;
	if (length == 0)
		return;
	if (used > 0 && used < SMTP_REPLY_TEXT_MAX)
		reply->text[used++] = ' ';
	log_printable(reply->text + used, sizeof(reply->text) - used, text, length);
	/* Where the cut fell on a space, the text shall not end in one. */
	for (used = strlen(reply->text); used > 0 && reply->text[used - 1] == ' '; used--)
		reply->text[used - 1] = '\0';
}

/*
 * The textstring of one line. RFC 2034 4 puts the enhanced status on every line of a reply: it is
 * read from the first line that has one and dropped from all but the first line, where people
 * expect to see it.
 */
static void take_text(struct smtp_reply_parser *parser, const char *text, size_t length)
{
	struct smtp_reply *reply = &parser->reply;
	struct enhanced_status status;
	size_t used = enhanced_status_parse(&status, text, length);

	if (used > 0 && status.class == reply->code / 100) {
		if (!enhanced_status_is_given(reply->status))
			reply->status = status;
		if (parser->lines > 1) {
			while (used < length && text[used] == ' ')
				used++;
			text += used;
			length -= used;
		}
	}
	append_text(reply, text, length);
}

enum smtp_reply_progress smtp_reply_parse_line(struct smtp_reply_parser *parser, const char *line,
					       size_t length)
{
	int code = parse_code(line, length);

	if (++parser->lines > SMTP_REPLY_LINES_MAX)
		return fail(parser, "reply of more than %d lines", SMTP_REPLY_LINES_MAX);
	if (length > SMTP_REPLY_LINE_MAX)
		return fail(parser, "reply line longer than %d bytes", SMTP_REPLY_LINE_MAX);
	parser->bytes += length;
	if (parser->bytes > SMTP_REPLY_BYTES_MAX)
		return fail(parser, "reply of more than %d bytes", SMTP_REPLY_BYTES_MAX);
	if (code == 0)
		return fail_with_line(parser, "reply without a reply code", line, length);
	if (length > 3 && line[3] != ' ' && line[3] != '-')
		return fail_with_line(parser, "reply code is not followed by space or hyphen", line,
				      length);
	if (parser->lines > 1 && code != parser->reply.code)
		return fail_with_line(parser, "reply code changes inside a reply", line, length);
	parser->reply.code = code;
	if (length > 3)
		take_text(parser, line + 4, length - 4);
	return length > 3 && line[3] == '-' ? SMTP_REPLY_MORE : SMTP_REPLY_COMPLETE;
}
