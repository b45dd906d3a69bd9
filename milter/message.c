/* The fields of a message in a growing array; names and values are copies of what the milter client sent. */
#include "message.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_CAPACITY 32
/* A section that is large is very large: few steps on the heap until the array is so large that it is mapped (text_pool.h). */
#define CAPACITY_FACTOR 8
/* ": " and CRLF */
#define FIELD_OVERHEAD 4

void message_init(struct message *message)
{
	memset(message, 0, sizeof(*message));
}

void message_reset(struct message *message)
{
	text_pool_wipe(&message->texts);
	free(message->fields);
	message_init(message);
}

static int make_room(struct message *message)
{
	size_t larger = message->field_capacity > 0 ? message->field_capacity * CAPACITY_FACTOR : FIRST_CAPACITY;
	struct header_field *fields;

	if (message->field_count < message->field_capacity)
		return 0;
	fields = realloc(message->fields, larger * sizeof(*fields));
	if (fields == NULL)
		return -1;
	message->fields = fields;
	message->field_capacity = larger;
	return 0;
}

int message_add_field(struct message *message, const char *name, const char *value, size_t count_limit, size_t size_limit)
{
	size_t bytes = strlen(name) + strlen(value) + FIELD_OVERHEAD;
	struct header_field *field;

	message->content_bytes += bytes;
	if (message->is_header_too_large || message->field_count >= count_limit ||
	    bytes > size_limit - message->field_bytes) {
		message->is_header_too_large = true;
		return 0;
	}
	if (make_room(message) < 0)
		return -1;
	field = &message->fields[message->field_count];
	*field = (struct header_field){ .name = text_pool_add(&message->texts, name), .value = text_pool_add(&message->texts, value) };
	if (field->name == NULL || field->value == NULL)
		return -1;
	field->index = message_field_count(message, name) + 1;
	message->field_count++;
	message->field_bytes += bytes;
	return 0;
}

const struct header_field *message_field(const struct message *message, const char *name, size_t index)
{
	for (size_t i = 0; i < message->field_count; i++)
		if (message->fields[i].index == index && strcasecmp(message->fields[i].name, name) == 0)
			return &message->fields[i];
	return NULL;
}

size_t message_field_count(const struct message *message, const char *name)
{
	for (size_t i = message->field_count; i > 0; i--)
		if (strcasecmp(message->fields[i - 1].name, name) == 0)
			return message->fields[i - 1].index;
	return 0;
}
