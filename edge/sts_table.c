/*
 * A sorted array of pointers: found by bisection, and moved by memmove(3), which for ten thousand
 * pointers is nothing beside the look-up that a new entry stands for. The entries stay where they
 * are, so that a busy one can be held without the table's lock.
 */
#include "sts_table.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64
/* 2025-01-01: a clock that is behind this was never set. */
#define CLOCK_SET_SINCE INT64_C(1735689600)

static void destroy(struct sts_entry *entry)
{
	sts_policy_wipe(&entry->policy);
	free(entry);
}

void sts_table_wipe(struct sts_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		destroy(table->entries[i]);
	free(table->entries);
	*table = (struct sts_table){ 0 };
}

/* The place of the domain, or where it would stand. */
static size_t place_of(const struct sts_table *table, const char *domain, bool *is_there)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(table->entries[middle]->domain, domain);

		if (order == 0) {
			*is_there = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*is_there = false;
	return low;
}

struct sts_entry *sts_table_find(const struct sts_table *table, const char *domain)
{
	bool is_there;
	size_t place = place_of(table, domain, &is_there);

	return is_there ? table->entries[place] : NULL;
}

static int make_room(struct sts_table *table)
{
	size_t room = table->room > 0 ? table->room * 2 : FIRST_ROOM;
	struct sts_entry **entries;

	if (table->count < table->room)
		return 0;
	entries = realloc(table->entries, room * sizeof(*entries));
	if (entries == NULL)
		return -1;
	table->entries = entries;
	table->room = room;
	return 0;
}

struct sts_entry *sts_table_add(struct sts_table *table, const char *domain)
{
	struct sts_entry *entry;
	size_t place;
	bool is_there;

	if (strlen(domain) > SMTP_DOMAIN_MAX || make_room(table) < 0)
		return NULL;
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return NULL;
	strcpy(entry->domain, domain);
	entry->finding = STS_ABSENT;
	place = place_of(table, domain, &is_there);
	memmove(&table->entries[place + 1], &table->entries[place],
		(table->count - place) * sizeof(table->entries[0]));
	table->entries[place] = entry;
	table->count++;
	return entry;
}

void sts_table_remove(struct sts_table *table, struct sts_entry *entry)
{
	bool is_there;
	size_t place = place_of(table, entry->domain, &is_there);

	table->count--;
	memmove(&table->entries[place], &table->entries[place + 1],
		(table->count - place) * sizeof(table->entries[0]));
	table->mx_count -= entry->policy.mx_count;
	destroy(entry);
}

void sts_table_set_policy(struct sts_table *table, struct sts_entry *entry,
			  struct sts_policy *policy, const char *id, int64_t now)
{
	char kept_id[STS_ID_MAX + 1] = "";

	memcpy(kept_id, id, strnlen(id, STS_ID_MAX));
	table->mx_count += policy->mx_count;
	table->mx_count -= entry->policy.mx_count;
	sts_policy_wipe(&entry->policy);
	entry->policy = *policy;
	*policy = (struct sts_policy){ 0 };
	memcpy(entry->id, kept_id, sizeof(kept_id));
	entry->finding = STS_FOUND;
	entry->reason[0] = '\0';
	entry->fetched_at = now;
	entry->failures = 0;
}

void sts_table_set_absent(struct sts_table *table, struct sts_entry *entry,
			  enum sts_finding finding, struct deadline forget)
{
	table->mx_count -= entry->policy.mx_count;
	sts_policy_wipe(&entry->policy);
	entry->finding = finding;
	entry->forget = forget;
}

static int64_t expires_at(const struct sts_entry *entry)
{
	int64_t kept_s = entry->policy.max_age_s;

	return entry->fetched_at + (kept_s > STS_KEPT_AT_LEAST_S ? kept_s : STS_KEPT_AT_LEAST_S);
}

bool sts_entry_is_in_force(struct sts_entry *entry, int64_t now)
{
	if (entry->finding != STS_FOUND)
		return false;
	if (now < CLOCK_SET_SINCE)
		return true;
	if (entry->fetched_at > now)
		entry->fetched_at = now;
	if (entry->used_at > now)
		entry->used_at = now;
	return now < expires_at(entry);
}

bool sts_entry_is_known(struct sts_entry *entry, int64_t now)
{
	if (entry->finding == STS_FOUND)
		return sts_entry_is_in_force(entry, now);
	return !deadline_has_passed(entry->forget);
}

/* What goes first, goes first. */
enum rank { RANK_ENDED, RANK_NEGATIVE, RANK_NONE, RANK_TESTING, RANK_ENFORCE };

static enum rank rank_of(struct sts_entry *entry, int64_t now)
{
	if (!sts_entry_is_known(entry, now))
		return RANK_ENDED;
	if (entry->finding != STS_FOUND)
		return RANK_NEGATIVE;
	switch (entry->policy.mode) {
	case STS_MODE_NONE:
		return RANK_NONE;
	case STS_MODE_TESTING:
		return RANK_TESTING;
	case STS_MODE_ENFORCE:
		break;
	}
	return RANK_ENFORCE;
}

static int64_t end_of(const struct sts_entry *entry)
{
	return entry->finding == STS_FOUND ? expires_at(entry) : entry->forget.at_ms;
}

static struct sts_entry *choose_victim(const struct sts_table *table, int64_t now,
				       enum rank *rank_out)
{
	struct sts_entry *victim = NULL;

	for (size_t i = 0; i < table->count; i++) {
		struct sts_entry *entry = table->entries[i];
		enum rank rank;

		if (entry->is_busy)
			continue;
		rank = rank_of(entry, now);
		if (victim != NULL &&
		    (rank > *rank_out || (rank == *rank_out && end_of(entry) >= end_of(victim))))
			continue;
		victim = entry;
		*rank_out = rank;
	}
	return victim;
}

size_t sts_table_trim(struct sts_table *table, int64_t now)
{
	size_t lost = 0;

	while (table->count > STS_ENTRIES_MAX || table->mx_count > STS_TABLE_MX_MAX) {
		enum rank rank = RANK_ENDED;
		struct sts_entry *victim = choose_victim(table, now, &rank);

		if (victim == NULL)
			break;
		lost += rank == RANK_ENFORCE;
		sts_table_remove(table, victim);
	}
	return lost;
}
