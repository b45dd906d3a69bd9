/*
 * One mail transaction: MAIL, RCPT for each recipient, DATA, and the content (RFC 5321 3.3).
 *
 * With PIPELINING (RFC 2920) all commands are written as one group, otherwise each waits for the
 * reply to the one before. Either way one loop writes and reads: replies are taken while commands
 * are still going out, so that neither side can wait for the other for ever, and a reply counts
 * only when its command was written in full.
 *
 * In a pipelined group DATA is already on its way when the recipients are refused. If the server
 * then says 354, a lone dot ends the empty message (RFC 2920 3.1) and its answer changes nothing.
 * Should the same server claim to have accepted a recipient of a transaction whose MAIL it refused,
 * it gets no dot, but the connection closed.
 *
 * RSET goes before MAIL in the same group: after a transaction that was not finished by a final dot, and on a session out of the
 * connection cache, where it shows whether the server still listens. If it does not, nobody is reported and the session is
 * stale: nothing of this message was taken, and nothing is known about the host. A server without PIPELINING is asked by MAIL itself,
 * which costs no further round trip.
 *
 * Otherwise every recipient is reported exactly once; `states` says who still has to be.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/esmtp_print.h"
#include "smtp_client.h"
#include "smtp_client_io.h"

/* RSET, MAIL, every RCPT (less than 1300 octets each, see esmtp_print.c), DATA. */
#define COMMANDS_MAX (SMTP_RECIPIENTS_PER_TRANSACTION + 3)
#define COMMANDS_BYTES_MAX (COMMANDS_MAX * 1300)

enum recipient_state { RECIPIENT_OPEN, RECIPIENT_ACCEPTED, RECIPIENT_REPORTED };

struct group {
	struct smtp_client *client;
	const struct smtp_transaction *transaction;
	enum recipient_state states[SMTP_RECIPIENTS_PER_TRANSACTION];
	size_t accepted;		/* 2xx to RCPT */
	bool mail_refused;
	bool data_awaits_content;	/* 354 */
	struct buffer commands;
	size_t mail;			/* index of MAIL: 1 with a RSET before it, else 0 */
	size_t ends[COMMANDS_MAX];	/* where each command ends in `commands` */
	size_t count;			/* of commands */
	size_t written;			/* bytes of `commands` */
	size_t replies;			/* read; the index of the command whose reply is next */
};

static void report(struct group *group, size_t i, const struct smtp_event *event)
{
	if (group->states[i] == RECIPIENT_REPORTED)
		return;
	group->states[i] = RECIPIENT_REPORTED;
	group->transaction->result(group->transaction->context, group->transaction->indices[i],
				   event);
}

static void report_rest(struct group *group, const struct smtp_event *event)
{
	for (size_t i = 0; i < group->transaction->count; i++)
		report(group, i, event);
}

/* The server's end of a kept session, not its answer to this message. A stop of the edge and our own limits are none. */
static bool ends_session(const struct smtp_event *event)
{
	switch (event->failure) {
	case SMTP_FAILURE_NONE:
	case SMTP_FAILURE_LOST:
	case SMTP_FAILURE_TIMEOUT:
	case SMTP_FAILURE_PROTOCOL:
	case SMTP_FAILURE_FLOOD:
		return true;
	default:
		return false;
	}
}

static void break_off(struct group *group, const struct smtp_event *event)
{
	group->client->is_stale = group->client->is_reused && ends_session(event);
	if (!group->client->is_stale)
		report_rest(group, event);
	smtp_client_close(group->client);
}

static int add_command(struct buffer *out, const char *line)
{
	return buffer_put(out, line, strlen(line));
}

static bool wants_reset(const struct smtp_client *client)
{
	return client->in_transaction || (client->is_reused && client->capabilities.pipelining);
}

