/*
 * One reply, one command, the end: what the other smtp_client*.c files are built of.
 *
 * A reply exists only when it was read in full; whatever is cut short, too long or malformed is a
 * failure, never half a reply. Nothing is written while unread input waits: a server that speaks
 * without having been asked could otherwise put an old "250" where a later answer is expected. A
 * 421 is the one reply that may come at any time (RFC 5321 3.8).
 *
 * Time-outs: RFC 5321 4.5.3.2, per reply and not per read; the deadline of the delivery cuts every
 * one of them but that of the reply to the final dot.
 */
#include "smtp_client.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/smtp_reply_parser.h"
#include "smtp_client_io.h"
#include "stage_budget.h"

/* A server that began to speak unasked shall finish soon. */
#define UNSOLICITED_TIMEOUT_MS 5000

void smtp_client_fail(struct smtp_event *event, enum delivery_stage stage,
		      enum smtp_failure failure, const char *format, ...)
{
	char detail[sizeof(event->detail)];
	va_list arguments;

	memset(event, 0, sizeof(*event));
	event->stage = stage;
	event->failure = failure;
	va_start(arguments, format);
	vsnprintf(detail, sizeof(detail), format, arguments);
	va_end(arguments);
	log_printable(event->detail, sizeof(event->detail), detail, strlen(detail));
}

void smtp_client_fail_stream(const struct smtp_client *client, struct smtp_event *event,
			     enum delivery_stage stage, enum stream_result result)
{
	switch (result) {
	case STREAM_TIMEOUT:
		smtp_client_fail(event, stage, SMTP_FAILURE_TIMEOUT, "%s", "");
		break;
	case STREAM_ERROR:
		smtp_client_fail(event, stage, SMTP_FAILURE_LOST, "%s",
				 stream_error(&client->stream));
		break;
	case STREAM_TOO_LONG:
		smtp_client_fail(event, stage, SMTP_FAILURE_FLOOD,
				 "reply line longer than %d bytes", SMTP_REPLY_LINE_MAX);
		break;
	case STREAM_CANCELLED:
		smtp_client_fail(event, stage, SMTP_FAILURE_CANCELLED, "%s", "");
		break;
	case STREAM_OK:
	case STREAM_EOF:
	case STREAM_INPUT:
		smtp_client_fail(event, stage, SMTP_FAILURE_LOST, "%s", "");
		break;
	}
}

struct deadline smtp_client_deadline(const struct smtp_client *client, int64_t timeout_ms)
{
	return deadline_earlier(deadline_in_ms(timeout_ms), client->params.deadline);
}

void smtp_client_enter_stage(const struct smtp_client *client, enum delivery_stage stage)
{
	if (client->params.on_stage != NULL)
		client->params.on_stage(client->params.stage_context, stage);
}

int smtp_client_check_time(const struct smtp_client *client, enum delivery_stage stage,
			   uint64_t content_bytes, struct smtp_event *event)
{
	if (stage_budget_suffices(stage, content_bytes, client->params.time_limit_ms,
				  deadline_left_ms(client->params.deadline)))
		return 0;
	smtp_client_fail(event, stage, SMTP_FAILURE_NO_TIME, "%s", "");
	return -1;
}

int smtp_client_read_reply(struct smtp_client *client, enum delivery_stage stage,
			   struct deadline deadline, smtp_client_line_fn *on_line, void *context,
			   struct smtp_event *event)
{
	enum smtp_reply_progress progress = SMTP_REPLY_MORE;
	char line[SMTP_REPLY_LINE_MAX + 1];
	struct smtp_reply_parser parser;
	size_t length;

	smtp_client_enter_stage(client, stage);
	smtp_reply_parser_init(&parser);
	while (progress == SMTP_REPLY_MORE) {
		enum stream_result result = stream_read_line(&client->stream, line, sizeof(line),
							     &length, deadline);

		if (result != STREAM_OK) {
			smtp_client_fail_stream(client, event, stage, result);
			return -1;
		}
		progress = smtp_reply_parse_line(&parser, line, length);
		if (progress == SMTP_REPLY_PROTOCOL_ERROR) {
			bool is_flood = parser.lines > SMTP_REPLY_LINES_MAX ||
					parser.bytes > SMTP_REPLY_BYTES_MAX;

			smtp_client_fail(event, stage,
					 is_flood ? SMTP_FAILURE_FLOOD : SMTP_FAILURE_PROTOCOL,
					 "%s", parser.error);
			return -1;
		}
		if (on_line != NULL)
			on_line(context, parser.lines - 1, length > 4 ? line + 4 : "",
				length > 4 ? length - 4 : 0);
	}
	memset(event, 0, sizeof(*event));
	event->stage = stage;
	event->reply = parser.reply;
	return 0;
}

int smtp_client_read_unsolicited(struct smtp_client *client, enum delivery_stage stage,
				 struct smtp_event *event)
{
	char text[120];

	if (smtp_client_read_reply(client, stage,
				   smtp_client_deadline(client, UNSOLICITED_TIMEOUT_MS), NULL, NULL,
				   event) != 0)
		return -1;
	if (event->reply.code == 421)
		return 0;
	smtp_reply_print(&event->reply, text, sizeof(text));
	smtp_client_fail(event, stage, SMTP_FAILURE_PROTOCOL, "unsolicited reply \"%s\"", text);
	return -1;
}

int smtp_client_command(struct smtp_client *client, enum delivery_stage stage, int64_t timeout_ms,
			const char *line, smtp_client_line_fn *on_line, void *context,
			struct smtp_event *event)
{
	struct deadline deadline = smtp_client_deadline(client, timeout_ms);
	enum stream_result result;
	size_t written;

	result = stream_write_watching(&client->stream, line, strlen(line), &written, deadline);
	if (result == STREAM_INPUT)
		return smtp_client_read_unsolicited(client, stage, event);
	if (result != STREAM_OK) {
		smtp_client_fail_stream(client, event, stage, result);
		return -1;
	}
	return smtp_client_read_reply(client, stage, deadline, on_line, context, event);
}

void smtp_client_quit(struct smtp_client *client)
{
	struct smtp_event event;

	if (client->is_open)
		smtp_client_command(client, STAGE_AFTER_FINAL_DOT, SMTP_QUIT_TIMEOUT_MS, "QUIT\r\n",
				    NULL, NULL, &event);
	smtp_client_close(client);
}

int smtp_client_park(struct smtp_client *client)
{
	if (!client->is_open || !client->is_clean || stream_has_input(&client->stream))
		return -1;
	buffer_wipe(&client->stream.input);
	client->stream.cancel_fd = -1;
	memset(&client->params, 0, sizeof(client->params));
	return 0;
}

int smtp_client_resume(struct smtp_client *client, const struct smtp_client_params *params)
{
	if (stream_has_input(&client->stream)) {
		smtp_client_close(client);
		return -1;
	}
	client->params = *params;
	client->stream.cancel_fd = params->cancel_fd;
	client->is_reused = true;
	return 0;
}

void smtp_client_leave(struct smtp_client *client)
{
	if (client->is_open)
		stream_write_full(&client->stream, "QUIT\r\n", strlen("QUIT\r\n"), deadline_in_ms(0));
	smtp_client_close(client);
}

void smtp_client_close(struct smtp_client *client)
{
	if (!client->is_open)
		return;
	stream_wipe(&client->stream);
	client->is_open = false;
	client->in_transaction = false;
}
