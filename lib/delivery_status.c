/*
 * The outcome of one attempt for one recipient (terms of RFC 3464 2.3), made from our own words or
 * a server's reply, and printed as Postfix prints its own: people and log analysers know those
 * sentences. What a failure means is decided elsewhere; here it is only made sure that action,
 * status class and reply code never contradict each other, as the LMTP client decides by code alone
 * (RFC 2033 4.2), and that no text from a peer gets out unprintable or in more than one line.
 */
#include "delivery_status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

#define EDGE_NAME_MAX 255

static enum delivery_action action_of_class(int class)
{
	return class == 2 ? DELIVERY_RELAYED : class == 5 ? DELIVERY_FAILED : DELIVERY_DELAYED;
}

static int class_of_action(enum delivery_action action)
{
	switch (action) {
	case DELIVERY_RELAYED:
		return 2;
	case DELIVERY_FAILED:
		return 5;
	case DELIVERY_DELAYED:
		break;
	}
	return 4;
}

void delivery_status_set_local(struct delivery_status *status, enum delivery_stage stage,
			       struct enhanced_status code, const char *format, ...)
{
	char reason[sizeof(status->reason)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	log_printable(status->reason, sizeof(status->reason), reason, strlen(reason));
	if (code.class != 2 && code.class != 4 && code.class != 5)
		code = ENHANCED_STATUS(4, 0, 0);
	status->action = action_of_class(code.class);
	status->status = code;
	status->stage = stage;
	memset(&status->reply, 0, sizeof(status->reply));
}

void delivery_status_set_reply(struct delivery_status *status, enum delivery_stage stage,
			       const struct smtp_reply *reply)
{
	struct smtp_reply said = { .code = reply->code };

	if (reply->code < 200 || reply->code > 599) {
		delivery_status_set_local(status, stage, ENHANCED_STATUS(4, 5, 0),
					  "the server gave no valid reply");
		return;
	}
	log_printable(said.text, sizeof(said.text), reply->text,
		      strnlen(reply->text, SMTP_REPLY_TEXT_MAX));
	if (reply->status.class == reply->code / 100)
		said.status = reply->status;
	status->action = action_of_class(said.code / 100);
	status->status = enhanced_status_for_code(said.status, said.code);
	if (!enhanced_status_is_given(status->status))
		status->status = ENHANCED_STATUS(4, 5, 0);
	status->stage = stage;
	status->reply = said;
	status->reason[0] = '\0';
}

const char *delivery_action_word(enum delivery_action action)
{
	switch (action) {
	case DELIVERY_RELAYED:
		return "sent";
	case DELIVERY_FAILED:
		return "bounced";
	case DELIVERY_DELAYED:
		break;
	}
	return "deferred";
}

const char *delivery_stage_words(enum delivery_stage stage)
{
	switch (stage) {
	case STAGE_TUNNEL:
		return "in the tunnel to the edge";
	case STAGE_EDGE:
		return "inside the edge";
	case STAGE_DNS:
		return "while looking up mail servers";
	case STAGE_CONNECT:
		return "while connecting";
	case STAGE_GREETING:
		return "in reply to initial connection";
	case STAGE_EHLO:
		return "in reply to EHLO command";
	case STAGE_TLS:
		return "in reply to STARTTLS command";
	case STAGE_MAIL:
		return "in reply to MAIL FROM command";
	case STAGE_RCPT:
		return "in reply to RCPT TO command";
	case STAGE_DATA:
		return "in reply to DATA command";
	case STAGE_CONTENT:
		return "while sending message body";
	case STAGE_AFTER_FINAL_DOT:
		return "in reply to end of DATA command";
	case STAGE_COUNT:
		break;
	}
	return "at an unknown stage";
}

/*
 * "mx[addr]" as Postfix names a host; without a name the address stands in for it. "" when no host
 * was reached.
 */
static void print_host(const struct delivery_status *status, char *out, size_t size)
{
	const char *name =
		status->remote_mta[0] != '\0' ? status->remote_mta : status->remote_address;

	if (status->remote_address[0] != '\0')
		snprintf(out, size, "%s[%s]", name, status->remote_address);
	else
		snprintf(out, size, "%s", name);
}

/* The same with ":port", which only an address that was tried has. */
static void print_host_port(const struct delivery_status *status, char *out, size_t size)
{
	size_t used;

	print_host(status, out, size);
	used = strlen(out);
	if (status->remote_address[0] != '\0' && status->remote_port > 0)
		snprintf(out + used, size - used, ":%d", status->remote_port);
}

#define HOST_TEXT_MAX (DELIVERY_HOST_MAX + DELIVERY_ADDRESS_MAX + 16)

char *delivery_status_relay(const struct delivery_status *status, char *out, size_t size)
{
	char host[HOST_TEXT_MAX];

	print_host_port(status, host, sizeof(host));
	return log_printable(out, size, host[0] != '\0' ? host : "none",
			     host[0] != '\0' ? strlen(host) : strlen("none"));
}

/* Why, in our own words: "connect to mx[addr]:25: Connection timed out". */
static void print_reason(const struct delivery_status *status, char *out, size_t size)
{
	char host[HOST_TEXT_MAX];

	if (status->stage == STAGE_CONNECT || status->action == DELIVERY_RELAYED)
		print_host_port(status, host, sizeof(host));
	else
		print_host(status, host, sizeof(host));
	if (host[0] == '\0' || status->stage < STAGE_CONNECT)
		snprintf(out, size, "%s", status->reason);
	else if (status->action == DELIVERY_RELAYED)
		snprintf(out, size, "%s: %s", host, status->reason);
	else if (status->stage == STAGE_CONNECT)
		snprintf(out, size, "connect to %s: %s", host, status->reason);
	else
		snprintf(out, size, "host %s: %s", host, status->reason);
}

/*
 * What the server said: "host mx[addr] said: 550 5.1.1 no such user (in reply to RCPT TO command)".
 */
static void print_reply(const struct delivery_status *status, char *out, size_t size)
{
	char host[HOST_TEXT_MAX], reply[SMTP_REPLY_TEXT_MAX + 32];

	smtp_reply_print(&status->reply, reply, sizeof(reply));
	if (status->action == DELIVERY_RELAYED) {
		print_host_port(status, host, sizeof(host));
		snprintf(out, size, "%s%s%s said: %s", host, status->tls[0] != '\0' ? " " : "",
			 status->tls, reply);
		return;
	}
	print_host(status, host, sizeof(host));
	if (status->stage == STAGE_GREETING || status->stage == STAGE_EHLO)
		snprintf(out, size, "host %s refused to talk to me: %s", host, reply);
	else
		snprintf(out, size, "host %s said: %s (%s)", host, reply,
			 delivery_stage_words(status->stage));
}

const char *delivery_status_note(const struct delivery_status *status)
{
	if (status->action != DELIVERY_DELAYED && status->maybe_duplicate && !status->from_journal)
		return " (possible duplicate: an earlier attempt may have been delivered)";
	switch (status->action) {
	case DELIVERY_RELAYED:
		return status->from_journal ? " (already delivered; answered from journal)" : "";
	case DELIVERY_FAILED:
		return status->from_journal ? " (answered from journal)" : "";
	case DELIVERY_DELAYED:
		break;	/* a journal keeps no outcome that another attempt may change */
	}
	if (!status->maybe_duplicate)
		return "";
	return " (the message may have been delivered; the next attempt may be a duplicate)";
}

/*
 * The note is what people must not miss, so when there is no room it is the text before it that is
 * cut.
 */
static void add_note(char *text, size_t size, const char *note)
{
	size_t used = strlen(text), length = strlen(note);

	if (length >= size)
		return;
	if (used + length >= size)
		used = size - length - 1;
	memcpy(text + used, note, length + 1);
}

char *delivery_status_print_text(const struct delivery_status *status, const char *edge, char *out,
				 size_t size)
{
	char text[DELIVERY_LMTP_REPLY_MAX] = "";
	size_t limit = size < sizeof(text) ? size : sizeof(text), used;

	if (limit == 0)
		return out;
	if (edge[0] != '\0')
		snprintf(text, limit, "%.*s: ", EDGE_NAME_MAX, edge);
	used = strlen(text);
	if (status->reply.code != 0)
		print_reply(status, text + used, limit - used);
	else
		print_reason(status, text + used, limit - used);
	add_note(text, limit, delivery_status_note(status));
	return log_printable(out, size, text, strlen(text));
}

/*
 * 421 would end the session. 500 to 509 and 555 would say that lmtp(8) itself speaks wrongly: as
 * answer to the final dot of a session that it wanted to keep, they make it (Postfix 3.7) wait
 * lmtp_quit_timeout for an answer to a QUIT that it has not sent.
 */
static bool is_about_the_session(int code)
{
	return code == 421 || (code >= 500 && code <= 509) || code == 555;
}

/*
 * The code that stands for the outcome: the remote one where it says the same, and is safe to say.
 */
static int lmtp_code(const struct delivery_status *status)
{
	int class = class_of_action(status->action);

	if (class == 2)
		return 250;
	if (status->reply.code / 100 == class && !is_about_the_session(status->reply.code))
		return status->reply.code;
	/* Nothing has failed: the resource is busy with this very message (RFC 5321 4.2.3). */
	if (status->in_progress)
		return 450;
	return class == 5 ? 550 : 451;
}

char *delivery_status_print_lmtp(const struct delivery_status *status, const char *edge, char *out,
				 size_t size)
{
	int code = lmtp_code(status);
	char enhanced[ENHANCED_STATUS_TEXT_MAX];
	size_t used;

	enhanced_status_print(enhanced_status_for_code(status->status, code), enhanced,
			      sizeof(enhanced));
	snprintf(out, size, "%d %s ", code, enhanced);
	used = strnlen(out, size);
	if (used < size)
		delivery_status_print_text(status, edge, out + used, size - used);
	return out;
}
