/*
 *	greeting = "220 " host " LMTP postern" / "421 4.3.5 " reason	; transport/lmtp_session.c
 */
#include "lmtp_greeting.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/endpoint.h"
#include "lib/stream.h"

#define TIME_LIMIT_MS 5000

int lmtp_greeting_read(const char *endpoint, char *line, size_t size)
{
	struct deadline deadline = deadline_in_ms(TIME_LIMIT_MS);
	struct endpoint where;
	struct stream stream;
	enum stream_result result;
	char got[600];
	int fd;

	if (endpoint_parse(&where, endpoint, NULL, line, size) < 0)
		return -1;
	fd = endpoint_connect(&where, deadline, line, size);
	if (fd < 0)
		return -1;
	stream_init(&stream, fd, fd);
	result = stream_read_line(&stream, got, sizeof(got), NULL, deadline);
	stream_wipe(&stream);
	if (result == STREAM_OK)
		snprintf(line, size, "%s", got);
	else
		snprintf(line, size, "%s", result == STREAM_TIMEOUT ? "no greeting within 5 s" : "closed without a greeting");
	return result == STREAM_OK ? 0 : -1;
}

bool lmtp_greeting_is_postern(const char *line)
{
	size_t length = strlen(line);
	static const char ending[] = " LMTP postern";

	if (strncmp(line, "421 4.3.5 ", 10) == 0)
		return true;
	return strncmp(line, "220 ", 4) == 0 && length > sizeof(ending) &&
	       strcmp(line + length - (sizeof(ending) - 1), ending) == 0;
}
