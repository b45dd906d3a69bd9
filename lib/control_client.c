/*
 * The asking end of the control socket. The text of an answer is printed as it comes; whether it is
 * whole is known at its last line, which is held back.
 */
#include "control_client.h"

#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "control_socket.h"
#include "endpoint.h"
#include "quantity.h"
#include "stream.h"

/* Another one may be served before. */
#define PATIENCE_MS (3 * CONTROL_TIMEOUT_MS)

struct question {
	const char *daemon;
	char *error;
	size_t error_size;
};

static int fail(const struct question *question, int exit_code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(const struct question *question, int exit_code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(question->error, question->error_size, format, arguments);
	va_end(arguments);
	return exit_code;
}

static int judge_last(const struct question *question, const char *last, int64_t lines)
{
	int64_t expected;

	if (strncmp(last, "error ", 6) == 0)
		return fail(question, EX_DATAERR, "%s", last + 6);
	if (strncmp(last, "ok ", 3) == 0 && quantity_parse(QUANTITY_PLAIN, last + 3, &expected) == QUANTITY_OK &&
	    expected == lines)
		return EX_OK;
	return fail(question, EX_TEMPFAIL, "the answer broke off; try again");
}

static int copy_answer(const struct question *question, struct stream *stream, struct deadline deadline, FILE *out)
{
	char line[CONTROL_LINE_MAX], last[CONTROL_LINE_MAX] = "";
	enum stream_result result;
	int64_t lines = -1;

	while ((result = stream_read_line(stream, line, sizeof(line), NULL, deadline)) == STREAM_OK) {
		if (++lines > 0)
			fprintf(out, "%s\n", last);
		strcpy(last, line);
	}
	if (result == STREAM_TIMEOUT)
		return fail(question, EX_TEMPFAIL, "no answer within %d s; is %s stuck? See its log",
			    PATIENCE_MS / 1000, question->daemon);
	return judge_last(question, last, lines);
}

int control_client_ask(const char *endpoint_text, const char *daemon, const char *request, FILE *out, char *error,
		       size_t error_size)
{
	const struct question question = { daemon, error, error_size };
	struct deadline deadline = deadline_in_ms(PATIENCE_MS);
	char reason[400], line[CONTROL_LINE_MAX];
	struct endpoint endpoint;
	struct stream stream;
	int fd, length, result;

	length = snprintf(line, sizeof(line), "%s\n", request);
	if (length >= (int)sizeof(line) || strchr(request, '\n') != NULL)
		return fail(&question, EX_USAGE, "a request of more than %d bytes, or with a line feed in it",
			    CONTROL_LINE_MAX - 2);
	if (endpoint_parse(&endpoint, endpoint_text, NULL, reason, sizeof(reason)) < 0)
		return fail(&question, EX_CONFIG, "control_socket: %s", reason);
	fd = endpoint_connect(&endpoint, deadline, reason, sizeof(reason));
	if (fd < 0)
		return fail(&question, EX_UNAVAILABLE, "%s; is %s running (systemctl status %s), and are you root?",
			    reason, daemon, daemon);
	stream_init(&stream, fd, fd);
	/* A daemon that ends at this moment is told by the answer that does not come. */
	stream_write_full(&stream, line, (size_t)length, deadline);
	result = copy_answer(&question, &stream, deadline, out);
	stream_wipe(&stream);
	return result;
}

FILE *control_client_open(const char *endpoint, const char *daemon, const char *request, int *result_out, char *error,
			  size_t error_size)
{
	int fd = memfd_create("answer", MFD_CLOEXEC);
	FILE *answer = fd >= 0 ? fdopen(fd, "w+") : NULL;

	if (answer == NULL) {
		if (fd >= 0)
			close(fd);
		*result_out = EX_OSERR;
		snprintf(error, error_size, "no memory for the answer");
		return NULL;
	}
	*result_out = control_client_ask(endpoint, daemon, request, answer, error, error_size);
	rewind(answer);
	if (*result_out == EX_OK)
		return answer;
	fclose(answer);
	return NULL;
}
