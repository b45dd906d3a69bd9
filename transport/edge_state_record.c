/* Byte by byte, so that the file means the same on every machine. Pure. */
#include "edge_state_record.h"

#include <string.h>

#include "tunnel/content_digest.h"

enum {
	AT_KIND = 0,
	AT_FLAGS = 1,
	AT_OPEN = 4,
	AT_SINCE = 8,
	AT_KEY = 16,
	AT_EDGE = AT_KEY + EDGE_STATE_KEY_BYTES,
	AT_EDGE_ID = AT_EDGE + EDGE_NAME_MAX + 1,
	AT_CHECKSUM = AT_EDGE_ID + EDGE_STATE_EDGE_ID_BYTES,

	AT_NEXT = AT_EDGE,
	AT_CLAIMED = AT_NEXT + 8,
	AT_FAILED = AT_CLAIMED + 8,
	AT_ANSWERED = AT_FAILED + 8,
	AT_OPENED_COUNT = AT_ANSWERED + 8,
	AT_FAILED_COUNT = AT_OPENED_COUNT + 8,
	AT_COST = AT_FAILED_COUNT + 8,
	AT_FAILURES = AT_COST + 4,
	AT_OUTAGES = AT_FAILURES + 4,
};

#define CHECKSUM_BYTES 16
#define FLAG_ANSWERED 0x01
#define FLAG_DOWN 0x02

_Static_assert(AT_CHECKSUM + CHECKSUM_BYTES == EDGE_STATE_RECORD_BYTES, "layout");
_Static_assert(AT_OUTAGES + 4 <= AT_CHECKSUM, "layout");

static void put_number(uint8_t *bytes, uint64_t number, size_t width)
{
	for (size_t i = width; i > 0; i--, number >>= 8)
		bytes[i - 1] = (uint8_t)number;
}

static uint64_t get_number(const uint8_t *bytes, size_t width)
{
	uint64_t number = 0;

	for (size_t i = 0; i < width; i++)
		number = number << 8 | bytes[i];
	return number;
}

static void checksum(uint8_t out[CONTENT_DIGEST_SIZE], const uint8_t *bytes, uint32_t slot)
{
	struct content_digest digest;
	uint8_t place[4];

	put_number(place, slot, sizeof(place));
	content_digest_init(&digest);
	content_digest_update(&digest, bytes, AT_CHECKSUM);
	content_digest_update(&digest, place, sizeof(place));
	content_digest_final(&digest, out);
}

static void put_health(uint8_t *bytes, const struct edge_health *health)
{
	bytes[AT_FLAGS] = health->is_down ? FLAG_DOWN : 0;
	put_number(bytes + AT_OPEN, health->open_ms, 4);
	put_number(bytes + AT_SINCE, (uint64_t)health->since_ms, 8);
	put_number(bytes + AT_NEXT, (uint64_t)health->next_ms, 8);
	put_number(bytes + AT_CLAIMED, (uint64_t)health->claimed_ms, 8);
	put_number(bytes + AT_FAILED, (uint64_t)health->failed_ms, 8);
	put_number(bytes + AT_ANSWERED, (uint64_t)health->answered_ms, 8);
	put_number(bytes + AT_OPENED_COUNT, health->opened, 8);
	put_number(bytes + AT_FAILED_COUNT, health->failed, 8);
	put_number(bytes + AT_COST, health->cost_ms, 4);
	put_number(bytes + AT_FAILURES, health->failures, 4);
	put_number(bytes + AT_OUTAGES, health->outages, 4);
}

