/*
 * A scripted SMTP server in a thread, at the other end of a socketpair: one script per
 * misbehaviour. It waits ten seconds at most for anything, so that a wrong client makes a test fail
 * and not hang.
 */
#ifndef FAKE_MX_H
#define FAKE_MX_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/fake/fake_tls.h"

enum fake_kind {
	FAKE_END,
	FAKE_SEND,	 /* text, `number` times */
	FAKE_SEND_BYTES, /* `number` bytes of text (may hold NUL) */
	FAKE_FLOOD,	 /* text until nobody takes it */
	FAKE_DRIP,	 /* text, byte by byte, `number` ms apart, until nobody takes it */
	FAKE_EXPECT,	 /* a line that begins with text */
	FAKE_REPEAT,  /* `number` times: a line that begins with text, answered by the text of the
			 next step */
	FAKE_CONTENT, /* lines up to and including "." */
	FAKE_READ,    /* `number` bytes, whatever they are */
	FAKE_SLEEP,   /* `number` ms */
	FAKE_DRAIN,   /* read until the end */
	FAKE_HOLD,    /* read nothing until the client is gone */
	FAKE_SIGNAL,  /* make the eventfd `number` readable */
	FAKE_TLS,     /* handshake */
	FAKE_CUT, /* end of the connection without close_notify; the rest of the script is not done
		   */
};

struct fake_step {
	enum fake_kind kind;
	const char *text;
	int number;
};

#define SEND(text) { FAKE_SEND, text, 1 }
#define SEND_TIMES(text, times) { FAKE_SEND, text, times }
#define SEND_BYTES(text) { FAKE_SEND_BYTES, text, sizeof(text) - 1 }
#define FLOOD(text) { FAKE_FLOOD, text, 0 }
#define DRIP(text, ms) { FAKE_DRIP, text, ms }
#define EXPECT(text) { FAKE_EXPECT, text, 0 }
#define REPEAT(times, text, answer) { FAKE_REPEAT, text, times }, { FAKE_SEND, answer, 0 }
#define CONTENT { FAKE_CONTENT, NULL, 0 }
#define READ(bytes) { FAKE_READ, NULL, bytes }
#define SLEEP(ms) { FAKE_SLEEP, NULL, ms }
#define DRAIN { FAKE_DRAIN, NULL, 0 }
#define HOLD { FAKE_HOLD, NULL, 0 }
#define SIGNAL(event_fd) { FAKE_SIGNAL, NULL, event_fd }
#define TLS { FAKE_TLS, NULL, 0 }
#define CUT { FAKE_CUT, NULL, 0 }

#define FAKE_SEEN_MAX (1024 * 1024)

struct fake_mx {
	const struct fake_step *steps;
	int fd;
	SSL_CTX *ssl_ctx;
	SSL *ssl;
	char *seen; /* everything read, NUL-terminated; valid after fake_mx_finish() until
		       fake_mx_wipe() */
	size_t seen_length;
	char ahead[4096];	/* read, and not looked at yet; none of it belongs to TLS */
	size_t ahead_used, ahead_length;
	char problem[200];	/* "" = the client did what the script expected */
	pthread_t thread;
};

static inline void fake_mx_write(struct fake_mx *mx, const char *bytes, size_t length, bool *alive)
{
	while (*alive && length > 0) {
		ssize_t put = mx->ssl != NULL ? SSL_write(mx->ssl, bytes, (int)length)
					      : send(mx->fd, bytes, length, MSG_NOSIGNAL);

		*alive = put > 0;
		if (put > 0) {
			bytes += put;
			length -= (size_t)put;
		}
	}
}

/* A system call for each byte of a megabyte is too much for a busy machine. */
static inline ssize_t fake_mx_read_plain(struct fake_mx *mx, char *byte)
{
	if (mx->ahead_used == mx->ahead_length) {
		ssize_t got = recv(mx->fd, mx->ahead, sizeof(mx->ahead), 0);

		if (got <= 0)
			return got;
		mx->ahead_used = 0;
		mx->ahead_length = (size_t)got;
	}
	*byte = mx->ahead[mx->ahead_used++];
	return 1;
}

static inline bool fake_mx_read_byte(struct fake_mx *mx, char *byte)
{
	ssize_t got;

	if (mx->ssl != NULL)
		got = SSL_read(mx->ssl, byte, 1);
	else
		got = fake_mx_read_plain(mx, byte);
	if (got == 1 && mx->seen_length < FAKE_SEEN_MAX - 1)
		mx->seen[mx->seen_length++] = *byte;
	return got == 1;
}

/* Points `line` at the line in mx->seen. */
static inline bool fake_mx_read_line(struct fake_mx *mx, const char **line)
{
	size_t start = mx->seen_length;
	char byte;

	do {
		if (!fake_mx_read_byte(mx, &byte))
			return false;
	} while (byte != '\n');
	mx->seen[mx->seen_length] = '\0';
	*line = mx->seen + start;
	return true;
}

