/*
 * An SMTP server that takes all mail and keeps none: the mail exchanger of as many domains as it has addresses, for benchmarks.
 *
 *     sink PORT [CERTIFICATE.pem]
 *
 * Listens on all addresses of its network namespace. Commands on standard input, one a line, each answered by a line of JSON:
 *
 *     starttls on|off                 from the next connection on (needs the certificate)
 *     tarpit ADDRESS COUNT MS WHICH   replies of COUNT addresses from this one on come so late: "all", then without TLS, or that to the
 *                                     final "dot"; 0 0 0 0: none
 *     reset                           nothing has arrived yet
 *     wait COUNT SECONDS              answered when so many messages are here, or the time is over
 *     records FILE                    writes what arrived, a line each: sink_record.h
 *
 * The end of standard input ends it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/endpoint.h"
#include "sink_connection.h"

#define EVENTS_AT_ONCE 256
#define LISTENING_MAX 4

struct control {
	char line[1024];
	size_t length;
	bool is_waiting, is_over;
	size_t awaited;
	int64_t patience_us;	/* until when */
};

static void fail(const char *what)
{
	fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void answer(const struct sink *sink)
{
	const struct sink_record *record = &sink->record;

	printf("{\"messages\": %zu, \"duplicates\": %lu, \"unnamed\": %lu, \"first_us\": %" PRId64 ", \"last_us\": %" PRId64 ", "
	       "\"connections\": %lu, \"open\": %lu, \"handshakes\": %lu, \"resumed\": %lu, \"failed\": %lu}\n",
	       record->count, record->duplicates, record->unnamed, record->count > 0 ? record->messages[0].arrived_us : 0,
	       record->count > 0 ? record->messages[record->count - 1].arrived_us : 0, sink->connections, sink->open, sink->handshakes,
	       sink->resumed, sink->failed);
	fflush(stdout);
}

static void reset(struct sink *sink)
{
	sink_record_reset(&sink->record);
	sink->connections = sink->handshakes = sink->resumed = sink->failed = 0;
}

static void write_records(const struct sink *sink, const char *path)
{
	FILE *out = fopen(path, "w");

	if (out == NULL)
		fail(path);
	sink_record_print(&sink->record, out);
	if (fclose(out) != 0)
		fail(path);
}

static void set_tarpit(struct sink *sink, const char *address, const char *count, const char *delay_ms, const char *which)
{
	struct in_addr first = { 0 };

	if (strcmp(address, "0") != 0 && inet_pton(AF_INET, address, &first) != 1)
		fail(address);
	sink->tarpit_first = ntohl(first.s_addr);
	sink->tarpit_count = (uint32_t)strtoul(count, NULL, 10);
	sink->tarpit_delay_us = strtoll(delay_ms, NULL, 10) * 1000;
	sink->is_tarpit_of_dots = strcmp(which, "dot") == 0;
}

static void command(struct sink *sink, struct control *control, char *line)
{
	char *words[5] = { strtok(line, " ") };
	size_t count = words[0] != NULL ? 1 : 0;

	while (count > 0 && count < 5 && (words[count] = strtok(NULL, " ")) != NULL)
		count++;
	if (count == 1 && strcmp(words[0], "reset") == 0) {
		reset(sink);
	} else if (count == 2 && strcmp(words[0], "starttls") == 0) {
		sink->offers_tls = sink->tls != NULL && strcmp(words[1], "on") == 0;
	} else if (count == 2 && strcmp(words[0], "records") == 0) {
		write_records(sink, words[1]);
	} else if (count == 3 && strcmp(words[0], "wait") == 0) {
		control->is_waiting = true;
		control->awaited = strtoul(words[1], NULL, 10);
		control->patience_us = sink_now_us() + strtoll(words[2], NULL, 10) * 1000000;
		return;
	} else if (count == 5 && strcmp(words[0], "tarpit") == 0) {
		set_tarpit(sink, words[1], words[2], words[3], words[4]);
	} else {
		errno = EINVAL;
		fail("unknown command");
	}
	answer(sink);
}

static void read_commands(struct sink *sink, struct control *control)
{
	ssize_t got = read(STDIN_FILENO, control->line + control->length, sizeof(control->line) - 1 - control->length);
	char *newline;

	if (got <= 0) {
		control->is_over = true;
		return;
	}
	control->length += (size_t)got;
	while ((newline = memchr(control->line, '\n', control->length)) != NULL) {
		size_t taken = (size_t)(newline - control->line) + 1;

		*newline = '\0';
		command(sink, control, control->line);
		memmove(control->line, control->line + taken, control->length - taken);
		control->length -= taken;
	}
}

/* How long may epoll_wait(2) wait? */
static int attend(struct sink *sink, struct control *control)
{
	int next_ms = sink_run_delayed(sink);
	int64_t now = sink_now_us(), left_ms;

	if (!control->is_waiting)
		return next_ms;
	if (sink->record.count >= control->awaited || now >= control->patience_us) {
		control->is_waiting = false;
		answer(sink);
		return next_ms;
	}
	left_ms = (control->patience_us - now) / 1000 + 1;
	return next_ms < 0 || left_ms < next_ms ? (int)left_ms : next_ms;
}

static void run(struct sink *sink, const int *listening, int count)
{
	struct control control = { 0 };
	struct epoll_event events[EVENTS_AT_ONCE];

	while (!control.is_over) {
		int ready = epoll_wait(sink->epoll_fd, events, EVENTS_AT_ONCE, attend(sink, &control));

		for (int i = 0; i < ready; i++) {
			const int *fd = events[i].data.ptr;

			if (fd == NULL)
				read_commands(sink, &control);
			else if (fd >= listening && fd < listening + count)
				sink_connection_accept(sink, *fd);
			else
				sink_connection_on_input(sink, events[i].data.ptr);
		}
	}
}

static void listen_at(struct sink *sink, const char *port, int *listening, int *count)
{
	struct endpoint endpoint;
	char text[32], error[300];

	snprintf(text, sizeof(text), ":%s", port);
	if (endpoint_parse(&endpoint, text, NULL, error, sizeof(error)) < 0 ||
	    (*count = endpoint_listen(&endpoint, listening, LISTENING_MAX, error, sizeof(error))) < 0) {
		fprintf(stderr, "sink: %s\n", error);
		exit(1);
	}
	for (int i = 0; i < *count; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &listening[i] };

		/* A thousand clients come at the same moment. */
		if (listen(listening[i], 4096) < 0 || epoll_ctl(sink->epoll_fd, EPOLL_CTL_ADD, listening[i], &event) < 0)
			fail("listen");
	}
}

int main(int argc, char **argv)
{
	struct rlimit limit = { .rlim_cur = 65536, .rlim_max = 65536 };
	struct epoll_event input = { .events = EPOLLIN };
	struct sink sink;
	int listening[LISTENING_MAX], count;

	if (argc < 2) {
		fputs("usage: sink PORT [CERTIFICATE.pem]\n", stderr);
		return 64;
	}
	setrlimit(RLIMIT_NOFILE, &limit);
	sink_init(&sink, epoll_create1(EPOLL_CLOEXEC));
	if (argc > 2 && sink_load_certificate(&sink, argv[2]) < 0)
		fail(argv[2]);
	listen_at(&sink, argv[1], listening, &count);
	if (epoll_ctl(sink.epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0)
		fail("standard input");
	run(&sink, listening, count);
	return 0;
}