static void get_health(struct edge_health *health, const uint8_t *bytes)
{
	*health = (struct edge_health){
		.is_down = (bytes[AT_FLAGS] & FLAG_DOWN) != 0,
		.open_ms = (uint32_t)get_number(bytes + AT_OPEN, 4),
		.since_ms = (int64_t)get_number(bytes + AT_SINCE, 8),
		.next_ms = (int64_t)get_number(bytes + AT_NEXT, 8),
		.claimed_ms = (int64_t)get_number(bytes + AT_CLAIMED, 8),
		.failed_ms = (int64_t)get_number(bytes + AT_FAILED, 8),
		.answered_ms = (int64_t)get_number(bytes + AT_ANSWERED, 8),
		.opened = get_number(bytes + AT_OPENED_COUNT, 8),
		.failed = get_number(bytes + AT_FAILED_COUNT, 8),
		.cost_ms = (uint32_t)get_number(bytes + AT_COST, 4),
		.failures = (uint32_t)get_number(bytes + AT_FAILURES, 4),
		.outages = (uint32_t)get_number(bytes + AT_OUTAGES, 4),
	};
}

static void put_outcome(uint8_t *bytes, const struct edge_state_entry *entry)
{
	bytes[AT_FLAGS] = entry->is_answered ? FLAG_ANSWERED : 0;
	put_number(bytes + AT_SINCE, (uint64_t)entry->since_ms, 8);
	memcpy(bytes + AT_EDGE, entry->edge, strnlen(entry->edge, EDGE_NAME_MAX));
	memcpy(bytes + AT_EDGE_ID, entry->edge_id, sizeof(entry->edge_id));
}

static void get_outcome(struct edge_state_entry *entry, const uint8_t *bytes)
{
	entry->is_answered = (bytes[AT_FLAGS] & FLAG_ANSWERED) != 0;
	entry->since_ms = (int64_t)get_number(bytes + AT_SINCE, 8);
	memcpy(entry->edge, bytes + AT_EDGE, EDGE_NAME_MAX);
	memcpy(entry->edge_id, bytes + AT_EDGE_ID, sizeof(entry->edge_id));
}

void edge_state_record_write(uint8_t bytes[EDGE_STATE_RECORD_BYTES],
			     const struct edge_state_entry *entry, uint32_t slot)
{
	uint8_t sum[CONTENT_DIGEST_SIZE];

	memset(bytes, 0, EDGE_STATE_RECORD_BYTES);
	if (entry->kind == EDGE_STATE_FREE)
		return;
	bytes[AT_KIND] = entry->kind;
	memcpy(bytes + AT_KEY, entry->key, sizeof(entry->key));
	if (entry->kind == EDGE_STATE_HEALTH)
		put_health(bytes, &entry->health);
	else
		put_outcome(bytes, entry);
	checksum(sum, bytes, slot);
	memcpy(bytes + AT_CHECKSUM, sum, CHECKSUM_BYTES);
}

static bool is_zero(const uint8_t *bytes)
{
	for (size_t i = 0; i < EDGE_STATE_RECORD_BYTES; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

enum edge_state_read edge_state_record_read(struct edge_state_entry *entry,
					    const uint8_t bytes[EDGE_STATE_RECORD_BYTES],
					    uint32_t slot)
{
	uint8_t sum[CONTENT_DIGEST_SIZE];

	memset(entry, 0, sizeof(*entry));
	if (is_zero(bytes))
		return EDGE_STATE_READ_OK;
	checksum(sum, bytes, slot);
	if (memcmp(sum, bytes + AT_CHECKSUM, CHECKSUM_BYTES) != 0 ||
	    bytes[AT_KIND] == EDGE_STATE_FREE)
		return EDGE_STATE_READ_DAMAGED;
	entry->kind = bytes[AT_KIND];
	memcpy(entry->key, bytes + AT_KEY, sizeof(entry->key));
	if (entry->kind == EDGE_STATE_HEALTH)
		get_health(&entry->health, bytes);
	else
		get_outcome(entry, bytes);
	return EDGE_STATE_READ_OK;
}

int64_t edge_state_age_ms(int64_t since_ms, int64_t now_ms)
{
	return since_ms >= 0 && since_ms <= now_ms ? now_ms - since_ms : now_ms;
}
