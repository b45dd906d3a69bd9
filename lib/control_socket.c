/*
 * The control socket. Whoever is slow or silent costs the next one five seconds, the mail nothing:
 * answers are composed before the first byte is written, and no lock is held while writing.
 */
#include "control_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deadline.h"
#include "endpoint.h"
#include "log.h"
#include "stream.h"
#include "thread.h"

/* After an accept that failed for want of descriptors or memory. */
#define PAUSE_MS 1000
#define REASON_MAX (CONTROL_LINE_MAX - 16) /* with "error " before it */

struct control_socket {
	struct endpoint endpoint;
	struct stat file;		/* the socket's, as we made it */
	int listen_fd;
	int stop_fd;			/* readable: the end */
	control_answer_fn *answer;
	void *context;
	bool has_thread;
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

/* Nothing has been written yet, or is to go. NULL in `out`: no memory. */
static void begin(struct answer *answer)
{
	if (answer->out != NULL)
		fclose(answer->out);
	free(answer->text);
	answer->text = NULL;
	answer->out = open_memstream(&answer->text, &answer->length);
}

static void refuse(struct answer *answer, const char *reason)
{
	char printable[CONTROL_LINE_MAX];

	begin(answer);
	if (answer->out != NULL)
		fprintf(answer->out, "error %s\n", log_printable(printable, sizeof(printable), reason, strlen(reason)));
}

static void answer_request(struct control_socket *control, struct answer *answer, const char *line, size_t length)
{
	char reason[REASON_MAX] = "";

	if (strlen(line) != length)
		refuse(answer, "a NUL in the request");
	else if (control->answer(control->context, line, answer->out, reason, sizeof(reason)) < 0)
		refuse(answer, reason);
	else
		fprintf(answer->out, "ok %zu\n", count_lines(answer));
}

static void serve(struct control_socket *control, int fd)
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
	begin(&answer);
	if (answer.out != NULL && result == STREAM_OK)
		answer_request(control, &answer, line, length);
	else if (result == STREAM_TOO_LONG)
		refuse(&answer, "the request is too long");
	/* What could not be composed is not sent, and the client says that the answer broke off. */
	if (answer.out != NULL && fclose(answer.out) == 0 && answer.length > 0)
		stream_write_full(&stream, answer.text, answer.length, deadline);
	free(answer.text);
	stream_wipe(&stream);
}

static void *run(void *argument)
{
	struct control_socket *control = argument;
	struct pollfd fds[2] = { { .fd = control->stop_fd, .events = POLLIN },
				 { .fd = control->listen_fd, .events = POLLIN } };

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
static int listen_privately(struct control_socket *control, char *error, size_t error_size)
{
	mode_t before = umask(0177);
	int count = endpoint_listen(&control->endpoint, &control->listen_fd, 1, error, error_size);

	umask(before);
	if (count > 0)
		lstat(control->endpoint.host, &control->file);
	return count;
}

static int parse(struct control_socket *control, const char *endpoint, char *error, size_t error_size)
{
	if (endpoint_parse(&control->endpoint, endpoint, NULL, error, error_size) < 0)
		return -1;
	if (control->endpoint.is_unix)
		return 0;
	snprintf(error, error_size, "\"%.100s\" is not unix:/path", endpoint);
	return -1;
}

struct control_socket *control_socket_open(const char *endpoint, char *error, size_t error_size)
{
	struct control_socket *control = calloc(1, sizeof(*control));

	if (control == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	if (parse(control, endpoint, error, error_size) < 0)
		goto fail;
	control->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (control->stop_fd < 0) {
		snprintf(error, error_size, "eventfd: %s", strerror(errno));
		goto fail;
	}
	if (listen_privately(control, error, error_size) > 0)
		return control;
	close(control->stop_fd);
fail:
	free(control);
	return NULL;
}

int control_socket_serve(struct control_socket *control, control_answer_fn *answer, void *context, char *error,
			 size_t error_size)
{
	control->answer = answer;
	control->context = context;
	control->has_thread = thread_start(&control->thread, run, control) == 0;
	if (!control->has_thread)
		snprintf(error, error_size, "no thread for unix:%s", control->endpoint.host);
	return control->has_thread ? 0 : -1;
}

/* Somebody may have removed it, and another one listen there. */
static bool is_our_file(const struct control_socket *control)
{
	struct stat now;

	return lstat(control->endpoint.host, &now) == 0 && now.st_dev == control->file.st_dev &&
	       now.st_ino == control->file.st_ino;
}

void control_socket_close(struct control_socket *control)
{
	if (control == NULL)
		return;
	eventfd_write(control->stop_fd, 1);
	if (control->has_thread)
		pthread_join(control->thread, NULL);
	if (is_our_file(control))
		unlink(control->endpoint.host);
	close(control->listen_fd);
	close(control->stop_fd);
	free(control);
}