/* Prints all commands. 0, or -1 when memory is out. */
static int build(struct group *group, uint64_t message_size)
{
	const struct smtp_transaction *transaction = group->transaction;
	const struct recipient *recipients = transaction->envelope->recipients;
	const size_t *indices = transaction->indices;
	const struct smtp_capabilities *capabilities = &group->client->capabilities;
	const struct esmtp_offer offer = {
		.size = capabilities->size,
		.eightbitmime = capabilities->eightbitmime,
		.smtputf8 = capabilities->smtputf8,
		.dsn = capabilities->dsn,
		.requiretls = capabilities->requiretls,
	};
	const size_t mail = group->mail = wants_reset(group->client) ? 1 : 0;
	const size_t data = mail + transaction->count + 1;
	int result;

	buffer_init(&group->commands, COMMANDS_BYTES_MAX);
	for (group->count = 0; group->count <= data; group->count++) {
		if (group->count < mail)
			result = add_command(&group->commands, "RSET\r\n");
		else if (group->count == mail)
			result = esmtp_print_mail(&group->commands, transaction->envelope, offer,
						  message_size);
		else if (group->count < data)
			result = esmtp_print_rcpt(&group->commands,
						  &recipients[indices[group->count - mail - 1]], offer);
		else
			result = add_command(&group->commands, "DATA\r\n");
		if (result != 0)
			return -1;
		group->ends[group->count] = buffer_length(&group->commands);
	}
	return 0;
}

static enum delivery_stage stage_of(const struct group *group, size_t command)
{
	return command <= group->mail ? STAGE_MAIL : command < group->count - 1 ? STAGE_RCPT : STAGE_DATA;
}

static int64_t timeout_of(enum delivery_stage stage)
{
	if (stage == STAGE_MAIL)
		return SMTP_MAIL_TIMEOUT_MS;
	return stage == STAGE_RCPT ? SMTP_RCPT_TIMEOUT_MS : SMTP_DATA_INIT_TIMEOUT_MS;
}

/*
 * A reply that is neither success nor refusal where one of them was due: the two sides are out of
 * step.
 */
static void fail_unexpected(struct group *group, const struct smtp_event *event)
{
	struct smtp_event failure;
	char text[120];

	smtp_reply_print(&event->reply, text, sizeof(text));
	smtp_client_fail(&failure, event->stage, SMTP_FAILURE_PROTOCOL, "unexpected reply \"%s\"",
			 text);
	break_off(group, &failure);
}

static bool is_refusal(const struct smtp_event *event)
{
	return smtp_reply_is(&event->reply, REPLY_TRANSIENT) ||
	       smtp_reply_is(&event->reply, REPLY_PERMANENT);
}

static void take_reset_reply(struct group *group, const struct smtp_event *event)
{
	struct smtp_event failure;
	char text[120];

	if (smtp_reply_is(&event->reply, REPLY_COMPLETION)) {
		group->client->in_transaction = false;
		return;
	}
	smtp_reply_print(&event->reply, text, sizeof(text));
	smtp_client_fail(&failure, STAGE_MAIL, SMTP_FAILURE_PROTOCOL, "RSET was answered \"%s\"", text);
	break_off(group, &failure);
}

static void take_mail_reply(struct group *group, const struct smtp_event *event)
{
	/* The server has looked at this message: from here on what it does is its answer. */
	group->client->is_reused = false;
	if (smtp_reply_is(&event->reply, REPLY_COMPLETION)) {
		group->client->in_transaction = true;
	} else if (is_refusal(event)) {
		group->mail_refused = true;
		report_rest(group, event);
	} else {
		fail_unexpected(group, event);
	}
}

static void take_rcpt_reply(struct group *group, size_t i, const struct smtp_event *event)
{
	if (smtp_reply_is(&event->reply, REPLY_COMPLETION)) {
		group->accepted++;
		if (group->states[i] == RECIPIENT_OPEN)
			group->states[i] = RECIPIENT_ACCEPTED;
	} else if (is_refusal(event)) {
		report(group, i, event);
	} else {
		fail_unexpected(group, event);
	}
}

static void take_data_reply(struct group *group, const struct smtp_event *event)
{
	if (smtp_reply_is(&event->reply, REPLY_INTERMEDIATE))
		group->data_awaits_content = true;
	else if (is_refusal(event))
		report_rest(group, event);
	else
		fail_unexpected(group, event);
}

