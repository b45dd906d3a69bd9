/*
 * Copies of strings that all go at once. A few are in one small block; what is more comes in blocks so large that malloc(3) maps
 * each of them (worker.c fixes from which size on), and that the kernel has back when they are freed. Thousands of small pieces on the heap of
 * whichever thread it was would stay there, in part or as a whole.
 */
#ifndef TEXT_POOL_H
#define TEXT_POOL_H

#include <stddef.h>

/* From this size on memory is mapped: M_MMAP_THRESHOLD of mallopt(3). */
#define TEXT_POOL_MAPPED 131072

struct text_block;
/* All zero is empty. */
struct text_pool {
	struct text_block *last;
};

/* The copy, the pool's until text_pool_wipe(); NULL: no memory. */
char *text_pool_add(struct text_pool *pool, const char *text);
void text_pool_wipe(struct text_pool *pool);

#endif
