/*
 * Builds a multipart/report (RFC 6522) with a message/delivery-status part (RFC 3464) and the
 * header section of the message as text/rfc822-headers. The recipient of the report stands in To:
 * and is taken from there (sendmail -t), so that no address is ever part of an argv. Pure but for
 * the clock and the process id in the Message-ID.
 */
#include "dsn_relayed.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/delivery_status.h"
#include "lib/xtext.h"

bool dsn_relayed_is_wanted(const struct envelope *envelope, size_t index)
{
	return !envelope->reverse_path.is_null &&
	       (envelope->recipients[index].notify & DSN_NOTIFY_SUCCESS) != 0;
}

static bool is_due(const struct dsn_relayed *report, size_t index)
{
	const struct relay_outcome *outcome = &report->outcomes[index];

	return dsn_relayed_is_wanted(report->envelope, index) && outcome->is_known &&
	       outcome->status.action == DELIVERY_RELAYED && !outcome->status.dsn_offered;
}

size_t dsn_relayed_count(const struct dsn_relayed *report)
{
	size_t count = 0;

	for (size_t i = 0; i < report->envelope->recipient_count; i++)
		count += is_due(report, i);
	return count;
}

/* RFC 5322 3.3; always UTC and always in English, whatever the locale. */
static void print_date(char *out, size_t size, time_t now)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm tm;

	gmtime_r(&now, &tm);
	snprintf(out, size, "%s, %d %s %d %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday,
		 months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static int print_header(struct buffer *out, const struct dsn_relayed *report, const char *boundary)
{
	char to[MAILBOX_TEXT_MAX], date[64];

	reverse_path_print(&report->envelope->reverse_path, to, sizeof(to));
	print_date(date, sizeof(date), report->now);
	return buffer_printf(out,
			     "From: Mail Delivery System <MAILER-DAEMON@%s>\n"
			     "To: <%s>\n"
			     "Subject: Successful Mail Delivery Report\n"
			     "Date: %s\n"
			     "Message-ID: <%lld.%ld.%s@%s>\n"
			     "Auto-Submitted: auto-replied\n"
			     "MIME-Version: 1.0\n"
			     "Content-Type: multipart/report; report-type=delivery-status;\n"
			     "\tboundary=\"%s\"\n"
			     "\n"
			     "This is a MIME-encapsulated message.\n"
			     "\n",
			     report->hostname, to, date, (long long)report->now, (long)getpid(),
			     boundary, report->hostname, boundary);
}

static int print_for_people(struct buffer *out, const struct dsn_relayed *report,
			    const char *boundary)
{
	char address[MAILBOX_TEXT_MAX], text[DELIVERY_LMTP_REPLY_MAX];

	if (buffer_printf(
		    out,
		    "--%s\n"
		    "Content-Type: text/plain; charset=utf-8\n"
		    "Content-Transfer-Encoding: 8bit\n"
		    "\n"
		    "This is the mail system at host %s.\n"
		    "\n"
		    "Your message was handed over to the mail servers named below. They do\n"
		    "not report successful delivery, so this is the last news of it that you\n"
		    "can expect unless the message comes back.\n"
		    "\n",
		    boundary, report->hostname) < 0)
		return -1;
	for (size_t i = 0; i < report->envelope->recipient_count; i++) {
		if (!is_due(report, i))
			continue;
		mailbox_print(&report->envelope->recipients[i].forward_path, address,
			      sizeof(address));
		delivery_status_print_text(&report->outcomes[i].status, "", text, sizeof(text));
		if (buffer_printf(out, "<%s>: %s\n", address, text) < 0)
			return -1;
	}
	return buffer_printf(out, "\n");
}

/*
 * ORCPT and ENVID travel as xtext; reports carry them decoded (RFC 3461 6.3, RFC
 * 3464 2.2.1, 2.3.1).
 */
static int print_xtext(struct buffer *out, const char *field, const char *value)
{
	const char *semicolon = strchr(value, ';');
	size_t type = semicolon != NULL ? (size_t)(semicolon - value) + 1 : 0;
	char decoded[SMTP_ORCPT_MAX + 1];

	if (value[0] == '\0' ||
	    xtext_decode(decoded, sizeof(decoded), value + type, strlen(value + type)) < 0)
		return 0;
	if (strpbrk(decoded, "\r\n") != NULL)
		return 0; /* nobody starts a field of his own in our report */
	return buffer_printf(out, "%s: %.*s%s\n", field, (int)type, value, decoded);
}

static int print_final_recipient(struct buffer *out, const struct mailbox *mailbox)
{
	char address[MAILBOX_TEXT_MAX], ascii[MAILBOX_TEXT_MAX * 2];

	mailbox_print(mailbox, address, sizeof(address));
	if (mailbox->is_utf8 &&
	    xtext_utf8_address_to_ascii(ascii, sizeof(ascii), address, strlen(address)) >= 0)
		return buffer_printf(out, "Final-Recipient: utf-8; %s\n", ascii); /* RFC 6533 3 */
	return buffer_printf(out, "Final-Recipient: rfc822; %s\n", address);
}

static int print_recipient(struct buffer *out, const struct recipient *recipient,
			   const struct delivery_status *status)
{
	char dsn[ENHANCED_STATUS_TEXT_MAX], reply[SMTP_REPLY_TEXT_MAX + 32];

	if (buffer_printf(out, "\n") < 0 ||
	    print_xtext(out, "Original-Recipient", recipient->orcpt) < 0 ||
	    print_final_recipient(out, &recipient->forward_path) < 0)
		return -1;
	enhanced_status_print(status->status, dsn, sizeof(dsn));
	if (buffer_printf(out, "Action: relayed\nStatus: %s\n", dsn) < 0)
		return -1;
	if (status->remote_mta[0] != '\0' &&
	    buffer_printf(out, "Remote-MTA: dns; %s\n", status->remote_mta) < 0)
		return -1;
	smtp_reply_print(&status->reply, reply, sizeof(reply));
	return buffer_printf(out, "Diagnostic-Code: smtp; %s\n", reply);
}

static int print_for_machines(struct buffer *out, const struct dsn_relayed *report,
			      const char *boundary)
{
	const struct envelope *envelope = report->envelope;
	char date[64];

	print_date(date, sizeof(date), report->now);
	if (buffer_printf(out,
			  "--%s\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; %s\n",
			  boundary, report->hostname) < 0 ||
	    print_xtext(out, "Original-Envelope-Id", envelope->envid) < 0)
		return -1;
	if (envelope->queue_id[0] != '\0' &&
	    buffer_printf(out, "X-Postern-Queue-ID: %s\n", envelope->queue_id) < 0)
		return -1;
	if (buffer_printf(out, "Arrival-Date: %s\n", date) < 0)
		return -1;
	for (size_t i = 0; i < envelope->recipient_count; i++)
		if (is_due(report, i) &&
		    print_recipient(out, &envelope->recipients[i], &report->outcomes[i].status) < 0)
			return -1;
	return buffer_printf(out, "\n");
}

/*
 * Header lines from wire form: LF line ends, leading dots unstuffed (RFC 5321 4.5.2), NUL as '?'.
 */
static int print_headers(struct buffer *out, const struct buffer *headers)
{
	const char *at = (const char *)buffer_data(headers), *const end = at +
									  buffer_length(headers);
	bool at_line_start = true;

	for (; at < end; at++) {
		char byte = *at == '\0' ? '?' : *at;

		if (byte != '\r' && !(at_line_start && byte == '.') &&
		    buffer_put(out, &byte, 1) < 0)
			return -1;
		at_line_start = byte == '\n';
	}
	return at_line_start ? 0 : buffer_printf(out, "\n");
}

int dsn_relayed_print(struct buffer *out, const struct dsn_relayed *report, const char *boundary)
{
	if (print_header(out, report, boundary) < 0 ||
	    print_for_people(out, report, boundary) < 0 ||
	    print_for_machines(out, report, boundary) < 0 ||
	    buffer_printf(
		    out,
		    "--%s\nContent-Type: text/rfc822-headers\nContent-Transfer-Encoding: 8bit\n\n",
		    boundary) < 0)
		return -1;
	if (buffer_length(report->headers) > 0 && print_headers(out, report->headers) < 0)
		return -1;
	return buffer_printf(out, "\n--%s--\n", boundary);
}
