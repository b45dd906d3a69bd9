/*
 * A byte stream with an input buffer and absolute deadlines, over file descriptors (set
 * non-blocking) or over a vtable: the edge's TLS plugs in there, so the SMTP client never sees
 * OpenSSL.
 *
 * One thread uses a stream at a time, except that stream_shutdown() may be called from another one.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buffer.h"
#include "deadline.h"

enum stream_result {
	STREAM_OK = 0,
	STREAM_EOF,		/* orderly end of input */
	STREAM_TIMEOUT,		/* the deadline passed */
	STREAM_ERROR,		/* see stream_error() */
	STREAM_TOO_LONG,	/* stream_read_line: no LF within the bound */
	STREAM_CANCELLED,	/* cancel_fd became readable */
	STREAM_INPUT,		/* stream_write_watching: the peer spoke before all was written */
};

/* What a vtable's read or write returns besides a byte count (> 0). */
enum {
	STREAM_IO_EOF = 0,
	STREAM_IO_ERROR = -1,		/* the vtable has filled in the error text */
	STREAM_IO_WANT_READ = -2,	/* poll the read descriptor, call again */
	STREAM_IO_WANT_WRITE = -3,
};

struct stream;

struct stream_ops {
	ssize_t (*read)(void *context, void *bytes, size_t length, char *error, size_t error_size);
	ssize_t (*write)(void *context, const void *bytes, size_t length, char *error,
			 size_t error_size);
	/* Orderly close if it can be had at once. Frees context, does not close descriptors. */
	void (*close)(void *context);
};

struct stream {
	int read_fd;
	int write_fd;			/* equal to read_fd for sockets */
	/* -1, or the caller's: readable = every wait ends with STREAM_CANCELLED; not closed */
	int cancel_fd;
	const struct stream_ops *ops;	/* NULL: plain read(2) and write(2) */
	void *context;
	struct buffer input;
	size_t input_chunk;		/* bytes that one read into it may bring */
	enum stream_result input_end;	/* STREAM_EOF or STREAM_ERROR once input has ended */
	bool write_is_socket;
	size_t total_written;		/* bytes accepted by the kernel or by the vtable, ever */
	char error[160];
};

/*
 * Takes ownership of the descriptors (sockets, pipes) and makes them non-blocking. Input is
 * buffered up to 64 KiB.
 */
void stream_init(struct stream *stream, int read_fd, int write_fd);

/*
 * Puts a vtable on top (TLS). There must be no unread input: returns -1 if bytes are already
 * buffered, which after STARTTLS is an attack (CVE-2011-0411).
 */
int stream_set_ops(struct stream *stream, const struct stream_ops *ops, void *context);

/* Closes vtable and descriptors, frees the buffer. Safe on a wiped stream. */
void stream_wipe(struct stream *stream);

/*
 * Shuts both directions of a socket down, so that a blocked owner wakes up with EOF or an error.
 * The caller sees to it that the owner does not wipe the stream meanwhile. Does nothing for pipes.
 */
void stream_shutdown(struct stream *stream);

/* Why the last call returned STREAM_ERROR ("Connection reset by peer"), printable. */
const char *stream_error(const struct stream *stream);

/*
 * Exactly `length` bytes. STREAM_EOF only before the first of them; an end in the middle is
 * STREAM_ERROR. After anything but STREAM_OK the stream is out of step: some bytes may have been
 * taken.
 */
enum stream_result stream_read_full(struct stream *stream, void *bytes, size_t length,
				    struct deadline deadline);
/*
 * At least one byte, at most `length` (> 0). *got_out is 0 unless STREAM_OK. Big reads bypass the
 * input buffer.
 */
enum stream_result stream_read_some(struct stream *stream, void *bytes, size_t length,
				    size_t *got_out, struct deadline deadline);
/*
 * One line up to and including LF. The line end (LF, CRLF, CR CR LF) is removed and a NUL added;
 * *length_out (or NULL) is the line's true length: strlen(line) is less if the peer sent a NUL
 * inside it. `size` includes the NUL; a longer line (or one that fills the input buffer) is
 * STREAM_TOO_LONG. On anything but STREAM_OK nothing has been read; a last line without LF is
 * STREAM_EOF.
 */
enum stream_result stream_read_line(struct stream *stream, char *line, size_t size,
				    size_t *length_out, struct deadline deadline);
/* All of it. SIGPIPE is never raised for a socket or pipe; a vtable sees to that itself. */
enum stream_result stream_write_full(struct stream *stream, const void *bytes, size_t length,
				     struct deadline deadline);
/*
 * Like stream_write_full, but returns STREAM_INPUT as soon as the peer has sent something or has
 * closed its side; *written_out says how much had gone out. Input that is already buffered counts,
 * also before the first byte. When the peer spoke and then reset the connection, this too is
 * STREAM_INPUT: what it said can be read. To go on writing over a vtable continue at bytes +
 * *written_out: TLS may hold the beginning of a record.
 */
enum stream_result stream_write_watching(struct stream *stream, const void *bytes, size_t length,
					 size_t *written_out, struct deadline deadline);
/* Gives the memory for input back, if nothing unread is in it, until there is input again. */
void stream_release_input(struct stream *stream);
/*
 * Is there unread input (or EOF, or an error to be read) now? Never blocks. Protocol data without
 * payload (TLS tickets) does not count.
 */
bool stream_has_input(struct stream *stream);
/* Waits for input until the deadline: STREAM_OK, STREAM_EOF, STREAM_TIMEOUT or STREAM_ERROR. */
enum stream_result stream_wait_input(struct stream *stream, struct deadline deadline);

#endif
