/*
 * A growable byte buffer with a maximum from birth.
 *
 * The maximum bounds the unread bytes. Memory grows by doubling and never past the maximum (plus
 * one byte for the NUL that vsnprintf insists on). Growing moves to a new block and clears the old
 * one: realloc(3) could leave a copy of a secret behind. It does not shrink; buffer_wipe() gives
 * all back.
 *
 * Integers are big-endian ("network order"), as everything postern puts on a wire.
 */
#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_FIRST_CAPACITY 256

void buffer_init(struct buffer *buffer, size_t maximum)
{
	*buffer = (struct buffer){ .maximum = maximum };
}

void buffer_wipe(struct buffer *buffer)
{
	if (buffer->bytes != NULL)
		explicit_bzero(buffer->bytes, buffer->capacity + 1);
	free(buffer->bytes);
	buffer_init(buffer, buffer->maximum);
}

void buffer_reset(struct buffer *buffer)
{
	buffer->start = buffer->end = 0;
}

size_t buffer_length(const struct buffer *buffer)
{
	return buffer->end - buffer->start;
}

const uint8_t *buffer_data(const struct buffer *buffer)
{
	return buffer->bytes != NULL ? buffer->bytes + buffer->start : NULL;
}

static int move_to_larger_block(struct buffer *buffer, size_t needed)
{
	size_t length = buffer_length(buffer);
	size_t capacity = buffer->capacity > 0 ? buffer->capacity : BUFFER_FIRST_CAPACITY;
	uint8_t *bytes;

	while (capacity < needed)
		capacity = capacity > buffer->maximum / 2 ? buffer->maximum : capacity * 2;
	if (capacity > buffer->maximum)
		capacity = buffer->maximum;
	bytes = malloc(capacity + 1);
	if (bytes == NULL)
		return -1;
	if (buffer->bytes != NULL) {
		memcpy(bytes, buffer->bytes + buffer->start, length);
		explicit_bzero(buffer->bytes, buffer->capacity + 1);
		free(buffer->bytes);
	}
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	buffer->start = 0;
	buffer->end = length;
	return 0;
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t length)
{
	size_t used = buffer_length(buffer);

	if (length > buffer->maximum || used > buffer->maximum - length)
		return NULL;
	if (used == 0)
		buffer_reset(buffer);
	if (buffer->bytes == NULL || used + length > buffer->capacity) {
		if (move_to_larger_block(buffer, used + length) != 0)
			return NULL;
	} else if (buffer->end + length > buffer->capacity) {
		memmove(buffer->bytes, buffer->bytes + buffer->start, used);
		buffer->start = 0;
		buffer->end = used;
	}
	return buffer->bytes + buffer->end;
}

void buffer_commit(struct buffer *buffer, size_t length)
{
	buffer->end += length;
}

int buffer_put(struct buffer *buffer, const void *bytes, size_t length)
{
	uint8_t *room = buffer_reserve(buffer, length);

	if (room == NULL)
		return -1;
	if (length > 0)
		memcpy(room, bytes, length);
	buffer_commit(buffer, length);
	return 0;
}

static int put_big_endian(struct buffer *buffer, uint64_t value, size_t width)
{
	uint8_t *room = buffer_reserve(buffer, width);

	if (room == NULL)
		return -1;
	for (size_t i = width; i-- > 0; value >>= 8)
		room[i] = (uint8_t)value;
	buffer_commit(buffer, width);
	return 0;
}

int buffer_put_u8(struct buffer *buffer, uint8_t value)
{
	return put_big_endian(buffer, value, sizeof(value));
}

int buffer_put_u16(struct buffer *buffer, uint16_t value)
{
	return put_big_endian(buffer, value, sizeof(value));
}

int buffer_put_u32(struct buffer *buffer, uint32_t value)
{
	return put_big_endian(buffer, value, sizeof(value));
}

int buffer_put_u64(struct buffer *buffer, uint64_t value)
{
	return put_big_endian(buffer, value, sizeof(value));
}

int buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;
	uint8_t *room;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		return -1;
	room = buffer_reserve(buffer, (size_t)length);
	if (room == NULL)
		return -1;
	va_start(arguments, format);
	vsnprintf((char *)room, (size_t)length + 1, format, arguments);
	va_end(arguments);
	buffer_commit(buffer, (size_t)length);
	return 0;
}

int buffer_skip(struct buffer *buffer, size_t length)
{
	if (length > buffer_length(buffer))
		return -1;
	buffer->start += length;
	return 0;
}

int buffer_get(struct buffer *buffer, void *out, size_t length)
{
	if (length > buffer_length(buffer))
		return -1;
	if (length > 0)
		memcpy(out, buffer_data(buffer), length);
	buffer->start += length;
	return 0;
}

static int get_big_endian(struct buffer *buffer, uint64_t *out, size_t width)
{
	uint8_t bytes[sizeof(uint64_t)];
	uint64_t value = 0;

	if (buffer_get(buffer, bytes, width) != 0)
		return -1;
	for (size_t i = 0; i < width; i++)
		value = value << 8 | bytes[i];
	*out = value;
	return 0;
}

int buffer_get_u8(struct buffer *buffer, uint8_t *out)
{
	return buffer_get(buffer, out, sizeof(*out));
}

int buffer_get_u16(struct buffer *buffer, uint16_t *out)
{
	uint64_t value;

	if (get_big_endian(buffer, &value, sizeof(*out)) != 0)
		return -1;
	*out = (uint16_t)value;
	return 0;
}

int buffer_get_u32(struct buffer *buffer, uint32_t *out)
{
	uint64_t value;

	if (get_big_endian(buffer, &value, sizeof(*out)) != 0)
		return -1;
	*out = (uint32_t)value;
	return 0;
}

int buffer_get_u64(struct buffer *buffer, uint64_t *out)
{
	return get_big_endian(buffer, out, sizeof(*out));
}
