/*
 * A growable byte buffer with a maximum from birth, a read cursor, and big-endian integers. Every
 * function returns 0, or -1 when the maximum would be passed, memory is out or input is short; the
 * buffer is then unchanged. Wipe frees; buffers that held secrets are freed with their bytes
 * cleared.
 */
#ifndef BUFFER_H
#define BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buffer {
	uint8_t *bytes;
	size_t start;		/* read cursor */
	size_t end;		/* write cursor */
	size_t capacity;
	size_t maximum;
};

void buffer_init(struct buffer *buffer, size_t maximum);
void buffer_wipe(struct buffer *buffer);
/* Forgets the content, keeps the memory. */
void buffer_reset(struct buffer *buffer);

size_t buffer_length(const struct buffer *buffer);
/* Unread bytes; valid until the next write. */
const uint8_t *buffer_data(const struct buffer *buffer);

int buffer_put(struct buffer *buffer, const void *bytes, size_t length);
int buffer_put_u8(struct buffer *buffer, uint8_t value);
int buffer_put_u16(struct buffer *buffer, uint16_t value);
int buffer_put_u32(struct buffer *buffer, uint32_t value);
int buffer_put_u64(struct buffer *buffer, uint64_t value);
int buffer_printf(struct buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * Room for `length` bytes at the write cursor, to be followed by buffer_commit(). NULL on failure.
 */
uint8_t *buffer_reserve(struct buffer *buffer, size_t length);
void buffer_commit(struct buffer *buffer, size_t length);

int buffer_get(struct buffer *buffer, void *out, size_t length);
int buffer_get_u8(struct buffer *buffer, uint8_t *out);
int buffer_get_u16(struct buffer *buffer, uint16_t *out);
int buffer_get_u32(struct buffer *buffer, uint32_t *out);
int buffer_get_u64(struct buffer *buffer, uint64_t *out);
/* Drops `length` unread bytes. */
int buffer_skip(struct buffer *buffer, size_t length);

#endif
