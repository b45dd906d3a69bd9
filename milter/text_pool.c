/* Each block is filled from its beginning; a string that does not fit begins the next one. */
#include "text_pool.h"

#include <stdlib.h>
#include <string.h>

/* Both sizes include the head. The header section of most mail fits into the first one. */
#define FIRST_BLOCK_SIZE 4096
#define BLOCK_SIZE (2 * TEXT_POOL_MAPPED)

struct text_block {
	struct text_block *previous;
	size_t size, used; /* of bytes[] */
	char bytes[];
};

/* A block for a string of this length at least. -1: no memory. */
static int add_block(struct text_pool *pool, size_t length)
{
	size_t size = pool->last == NULL ? FIRST_BLOCK_SIZE : BLOCK_SIZE;
	struct text_block *block;

	if (length > FIRST_BLOCK_SIZE - sizeof(*block))
		size = BLOCK_SIZE;
	if (length > BLOCK_SIZE - sizeof(*block))
		size = sizeof(*block) + length;
	block = malloc(size);
	if (block == NULL)
		return -1;
	*block = (struct text_block){ .previous = pool->last, .size = size - sizeof(*block) };
	pool->last = block;
	return 0;
}

char *text_pool_add(struct text_pool *pool, const char *text)
{
	size_t length = strlen(text) + 1;
	char *copy;

	if ((pool->last == NULL || length > pool->last->size - pool->last->used) && add_block(pool, length) < 0)
		return NULL;
	copy = pool->last->bytes + pool->last->used;
	pool->last->used += length;
	return memcpy(copy, text, length);
}

void text_pool_wipe(struct text_pool *pool)
{
	while (pool->last != NULL) {
		struct text_block *block = pool->last;

		pool->last = block->previous;
		free(block);
	}
}
