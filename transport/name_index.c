/*
 * Linear probing in a table that is at most half full. The names are an administrator's, not a
 * stranger's: FNV-1a is enough.
 */
#include "name_index.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash(const char *name)
{
	uint32_t value = 2166136261U;

	for (; *name != '\0'; name++)
		value = (value ^ (unsigned char)*name) * 16777619U;
	return value ^ value >> 15;
}

int name_index_init(struct name_index *index, size_t count)
{
	size_t slots = 4;

	while (slots < 2 * count)
		slots *= 2;
	index->slots = calloc(slots, sizeof(*index->slots));
	index->mask = index->slots != NULL ? slots - 1 : 0;
	return index->slots != NULL ? 0 : -1;
}

void name_index_wipe(struct name_index *index)
{
	free(index->slots);
	*index = (struct name_index){ 0 };
}

/* The slot of `name`, or the free one where it would stand. */
static size_t find_slot(const struct name_index *index, name_index_name_fn *name_of,
			const void *array, const char *name)
{
	size_t slot = hash(name) & index->mask;

	while (index->slots[slot] != 0 && strcmp(name_of(array, index->slots[slot] - 1), name) != 0)
		slot = (slot + 1) & index->mask;
	return slot;
}

size_t name_index_find(const struct name_index *index, name_index_name_fn *name_of,
		       const void *array, const char *name)
{
	size_t slot;

	if (index->mask == 0)
		return NAME_INDEX_NONE;
	slot = find_slot(index, name_of, array, name);
	return index->slots[slot] != 0 ? index->slots[slot] - 1 : NAME_INDEX_NONE;
}

void name_index_add(struct name_index *index, name_index_name_fn *name_of, const void *array,
		    size_t position)
{
	size_t slot = find_slot(index, name_of, array, name_of(array, position));

	index->slots[slot] = (uint32_t)position + 1;
}
