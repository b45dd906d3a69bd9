/*
 * One TLS client connection as the vtable of a stream: OpenSSL on top, the stream's own
 * non-blocking socket below.
 *
 * OpenSSL gets its bytes through a BIO of ours and not through BIO_s_socket, for two reasons.
 * Writing must not raise SIGPIPE. And SSL_connect() returns only when the socket has run dry: a
 * server that sends HelloRequest or other handshake noise without pause would hold the thread past
 * every deadline, so the BIO itself stops at the handshake's deadline and at a bound of bytes.
 *
 * A connection that ends without close_notify (truncation, RFC 8446 6.1) is an end of input and no
 * more: it can never complete a line, so it is never taken for a reply. Nothing is read ahead.
 *
 * OpenSSL keeps its errors in a queue per thread; every call starts with an empty one.
 */
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/log.h"
#include "tls_context.h"
#include "tls_sessions.h"
#include "tls_verify.h"

/*
 * What a server may send before the handshake is over: its certificates (bounded in tls_context.c)
 * and some more.
 */
#define HANDSHAKE_BYTES_MAX (256 * 1024)

struct tls_stream {
	SSL *ssl;
	struct tls_sessions *sessions;	/* a reference; NULL: nothing is kept of this connection */
	struct buffer resume_key;
	SSL_SESSION *pending;		/* came before the certificate was judged */
	bool is_good;			/* it was, and holds */
	BIO_METHOD *bio_method;
	int read_fd, write_fd, cancel_fd;	/* the stream's */
	bool is_handshaking;
	size_t handshake_bytes;		/* received so far */
	struct deadline deadline;	/* of the handshake */
	bool is_broken;			/* a fatal error: OpenSSL forbids SSL_shutdown() then */
	bool input_ended;		/* the socket is at its end */
	int socket_error;		/* errno that made the call under way fail, 0 = none */
};

static bool handshake_is_over_bounds(struct tls_stream *tls)
{
	return tls->is_handshaking &&
	       (tls->handshake_bytes > HANDSHAKE_BYTES_MAX || deadline_has_passed(tls->deadline));
}

static int bio_read(BIO *bio, char *bytes, int length)
{
	struct tls_stream *tls = BIO_get_data(bio);
	ssize_t got;

	BIO_clear_retry_flags(bio);
	if (handshake_is_over_bounds(tls))
		return -1;
	do
		got = recv(tls->read_fd, bytes, (size_t)length, 0);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		tls->input_ended = true;
	else if (got > 0 && tls->is_handshaking)
		tls->handshake_bytes += (size_t)got;
	else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_read(bio);
	else if (got < 0)
		tls->socket_error = errno;
	return (int)got;
}

static int bio_write(BIO *bio, const char *bytes, int length)
{
	struct tls_stream *tls = BIO_get_data(bio);
	ssize_t put;

	BIO_clear_retry_flags(bio);
	do
		put = send(tls->write_fd, bytes, (size_t)length, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_write(bio);
	else if (put < 0)
		tls->socket_error = errno;
	return (int)put;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_EOF)
		return ((struct tls_stream *)BIO_get_data(bio))->input_ended;
	/* Nothing is buffered here, so a flush is always done; no other command means anything. */
	return command == BIO_CTRL_FLUSH;
}

static BIO *bio_create(struct tls_stream *tls)
{
	BIO *bio;

	tls->bio_method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");
	if (tls->bio_method == NULL || BIO_meth_set_read(tls->bio_method, bio_read) != 1 ||
	    BIO_meth_set_write(tls->bio_method, bio_write) != 1 ||
	    BIO_meth_set_ctrl(tls->bio_method, bio_ctrl) != 1)
		return NULL;
	bio = BIO_new(tls->bio_method);
	if (bio != NULL) {
		BIO_set_data(bio, tls);
		BIO_set_init(bio, 1);
	}
	return bio;
}

/*
 * The reason of a failure. The socket's own comes last: OpenSSL answers most troubles with an
 * alert, and it is often only that alert which the socket does not take any more.
 */
static void print_error(const struct tls_stream *tls, char *error, size_t error_size)
{
	unsigned long code = ERR_peek_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
	char text[128];

	if (tls->is_handshaking && tls->handshake_bytes > HANDSHAKE_BYTES_MAX)
		snprintf(error, error_size, "handshake of more than %d bytes", HANDSHAKE_BYTES_MAX);
	else if (tls->is_handshaking && deadline_has_passed(tls->deadline))
		snprintf(error, error_size, "handshake timed out");
	else if (tls->input_ended)
		snprintf(error, error_size, "lost connection");
	else if (reason != NULL)
		snprintf(error, error_size, "%s", reason);
	else
		snprintf(error, error_size, "%s",
			 tls->socket_error != 0 ? strerror_r(tls->socket_error, text, sizeof(text))
						: "unknown error");
}