static void take_reply(struct group *group, const struct smtp_event *event)
{
	size_t command = group->replies++;

	if (event->reply.code == 421)
		break_off(group, event);
	else if (command < group->mail)
		take_reset_reply(group, event);
	else if (command == group->mail)
		take_mail_reply(group, event);
	else if (command < group->count - 1)
		take_rcpt_reply(group, command - group->mail - 1, event);
	else
		take_data_reply(group, event);
}

/*
 * Servers that write each reply of a group by itself, with Nagle's algorithm on, send the second only when the first is
 * acknowledged, which without this takes 40 ms. Not every socket is TCP; no matter.
 */
static void hurry_replies(const struct smtp_client *client)
{
	int on = 1;

	setsockopt(client->stream.read_fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

/*
 * Writes the next command, or as much of the group as goes out before the server speaks. 0: a reply
 * is next. -1: over.
 */
static int write_commands(struct group *group, enum delivery_stage stage, struct deadline deadline)
{
	struct smtp_client *client = group->client;
	size_t limit = client->capabilities.pipelining ? group->ends[group->count - 1]
						       : group->ends[group->replies];
	enum stream_result result;
	struct smtp_event event;
	size_t put;

	if (group->written >= limit)
		return 0;
	result = stream_write_watching(&client->stream,
				       buffer_data(&group->commands) + group->written,
				       limit - group->written, &put, deadline);
	group->written += put;
	if (result == STREAM_OK && client->capabilities.pipelining)
		hurry_replies(client);
	if (result == STREAM_OK || result == STREAM_INPUT)
		return 0;
	smtp_client_fail_stream(client, &event, stage, result);
	break_off(group, &event);
	return -1;
}

static void read_next_reply(struct group *group, enum delivery_stage stage,
			    struct deadline deadline)
{
	struct smtp_client *client = group->client;
	struct smtp_event event;
	int result;

	if (group->written < group->ends[group->replies])
		result = smtp_client_read_unsolicited(client, stage, &event);
	else
		result = smtp_client_read_reply(client, stage, deadline, NULL, NULL, &event);
	if (result == 0)
		take_reply(group, &event);
	else
		break_off(group, &event);
}

/* Is the next command still worth sending? Pipelined ones are already out. */
static bool is_over(const struct group *group)
{
	if (!group->client->is_open || group->replies == group->count)
		return true;
	if (group->client->capabilities.pipelining)
		return false;
	return group->mail_refused || (group->replies == group->count - 1 && group->accepted == 0);
}

/*
 * For what is written next; a pipelined group is written as a whole, with DATA in it. Otherwise the
 * transaction ends here.
 */
static bool has_time(struct group *group)
{
	const struct smtp_client *client = group->client;
	struct smtp_event event;

	if (group->written > 0 && client->capabilities.pipelining)
		return true;
	if (smtp_client_check_time(client, stage_of(group, group->replies),
				   group->transaction->content->length, &event) == 0)
		return true;
	break_off(group, &event);
	return false;
}

static void run_commands(struct group *group)
{
	while (!is_over(group) && has_time(group)) {
		enum delivery_stage stage = stage_of(group, group->replies);
		struct deadline deadline = smtp_client_deadline(group->client, timeout_of(stage));

		if (write_commands(group, stage, deadline) == 0)
			read_next_reply(group, stage, deadline);
	}
}

/* 354 and nobody to send to: everybody is reported already. */
static void end_empty_data(struct group *group)
{
	struct smtp_client *client = group->client;
	struct smtp_event event;

	if (group->accepted > 0 ||
	    smtp_client_command(client, STAGE_AFTER_FINAL_DOT, SMTP_DATA_DONE_TIMEOUT_MS, ".\r\n",
				NULL, NULL, &event) != 0 ||
	    event.reply.code == 421)
		smtp_client_close(client);
}

static size_t list_accepted(const struct group *group, size_t *indices)
{
	size_t count = 0;

	for (size_t i = 0; i < group->transaction->count; i++)
		if (group->states[i] == RECIPIENT_ACCEPTED)
			indices[count++] = group->transaction->indices[i];
	return count;
}

static void run_group(struct group *group)
{
	size_t accepted[SMTP_RECIPIENTS_PER_TRANSACTION], count;
	struct smtp_event event;

	run_commands(group);
	if (!group->client->is_open || !group->data_awaits_content)
		return;
	if (group->mail_refused || group->accepted == 0) {
		end_empty_data(group);
		return;
	}
	count = list_accepted(group, accepted);
	smtp_client_send_content(group->client, group->transaction, accepted, count, &event);
	report_rest(group, &event);
}

/* RFC 1870 counts the message without the doubled dots, RFC 5321 4.5.2. */
static uint64_t message_size(const struct smtp_transaction *transaction)
{
	uint64_t size = transaction->prefix_length + transaction->content->length;
	struct content_cursor cursor;
	uint8_t last = '\n';	/* the prefix is whole lines */
	const uint8_t *bytes;
	size_t length;

	content_cursor_init(&cursor, transaction->content);
	while (content_cursor_next(&cursor, &bytes, &length)) {
		for (const uint8_t *dot = bytes;
		     (dot = memchr(dot, '.', length - (size_t)(dot - bytes))) != NULL; dot++)
			if ((dot > bytes ? dot[-1] : last) == '\n')
				size--;
		last = bytes[length - 1];
	}
	return size;
}

/* Is every byte of the header section ASCII? It ends at the first empty line. */
static bool header_is_ascii(const struct content *content)
{
	struct content_cursor cursor;
	const uint8_t *bytes;
	size_t length, line_length = 0;

	content_cursor_init(&cursor, content);
	while (content_cursor_next(&cursor, &bytes, &length)) {
		for (size_t i = 0; i < length; i++) {
			if (bytes[i] >= 0x80)
				return false;
			if (bytes[i] == '\n' && line_length == 0)
				return true;
			if (bytes[i] == '\n')
				line_length = 0;
			else if (bytes[i] != '\r')
				line_length++;
		}
	}
	return true;
}

/* What this server cannot take it is not offered. 0: it can take this message. */
static int check_capabilities(const struct smtp_client *client,
			      const struct smtp_transaction *transaction, uint64_t size,
			      struct smtp_event *event)
{
	const struct smtp_capabilities *capabilities = &client->capabilities;
	const struct envelope *envelope = transaction->envelope;

	if (client->params.terms->needs_requiretls && !capabilities->requiretls) {
		smtp_client_fail(event, STAGE_MAIL, SMTP_FAILURE_REQUIRETLS,
				 "REQUIRETLS is required, but was not offered");
		return -1;
	}
	if (!capabilities->smtputf8 && envelope->smtputf8 &&
	    (envelope_needs_smtputf8(envelope) || !header_is_ascii(transaction->content))) {
		smtp_client_fail(event, STAGE_MAIL, SMTP_FAILURE_CAPABILITY,
				 "SMTPUTF8 is required, but was not offered");
		return -1;
	}
	if (capabilities->size_max > 0 && size > capabilities->size_max) {
		smtp_client_fail(event, STAGE_MAIL, SMTP_FAILURE_TOO_BIG,
				 "message size %llu exceeds size limit %llu of server",
				 (unsigned long long)size,
				 (unsigned long long)capabilities->size_max);
		return -1;
	}
	return 0;
}

bool smtp_client_transaction(struct smtp_client *client, const struct smtp_transaction *transaction)
{
	struct group group = { .client = client, .transaction = transaction };
	uint64_t size = message_size(transaction);
	struct smtp_event event;

	client->is_clean = client->is_stale = false;
	if (check_capabilities(client, transaction, size, &event) != 0) {
		report_rest(&group, &event);
	} else if (build(&group, size) != 0) {
		smtp_client_fail(&event, STAGE_MAIL, SMTP_FAILURE_LOCAL,
				 "cannot build the commands");
		report_rest(&group, &event);
	} else {
		run_group(&group);
	}
	buffer_wipe(&group.commands);
	return client->is_open;
}
