/* stream.c over socketpairs, pipes, and a vtable that answers as TLS does on a bad day. */
#include "eventually.h"
#include "lib/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define SOON deadline_in_ms(PATIENCE_MS)
#define BIG (3 * 1024 * 1024)

struct pair {
	struct stream stream;
	int peer;
};

static void pair_open(struct pair *pair)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	stream_init(&pair->stream, fds[0], fds[0]);
	pair->peer = fds[1];
}

/* A real TCP connection, for what only TCP does. */
static void pair_open_tcp(struct pair *pair)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	pair->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(pair->peer, (struct sockaddr *)&address, size), 0);
	int fd = accept(listener, NULL, NULL);

	assert_true(fd >= 0);
	stream_init(&pair->stream, fd, fd);
	close(listener);
}

static void pair_close(struct pair *pair)
{
	stream_wipe(&pair->stream);
	if (pair->peer >= 0)
		close(pair->peer);
}

static void hang_up(struct pair *pair)
{
	close(pair->peer);
	pair->peer = -1;
}

static void nap_ms(int ms)
{
	const struct timespec nap = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&nap, NULL);
}

static void peer_sends(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* A peer in a thread of its own: waits `gap_ms` before each byte of `text`, then ends its side. */
struct slow_peer {
	int fd;
	const char *text;
	int gap_ms;
	bool is_endless;
	pthread_t thread;
};

static void *slow_peer_run(void *argument)
{
	struct slow_peer *peer = argument;

	for (const char *byte = peer->text; *byte != '\0'; byte = byte[1] != '\0' || !peer->is_endless ? byte + 1 : peer->text) {
		nap_ms(peer->gap_ms);
		if (send(peer->fd, byte, 1, MSG_NOSIGNAL) != 1)
			break;
	}
	shutdown(peer->fd, SHUT_WR);
	return NULL;
}

static void slow_peer_start(struct slow_peer *peer, int fd, const char *text, int gap_ms)
{
	*peer = (struct slow_peer){ .fd = fd, .text = text, .gap_ms = gap_ms };
	assert_int_equal(pthread_create(&peer->thread, NULL, slow_peer_run, peer), 0);
}

/* Lines */

struct line_row {
	const char *sent;
	size_t sent_length;
	size_t size;
	enum stream_result result;
	const char *line;
	size_t length;
};

#define ROW(sent, size, result, line)                                                              \
	{                                                                                          \
		sent, sizeof(sent) - 1, size, result, line, sizeof(line) - 1                       \
	}

static const struct line_row line_rows[] = {
	ROW("220 hello\n", 64, STREAM_OK, "220 hello"),
	ROW("220 hello\r\n", 64, STREAM_OK, "220 hello"),
	ROW("220 hello\r\r\n", 64, STREAM_OK, "220 hello"),
	ROW("220 hello\r\r\r\n", 64, STREAM_OK, "220 hello\r"),
	ROW("\n", 64, STREAM_OK, ""),
	ROW("\r\n", 1, STREAM_OK, ""),
	ROW("a\rb\r\n", 64, STREAM_OK, "a\rb"),
	ROW("a\0b\r\n", 64, STREAM_OK, "a\0b"),
	ROW("1234567\r\r\n", 8, STREAM_OK, "1234567"),
	ROW("12345678\n", 8, STREAM_TOO_LONG, ""),
	ROW("12345678\r\n", 8, STREAM_TOO_LONG, ""),
	ROW("1234567890123456789012345678901234567890", 8, STREAM_TOO_LONG, ""),
	ROW("x\n", 1, STREAM_TOO_LONG, ""),
	ROW("no line end", 64, STREAM_EOF, ""),
	ROW("", 64, STREAM_EOF, ""),
};

static void check_line_row(const struct line_row *row, bool byte_by_byte)
{
	struct pair pair;
	char line[64];
	size_t length;

	pair_open(&pair);
	if (byte_by_byte)
		for (size_t i = 0; i < row->sent_length; i++) {
			assert_int_equal(write(pair.peer, row->sent + i, 1), 1);
			stream_wait_input(&pair.stream, SOON);
		}
	else
		assert_int_equal(write(pair.peer, row->sent, row->sent_length), row->sent_length);
	shutdown(pair.peer, SHUT_WR);
	assert_int_equal(stream_read_line(&pair.stream, line, row->size, &length, SOON),
			 row->result);
	if (row->result == STREAM_OK) {
		assert_int_equal(length, row->length);
		assert_memory_equal(line, row->line, row->length + 1);
	}
	pair_close(&pair);
}

static void reads_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(line_rows) / sizeof(line_rows[0]); i++) {
		check_line_row(&line_rows[i], false);
		check_line_row(&line_rows[i], true);
	}
}

