/*
 * A hash table with chains, whose links are numbers of slots. The names are keyed digests: nobody
 * outside can choose two that fall into one bucket. Slots that were never used are not touched, so
 * that a large journal which holds little takes little memory.
 */
#include "journal_index.h"

#include <stdlib.h>
#include <string.h>

int journal_index_init(struct journal_index *index, uint32_t slots)
{
	uint32_t buckets = 1;

	while (buckets < slots)
		buckets <<= 1;
	*index = (struct journal_index){ .slots = slots, .bucket_mask = buckets - 1,
					 .first_free = JOURNAL_NO_SLOT };
	index->entries = calloc(slots, sizeof(*index->entries));
	/* A link is the number of a slot plus one: zeros from calloc(3) are empty buckets. */
	index->buckets = calloc(buckets, sizeof(*index->buckets));
	return index->entries == NULL || index->buckets == NULL ? -1 : 0;
}

void journal_index_wipe(struct journal_index *index)
{
	free(index->entries);
	free(index->buckets);
	index->entries = NULL;
	index->buckets = NULL;
}

static uint32_t *bucket_of(const struct journal_index *index, const uint8_t name[JOURNAL_NAME_BYTES])
{
	uint32_t hash;

	memcpy(&hash, name, sizeof(hash));
	return &index->buckets[hash & index->bucket_mask];
}

uint32_t journal_index_find(const struct journal_index *index, const uint8_t name[JOURNAL_NAME_BYTES])
{
	uint32_t link = *bucket_of(index, name);

	while (link != 0 && memcmp(index->entries[link - 1].name, name, JOURNAL_NAME_BYTES) != 0)
		link = index->entries[link - 1].next;
	return link != 0 ? link - 1 : JOURNAL_NO_SLOT;
}

static struct journal_entry *enter(struct journal_index *index, uint32_t slot,
				   const uint8_t name[JOURNAL_NAME_BYTES])
{
	struct journal_entry *entry = &index->entries[slot];
	uint32_t *bucket = bucket_of(index, name);

	*entry = (struct journal_entry){ .next = *bucket, .is_taken = true };
	memcpy(entry->name, name, JOURNAL_NAME_BYTES);
	*bucket = slot + 1;
	index->taken++;
	return entry;
}

uint32_t journal_index_take(struct journal_index *index, const uint8_t name[JOURNAL_NAME_BYTES])
{
	uint32_t slot = index->first_free;

	if (slot != JOURNAL_NO_SLOT)
		index->first_free = index->entries[slot].next;
	else if (index->never_used < index->slots)
		slot = index->never_used++;
	else
		return JOURNAL_NO_SLOT;
	enter(index, slot, name);
	return slot;
}

static void set_free(struct journal_index *index, uint32_t slot)
{
	index->entries[slot] = (struct journal_entry){ .next = index->first_free };
	index->first_free = slot;
}

void journal_index_put(struct journal_index *index, uint32_t slot, const struct journal_record *record)
{
	struct journal_entry *entry;

	while (index->never_used < slot)
		set_free(index, index->never_used++);
	index->never_used = slot + 1;
	entry = enter(index, slot, record->name);
	entry->state = (uint8_t)record->state;
	entry->time_s = (uint32_t)record->time_s;
}

void journal_index_give_back(struct journal_index *index, uint32_t slot)
{
	uint32_t *link = bucket_of(index, index->entries[slot].name);

	while (*link != slot + 1)
		link = &index->entries[*link - 1].next;
	*link = index->entries[slot].next;
	index->taken--;
	set_free(index, slot);
}

uint32_t journal_index_expire(struct journal_index *index, int64_t before_s)
{
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < index->never_used; slot++) {
		const struct journal_entry *entry = &index->entries[slot];

		if (!entry->is_taken || entry->is_held || entry->time_s >= before_s)
			continue;
		journal_index_give_back(index, slot);
		count++;
	}
	return count;
}
