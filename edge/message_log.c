/*
 * A line in the ring is a header, the client's name, the queue id and the text, each text with its
 * NUL. It may go round the end of the ring, so it is read by copying.
 */
#include "message_log.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/envelope.h"
#include "lib/log.h"
#include "tunnel/authorized_clients.h"

struct header {
	int64_t time_ms;
	uint32_t client_size, id_size, text_size; /* with the NUL */
};

/* Longer than any line of the log. */
#define LINE_MAX_BYTES (sizeof(struct header) + CLIENT_NAME_MAX + 1 + QUEUE_ID_MAX + 1 + 4096)

static _Thread_local char thread_client[CLIENT_NAME_MAX + 1];

static void copy_in(struct message_log *log, const void *bytes, size_t length)
{
	size_t at = (log->first + log->used) % MESSAGE_LOG_BYTES, straight = MESSAGE_LOG_BYTES - at;

	if (straight > length)
		straight = length;
	memcpy(log->bytes + at, bytes, straight);
	memcpy(log->bytes, (const char *)bytes + straight, length - straight);
	log->used += length;
}

static void copy_out(const struct message_log *log, size_t offset, void *out, size_t length)
{
	size_t at = (log->first + offset) % MESSAGE_LOG_BYTES, straight = MESSAGE_LOG_BYTES - at;

	if (straight > length)
		straight = length;
	memcpy(out, log->bytes + at, straight);
	memcpy((char *)out + straight, log->bytes, length - straight);
}

static size_t size_of(const struct header *header)
{
	return sizeof(*header) + header->client_size + header->id_size + header->text_size;
}

static void drop_oldest(struct message_log *log)
{
	struct header header;

	copy_out(log, 0, &header, sizeof(header));
	log->forgotten_ms = header.time_ms;
	log->first = (log->first + size_of(&header)) % MESSAGE_LOG_BYTES;
	log->used -= size_of(&header);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A log_witness_fn. */
static void keep(void *context, const char *text)
{
	struct message_log *log = context;
	const char *queue_id = log_tag();
	struct header header = {
		.time_ms = now_ms(),
		.client_size = (uint32_t)strlen(thread_client) + 1,
		.id_size = (uint32_t)strlen(queue_id) + 1,
		.text_size = (uint32_t)strlen(text) + 1,
	};

	if (thread_client[0] == '\0' || queue_id[0] == '\0' || size_of(&header) > LINE_MAX_BYTES)
		return;
	pthread_mutex_lock(&log->lock);
	while (MESSAGE_LOG_BYTES - log->used < size_of(&header))
		drop_oldest(log);
	copy_in(log, &header, sizeof(header));
	copy_in(log, thread_client, header.client_size);
	copy_in(log, queue_id, header.id_size);
	copy_in(log, text, header.text_size);
	pthread_mutex_unlock(&log->lock);
}

void message_log_init(struct message_log *log)
{
	memset(log, 0, sizeof(*log));
	pthread_mutex_init(&log->lock, NULL);
	log->bytes = malloc(MESSAGE_LOG_BYTES);
	if (log->bytes == NULL)
		return;
	/* All of it is the process's from now on: an edge whose memory grows for hours looks like one that leaks. */
	memset(log->bytes, '\n', MESSAGE_LOG_BYTES);
	log_set_witness(keep, log);
}

void message_log_wipe(struct message_log *log)
{
	log_set_witness(NULL, NULL);
	free(log->bytes);
	log->bytes = NULL;
	pthread_mutex_destroy(&log->lock);
}

void message_log_begin(const char *client, const char *queue_id)
{
	snprintf(thread_client, sizeof(thread_client), "%s", client);
	log_set_tag(queue_id);
}

void message_log_end(void)
{
	thread_client[0] = '\0';
	log_set_tag(NULL);
}

int64_t message_log_find(struct message_log *log, const char *client, const char *queue_id, message_log_line_fn *line,
			 void *context)
{
	char bytes[LINE_MAX_BYTES];
	struct header header;
	int64_t since_ms;

	pthread_mutex_lock(&log->lock);
	for (size_t at = 0; at < log->used; at += size_of(&header)) {
		const char *id, *text;

		copy_out(log, at, &header, sizeof(header));
		copy_out(log, at + sizeof(header), bytes, size_of(&header) - sizeof(header));
		id = bytes + header.client_size;
		text = id + header.id_size;
		if (strcmp(bytes, client) == 0 && strcmp(id, queue_id) == 0)
			line(context, header.time_ms, text);
	}
	since_ms = log->forgotten_ms;
	pthread_mutex_unlock(&log->lock);
	return since_ms;
}
