/* The questions about limits; how they come in is lib/control_socket.c's business. */
#include "control.h"

#include <stdio.h>
#include <string.h>

#include "lib/log.h"

static int answer_show(struct rate_limits *limits, FILE *out, char *error, size_t error_size)
{
	if (rate_limits_show(limits, out) == 0)
		return 0;
	snprintf(error, error_size, "out of memory");
	return -1;
}

static int answer_reset(struct rate_limits *limits, const char *who, FILE *out, char *error, size_t error_size)
{
	char printable[CONTROL_LINE_MAX];
	long count = rate_limits_reset(limits, who, error, error_size);

	if (count < 0)
		return -1;
	log_printable(printable, sizeof(printable), who, strlen(who));
	log_info("limits of %s were reset: %ld", printable, count);
	if (count == 0)
		fprintf(out, "%s: nothing was used up\n", printable);
	else
		fprintf(out, "%s: %ld limits start afresh\n", printable, count);
	return 0;
}

static int answer(void *context, const char *request, FILE *out, char *error, size_t error_size)
{
	static const char reset[] = "limits reset ";

	if (strcmp(request, "limits show") == 0)
		return answer_show(context, out, error, error_size);
	if (strncmp(request, reset, sizeof(reset) - 1) == 0)
		return answer_reset(context, request + sizeof(reset) - 1, out, error, error_size);
	snprintf(error, error_size, "unknown request \"%s\"", request);
	return -1;
}

struct control_socket *control_start(const char *endpoint, struct rate_limits *limits, char *error, size_t error_size)
{
	struct control_socket *control = control_socket_open(endpoint, error, error_size);

	if (control == NULL || control_socket_serve(control, answer, limits, error, error_size) == 0)
		return control;
	control_socket_close(control);
	return NULL;
}