static inline bool fake_mx_expect(struct fake_mx *mx, const char *text)
{
	const char *line = "(end)";

	if (fake_mx_read_line(mx, &line) && strncmp(line, text, strlen(text)) == 0)
		return true;
	snprintf(mx->problem, sizeof(mx->problem), "expected \"%s\", got \"%.100s\"", text, line);
	return false;
}

static inline bool fake_mx_take_content(struct fake_mx *mx)
{
	const char *line;

	do {
		if (!fake_mx_read_line(mx, &line)) {
			snprintf(mx->problem, sizeof(mx->problem), "content without end");
			return false;
		}
	} while (strcmp(line, ".\r\n") != 0);
	return true;
}

static inline void fake_mx_start_tls(struct fake_mx *mx, bool *alive)
{
	mx->ssl_ctx = fake_tls_server(&(struct fake_tls_options){ 0 });
	mx->ssl = SSL_new(mx->ssl_ctx);
	SSL_set_fd(mx->ssl, mx->fd);
	*alive = SSL_accept(mx->ssl) == 1;
}

/* One step; false ends the script. */
static inline bool fake_mx_do(struct fake_mx *mx, const struct fake_step *step)
{
	struct pollfd gone = { .fd = mx->fd };	/* POLLHUP comes unasked */
	bool alive = true;
	char byte;

	switch (step->kind) {
	case FAKE_END:
	case FAKE_CUT:
		return false;
	case FAKE_SEND:
		for (int i = 0; alive && i < step->number; i++)
			fake_mx_write(mx, step->text, strlen(step->text), &alive);
		break;
	case FAKE_SEND_BYTES:
		fake_mx_write(mx, step->text, (size_t)step->number, &alive);
		break;
	case FAKE_FLOOD:
		while (alive)
			fake_mx_write(mx, step->text, strlen(step->text), &alive);
		break;
	case FAKE_DRIP:
		for (const char *c = step->text; alive; c = c[1] != '\0' ? c + 1 : step->text) {
			fake_mx_write(mx, c, 1, &alive);
			usleep((useconds_t)step->number * 1000);
		}
		break;
	case FAKE_EXPECT:
		return fake_mx_expect(mx, step->text);
	case FAKE_REPEAT:
		for (int i = 0; i < step->number && alive; i++) {
			if (!fake_mx_expect(mx, step->text))
				return false;
			fake_mx_write(mx, step[1].text, strlen(step[1].text), &alive);
		}
		break;
	case FAKE_CONTENT:
		return fake_mx_take_content(mx);
	case FAKE_READ:
		for (int i = 0; i < step->number && alive; i++)
			alive = fake_mx_read_byte(mx, &byte);
		break;
	case FAKE_SLEEP:
		usleep((useconds_t)step->number * 1000);
		break;
	case FAKE_DRAIN:
		while (fake_mx_read_byte(mx, &byte))
			;
		break;
	case FAKE_HOLD:
		while (poll(&gone, 1, -1) < 0)
			;
		break;
	case FAKE_SIGNAL:
		alive = eventfd_write(step->number, 1) == 0;
		break;
	case FAKE_TLS:
		fake_mx_start_tls(mx, &alive);
		break;
	}
	return alive;
}

static inline void *fake_mx_run(void *argument)
{
	struct fake_mx *mx = argument;
	const struct fake_step *step = mx->steps;
	sigset_t pipe_signal;

	sigemptyset(&pipe_signal);	/* OpenSSL writes with write(2) */
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
	while (fake_mx_do(mx, step))
		step++;
	if (mx->ssl != NULL && step->kind == FAKE_END)
		SSL_shutdown(mx->ssl);
	SSL_free(mx->ssl);
	SSL_CTX_free(mx->ssl_ctx);
	close(mx->fd);
	return NULL;
}

/* Starts the script; returns the client's end of the connection. */
static inline int fake_mx_start(struct fake_mx *mx, const struct fake_step *steps)
{
	const struct timeval patience = { .tv_sec = 10 };
	int fds[2];

	memset(mx, 0, sizeof(*mx));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		abort();
	mx->steps = steps;
	mx->fd = fds[1];
	mx->seen = calloc(1, FAKE_SEEN_MAX);
	setsockopt(mx->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(mx->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (mx->seen == NULL || pthread_create(&mx->thread, NULL, fake_mx_run, mx) != 0)
		abort();
	return fds[0];
}

/*
 * Waits for the end of the script; the client must be closed by then, or the script must end by
 * itself.
 */
static inline void fake_mx_finish(struct fake_mx *mx)
{
	pthread_join(mx->thread, NULL);
	mx->seen[mx->seen_length] = '\0';
}

static inline void fake_mx_wipe(struct fake_mx *mx)
{
	free(mx->seen);
}

#endif
