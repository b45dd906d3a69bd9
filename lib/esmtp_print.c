/*
 * MAIL and RCPT lines for the next server (RFC 5321 4.1.1), grammar as in esmtp_param.c. What that
 * server does not offer is left out: SIZE and BODY are hints, and without DSN the duties of RFC
 * 3461 end with us, which is reported upwards by delivery_status.dsn_offered. Whether mail that
 * needs SMTPUTF8 or 8BITMIME may go there at all is decided before, not here. A line is appended
 * whole or not at all.
 */
#include "esmtp_print.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ascii.h"
#include "xtext.h"

/*
 * The longest line: a path of MAILBOX_TEXT_MAX, an ORCPT of SMTP_ORCPT_MAX, and less than 100
 * octets of words.
 */
#define LINE_MAX_OCTETS 1280

/* A command line of bounded length; too long is remembered and refused at the end. */
struct line {
	char text[LINE_MAX_OCTETS];
	size_t length;
};

__attribute__((format(printf, 2, 3)))
static void line_add(struct line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - line->length;
	va_list arguments;
	int added;

	va_start(arguments, format);
	added = vsnprintf(line->text + line->length, room, format, arguments);
	va_end(arguments);
	line->length += added >= 0 && (size_t)added < room ? (size_t)added : room - 1;
}

static int line_finish(struct line *line, struct buffer *out)
{
	line_add(line, "\r\n");
	if (line->length == sizeof(line->text) - 1)
		return -1;
	return buffer_put(out, line->text, line->length);
}

int esmtp_print_mail(struct buffer *out, const struct envelope *envelope, struct esmtp_offer offer,
		     uint64_t message_size)
{
	struct line line = { .length = 0 };
	char path[MAILBOX_TEXT_MAX];

	line_add(&line, "MAIL FROM:<%s>",
		 reverse_path_print(&envelope->reverse_path, path, sizeof(path)));
	if (offer.size && message_size > 0)
		line_add(&line, " SIZE=%llu", (unsigned long long)message_size);
	if (offer.eightbitmime && envelope->body_type == BODY_8BITMIME)
		line_add(&line, " BODY=8BITMIME");
	if (offer.smtputf8 && envelope->smtputf8)
		line_add(&line, " SMTPUTF8");
	if (offer.requiretls && envelope->requiretls)
		line_add(&line, " REQUIRETLS");
	if (offer.dsn && envelope->ret != DSN_RETURN_UNSET)
		line_add(&line, " RET=%s", envelope->ret == DSN_RETURN_FULL ? "FULL" : "HDRS");
	if (offer.dsn && envelope->envid[0] != '\0')
		line_add(&line, " ENVID=%s", envelope->envid);
	return line_finish(&line, out);
}

static void add_notify(struct line *line, uint8_t notify)
{
	const char *comma = "";

	line_add(line, " NOTIFY=");
	if (notify & DSN_NOTIFY_NEVER) {
		line_add(line, "NEVER");
		return;
	}
	for (size_t bit = DSN_NOTIFY_SUCCESS; bit <= DSN_NOTIFY_DELAY; bit <<= 1) {
		if (!(notify & bit))
			continue;
		line_add(line, "%s%s", comma, bit == DSN_NOTIFY_SUCCESS ? "SUCCESS" :
			 bit == DSN_NOTIFY_FAILURE ? "FAILURE" : "DELAY");
		comma = ",";
	}
}

static void add_orcpt(struct line *line, const char *orcpt, bool allow_utf8)
{
	const char *semicolon = strchr(orcpt, ';');
	size_t type_length = semicolon != NULL ? (size_t)(semicolon - orcpt) : 0;
	char ascii[SMTP_ORCPT_MAX + 1];

	if (allow_utf8 || !ascii_is_word(orcpt, type_length, "utf-8"))
		line_add(line, " ORCPT=%s", orcpt);
	else if (xtext_utf8_address_to_ascii(ascii, sizeof(ascii) - type_length - 1, semicolon + 1,
					     strlen(semicolon + 1)) > 0)
		line_add(line, " ORCPT=utf-8;%s", ascii);
}

int esmtp_print_rcpt(struct buffer *out, const struct recipient *recipient,
		     struct esmtp_offer offer)
{
	struct line line = { .length = 0 };
	char path[MAILBOX_TEXT_MAX];

	line_add(&line, "RCPT TO:<%s>",
		 mailbox_print(&recipient->forward_path, path, sizeof(path)));
	if (offer.dsn && recipient->notify != 0)
		add_notify(&line, recipient->notify);
	if (offer.dsn && recipient->orcpt[0] != '\0')
		add_orcpt(&line, recipient->orcpt, offer.smtputf8);
	return line_finish(&line, out);
}
