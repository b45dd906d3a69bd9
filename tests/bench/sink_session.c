/* Commands are told by their first letters; content is looked at line by line, as its end is. */
#include "sink_session.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void reply(struct sink_session *session, const char *text)
{
	size_t length = strlen(text);

	/* Whoever sends so many commands without reading has what it deserves. */
	if (length > sizeof(session->replies) - session->replies_length)
		return;
	memcpy(session->replies + session->replies_length, text, length);
	session->replies_length += length;
}

void sink_session_begin(struct sink_session *session, bool offers_tls)
{
	session->offers_tls = offers_tls;
	session->is_in_content = false;
	session->recipients = 0;
	session->line_length = session->replies_length = 0;
	reply(session, "220 sink.bench.example ESMTP\r\n");
}

static bool is_command(const char *line, const char *command)
{
	return strncasecmp(line, command, strlen(command)) == 0;
}

static void begin_transaction(struct sink_session *session)
{
	session->recipients = 0;
	session->will_lose = false;
	session->message = (struct sink_message){ 0 };
}

/* "@d017.bench.example" */
static void note_domain(struct sink_message *message, const char *line)
{
	const char *at = strchr(line, '@');

	if (at == NULL || at[1] == '\0')
		return;
	message->kind = at[1];
	message->domain = (uint16_t)strtoul(at + 2, NULL, 10);
}

static enum sink_wish on_rcpt(struct sink_session *session, const char *line)
{
	const char *path = strchr(line, '<');

	path = path != NULL ? path + 1 : line;
	if (is_command(path, "cut@"))
		return SINK_WANTS_LOSS;
	if (is_command(path, "refused@")) {
		reply(session, "550 5.1.1 no such user\r\n");
		return SINK_GOES_ON;
	}
	if (is_command(path, "later@")) {
		reply(session, "450 4.2.1 try again later\r\n");
		return SINK_GOES_ON;
	}
	session->will_lose = is_command(path, "lost@");
	note_domain(&session->message, path);
	session->recipients++;
	reply(session, "250 2.1.5 Ok\r\n");
	return SINK_GOES_ON;
}

static void on_data(struct sink_session *session)
{
	if (session->recipients == 0) {
		reply(session, "554 5.5.1 no valid recipients\r\n");
		return;
	}
	session->is_in_content = session->is_in_header = true;
	reply(session, "354 End data with <CR><LF>.<CR><LF>\r\n");
}

static void on_ehlo(struct sink_session *session)
{
	begin_transaction(session);
	reply(session, session->offers_tls ? "250-sink.bench.example\r\n250-PIPELINING\r\n250-SIZE\r\n250-STARTTLS\r\n"
					     "250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n"
					   : "250-sink.bench.example\r\n250-PIPELINING\r\n250-SIZE\r\n"
					     "250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n");
}

static enum sink_wish on_command(struct sink_session *session, const char *line)
{
	if (is_command(line, "MAIL")) {
		begin_transaction(session);
		reply(session, "250 2.1.0 Ok\r\n");
	} else if (is_command(line, "RCPT")) {
		return on_rcpt(session, line);
	} else if (is_command(line, "DATA")) {
		on_data(session);
	} else if (is_command(line, "EHLO") || is_command(line, "HELO")) {
		on_ehlo(session);
	} else if (is_command(line, "RSET")) {
		begin_transaction(session);
		reply(session, "250 2.0.0 Ok\r\n");
	} else if (is_command(line, "NOOP")) {
		reply(session, "250 2.0.0 Ok\r\n");
	} else if (is_command(line, "QUIT")) {
		reply(session, "221 2.0.0 Bye\r\n");
		return SINK_WANTS_END;
	} else if (is_command(line, "STARTTLS") && session->offers_tls) {
		session->offers_tls = false;
		reply(session, "220 2.0.0 Ready to start TLS\r\n");
		return SINK_WANTS_TLS;
	} else {
		reply(session, "502 5.5.2 command not recognized\r\n");
	}
	return SINK_GOES_ON;
}

static enum sink_wish on_content(struct sink_session *session, const char *line, size_t length, struct sink_record *record)
{
	if (length == 1 && line[0] == '.') {
		session->is_in_content = false;
		session->message.arrived_us = sink_now_us();
		sink_record_add(record, &session->message);
		if (session->will_lose)
			return SINK_WANTS_LOSS;
		reply(session, "250 2.0.0 Ok: queued as SINK\r\n");
	} else if (length == 0) {
		session->is_in_header = false;
	} else if (session->is_in_header && is_command(line, "X-Bench:")) {
		char *end;

		session->message.number = (uint32_t)strtoul(line + sizeof("X-Bench:") - 1, &end, 10);
		session->message.sent_us = strtoll(end, NULL, 10);
	}
	return SINK_GOES_ON;
}

static void keep(struct sink_session *session, const char *bytes, size_t length)
{
	size_t room = sizeof(session->line) - 1 - session->line_length;

	if (length > room)
		length = room;
	memcpy(session->line + session->line_length, bytes, length);
	session->line_length += length;
}

/* The line is in session->line, with its CR. */
static enum sink_wish on_line(struct sink_session *session, struct sink_record *record)
{
	size_t length = session->line_length;

	if (length > 0 && session->line[length - 1] == '\r')
		length--;
	session->line[length] = '\0';
	session->line_length = 0;
	return session->is_in_content ? on_content(session, session->line, length, record) : on_command(session, session->line);
}

/* Most of the content is of no interest: lines behind the header that do not begin with a dot. */
static size_t skip_content(const struct sink_session *session, const char *bytes, size_t length)
{
	size_t taken = 0;

	if (!session->is_in_content || session->is_in_header || session->line_length > 0)
		return 0;
	while (taken < length && bytes[taken] != '.') {
		const char *newline = memchr(bytes + taken, '\n', length - taken);

		if (newline == NULL)
			break;
		taken = (size_t)(newline - bytes) + 1;
	}
	return taken;
}

size_t sink_session_feed(struct sink_session *session, const char *bytes, size_t length, bool one_reply, struct sink_record *record,
			 enum sink_wish *wish)
{
	size_t taken = 0, replied = session->replies_length;

	*wish = SINK_GOES_ON;
	while (taken < length && *wish == SINK_GOES_ON && !(one_reply && session->replies_length > replied)) {
		const char *newline;

		taken += skip_content(session, bytes + taken, length - taken);
		newline = memchr(bytes + taken, '\n', length - taken);
		if (newline == NULL) {
			keep(session, bytes + taken, length - taken);
			return length;
		}
		keep(session, bytes + taken, (size_t)(newline - bytes) - taken);
		taken = (size_t)(newline - bytes) + 1;
		*wish = on_line(session, record);
	}
	return taken;
}
