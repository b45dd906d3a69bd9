/*
 * Replies are small and clients read them, so one that cannot be written at once ends the connection. A connection whose reply is held
 * back is not read from meanwhile.
 */
#include "sink_connection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 65536

enum input { INPUT_BYTES, INPUT_NONE, INPUT_END };

void sink_init(struct sink *sink, int epoll_fd)
{
	*sink = (struct sink){ .epoll_fd = epoll_fd };
	sink->delayed_end = &sink->delayed;
}

int sink_load_certificate(struct sink *sink, const char *path)
{
	static const unsigned char name[] = "sink";

	sink->tls = SSL_CTX_new(TLS_server_method());
	if (sink->tls == NULL || SSL_CTX_use_certificate_chain_file(sink->tls, path) != 1 ||
	    SSL_CTX_use_PrivateKey_file(sink->tls, path, SSL_FILETYPE_PEM) != 1)
		return -1;
	SSL_CTX_set_session_id_context(sink->tls, name, sizeof(name) - 1);
	return 0;
}

static void watch(struct sink *sink, struct sink_connection *connection, int operation, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = connection };

	epoll_ctl(sink->epoll_fd, operation, connection->fd, &event);
}

static void end(struct sink *sink, struct sink_connection *connection)
{
	SSL_free(connection->ssl);
	close(connection->fd);
	free(connection->pending);
	free(connection);
	sink->open--;
}

static enum input read_some(struct sink_connection *connection, char *bytes, size_t *length)
{
	ssize_t got;

	if (connection->ssl != NULL) {
		int result = SSL_read(connection->ssl, bytes, READ_SIZE);

		*length = result > 0 ? (size_t)result : 0;
		if (result > 0)
			return INPUT_BYTES;
		return SSL_get_error(connection->ssl, result) == SSL_ERROR_WANT_READ ? INPUT_NONE : INPUT_END;
	}
	got = recv(connection->fd, bytes, READ_SIZE, 0);
	*length = got > 0 ? (size_t)got : 0;
	if (got > 0)
		return INPUT_BYTES;
	return got < 0 && errno == EAGAIN ? INPUT_NONE : INPUT_END;
}

