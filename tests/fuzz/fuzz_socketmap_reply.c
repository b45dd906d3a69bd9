/*
 * Any bytes as the answer of a socketmap server: no crash, no leak, and what is found is a clean string.
 *
 * feeds: answers of a socketmap server
 * covers: lib/socketmap.c:read_length, read_netstring, take_data, judge_reply, socketmap_receive
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/socketmap.h"

/* What a socket takes at once. */
#define LENGTH_MAX 150000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	enum socketmap_result result = SOCKETMAP_NOT_FOUND;
	char error[300] = "", *value = NULL;
	enum stream_result outcome;
	struct stream stream;
	int fds[2];

	if (length > LENGTH_MAX)
		return 0;
	require(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	require(send(fds[0], bytes, length, MSG_DONTWAIT) == (ssize_t)length || length == 0);
	close(fds[0]);
	stream_init(&stream, fds[1], fds[1]);
	outcome = socketmap_receive(&stream, deadline_in_ms(600000), &result, &value, error, sizeof(error));
	require(outcome != STREAM_TIMEOUT && outcome != STREAM_CANCELLED && outcome != STREAM_INPUT);
	require(outcome == STREAM_OK || result == SOCKETMAP_TROUBLE);
	require((value != NULL) == (result == SOCKETMAP_FOUND));
	require((error[0] != '\0') == (result == SOCKETMAP_TROUBLE));
	require(value == NULL || (strlen(value) <= SOCKETMAP_VALUE_MAX && strpbrk(value, "\r\n") == NULL));
	require(strpbrk(error, "\r\n\x7f") == NULL);
	free(value);
	stream_wipe(&stream);
	return 0;
}
