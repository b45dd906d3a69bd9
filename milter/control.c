/*
 * The control socket. Whoever is slow or silent costs the next one five seconds, the mail nothing:
 * answers are composed before the first byte is written, and no lock is held while writing.
 */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/deadline.h"
#include "lib/endpoint.h"
#include "lib/log.h"
#include "lib/stream.h"
#include "lib/thread.h"

/* After an accept that failed for want of descriptors or memory. */
#define PAUSE_MS 1000

struct control {
	struct endpoint endpoint;
	struct rate_limits *limits;
	int listen_fd;
	int stop_fd;			/* readable: the end */
	pthread_t thread;
};

struct answer {
	FILE *out;			/* into text */
	char *text;
	size_t length;
};

static size_t count_lines(struct answer *answer)
{
	size_t count = 0;

	fflush(answer->out);
	for (size_t i = 0; i < answer->length; i++)
		count += answer->text[i] == '\n';
	return count;
}

static void answer_show(struct control *control, struct answer *answer)
{
	if (rate_limits_show(control->limits, answer->out) < 0)
		fprintf(answer->out, "error out of memory\n");
	else
		fprintf(answer->out, "ok %zu\n", count_lines(answer));
}

static void answer_reset(struct control *control, struct answer *answer, const char *who)
{
	char reason[300], printable[CONTROL_LINE_MAX];
	long count = rate_limits_reset(control->limits, who, reason, sizeof(reason));

	if (count < 0) {
		fprintf(answer->out, "error %s\n", log_printable(printable, sizeof(printable), reason, strlen(reason)));
		return;
	}
	log_printable(printable, sizeof(printable), who, strlen(who));
	log_info("limits of %s were reset: %ld", printable, count);
	if (count == 0)
		fprintf(answer->out, "%s: nothing was used up\nok 1\n", printable);
	else
		fprintf(answer->out, "%s: %ld limits start afresh\nok 1\n", printable, count);
}

static void answer_request(struct control *control, struct answer *answer, const char *line, size_t length)
{
	static const char reset[] = "limits reset ";
	char printable[CONTROL_LINE_MAX];

	if (strlen(line) != length)
		fprintf(answer->out, "error a NUL in the request\n");
	else if (strcmp(line, "limits show") == 0)
		answer_show(control, answer);
	else if (strncmp(line, reset, sizeof(reset) - 1) == 0)
		answer_reset(control, answer, line + sizeof(reset) - 1);
	else
		fprintf(answer->out, "error unknown request \"%s\"\n", log_printable(printable, sizeof(printable), line, length));
}

static void serve(struct control *control, int fd)
{
	struct deadline deadline = deadline_in_ms(CONTROL_TIMEOUT_MS);
	struct answer answer = { 0 };
	enum stream_result result;
	char line[CONTROL_LINE_MAX];
	struct stream stream;
	size_t length;

	stream_init(&stream, fd, fd);
	stream.cancel_fd = control->stop_fd;
	result = stream_read_line(&stream, line, sizeof(line), &length, deadline);
	answer.out = open_memstream(&answer.text, &answer.length);
	if (answer.out != NULL && result == STREAM_OK)
		answer_request(control, &answer, line, length);
	else if (answer.out != NULL && result == STREAM_TOO_LONG)
		fprintf(answer.out, "error the request is too long\n");
	/* What could not be composed is not sent, and the client says that the answer broke off. */
	if (answer.out != NULL && fclose(answer.out) == 0 && answer.length > 0)
		stream_write_full(&stream, answer.text, answer.length, deadline);
	free(answer.text);
	stream_wipe(&stream);
}

static void *run(void *argument)
{
	struct control *control = argument;
	struct pollfd fds[2] = { { .fd = control->stop_fd, .events = POLLIN }, { .fd = control->listen_fd, .events = POLLIN } };

	for (;;) {
		int fd;

		if (poll(fds, 2, -1) < 0) {
			if (errno != EINTR)
				log_panic("poll: %m");
			continue;
		}
		if (fds[0].revents != 0)
			return NULL;
		fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			serve(control, fd);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			poll(fds, 1, PAUSE_MS);
	}
}

/* The mode follows the umask; without this one others could connect until chmod(2). */
static int listen_privately(struct control *control, char *error, size_t error_size)
{
	mode_t before = umask(0177);
	int count = endpoint_listen(&control->endpoint, &control->listen_fd, 1, error, error_size);

	umask(before);
	return count;
}

struct control *control_start(const char *endpoint, struct rate_limits *limits, char *error, size_t error_size)
{
	struct control *control = calloc(1, sizeof(*control));

	if (control == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	control->limits = limits;
	if (endpoint_parse(&control->endpoint, endpoint, NULL, error, error_size) < 0)
		goto fail;
	if (!control->endpoint.is_unix) {
		snprintf(error, error_size, "\"%.100s\" is not unix:/path", endpoint);
		goto fail;
	}
	control->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (control->stop_fd < 0) {
		snprintf(error, error_size, "eventfd: %s", strerror(errno));
		goto fail;
	}
	if (listen_privately(control, error, error_size) < 0)
		goto fail_stop_fd;
	if (thread_start(&control->thread, run, control) == 0)
		return control;
	snprintf(error, error_size, "no thread for %s", endpoint);
	close(control->listen_fd);
	unlink(control->endpoint.host);
fail_stop_fd:
	close(control->stop_fd);
fail:
	free(control);
	return NULL;
}

void control_stop(struct control *control)
{
	if (control == NULL)
		return;
	eventfd_write(control->stop_fd, 1);
	pthread_join(control->thread, NULL);
	unlink(control->endpoint.host);
	close(control->listen_fd);
	close(control->stop_fd);
	free(control);
}
