/*
 * Which member of an array has a name: an open hash table of positions beside the array, so that a
 * table of 10,000 lines is read and asked without comparing them with one another.
 */
#ifndef NAME_INDEX_H
#define NAME_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define NAME_INDEX_NONE SIZE_MAX

/* The name of a member; `array` is what the caller hands over with each question. */
typedef const char *name_index_name_fn(const void *array, size_t position);

struct name_index {
	uint32_t *slots; /* position + 1; 0: free */
	size_t mask;	 /* slots - 1, a power of two less one; 0: nothing is in it */
};

/* Room for `count` names. -1: out of memory. */
int name_index_init(struct name_index *index, size_t count);
void name_index_wipe(struct name_index *index);
/* The position of `name`, or NAME_INDEX_NONE. Names are compared as they are. */
size_t name_index_find(const struct name_index *index, name_index_name_fn *name_of,
		       const void *array, const char *name);
/* Adds the member at `position`, whose name is not in the index, and for which there is room. */
void name_index_add(struct name_index *index, name_index_name_fn *name_of, const void *array,
		    size_t position);

#endif
