/*
 * The edge's share of what `grep QUEUEID` shows. Same words and order as Postfix's smtp(8), so that
 * the tools and eyes that read those lines read ours: to=, relay=, delay=, dsn=, status= (reply).
 */
#include "delivery_log.h"

#include <stdio.h>
#include <string.h>

#include "lib/log.h"

/*
 * Does this byte belong to an unquoted local part in running text? White space, brackets and
 * punctuation end it; "'" does not.
 */
static int is_local_part_byte(char byte)
{
	return byte != '\0' && strchr(" \t<>()[]\",;:", byte) == NULL;
}

/* Where the quoted string begins that ends at `end`, or NULL if there is no other quote. */
static char *quoted_start(char *text, char *end)
{
	for (char *at = end - 1; at > text; at--)
		if (at[-1] == '"' && (at - 1 == text || at[-2] != '\\'))
			return at - 1;
	return NULL;
}

/* Where the local part begins that ends at the "@". */
static char *local_part_start(char *text, char *at)
{
	char *start = at > text && at[-1] == '"' ? quoted_start(text, at) : at;

	if (start == NULL)
		return text;	/* a quote that was never opened: nobody knows where it begins */
	while (start > text && is_local_part_byte(start[-1]))
		start--;
	return start;
}

void delivery_log_hide_addresses(char *text)
{
	char *at = text;

	while ((at = strchr(at, '@')) != NULL) {
		char *start = local_part_start(text, at);

		if (start < at) {
			*start = '*';
			memmove(start + 1, at, strlen(at) + 1);
			at = start + 1;
		}
		at++;
	}
}

static const char *recipient_text(const struct recipient *recipient,
				  enum edge_log_recipients detail, char *out, size_t size)
{
	char mailbox[MAILBOX_TEXT_MAX];
	char raw[MAILBOX_TEXT_MAX + 2];

	if (detail == EDGE_LOG_RECIPIENTS_NONE)
		return "-";
	if (detail == EDGE_LOG_RECIPIENTS_DOMAIN)
		snprintf(raw, sizeof(raw), "@%s", recipient->forward_path.domain);
	else
		snprintf(raw, sizeof(raw), "%s",
			 mailbox_print(&recipient->forward_path, mailbox, sizeof(mailbox)));
	return log_printable(out, size, raw, strlen(raw));
}

/*
 * What stands in relay= and tls= is not said again: a success is the server's reply alone, as in
 * Postfix's own line, unless it is an earlier attempt's.
 */
static void print_outcome(const struct delivery_status *status, char *out, size_t size)
{
	char reply[SMTP_REPLY_TEXT_MAX + 32];

	if (status->action == DELIVERY_RELAYED && status->reply.code != 0)
		snprintf(out, size, "%s%s",
			 smtp_reply_print(&status->reply, reply, sizeof(reply)),
			 delivery_status_note(status));
	else
		delivery_status_print_text(status, "", out, size);
}

void delivery_log_status(const struct recipient *recipient, const struct delivery_status *status,
			 const char *client, int64_t delay_ms, enum edge_log_recipients detail)
{
	char to[MAILBOX_TEXT_MAX + 2];
	char relay[DELIVERY_HOST_MAX + DELIVERY_ADDRESS_MAX + 16];
	char code[ENHANCED_STATUS_TEXT_MAX];
	char text[DELIVERY_LMTP_REPLY_MAX];

	print_outcome(status, text, sizeof(text));
	if (detail != EDGE_LOG_RECIPIENTS_FULL)
		delivery_log_hide_addresses(text);
	log_info("to=<%s>, relay=%s, client=%s, delay=%lld.%02d, tls=%s, dsn=%s, status=%s (%s)",
		 recipient_text(recipient, detail, to, sizeof(to)),
		 delivery_status_relay(status, relay, sizeof(relay)), client,
		 (long long)(delay_ms / 1000), (int)(delay_ms % 1000 / 10),
		 status->tls[0] == '\0' ? "none" : status->tls,
		 enhanced_status_print(status->status, code, sizeof(code)),
		 delivery_action_word(status->action), text);
}

void delivery_log_in_doubt(const struct recipient *recipient, const char *client,
			   enum edge_log_recipients detail)
{
	char to[MAILBOX_TEXT_MAX + 2];

	log_warning("to=<%s>, client=%s: possible duplicate: an earlier attempt ended between the end of the message and "
		    "the server's answer",
		    recipient_text(recipient, detail, to, sizeof(to)), client);
}