/* After SSL_read(), SSL_write() or SSL_connect() returned `result` <= 0. */
static ssize_t translate(struct tls_stream *tls, int result, char *error, size_t error_size)
{
	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return STREAM_IO_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return STREAM_IO_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return STREAM_IO_EOF;
	}
	tls->is_broken = true;
	if (tls->input_ended && !tls->is_handshaking)
		return STREAM_IO_EOF;
	print_error(tls, error, error_size);
	return STREAM_IO_ERROR;
}

static ssize_t tls_read(void *context, void *bytes, size_t length, char *error, size_t error_size)
{
	struct tls_stream *tls = context;
	size_t got;
	int result;

	ERR_clear_error();
	tls->socket_error = 0;
	result = SSL_read_ex(tls->ssl, bytes, length, &got);
	return result == 1 ? (ssize_t)got : translate(tls, result, error, error_size);
}

static ssize_t tls_write(void *context, const void *bytes, size_t length, char *error,
			 size_t error_size)
{
	struct tls_stream *tls = context;
	size_t put;
	int result;

	ERR_clear_error();
	tls->socket_error = 0;
	result = SSL_write_ex(tls->ssl, bytes, length, &put);
	return result == 1 ? (ssize_t)put : translate(tls, result, error, error_size);
}

static void tls_close(void *context)
{
	struct tls_stream *tls = context;

	ERR_clear_error();
	/* close_notify if the socket takes it now; the answer is not waited for. */
	if (!tls->is_broken && !tls->is_handshaking)
		SSL_shutdown(tls->ssl);
	SSL_free(tls->ssl);
	SSL_SESSION_free(tls->pending);
	tls_sessions_release(tls->sessions);
	buffer_wipe(&tls->resume_key);
	BIO_meth_free(tls->bio_method);
	free(tls);
	ERR_clear_error();
}

static const struct stream_ops tls_ops = {
	.read = tls_read,
	.write = tls_write,
	.close = tls_close,
};

int tls_stream_on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_stream *tls = SSL_get_app_data(ssl);

	if (tls == NULL || tls->sessions == NULL)
		return 0;
	if (tls->is_good) {
		tls_sessions_put(tls->sessions, &tls->resume_key, session);
		return 0;
	}
	if (!tls->is_handshaking)
		return 0;	/* of a connection that is used although its certificate is not what a policy in testing wants */
	SSL_SESSION_free(tls->pending);
	tls->pending = session;
	return 1;
}

/* From here on sessions are kept as they come. */
static void keep_sessions(struct tls_stream *tls)
{
	tls->is_good = true;
	if (tls->pending != NULL)
		tls_sessions_put(tls->sessions, &tls->resume_key, tls->pending);
	SSL_SESSION_free(tls->pending);
	tls->pending = NULL;
}

/* Without memory nothing is resumed, no more. */
static void prepare_resumption(struct tls_stream *tls, const struct tls_context *context, const struct buffer *resume_key)
{
	SSL_SESSION *session;

	buffer_init(&tls->resume_key, resume_key != NULL ? resume_key->maximum : 0);
	if (resume_key == NULL || buffer_length(resume_key) == 0 ||
	    buffer_put(&tls->resume_key, buffer_data(resume_key), buffer_length(resume_key)) != 0)
		return;
	tls->sessions = tls_sessions_acquire(tls_context_sessions(context));
	SSL_set_app_data(tls->ssl, tls);
	session = tls_sessions_take(tls->sessions, &tls->resume_key);
	if (session != NULL)
		SSL_set_session(tls->ssl, session);
	SSL_SESSION_free(session);
}

static struct tls_stream *tls_stream_create(const struct stream *stream,
					    const struct tls_context *context, const struct tls_terms *terms,
					    const struct buffer *resume_key, struct deadline deadline)
{
	struct tls_stream *tls = calloc(1, sizeof(*tls));
	BIO *bio;

	if (tls == NULL)
		return NULL;
	tls->read_fd = stream->read_fd;
	tls->write_fd = stream->write_fd;
	tls->cancel_fd = stream->cancel_fd;
	tls->deadline = deadline;
	tls->is_handshaking = true;
	tls->ssl = SSL_new(tls_context_ssl_ctx(context));
	bio = tls->ssl != NULL ? bio_create(tls) : NULL;
	if (bio == NULL) {
		tls_close(tls);
		return NULL;
	}
	SSL_set_bio(tls->ssl, bio, bio);
	if (tls_verify_prepare(tls->ssl, terms) != 0) {
		tls_close(tls);
		return NULL;
	}
	prepare_resumption(tls, context, resume_key);
	return tls;
}

