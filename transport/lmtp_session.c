/*
 * The LMTP server's loop: one command line in, its replies out (RFC 2033, RFC 5321 4.1, PIPELINING
 * RFC 2920). Replies are queued and written when no further command is waiting, so that a pipelined
 * group costs one write.
 *
 * A line that is too long or has a NUL in it is refused as a whole and never cut. The greeting is
 * sent before anything else is done: no tunnel is opened and no name looked up before there is
 * mail.
 */
#include "lmtp_session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/ascii.h"
#include "lib/log.h"

/*
 * Replies queued before they are written anyway: a thousand pipelined RCPTs are answered in a few
 * writes.
 */
#define OUTPUT_FLUSH 8192
/* One reply line: code, status, and what delivery_status_print_lmtp() makes. */
#define REPLY_LINE_MAX (DELIVERY_LMTP_REPLY_MAX + 64)
/* Postfix takes replies at once; whoever does not is gone. */
#define WRITE_TIMEOUT_MS 60000

struct command {
	const char *verb;
	lmtp_command_fn *run;
};

static const struct command commands[] = {
	{ "LHLO", lmtp_command_lhlo },
	{ "MAIL", lmtp_command_mail },
	{ "RCPT", lmtp_command_rcpt },
	{ "DATA", lmtp_command_data },
	{ "RSET", lmtp_command_rset },
	{ "NOOP", lmtp_command_noop },
	{ "VRFY", lmtp_command_vrfy },
	{ "QUIT", lmtp_command_quit },
	{ "XFORWARD", lmtp_command_xforward },
	{ "HELO", lmtp_command_helo },
	{ "EHLO", lmtp_command_helo },
	{ "BDAT", lmtp_command_not_implemented },
	{ "EXPN", lmtp_command_not_implemented },
	{ "HELP", lmtp_command_not_implemented },
	{ "STARTTLS", lmtp_command_not_implemented },
	{ "AUTH", lmtp_command_not_implemented },
};

void lmtp_session_flush(struct lmtp_session *session)
{
	struct deadline deadline = deadline_in_ms(WRITE_TIMEOUT_MS);
	size_t length = buffer_length(&session->output);

	if (length == 0 || session->state == LMTP_ENDED)
		return;
	if (stream_write_full(&session->stream, buffer_data(&session->output), length, deadline) !=
	    STREAM_OK) {
		log_warning("lost the connection from the mail system while writing a reply: %s",
			    stream_error(&session->stream));
		session->state = LMTP_ENDED;
	}
	buffer_reset(&session->output);
}

__attribute__((format(printf, 2, 0))) static void queue_reply(struct lmtp_session *session,
							      const char *format, va_list arguments)
{
	char line[REPLY_LINE_MAX], printable[REPLY_LINE_MAX];

	vsnprintf(line, sizeof(line), format, arguments);
	log_printable(printable, sizeof(printable), line, strlen(line));
	if (buffer_printf(&session->output, "%s\r\n", printable) < 0) {
		log_error("out of memory for a reply");
		session->state = LMTP_ENDED;
	}
	if (buffer_length(&session->output) >= OUTPUT_FLUSH)
		lmtp_session_flush(session);
}

void lmtp_session_reply(struct lmtp_session *session, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	queue_reply(session, format, arguments);
	va_end(arguments);
}

void lmtp_session_refuse_command(struct lmtp_session *session, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	queue_reply(session, format, arguments);
	va_end(arguments);
	session->error_count++;
}

void lmtp_session_reset(struct lmtp_session *session)
{
	relay_finish(session->relay);
	envelope_wipe(&session->envelope);
	envelope_init(&session->envelope);
	session->ident[0] = '\0';
	log_set_tag(NULL);
	if (session->state == LMTP_EXPECT_RCPT || session->state == LMTP_RECEIVING_DATA)
		session->state = LMTP_EXPECT_MAIL;
}

static const struct command *find_command(const char *line, size_t verb_length)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (ascii_is_word(line, verb_length, commands[i].verb))
			return &commands[i];
	return NULL;
}

/*
 * A command that comes after the replies to a message shows that they were taken in. QUIT does not:
 * lmtp(8) may have sent it together with the final dot.
 */
static void settle_last_message(struct lmtp_session *session, const struct command *command)
{
	if (command == NULL || command->run == lmtp_command_quit)
		affinity_end(&session->choice.affinity);
	else
		affinity_confirm(&session->choice.affinity);
}

