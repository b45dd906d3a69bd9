/*
 * The asking end of the control socket. The text of an answer is printed as it comes; whether it is
 * whole is known at its last line, which is held back.
 */
#include "control_client.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "control.h"
#include "lib/endpoint.h"
#include "lib/quantity.h"
#include "lib/stream.h"

/* Another one may be served before. */
#define PATIENCE_MS (3 * CONTROL_TIMEOUT_MS)

static int fail(FILE *err, int exit_code, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(FILE *err, int exit_code, const char *format, ...)
{
	va_list arguments;

	fputs("postern-milter: ", err);
	va_start(arguments, format);
	vfprintf(err, format, arguments);
	va_end(arguments);
	putc('\n', err);
	return exit_code;
}

static int judge_last(const char *last, int64_t lines, FILE *err)
{
	int64_t expected;

	if (strncmp(last, "error ", 6) == 0)
		return fail(err, EX_DATAERR, "%s", last + 6);
	if (strncmp(last, "ok ", 3) == 0 && quantity_parse(QUANTITY_PLAIN, last + 3, &expected) == QUANTITY_OK && expected == lines)
		return EX_OK;
	return fail(err, EX_TEMPFAIL, "the answer broke off; try again");
}

static int copy_answer(struct stream *stream, struct deadline deadline, FILE *out, FILE *err)
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
		return fail(err, EX_TEMPFAIL, "no answer within %d s; is the milter stuck? See its log", PATIENCE_MS / 1000);
	return judge_last(last, lines, err);
}

int control_client_ask(const char *endpoint_text, const char *request, FILE *out, FILE *err)
{
	struct deadline deadline = deadline_in_ms(PATIENCE_MS);
	char error[400], line[CONTROL_LINE_MAX];
	struct endpoint endpoint;
	struct stream stream;
	int fd, length, result;

	length = snprintf(line, sizeof(line), "%s\n", request);
	if (length >= (int)sizeof(line) || strchr(request, '\n') != NULL)
		return fail(err, EX_USAGE, "a name of more than %d bytes, or with a line feed in it", CLIENT_LOGIN_MAX);
	if (endpoint_parse(&endpoint, endpoint_text, NULL, error, sizeof(error)) < 0)
		return fail(err, EX_CONFIG, "control_socket: %s", error);
	fd = endpoint_connect(&endpoint, deadline, error, sizeof(error));
	if (fd < 0)
		return fail(err, EX_UNAVAILABLE,
			    "%s; is postern-milter running (systemctl status postern-milter), and are you root?", error);
	stream_init(&stream, fd, fd);
	/* A milter that ends at this moment is told by the answer that does not come. */
	stream_write_full(&stream, line, (size_t)length, deadline);
	result = copy_answer(&stream, deadline, out, err);
	stream_wipe(&stream);
	return result;
}
