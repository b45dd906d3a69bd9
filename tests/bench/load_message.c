/* Header fields as a mail host's Postfix hands them over, then lines of 76 characters. */
#include "load_message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAMP_LENGTH 28

static const char header[] = "Received: from client.example (client.example [192.0.2.77])\r\n"
			     "\tby mail.home.example (Postfix) with ESMTP id 4FBENCH0001\r\n"
			     "\tfor <you@bench.example>; Sat, 21 Nov 2026 20:00:00 +0000 (UTC)\r\n"
			     "From: bench@home.example\r\nTo: you@bench.example\r\nSubject: benchmark\r\n"
			     "Date: Sat, 21 Nov 2026 20:00:00 +0000\r\nMessage-ID: <bench@home.example>\r\nX-Bench: ";

void load_message_make(struct load_message *message, size_t size)
{
	static const char line[] = "The quick brown fox jumps over the lazy dog, and does so again and again...\r\n";
	size_t used = sizeof(header) - 1;

	message->bytes = malloc(size + sizeof(header) + STAMP_LENGTH + sizeof(line) + 4);
	if (message->bytes == NULL) {
		fputs("load: no memory\n", stderr);
		exit(1);
	}
	memcpy(message->bytes, header, used);
	message->stamp = message->bytes + used;
	used += STAMP_LENGTH;
	memcpy(message->bytes + used, "\r\n\r\n", 4);
	used += 4;
	while (used < size) {
		memcpy(message->bytes + used, line, sizeof(line) - 1);
		used += sizeof(line) - 1;
	}
	message->length = used;
	load_message_stamp(message, 0, 0);
}

void load_message_stamp(struct load_message *message, uint32_t number, int64_t now_us)
{
	char stamp[STAMP_LENGTH + 8];

	snprintf(stamp, sizeof(stamp), "%010" PRIu32 " %017" PRId64, number, now_us);
	memcpy(message->stamp, stamp, STAMP_LENGTH);
}

void load_message_free(struct load_message *message)
{
	free(message->bytes);
	message->bytes = NULL;
}