static void pipelined_lines_come_one_by_one(void **state)
{
	struct pair pair;
	char line[16];

	(void)state;
	pair_open(&pair);
	peer_sends(pair.peer, "one\r\ntwo\nthree");
	assert_int_equal(stream_read_line(&pair.stream, line, sizeof(line), NULL, SOON), STREAM_OK);
	assert_string_equal(line, "one");
	assert_int_equal(stream_read_line(&pair.stream, line, sizeof(line), NULL, SOON), STREAM_OK);
	assert_string_equal(line, "two");
	assert_int_equal(
		stream_read_line(&pair.stream, line, sizeof(line), NULL, deadline_in_ms(20)),
		STREAM_TIMEOUT);
	peer_sends(pair.peer, "\r\n");
	assert_int_equal(stream_read_line(&pair.stream, line, sizeof(line), NULL, SOON), STREAM_OK);
	assert_string_equal(line, "three");	/* the time-out took nothing */
	pair_close(&pair);
}

static void a_line_longer_than_the_input_buffer(void **state)
{
	static char text[70000], line[80000];
	struct pair pair;

	(void)state;
	pair_open(&pair);
	memset(text, 'x', sizeof(text));
	assert_int_equal(write(pair.peer, text, sizeof(text)), sizeof(text));
	assert_int_equal(stream_read_line(&pair.stream, line, sizeof(line), NULL, SOON),
			 STREAM_TOO_LONG);
	pair_close(&pair);
}

/* One byte at a time must not stretch the deadline (slowloris). */
static void a_dripping_peer_meets_the_deadline(void **state)
{
	struct slow_peer peer;
	struct pair pair;
	static char line[1 << 20];
	int64_t begin_ms = deadline_now_ms();

	(void)state;
	pair_open(&pair);
	peer = (struct slow_peer){ .fd = pair.peer, .text = "250-an endless line, one byte every few milliseconds", .gap_ms = 5,
				   .is_endless = true };
	assert_int_equal(pthread_create(&peer.thread, NULL, slow_peer_run, &peer), 0);
	assert_int_equal(
		stream_read_line(&pair.stream, line, sizeof(line), NULL, deadline_in_ms(60)),
		STREAM_TIMEOUT);
	assert_true(deadline_now_ms() - begin_ms >= 55);
	stream_shutdown(&pair.stream);
	pthread_join(peer.thread, NULL);
	pair_close(&pair);
}

