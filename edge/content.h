/*
 * The content of one message in memory, never on disk. One thread appends; once the last byte is
 * there it is shared read-only by every delivery thread, each with its own cursor. All contents
 * together stay below the cap of their pool.
 */
#ifndef CONTENT_H
#define CONTENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct content_chunk;

struct content_pool {
	pthread_mutex_t lock;	/* protects what is not fixed */
	uint64_t used;		/* bytes held by all contents, chunk slack included */
	uint64_t cap;		/* fixed at init */
	struct content_chunk *spare;	/* small ones without content, for the next messages; not in `used` */
	size_t spare_count;
};

void content_pool_init(struct content_pool *pool, uint64_t cap);
void content_pool_wipe(struct content_pool *pool);
uint64_t content_pool_used(struct content_pool *pool);

struct content {
	struct content_pool *pool;
	struct content_chunk *first, *last;
	uint64_t length;
};

/* What a content may hold beyond its length: the rest of its last chunk. */
#define CONTENT_SLACK_MAX (256 * 1024)

enum content_result { CONTENT_OK, CONTENT_POOL_FULL, CONTENT_NO_MEMORY };

void content_init(struct content *content, struct content_pool *pool);
/* Appends a copy. On failure the content is unchanged. */
enum content_result content_append(struct content *content, const void *bytes, size_t length);
/* Gives the bytes back to the pool, the memory back to the kernel but for a spare chunk, and leaves nothing in that. Safe twice. */
void content_wipe(struct content *content);

/* Reading: an independent cursor per thread. */
struct content_cursor {
	const struct content_chunk *chunk;
};
void content_cursor_init(struct content_cursor *cursor, const struct content *content);
/* Next run of bytes (never empty); false at the end. */
bool content_cursor_next(struct content_cursor *cursor, const uint8_t **bytes, size_t *length);

#endif