static void run_command(struct lmtp_session *session, char *line, size_t length)
{
	const struct command *command;
	size_t verb_length, start;

	while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
		line[--length] = '\0';
	if (memchr(line, '\0', length) != NULL) {
		lmtp_session_refuse_command(session, "500 5.5.2 NUL in a command");
		return;
	}
	verb_length = strcspn(line, " \t");
	start = verb_length + strspn(line + verb_length, " \t");
	command = find_command(line, verb_length);
	settle_last_message(session, command);
	if (command == NULL)
		lmtp_session_refuse_command(session, "500 5.5.2 command not recognized");
	else
		command->run(session, line + start, length - start);
}

/* Drops input up to and including the next LF. */
static enum stream_result skip_line(struct stream *stream, struct deadline deadline)
{
	for (;;) {
		const uint8_t *bytes = buffer_data(&stream->input), *line_feed;
		size_t available = buffer_length(&stream->input);
		enum stream_result result;

		line_feed = available > 0 ? memchr(bytes, '\n', available) : NULL;
		buffer_skip(&stream->input,
			    line_feed != NULL ? (size_t)(line_feed - bytes) + 1 : available);
		if (line_feed != NULL)
			return STREAM_OK;
		result = stream_wait_input(stream, deadline);
		if (result != STREAM_OK)
			return result;
	}
}

static void on_long_line(struct lmtp_session *session, struct deadline deadline)
{
	if (skip_line(&session->stream, deadline) == STREAM_OK)
		lmtp_session_refuse_command(session, "500 5.5.2 line longer than %d bytes",
					    SMTP_COMMAND_MAX);
	else
		session->state = LMTP_ENDED;
}

static void serve_one(struct lmtp_session *session)
{
	struct deadline deadline = deadline_in_ms(session->setup->conf.idle_timeout);
	char line[SMTP_COMMAND_MAX + 1];
	size_t length;

	if (!stream_has_input(&session->stream))
		lmtp_session_flush(session);
	if (session->state == LMTP_ENDED)
		return;
	switch (stream_read_line(&session->stream, line, sizeof(line), &length, deadline)) {
	case STREAM_OK:
		run_command(session, line, length);
		break;
	case STREAM_TOO_LONG:
		on_long_line(session, deadline);
		break;
	case STREAM_TIMEOUT:
		lmtp_session_reply(session, "421 4.4.2 %s idle for too long",
				   session->setup->conf.hostname);
		lmtp_session_flush(session);
		session->state = LMTP_ENDED;
		break;
	case STREAM_EOF:
	case STREAM_ERROR:
	case STREAM_INPUT:
	case STREAM_CANCELLED:
		session->state = LMTP_ENDED;
		break;
	}
}

static void check_errors(struct lmtp_session *session)
{
	if (session->error_count < LMTP_ERRORS_MAX || session->state == LMTP_ENDED)
		return;
	log_warning("ended a session after %u refused commands", session->error_count);
	lmtp_session_reply(session, "421 4.7.0 %s too many errors", session->setup->conf.hostname);
	lmtp_session_flush(session);
	session->state = LMTP_ENDED;
}

void lmtp_session_serve(struct transport_setup *setup, struct relay *relay,
			const struct lmtp_invocation *invocation, int read_fd, int write_fd)
{
	struct lmtp_session session = { .setup = setup, .relay = relay, .state = LMTP_EXPECT_LHLO };

	if (invocation != NULL)
		session.invocation = *invocation;
	stream_init(&session.stream, read_fd, write_fd);
	buffer_init(&session.output, 2 * OUTPUT_FLUSH);
	envelope_init(&session.envelope);
	edge_choice_init(&session.choice, setup, relay);
	lmtp_session_reply(&session, "220 %s LMTP postern", setup->conf.hostname);
	lmtp_session_flush(&session);
	while (session.state != LMTP_ENDED) {
		serve_one(&session);
		check_errors(&session);
	}
	affinity_end(&session.choice.affinity);
	lmtp_session_reset(&session);
	envelope_wipe(&session.envelope);
	buffer_wipe(&session.output);
	stream_wipe(&session.stream);
}

void lmtp_session_refuse(int read_fd, int write_fd, const char *reason)
{
	struct lmtp_session session = { .state = LMTP_EXPECT_LHLO };

	stream_init(&session.stream, read_fd, write_fd);
	buffer_init(&session.output, 2 * OUTPUT_FLUSH);
	lmtp_session_reply(&session, "421 4.3.5 %s", reason);
	lmtp_session_flush(&session);
	buffer_wipe(&session.output);
	stream_wipe(&session.stream);
}
