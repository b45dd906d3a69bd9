/* MAIL, RCPT and DATA in one go, as Postfix's smtp(8) does it; the session stays open. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load_route.h"

static enum load_outcome lost(struct load_session *session, const char *why)
{
	snprintf(session->reason, sizeof(session->reason), "SMTP: %s", why);
	if (session->fd >= 0)
		close(session->fd);
	session->fd = -1;
	session->is_open = false;
	return LOAD_LOST;
}

static bool is_ready(const struct load_session *session, short events)
{
	struct pollfd pollfd = { .fd = session->fd, .events = events };

	return poll(&pollfd, 1, LOAD_PATIENCE_MS) > 0;
}

static bool put(struct load_session *session, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t sent = send(session->fd, bytes, length, MSG_NOSIGNAL);

		if (sent < 0 && (errno != EAGAIN || !is_ready(session, POLLOUT)))
			return false;
		if (sent > 0) {
			bytes += sent;
			length -= (size_t)sent;
		}
	}
	return true;
}

/* The codes of `count` replies; the text of the last one into session->reason. false: the session is lost. */
static bool get(struct load_session *session, int *codes, int count)
{
	char line[LOAD_REASON_MAX];
	size_t length = 0;
	int got = 0;

	while (got < count) {
		ssize_t size = recv(session->fd, line + length, sizeof(line) - 1 - length, 0);
		char *newline;

		if (size == 0 || (size < 0 && (errno != EAGAIN || !is_ready(session, POLLIN))))
			return false;
		length += size > 0 ? (size_t)size : 0;
		while (got < count && (newline = memchr(line, '\n', length)) != NULL) {
			size_t taken = (size_t)(newline - line) + 1;

			*newline = '\0';
			if (taken > 4 && line[3] != '-') {
				codes[got++] = atoi(line);
				snprintf(session->reason, sizeof(session->reason), "%s", line);
			}
			memmove(line, line + taken, length - taken);
			length -= taken;
		}
	}
	return true;
}

int load_smtp_open(struct load_session *session)
{
	static const char ehlo[] = "EHLO client.bench.example\r\n";
	char error[300];
	int codes[1];

	session->fd = endpoint_connect(&session->target->endpoint, deadline_in_ms(60000), error, sizeof(error));
	if (session->fd < 0 || !get(session, codes, 1) || !put(session, ehlo, sizeof(ehlo) - 1) || !get(session, codes, 1) ||
	    codes[0] != 250) {
		lost(session, session->fd < 0 ? error : "no session");
		return -1;
	}
	session->is_open = true;
	return 0;
}

static enum load_outcome outcome_of(int code)
{
	return code / 100 == 2 ? LOAD_RELAYED : code / 100 == 4 ? LOAD_DELAYED : LOAD_FAILED;
}

static bool reset(struct load_session *session)
{
	char reason[LOAD_REASON_MAX];
	int codes[1];
	bool is_well;

	memcpy(reason, session->reason, sizeof(reason));
	is_well = put(session, "RSET\r\n", 6) && get(session, codes, 1);
	memcpy(session->reason, reason, sizeof(reason));
	return is_well;
}

enum load_outcome load_smtp_send(struct load_session *session, const char *recipient, const struct load_message *message,
				 int64_t *waited_us)
{
	char commands[1200];
	int codes[3], length;
	int64_t ended;

	length = snprintf(commands, sizeof(commands), "MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n", session->target->sender, recipient);
	if (!put(session, commands, (size_t)length) || !get(session, codes, 3))
		return lost(session, "lost connection");
	if (codes[2] != 354) {
		enum load_outcome outcome = outcome_of(codes[1] != 250 ? codes[1] : codes[0]);

		return reset(session) ? outcome : lost(session, "lost connection");
	}
	if (!put(session, message->bytes, message->length) || !put(session, ".\r\n", 3))
		return lost(session, "lost connection in the content");
	ended = load_now_us();
	if (!get(session, codes, 1))
		return lost(session, "lost connection after the final dot");
	*waited_us = load_now_us() - ended;
	return outcome_of(codes[0]);
}