/* A peer that always has more to say never lets the reader poll. */
static void *flood(void *argument)
{
	static const char block[4096];
	int fd = *(int *)argument;

	while (send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

static void a_flooding_peer_meets_the_deadline(void **state)
{
	struct pair pair;
	pthread_t thread;
	size_t huge = (size_t)1 << 34;
	uint8_t *bytes = malloc(1 << 20);
	int64_t begin_ms = deadline_now_ms();
	enum stream_result result = STREAM_OK;
	struct deadline deadline = deadline_in_ms(100);

	(void)state;
	pair_open(&pair);
	assert_int_equal(pthread_create(&thread, NULL, flood, &pair.peer), 0);
	for (size_t done = 0; done < huge && result == STREAM_OK; done += 1 << 20)
		result = stream_read_full(&pair.stream, bytes, 1 << 20, deadline);
	assert_int_equal(result, STREAM_TIMEOUT);
	assert_true(deadline_now_ms() - begin_ms >= 95);
	stream_shutdown(&pair.stream);
	pthread_join(thread, NULL);
	pair_close(&pair);
	free(bytes);
}

/* Blocks */

static void read_full_takes_exactly_what_it_asks_for(void **state)
{
	struct pair pair;
	char bytes[16];
	size_t got;

	(void)state;
	pair_open(&pair);
	peer_sends(pair.peer, "abcdefgh");
	assert_int_equal(stream_read_full(&pair.stream, bytes, 3, SOON), STREAM_OK);
	assert_memory_equal(bytes, "abc", 3);
	assert_int_equal(stream_read_some(&pair.stream, bytes, sizeof(bytes), &got, SOON),
			 STREAM_OK);
	assert_int_equal(got, 5);
	assert_memory_equal(bytes, "defgh", 5);
	assert_int_equal(stream_read_full(&pair.stream, bytes, 1, deadline_in_ms(20)),
			 STREAM_TIMEOUT);
	assert_int_equal(stream_read_full(&pair.stream, bytes, 0, deadline_in_ms(0)), STREAM_OK);
	pair_close(&pair);
}

static void an_end_before_and_in_the_middle(void **state)
{
	struct pair pair;
	char bytes[16];

	(void)state;
	pair_open(&pair);
	peer_sends(pair.peer, "abc");
	shutdown(pair.peer, SHUT_WR);
	assert_int_equal(stream_read_full(&pair.stream, bytes, 4, SOON), STREAM_ERROR);
	assert_string_equal(stream_error(&pair.stream),
			    "connection closed by peer after 3 of 4 bytes");
	assert_int_equal(stream_read_full(&pair.stream, bytes, 4, SOON), STREAM_EOF);
	assert_int_equal(stream_wait_input(&pair.stream, SOON), STREAM_EOF);
	assert_true(stream_has_input(&pair.stream));
	pair_close(&pair);
}

/* What is ready is delivered even when the deadline has passed: no reply is lost to the clock. */
static void ready_input_beats_a_passed_deadline(void **state)
{
	struct pair pair;
	char line[16];

	(void)state;
	pair_open(&pair);
	peer_sends(pair.peer, "250 ok\r\n");
	assert_int_equal(
		stream_read_line(&pair.stream, line, sizeof(line), NULL, deadline_in_ms(0)),
		STREAM_OK);
	assert_int_equal(
		stream_read_line(&pair.stream, line, sizeof(line), NULL, deadline_in_ms(0)),
		STREAM_TIMEOUT);
	pair_close(&pair);
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

static void *read_pattern(void *argument)
{
	struct stream stream;
	uint8_t bytes[10007];
	size_t done = 0, got, wrong = 0;

	stream_init(&stream, *(int *)argument, *(int *)argument);
	while (done < BIG && stream_read_some(&stream, bytes, done % 3 ? 5 : sizeof(bytes), &got,
					      SOON) == STREAM_OK)
		for (size_t i = 0; i < got; i++)
			wrong += bytes[i] != pattern(done++);
	stream_wipe(&stream);
	return (void *)(done == BIG ? wrong : (size_t)-1);
}

static void content_passes_unchanged(void **state)
{
	uint8_t *bytes = malloc(BIG);
	struct pair pair;
	pthread_t thread;
	void *wrong;

	(void)state;
	pair_open(&pair);
	for (size_t i = 0; i < BIG; i++)
		bytes[i] = pattern(i);
	assert_int_equal(pthread_create(&thread, NULL, read_pattern, &pair.peer), 0);
	assert_int_equal(stream_write_full(&pair.stream, bytes, BIG, SOON), STREAM_OK);
	assert_int_equal(pair.stream.total_written, BIG);
	pthread_join(thread, &wrong);
	assert_true(wrong == NULL);
	pair.peer = -1;
	pair_close(&pair);
	free(bytes);
}

static void a_peer_that_does_not_read_meets_the_deadline(void **state)
{
	uint8_t *bytes = calloc(1, BIG);
	struct pair pair;

	(void)state;
	pair_open(&pair);
	assert_int_equal(stream_write_full(&pair.stream, bytes, BIG, deadline_in_ms(50)),
			 STREAM_TIMEOUT);
	assert_in_range(pair.stream.total_written, 1, BIG - 1);
	pair_close(&pair);
	free(bytes);
}

static void writing_to_a_closed_peer_is_an_error_and_no_signal(void **state)
{
	struct stream stream;
	struct pair pair;
	sigset_t pending;
	int fds[2];

	(void)state;
	signal(SIGPIPE, SIG_DFL);	/* a SIGPIPE would end this program */
	pair_open(&pair);
	hang_up(&pair);
	assert_int_equal(stream_write_full(&pair.stream, "x", 1, SOON), STREAM_ERROR);
	assert_string_equal(stream_error(&pair.stream), "Broken pipe");
	pair_close(&pair);

	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	stream_init(&stream, fds[1], fds[1]);
	assert_int_equal(stream_write_full(&stream, "x", 1, SOON), STREAM_ERROR);
	assert_string_equal(stream_error(&stream), "Broken pipe");
	stream_wipe(&stream);
	assert_int_equal(sigpending(&pending), 0);
	assert_false(sigismember(&pending, SIGPIPE));
}

static void works_over_two_pipes(void **state)
{
	struct stream stream;
	char line[16];
	int in[2], out[2];

	(void)state;
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	stream_init(&stream, in[0], out[1]);
	peer_sends(in[1], "LHLO a\r\n");
	assert_int_equal(stream_read_line(&stream, line, sizeof(line), NULL, SOON), STREAM_OK);
	assert_string_equal(line, "LHLO a");
	assert_int_equal(stream_write_full(&stream, "250 b\r\n", 7, SOON), STREAM_OK);
	assert_int_equal(read(out[0], line, sizeof(line)), 7);
	assert_memory_equal(line, "250 b\r\n", 7);
	close(in[1]);
	stream_shutdown(&stream);
	assert_int_equal(stream_wait_input(&stream, SOON), STREAM_EOF);
	stream_wipe(&stream);
	stream_wipe(&stream);
	close(out[0]);
}

static void *shut_down_later(void *argument)
{
	nap_ms(30);
	stream_shutdown(argument);
	return NULL;
}

static void shutdown_from_another_thread_wakes_the_owner(void **state)
{
	struct pair pair;
	pthread_t thread;
	char byte;

	(void)state;
	pair_open(&pair);
	assert_int_equal(pthread_create(&thread, NULL, shut_down_later, &pair.stream), 0);
	assert_int_equal(stream_read_full(&pair.stream, &byte, 1, DEADLINE_NEVER), STREAM_EOF);
	pthread_join(thread, NULL);
	pair_close(&pair);
}

static void *cancel_later(void *argument)
{
	const uint64_t one = 1;

	nap_ms(30);
	if (write(*(int *)argument, &one, sizeof(one)) != sizeof(one))
		abort();
	return NULL;
}

static void a_wait_can_be_cancelled(void **state)
{
	uint8_t *bytes = calloc(1, BIG);
	struct pair pair;
	pthread_t thread;
	size_t written;
	int fd = eventfd(0, EFD_CLOEXEC);

	(void)state;
	pair_open(&pair);
	pair.stream.cancel_fd = fd;
	assert_int_equal(pthread_create(&thread, NULL, cancel_later, &fd), 0);
	assert_int_equal(stream_wait_input(&pair.stream, SOON), STREAM_CANCELLED);
	pthread_join(thread, NULL);
	/* it stays so, for every kind of wait, but does not take away what is there */
	assert_int_equal(stream_write_full(&pair.stream, bytes, BIG, SOON), STREAM_CANCELLED);
	assert_int_equal(stream_write_watching(&pair.stream, bytes, BIG, &written, SOON),
			 STREAM_CANCELLED);
	peer_sends(pair.peer, "abc");
	assert_int_equal(stream_read_full(&pair.stream, bytes, 3, SOON), STREAM_OK);
	assert_int_equal(stream_read_full(&pair.stream, bytes, 1, SOON), STREAM_CANCELLED);
	pair_close(&pair);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);	/* not closed by us */
	close(fd);
	free(bytes);
}

/* Watching */

static void input_before_the_first_byte_stops_the_writing(void **state)
{
	struct pair pair;
	char line[64];
	size_t written = 99;

	(void)state;
	pair_open(&pair);
	peer_sends(pair.peer, "421 closing\r\n");
	assert_int_equal(stream_write_watching(&pair.stream, "x", 1, &written, SOON), STREAM_INPUT);
	assert_int_equal(written, 0);
	assert_int_equal(pair.stream.total_written, 0);
	assert_int_equal(stream_write_watching(&pair.stream, "x", 1, &written, SOON), STREAM_INPUT);
	assert_int_equal(stream_read_line(&pair.stream, line, sizeof(line), NULL, SOON), STREAM_OK);
	assert_string_equal(line, "421 closing");
	assert_int_equal(stream_write_watching(&pair.stream, "x", 1, &written, SOON), STREAM_OK);
	assert_int_equal(written, 1);
	hang_up(&pair);
	assert_int_equal(stream_write_watching(&pair.stream, "x", 1, &written, SOON), STREAM_INPUT);
	/* the peer left our byte unread: that is a reset */
	assert_int_equal(stream_wait_input(&pair.stream, SOON), STREAM_ERROR);
	pair_close(&pair);
}

static void input_while_blocked_stops_the_writing(void **state)
{
	uint8_t *bytes = calloc(1, BIG);
	struct slow_peer peer;
	struct pair pair;
	char line[64];
	size_t written;

	(void)state;
	pair_open(&pair);
	slow_peer_start(&peer, pair.peer, "552 5.3.4 too big\r\n", 20);
	assert_int_equal(stream_write_watching(&pair.stream, bytes, BIG, &written, SOON),
			 STREAM_INPUT);
	assert_in_range(written, 1, BIG - 1);
	assert_int_equal(stream_read_line(&pair.stream, line, sizeof(line), NULL, SOON), STREAM_OK);
	assert_string_equal(line, "552 5.3.4 too big");
	pthread_join(peer.thread, NULL);
	pair_close(&pair);
	free(bytes);
}

static void watching_a_silent_peer_meets_the_deadline(void **state)
{
	uint8_t *bytes = calloc(1, BIG);
	struct pair pair;
	size_t written;

	(void)state;
	pair_open(&pair);
	assert_int_equal(
		stream_write_watching(&pair.stream, bytes, BIG, &written, deadline_in_ms(40)),
		STREAM_TIMEOUT);
	assert_int_equal(written, pair.stream.total_written);
	assert_in_range(written, 1, BIG - 1);
	pair_close(&pair);
	free(bytes);
}

/* A vtable over a socket: says WANT_* by a script, and moves at most `most` bytes at a time. */

struct fake_tls {
	int fd;
	/* 'r' WANT_READ, 'w' WANT_WRITE, 'E' error, '.' do it, as after the end */
	const char *script;
	size_t most;
	int closed;
	/* as OpenSSL: a write that was not finished is to be repeated with the same bytes */
	const void *write_again;
};

static ssize_t fake_outcome(ssize_t result, ssize_t want)
{
	return result >= 0 ? result : errno == EAGAIN ? want : STREAM_IO_ERROR;
}

static ssize_t fake_next(struct fake_tls *tls, char *error, size_t error_size)
{
	char step = *tls->script != '\0' ? *tls->script++ : '.';

	if (step == 'E')
		snprintf(error, error_size, "bad record\nmac %s", "\x80!");
	return step == 'r'   ? STREAM_IO_WANT_READ
	       : step == 'w' ? STREAM_IO_WANT_WRITE
	       : step == 'E' ? STREAM_IO_ERROR
			     : 1;
}

static ssize_t fake_read(void *context, void *bytes, size_t length, char *error, size_t error_size)
{
	struct fake_tls *tls = context;
	ssize_t next = fake_next(tls, error, error_size);

	if (next < 0)
		return next;
	return fake_outcome(recv(tls->fd, bytes, length < tls->most ? length : tls->most, 0),
			    STREAM_IO_WANT_READ);
}

static ssize_t fake_write(void *context, const void *bytes, size_t length, char *error,
			  size_t error_size)
{
	struct fake_tls *tls = context;
	ssize_t next = fake_next(tls, error, error_size);

	if (tls->write_again != NULL)
		assert_ptr_equal(bytes, tls->write_again);
	tls->write_again = next < STREAM_IO_ERROR ? bytes : NULL;
	if (next < 0)
		return next;
	return fake_outcome(
		send(tls->fd, bytes, length < tls->most ? length : tls->most, MSG_NOSIGNAL),
		STREAM_IO_WANT_WRITE);
}

static void fake_close(void *context)
{
	((struct fake_tls *)context)->closed++;
}

static const struct stream_ops fake_ops = { fake_read, fake_write, fake_close };

static void vtable_wants_are_obeyed(void **state)
{
	static const char *const scripts[] = { "", "w", "ww", "w.w.w.w.w.w", "wwww....wwww" };

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct fake_tls tls = { .script = scripts[i], .most = 1 };
		struct pair pair;
		char line[32], echo[32];

		pair_open(&pair);
		tls.fd = pair.stream.read_fd;
		assert_int_equal(stream_set_ops(&pair.stream, &fake_ops, &tls), 0);
		assert_int_equal(stream_write_full(&pair.stream, "MAIL FROM:<>\r\n", 14, SOON),
				 STREAM_OK);
		assert_int_equal(pair.stream.total_written, 14);
		assert_int_equal(read(pair.peer, echo, sizeof(echo)), 14);
		assert_memory_equal(echo, "MAIL FROM:<>\r\n", 14);
		peer_sends(pair.peer, "250 2.1.0 ok\r\n");
		tls.script = scripts[i];
		assert_int_equal(stream_read_line(&pair.stream, line, sizeof(line), NULL, SOON),
				 STREAM_OK);
		assert_string_equal(line, "250 2.1.0 ok");
		pair_close(&pair);
		assert_int_equal(tls.closed, 1);
	}
}

/*
 * Never blocks, never ends, moves one byte in a millisecond: no poll(2) ever looks at the clock for
 * it.
 */
static ssize_t endless_read(void *context, void *bytes, size_t length, char *error,
			    size_t error_size)
{
	(void)context, (void)length, (void)error, (void)error_size;
	nap_ms(1);
	memset(bytes, 'x', 1);
	return 1;
}

static ssize_t endless_write(void *context, const void *bytes, size_t length, char *error,
			     size_t error_size)
{
	(void)context, (void)bytes, (void)length, (void)error, (void)error_size;
	nap_ms(1);
	return 1;
}

static ssize_t nothing_to_read(void *context, void *bytes, size_t length, char *error,
			       size_t error_size)
{
	(void)context, (void)bytes, (void)length, (void)error, (void)error_size;
	return STREAM_IO_WANT_READ;
}

static void steady_progress_does_not_stretch_the_deadline(void **state)
{
	static const struct stream_ops endless_ops = { endless_read, endless_write, NULL };
	static const struct stream_ops listening_ops = { nothing_to_read, endless_write, NULL };
	static char bytes[4000];
	struct pair pair;
	size_t done;

	(void)state;
	pair_open(&pair);
	assert_int_equal(stream_set_ops(&pair.stream, &endless_ops, NULL), 0);
	assert_int_equal(
		stream_read_line(&pair.stream, bytes, sizeof(bytes), NULL, deadline_in_ms(20)),
		STREAM_TIMEOUT);
	assert_int_equal(stream_read_full(&pair.stream, bytes, sizeof(bytes), deadline_in_ms(20)),
			 STREAM_TIMEOUT);
	assert_int_equal(stream_write_full(&pair.stream, bytes, sizeof(bytes), deadline_in_ms(20)),
			 STREAM_TIMEOUT);
	pair_close(&pair);
	pair_open(&pair);
	assert_int_equal(stream_set_ops(&pair.stream, &listening_ops, NULL), 0);
	assert_int_equal(stream_write_watching(&pair.stream, bytes, sizeof(bytes), &done,
					       deadline_in_ms(20)),
			 STREAM_TIMEOUT);
	assert_in_range(done, 1, sizeof(bytes) - 1);
	pair_close(&pair);
}

/*
 * The peer's words arrive between our look and our write: the write fails, and they are still
 * heard.
 */
static void words_that_cross_a_failing_write_are_heard(void **state)
{
	struct fake_tls tls = { .script = "rE.", .most = 1024 };
	struct pair pair;
	char line[32];
	size_t written;

	(void)state;
	pair_open(&pair);
	tls.fd = pair.stream.read_fd;
	assert_int_equal(stream_set_ops(&pair.stream, &fake_ops, &tls), 0);
	peer_sends(pair.peer, "554 no\r\n");
	assert_int_equal(stream_write_watching(&pair.stream, "DATA", 4, &written, SOON),
			 STREAM_INPUT);
	assert_int_equal(written, 0);
	assert_int_equal(stream_read_line(&pair.stream, line, sizeof(line), NULL, SOON), STREAM_OK);
	assert_string_equal(line, "554 no");
	tls.script = "rErrr";	/* and without words it is the write's error */
	assert_int_equal(stream_write_watching(&pair.stream, "DATA", 4, &written, SOON),
			 STREAM_ERROR);
	assert_string_equal(stream_error(&pair.stream), "bad record?mac ?!");
	pair_close(&pair);
}

/* WANT_READ in a write (key update) waits for input, and does not spin. */
static void a_write_that_wants_to_read(void **state)
{
	struct fake_tls tls = { .script = "r", .most = 1024 };
	struct slow_peer peer;
	struct pair pair;

	(void)state;
	pair_open(&pair);
	tls.fd = pair.stream.read_fd;
	assert_int_equal(stream_set_ops(&pair.stream, &fake_ops, &tls), 0);
	assert_int_equal(stream_write_full(&pair.stream, "x", 1, deadline_in_ms(20)),
			 STREAM_TIMEOUT);
	tls.script = "r";
	slow_peer_start(&peer, pair.peer, "t", 0);
	assert_int_equal(stream_write_full(&pair.stream, "x", 1, SOON), STREAM_OK);
	pthread_join(peer.thread, NULL);
	pair_close(&pair);
}

/* TLS tickets make the descriptor readable without any payload: not input. */
static void protocol_data_is_not_input(void **state)
{
	struct fake_tls tls = { .script = "rrr", .most = 1024 };
	struct pair pair;
	size_t written;

	(void)state;
	pair_open(&pair);
	tls.fd = pair.stream.read_fd;
	assert_int_equal(stream_set_ops(&pair.stream, &fake_ops, &tls), 0);
	assert_false(stream_has_input(&pair.stream));
	assert_int_equal(
		stream_write_watching(&pair.stream, "DATA", 4, &written, deadline_in_ms(0)),
		STREAM_TIMEOUT);
	tls.script = "r";
	tls.write_again = NULL;
	assert_int_equal(stream_write_watching(&pair.stream, "DATA", 4, &written, SOON), STREAM_OK);
	assert_int_equal(written, 4);
	pair_close(&pair);
}

static void vtable_errors_are_printable_and_stay(void **state)
{
	struct fake_tls tls = { .script = "E", .most = 1024 };
	struct pair pair;
	char byte;

	(void)state;
	pair_open(&pair);
	tls.fd = pair.stream.read_fd;
	assert_int_equal(stream_set_ops(&pair.stream, &fake_ops, &tls), 0);
	assert_true(stream_has_input(&pair.stream));
	assert_int_equal(stream_read_full(&pair.stream, &byte, 1, SOON), STREAM_ERROR);
	assert_string_equal(stream_error(&pair.stream), "bad record?mac ?!");
	assert_int_equal(stream_wait_input(&pair.stream, SOON), STREAM_ERROR);
	pair_close(&pair);
}

/*
 * CVE-2011-0411: what came in the clear after the 220 must not be read as if it had come inside
 * TLS.
 */
static void ops_are_refused_over_unread_input(void **state)
{
	struct fake_tls tls = { .script = "", .most = 1024 };
	struct pair pair;
	char line[32];

	(void)state;
	pair_open(&pair);
	peer_sends(pair.peer, "220 go ahead\r\n250 injected\r\n");
	assert_int_equal(stream_read_line(&pair.stream, line, sizeof(line), NULL, SOON), STREAM_OK);
	assert_int_equal(stream_set_ops(&pair.stream, &fake_ops, &tls), -1);
	assert_null(pair.stream.ops);
	pair_close(&pair);
	assert_int_equal(tls.closed, 0);
}

/*
 * Words, then a reset, as a server does that refuses the rest of the content. The words are
 * delivered, and the reset is not forgotten.
 */
static void last_words_before_a_reset_are_heard(void **state)
{
	const struct linger reset = { 1, 0 };
	struct pair pair;
	char line[64];
	size_t written;

	(void)state;
	pair_open_tcp(&pair);
	assert_int_equal(stream_write_watching(&pair.stream, "unread", 6, &written, SOON),
			 STREAM_OK);
	peer_sends(pair.peer, "554 go away\r\n");
	setsockopt(pair.peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	hang_up(&pair);
	assert_int_equal(stream_write_watching(&pair.stream, "more", 4, &written, SOON),
			 STREAM_INPUT);
	assert_int_equal(stream_read_line(&pair.stream, line, sizeof(line), NULL, SOON), STREAM_OK);
	assert_string_equal(line, "554 go away");
	assert_int_equal(stream_read_line(&pair.stream, line, sizeof(line), NULL, SOON),
			 STREAM_ERROR);
	assert_string_equal(stream_error(&pair.stream), "Connection reset by peer");
	assert_int_equal(stream_read_line(&pair.stream, line, sizeof(line), NULL, SOON),
			 STREAM_ERROR);
	pair_close(&pair);
}

static void on_alarm(int number)
{
	(void)number;
}

static void signals_do_not_disturb(void **state)
{
	const struct itimerspec often = { { 0, 2000000 }, { 0, 2000000 } };
	struct sigaction action = { .sa_handler = on_alarm };
	struct slow_peer peer;
	struct pair pair;
	timer_t timer;
	char line[64];

	(void)state;
	pair_open(&pair);
	slow_peer_start(&peer, pair.peer, "slowly\r\n", 10);
	sigaction(SIGALRM, &action, NULL);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &often, NULL), 0);
	assert_int_equal(stream_read_line(&pair.stream, line, sizeof(line), NULL, SOON), STREAM_OK);
	assert_string_equal(line, "slowly");
	timer_delete(timer);
	pthread_join(peer.thread, NULL);
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_lines),
		cmocka_unit_test(pipelined_lines_come_one_by_one),
		cmocka_unit_test(a_line_longer_than_the_input_buffer),
		cmocka_unit_test(a_dripping_peer_meets_the_deadline),
		cmocka_unit_test(a_flooding_peer_meets_the_deadline),
		cmocka_unit_test(read_full_takes_exactly_what_it_asks_for),
		cmocka_unit_test(an_end_before_and_in_the_middle),
		cmocka_unit_test(ready_input_beats_a_passed_deadline),
		cmocka_unit_test(content_passes_unchanged),
		cmocka_unit_test(a_peer_that_does_not_read_meets_the_deadline),
		cmocka_unit_test(writing_to_a_closed_peer_is_an_error_and_no_signal),
		cmocka_unit_test(works_over_two_pipes),
		cmocka_unit_test(shutdown_from_another_thread_wakes_the_owner),
		cmocka_unit_test(a_wait_can_be_cancelled),
		cmocka_unit_test(input_before_the_first_byte_stops_the_writing),
		cmocka_unit_test(input_while_blocked_stops_the_writing),
		cmocka_unit_test(watching_a_silent_peer_meets_the_deadline),
		cmocka_unit_test(vtable_wants_are_obeyed),
		cmocka_unit_test(steady_progress_does_not_stretch_the_deadline),
		cmocka_unit_test(words_that_cross_a_failing_write_are_heard),
		cmocka_unit_test(a_write_that_wants_to_read),
		cmocka_unit_test(protocol_data_is_not_input),
		cmocka_unit_test(vtable_errors_are_printable_and_stay),
		cmocka_unit_test(ops_are_refused_over_unread_input),
		cmocka_unit_test(last_words_before_a_reset_are_heard),
		cmocka_unit_test(signals_do_not_disturb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