static bool write_replies(struct sink_connection *connection)
{
	struct sink_session *session = &connection->session;
	size_t length = session->replies_length;

	session->replies_length = 0;
	if (length == 0)
		return true;
	if (connection->ssl != NULL)
		return SSL_write(connection->ssl, session->replies, (int)length) == (int)length;
	return send(connection->fd, session->replies, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static void hold_back(struct sink *sink, struct sink_connection *connection)
{
	connection->goes_on_us = sink_now_us() + connection->delay_us;
	connection->next_delayed = NULL;
	connection->is_held = true;
	*sink->delayed_end = connection;
	sink->delayed_end = &connection->next_delayed;
	watch(sink, connection, EPOLL_CTL_MOD, 0);
}

/* Keeps what was not taken; bytes may lie in it. */
static void keep_pending(struct sink_connection *connection, const char *bytes, size_t length)
{
	char *fresh = length > 0 ? malloc(length) : NULL;

	if (fresh != NULL)
		memcpy(fresh, bytes, length);
	free(connection->pending);
	connection->pending = fresh;
	connection->pending_length = fresh != NULL ? length : 0;
}

static bool start_tls(struct sink *sink, struct sink_connection *connection)
{
	connection->ssl = SSL_new(sink->tls);
	connection->is_shaking_hands = true;
	return connection->ssl != NULL && SSL_set_fd(connection->ssl, connection->fd) == 1;
}

/* false: the connection is gone. */
static bool feed(struct sink *sink, struct sink_connection *connection, const char *bytes, size_t length)
{
	struct sink_session *session = &connection->session;
	bool is_slow = connection->delay_us > 0 && (!connection->only_dot_is_slow || session->is_in_content);
	enum sink_wish wish;
	size_t taken = sink_session_feed(session, bytes, length, is_slow, &sink->record, &wish);

	connection->ends = wish == SINK_WANTS_END;
	if (is_slow && session->replies_length > 0 && wish != SINK_WANTS_LOSS) {
		keep_pending(connection, bytes + taken, length - taken);
		hold_back(sink, connection);
		return true;
	}
	keep_pending(connection, NULL, 0);
	if (wish == SINK_WANTS_LOSS || !write_replies(connection) || connection->ends ||
	    (wish == SINK_WANTS_TLS && !start_tls(sink, connection))) {
		sink->failed += wish == SINK_GOES_ON;
		end(sink, connection);
		return false;
	}
	return true;
}

/* false: not done, or the connection is gone. */
static bool shake_hands(struct sink *sink, struct sink_connection *connection)
{
	int result = SSL_accept(connection->ssl);

	if (result == 1) {
		connection->is_shaking_hands = false;
		sink->handshakes++;
		sink->resumed += SSL_session_reused(connection->ssl) == 1;
		return true;
	}
	if (SSL_get_error(connection->ssl, result) != SSL_ERROR_WANT_READ) {
		sink->failed++;
		end(sink, connection);
	}
	return false;
}

void sink_connection_on_input(struct sink *sink, struct sink_connection *connection)
{
	char bytes[READ_SIZE];
	size_t length;

	/* Its end alone is reported then. */
	if (connection->is_held) {
		connection->is_gone = true;
		epoll_ctl(sink->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
		return;
	}
	for (;;) {
		if (connection->is_shaking_hands && !shake_hands(sink, connection))
			return;
		switch (read_some(connection, bytes, &length)) {
		case INPUT_NONE:
			return;
		case INPUT_END:
			end(sink, connection);
			return;
		case INPUT_BYTES:
			break;
		}
		/* A slow one is not read from before its reply is out; a TLS one until OpenSSL has no more. */
		if (!feed(sink, connection, bytes, length) || connection->is_held ||
		    (connection->ssl == NULL && length < READ_SIZE))
			return;
	}
}

static int64_t delay_of(const struct sink *sink, int fd)
{
	struct sockaddr_in own = { 0 };
	socklen_t length = sizeof(own);

	if (sink->tarpit_count == 0 || getsockname(fd, (struct sockaddr *)&own, &length) < 0)
		return 0;
	return ntohl(own.sin_addr.s_addr) - sink->tarpit_first < sink->tarpit_count ? sink->tarpit_delay_us : 0;
}

void sink_connection_accept(struct sink *sink, int listening_fd)
{
	int fd = accept4(listening_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), on = 1;
	struct sink_connection *connection;

	if (fd < 0)
		return;
	connection = calloc(1, sizeof(*connection));
	if (connection == NULL) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	connection->fd = fd;
	connection->delay_us = delay_of(sink, fd);
	sink->connections++;
	sink->open++;
	connection->only_dot_is_slow = sink->is_tarpit_of_dots;
	sink_session_begin(&connection->session, sink->offers_tls && (connection->delay_us == 0 || connection->only_dot_is_slow));
	watch(sink, connection, EPOLL_CTL_ADD, EPOLLIN | EPOLLRDHUP);
	if (connection->delay_us > 0 && !connection->only_dot_is_slow)
		hold_back(sink, connection);
	else if (!write_replies(connection))
		end(sink, connection);
}

static void go_on(struct sink *sink, struct sink_connection *connection)
{
	char *pending = connection->pending;
	size_t length = connection->pending_length;

	connection->pending = NULL;
	connection->is_held = false;
	if (connection->is_gone || !write_replies(connection) || connection->ends) {
		end(sink, connection);
	} else {
		watch(sink, connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP);
		if (length > 0)
			feed(sink, connection, pending, length);
	}
	free(pending);
}

int sink_run_delayed(struct sink *sink)
{
	int64_t now = sink_now_us();

	while (sink->delayed != NULL && sink->delayed->goes_on_us <= now) {
		struct sink_connection *connection = sink->delayed;

		sink->delayed = connection->next_delayed;
		if (sink->delayed == NULL)
			sink->delayed_end = &sink->delayed;
		go_on(sink, connection);
	}
	return sink->delayed == NULL ? -1 : (int)((sink->delayed->goes_on_us - now) / 1000 + 1);
}
