/*
 * A byte stream with an input buffer and absolute deadlines.
 *
 * Every operation is a loop of three steps: one attempt that never blocks (read_once, write_once),
 * the deadline, one poll(2) for what the attempt was waiting for. The deadline is looked at after
 * every attempt that did not finish the job, so a peer that always has one more byte cannot stretch
 * it. TLS may want to write in order to read and the other way round, which is why an attempt says
 * what it waits for and why a read is always attempted before the descriptor is polled: decrypted
 * bytes may be waiting above it.
 *
 * The end of input is remembered. A connection reset is reported by the kernel once only, and the
 * one who learns of it (stream_has_input) is often not the one who must act on it (the next read).
 *
 * It knows nothing of protocols, and has no time-outs of its own.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

#define INPUT_MAX 65536
/* One read(2) into the input buffer, unless its owner says otherwise; also what a TLS record holds at most (RFC 8446 5.1). */
#define INPUT_CHUNK 8192
/* Reads of at least this size go straight into the caller's memory. */
#define DIRECT_READ_MIN 4096

static void set_error(struct stream *stream, int error_number)
{
	char text[sizeof(stream->error)];

	snprintf(stream->error, sizeof(stream->error), "%s",
		 strerror_r(error_number, text, sizeof(text)));
}

static void make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void stream_init(struct stream *stream, int read_fd, int write_fd)
{
	int type;
	socklen_t size = sizeof(type);

	*stream = (struct stream){
		.read_fd = read_fd, .write_fd = write_fd, .cancel_fd = -1, .input_end = STREAM_OK,
	};
	buffer_init(&stream->input, INPUT_MAX);
	stream->input_chunk = INPUT_CHUNK;
	stream->write_is_socket = getsockopt(write_fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
	make_nonblocking(read_fd);
	make_nonblocking(write_fd);
}

int stream_set_ops(struct stream *stream, const struct stream_ops *ops, void *context)
{
	if (buffer_length(&stream->input) > 0)
		return -1;
	stream->ops = ops;
	stream->context = context;
	return 0;
}

void stream_wipe(struct stream *stream)
{
	if (stream->ops != NULL && stream->ops->close != NULL)
		stream->ops->close(stream->context);
	if (stream->read_fd >= 0)
		close(stream->read_fd);
	if (stream->write_fd >= 0 && stream->write_fd != stream->read_fd)
		close(stream->write_fd);
	buffer_wipe(&stream->input);
	stream->ops = NULL;
	stream->context = NULL;
	stream->read_fd = stream->write_fd = -1;
}

void stream_shutdown(struct stream *stream)
{
	shutdown(stream->read_fd, SHUT_RDWR);
	if (stream->write_fd != stream->read_fd)
		shutdown(stream->write_fd, SHUT_RDWR);
}

const char *stream_error(const struct stream *stream)
{
	return stream->error;
}

static ssize_t read_descriptor(struct stream *stream, void *bytes, size_t length)
{
	ssize_t got;

	do
		got = read(stream->read_fd, bytes, length);
	while (got < 0 && errno == EINTR);
	if (got >= 0)
		return got;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return STREAM_IO_WANT_READ;
	set_error(stream, errno);
	return STREAM_IO_ERROR;
}

/* write(2) to a pipe nobody reads raises SIGPIPE in this thread: hold it back and swallow it. */
static ssize_t write_pipe(int fd, const void *bytes, size_t length)
{
	const struct timespec at_once = { 0, 0 };
	sigset_t pipe_signal, old_mask, pending;
	int was_pending, saved_errno;
	ssize_t put;

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	sigpending(&pending);
	was_pending = sigismember(&pending, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, &old_mask);
	put = write(fd, bytes, length);
	saved_errno = errno;
	if (put < 0 && saved_errno == EPIPE && !was_pending)
		sigtimedwait(&pipe_signal, NULL, &at_once);
	pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
	errno = saved_errno;
	return put;
}

static ssize_t write_descriptor(struct stream *stream, const void *bytes, size_t length)
{
	ssize_t put;

	do
		put = stream->write_is_socket ? send(stream->write_fd, bytes, length, MSG_NOSIGNAL)
					      : write_pipe(stream->write_fd, bytes, length);
	while (put < 0 && errno == EINTR);
	if (put > 0)
		return put;
	if (put == 0 || errno == EAGAIN || errno == EWOULDBLOCK)
		return STREAM_IO_WANT_WRITE;
	set_error(stream, errno);
	return STREAM_IO_ERROR;
}

static void make_error_printable(struct stream *stream)
{
	char text[sizeof(stream->error)];

	memcpy(text, stream->error, sizeof(text));
	log_printable(stream->error, sizeof(stream->error), text, strnlen(text, sizeof(text) - 1));
}

/* One attempt that never blocks: a byte count, or STREAM_IO_*. */
static ssize_t read_once(struct stream *stream, void *bytes, size_t length)
{
	ssize_t got;

	if (stream->input_end != STREAM_OK)
		return stream->input_end == STREAM_EOF ? STREAM_IO_EOF : STREAM_IO_ERROR;
	if (stream->ops != NULL)
		got = stream->ops->read(stream->context, bytes, length, stream->error,
					sizeof(stream->error));
	else
		got = read_descriptor(stream, bytes, length);
	if (got == STREAM_IO_EOF) {
		stream->input_end = STREAM_EOF;
	} else if (got == STREAM_IO_ERROR) {
		stream->input_end = STREAM_ERROR;
		make_error_printable(stream);
	}
	return got;
}

static ssize_t write_once(struct stream *stream, const void *bytes, size_t length)
{
	ssize_t put;

	if (stream->ops != NULL)
		put = stream->ops->write(stream->context, bytes, length, stream->error,
					 sizeof(stream->error));
	else
		put = write_descriptor(stream, bytes, length);
	if (put > 0) {
		stream->total_written += (size_t)put;
	} else if (put == STREAM_IO_EOF) {
		snprintf(stream->error, sizeof(stream->error), "connection closed by peer");
		put = STREAM_IO_ERROR;
	} else if (put == STREAM_IO_ERROR) {
		make_error_printable(stream);
	}
	return put;
}

/* One attempt to get more into the input buffer, which must have room. */
static ssize_t fill(struct stream *stream)
{
	size_t room = stream->input.maximum - buffer_length(&stream->input);
	size_t chunk = room < stream->input_chunk ? room : stream->input_chunk;
	uint8_t *bytes = buffer_reserve(&stream->input, chunk);
	ssize_t got;

	if (bytes == NULL) {
		set_error(stream, ENOMEM);
		return STREAM_IO_ERROR;
	}
	got = read_once(stream, bytes, chunk);
	if (got > 0)
		buffer_commit(&stream->input, (size_t)got);
	return got;
}

/*
 * Waits for what `want` (STREAM_IO_WANT_*) says and, when watching, for input too. STREAM_OK: try
 * again.
 */
static enum stream_result wait_for(struct stream *stream, ssize_t want, bool watching,
				   struct deadline deadline)
{
	struct pollfd fds[3] = {
		{ .fd = want == STREAM_IO_WANT_READ || watching ? stream->read_fd : -1,
		  .events = POLLIN },
		{ .fd = want == STREAM_IO_WANT_WRITE ? stream->write_fd : -1, .events = POLLOUT },
		{ .fd = stream->cancel_fd, .events = POLLIN },
	};
	int ready;

	do {
		if (deadline_has_passed(deadline))
			return STREAM_TIMEOUT;
		ready = poll(fds, 3, deadline_poll_ms(deadline));
	} while (ready == 0 || (ready < 0 && errno == EINTR));
	if (ready > 0)
		return fds[2].revents != 0 ? STREAM_CANCELLED : STREAM_OK;
	set_error(stream, errno);
	return STREAM_ERROR;
}

/* What to do after an attempt that did not finish the job: STREAM_OK means another one. */
static enum stream_result after_attempt(struct stream *stream, ssize_t outcome,
					struct deadline deadline)
{
	if (outcome > 0)
		return deadline_has_passed(deadline) ? STREAM_TIMEOUT : STREAM_OK;
	if (outcome == STREAM_IO_EOF)
		return STREAM_EOF;
	if (outcome == STREAM_IO_ERROR)
		return STREAM_ERROR;
	return wait_for(stream, outcome, false, deadline);
}

static size_t take_buffered(struct stream *stream, void *bytes, size_t length)
{
	size_t available = buffer_length(&stream->input);
	size_t taken = available < length ? available : length;

	buffer_get(&stream->input, bytes, taken);
	return taken;
}

enum stream_result stream_read_some(struct stream *stream, void *bytes, size_t length,
				    size_t *got_out, struct deadline deadline)
{
	enum stream_result result;
	ssize_t got;

	for (;;) {
		*got_out = take_buffered(stream, bytes, length);
		if (*got_out > 0 || length == 0)
			return STREAM_OK;
		got = length >= DIRECT_READ_MIN ? read_once(stream, bytes, length) : fill(stream);
		if (got > 0 && length >= DIRECT_READ_MIN) {
			*got_out = (size_t)got;
			return STREAM_OK;
		}
		if (got > 0)
			continue;
		result = after_attempt(stream, got, deadline);
		if (result != STREAM_OK)
			return result;
	}
}

enum stream_result stream_read_full(struct stream *stream, void *bytes, size_t length,
				    struct deadline deadline)
{
	enum stream_result result;
	size_t done = 0, got;

	while (done < length) {
		result = stream_read_some(stream, (uint8_t *)bytes + done, length - done, &got,
					  deadline);
		if (result == STREAM_EOF && done > 0) {
			snprintf(stream->error, sizeof(stream->error),
				 "connection closed by peer after %zu of %zu bytes", done, length);
			return STREAM_ERROR;
		}
		if (result != STREAM_OK)
			return result;
		done += got;
		if (done < length && deadline_has_passed(deadline))
			return STREAM_TIMEOUT;
	}
	return STREAM_OK;
}

/* Takes the line whose LF is at `line_feed` out of the buffer. */
static enum stream_result take_line(struct stream *stream, size_t line_feed, char *line,
				    size_t size, size_t *length_out)
{
	const uint8_t *bytes = buffer_data(&stream->input);
	size_t length = line_feed;

	for (int i = 0; i < 2 && length > 0 && bytes[length - 1] == '\r'; i++)
		length--;
	if (length >= size)
		return STREAM_TOO_LONG;
	memcpy(line, bytes, length);
	line[length] = '\0';
	if (length_out != NULL)
		*length_out = length;
	buffer_skip(&stream->input, line_feed + 1);
	return STREAM_OK;
}

enum stream_result stream_read_line(struct stream *stream, char *line, size_t size,
				    size_t *length_out, struct deadline deadline)
{
	/* size - 1 bytes, CR, CR, LF */
	const size_t bound = size + 2 < INPUT_MAX ? size + 2 : INPUT_MAX;
	enum stream_result result;
	size_t scanned = 0;
	ssize_t got = 0;

	for (;;) {
		const uint8_t *bytes = buffer_data(&stream->input);
		size_t available = buffer_length(&stream->input);
		const uint8_t *line_feed = NULL;

		if (available > scanned)
			line_feed = memchr(bytes + scanned, '\n', available - scanned);
		if (line_feed != NULL)
			return take_line(stream, (size_t)(line_feed - bytes), line, size,
					 length_out);
		if (available >= bound)
			return STREAM_TOO_LONG;
		if (got > 0 && deadline_has_passed(deadline))
			return STREAM_TIMEOUT;
		scanned = available;
		got = fill(stream);
		if (got > 0)
			continue;
		result = after_attempt(stream, got, deadline);
		if (result != STREAM_OK)
			return result;
	}
}

enum stream_result stream_write_full(struct stream *stream, const void *bytes, size_t length,
				     struct deadline deadline)
{
	enum stream_result result;
	size_t done = 0;

	while (done < length) {
		ssize_t put = write_once(stream, (const uint8_t *)bytes + done, length - done);

		if (put > 0)
			done += (size_t)put;
		if (done == length)
			break;
		result = after_attempt(stream, put, deadline);
		if (result != STREAM_OK)
			return result;
	}
	return STREAM_OK;
}

/*
 * A write failed: perhaps because the peer said why and closed. If words of it are there, they
 * matter more.
 */
static enum stream_result last_words(struct stream *stream)
{
	char error[sizeof(stream->error)];

	memcpy(error, stream->error, sizeof(error));
	stream_has_input(stream);
	memcpy(stream->error, error, sizeof(error));
	return buffer_length(&stream->input) > 0 ? STREAM_INPUT : STREAM_ERROR;
}

enum stream_result stream_write_watching(struct stream *stream, const void *bytes, size_t length,
					 size_t *written_out, struct deadline deadline)
{
	enum stream_result result;

	*written_out = 0;
	while (*written_out < length) {
		ssize_t put;

		if (stream_has_input(stream))
			return STREAM_INPUT;
		put = write_once(stream, (const uint8_t *)bytes + *written_out,
				 length - *written_out);
		if (put == STREAM_IO_ERROR)
			return last_words(stream);
		if (put > 0) {
			*written_out += (size_t)put;
			if (*written_out < length && deadline_has_passed(deadline))
				return STREAM_TIMEOUT;
			continue;
		}
		result = wait_for(stream, put, true, deadline);
		if (result != STREAM_OK)
			return result;
	}
	return STREAM_OK;
}

void stream_release_input(struct stream *stream)
{
	if (buffer_length(&stream->input) == 0)
		buffer_wipe(&stream->input);
}

bool stream_has_input(struct stream *stream)
{
	if (buffer_length(&stream->input) > 0 || stream->input_end != STREAM_OK)
		return true;
	return fill(stream) > 0 || stream->input_end != STREAM_OK;
}

enum stream_result stream_wait_input(struct stream *stream, struct deadline deadline)
{
	while (buffer_length(&stream->input) == 0) {
		ssize_t got = fill(stream);
		enum stream_result result;

		if (got > 0)
			return STREAM_OK;
		result = after_attempt(stream, got, deadline);
		if (result != STREAM_OK)
			return result;
	}
	return STREAM_OK;
}