/* NULL: try again. Otherwise why the handshake ends here. */
static const char *wait_for(const struct tls_stream *tls, ssize_t want)
{
	struct pollfd fds[2] = {
		{
			.fd = want == STREAM_IO_WANT_READ ? tls->read_fd : tls->write_fd,
			.events = want == STREAM_IO_WANT_READ ? POLLIN : POLLOUT,
		},
		{ .fd = tls->cancel_fd, .events = POLLIN },
	};
	int ready;

	do {
		if (deadline_has_passed(tls->deadline))
			return "handshake timed out";
		ready = poll(fds, 2, deadline_poll_ms(tls->deadline));
	} while (ready == 0 || (ready < 0 && errno == EINTR));
	if (ready < 0)
		return "poll failed";
	return fds[1].revents != 0 ? "handshake cancelled" : NULL;
}

static int shake_hands(struct tls_stream *tls, char *error, size_t error_size)
{
	for (;;) {
		const char *reason;
		int result;
		ssize_t want;

		ERR_clear_error();
		result = SSL_connect(tls->ssl);
		if (result == 1)
			return 0;
		want = translate(tls, result, error, error_size);
		if (want == STREAM_IO_EOF)
			snprintf(error, error_size, "server closed the connection");
		if (want == STREAM_IO_EOF || want == STREAM_IO_ERROR)
			return -1;
		reason = wait_for(tls, want);
		if (reason != NULL) {
			snprintf(error, error_size, "%s", reason);
			return -1;
		}
	}
}

static int fail(struct tls_outcome *outcome, enum tls_fault fault, const char *reason)
{
	outcome->fault = fault;
	log_printable(outcome->error, sizeof(outcome->error), reason, strlen(reason));
	return -1;
}

/* "dane TLSv1.3 TLS_AES_256_GCM_SHA384 (note)" */
static void describe(const struct tls_stream *tls, const struct tls_terms *terms,
		     struct tls_outcome *outcome)
{
	const char *note = terms->note;

	if (note[0] == '\0' && terms->check == TLS_CHECK_NOTHING)
		note = "unauthenticated";
	else if (note[0] == '\0' && terms->is_test)
		note = outcome->fault == TLS_FAULT_NONE && !terms->is_unlisted
			       ? "MTA-STS testing: holds"
			       : "MTA-STS testing: would fail";
	snprintf(outcome->description, sizeof(outcome->description), "%s %s %s%s%s%s", terms->label,
		 SSL_get_version(tls->ssl), SSL_get_cipher_name(tls->ssl),
		 note[0] != '\0' ? " (" : "", note, note[0] != '\0' ? ")" : "");
}

int tls_stream_start(struct stream *stream, struct tls_context *context,
		     const struct tls_terms *terms, const struct buffer *resume_key,
		     struct deadline deadline, struct tls_outcome *outcome)
{
	struct tls_stream *tls = tls_stream_create(stream, context, terms, resume_key, deadline);
	char reason[TLS_ERROR_MAX];

	memset(outcome, 0, sizeof(*outcome));
	if (tls == NULL)
		return fail(outcome, TLS_FAULT_HANDSHAKE, "cannot create a TLS connection");
	if (stream_set_ops(stream, &tls_ops, tls) != 0) {
		tls_close(tls);
		return fail(outcome, TLS_FAULT_HANDSHAKE, "plaintext data before the TLS handshake");
	}
	if (shake_hands(tls, reason, sizeof(reason)) != 0)
		return fail(outcome, TLS_FAULT_HANDSHAKE, reason);
	tls->is_handshaking = false;
	outcome->fault = tls_verify_judge(tls->ssl, terms, reason, sizeof(reason));
	if (outcome->fault != TLS_FAULT_NONE)
		fail(outcome, outcome->fault, reason);
	if (outcome->fault != TLS_FAULT_NONE && !terms->is_test)
		return -1;
	outcome->is_resumed = SSL_session_reused(tls->ssl) == 1;
	if (outcome->fault == TLS_FAULT_NONE)
		keep_sessions(tls);
	describe(tls, terms, outcome);
	return 0;
}
