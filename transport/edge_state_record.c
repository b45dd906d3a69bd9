/* Byte by byte, so that the file means the same on every machine. Pure. */
#include "edge_state_record.h"

#include <string.h>

#include "tunnel/content_digest.h"

enum {
	AT_KIND = 0,
	AT_FLAGS = 1,
	AT_SINCE = 8,
	AT_KEY = 16,
	AT_EDGE = AT_KEY + EDGE_STATE_KEY_BYTES,
	AT_EDGE_ID = AT_EDGE + EDGE_NAME_MAX + 1,
	AT_CHECKSUM = AT_EDGE_ID + EDGE_STATE_EDGE_ID_BYTES,
};

#define CHECKSUM_BYTES 16
#define FLAG_ANSWERED 0x01

_Static_assert(AT_CHECKSUM + CHECKSUM_BYTES == EDGE_STATE_RECORD_BYTES, "layout");

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

void edge_state_record_write(uint8_t bytes[EDGE_STATE_RECORD_BYTES],
			     const struct edge_state_entry *entry, uint32_t slot)
{
	uint8_t sum[CONTENT_DIGEST_SIZE];

	memset(bytes, 0, EDGE_STATE_RECORD_BYTES);
	if (entry->kind == EDGE_STATE_FREE)
		return;
	bytes[AT_KIND] = entry->kind;
	bytes[AT_FLAGS] = entry->is_answered ? FLAG_ANSWERED : 0;
	put_number(bytes + AT_SINCE, (uint64_t)entry->since_ms, 8);
	memcpy(bytes + AT_KEY, entry->key, sizeof(entry->key));
	memcpy(bytes + AT_EDGE, entry->edge, strnlen(entry->edge, EDGE_NAME_MAX));
	memcpy(bytes + AT_EDGE_ID, entry->edge_id, sizeof(entry->edge_id));
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
	entry->is_answered = (bytes[AT_FLAGS] & FLAG_ANSWERED) != 0;
	entry->since_ms = (int64_t)get_number(bytes + AT_SINCE, 8);
	memcpy(entry->key, bytes + AT_KEY, sizeof(entry->key));
	memcpy(entry->edge, bytes + AT_EDGE, EDGE_NAME_MAX);
	memcpy(entry->edge_id, bytes + AT_EDGE_ID, sizeof(entry->edge_id));
	return EDGE_STATE_READ_OK;
}

int64_t edge_state_age_ms(int64_t since_ms, int64_t now_ms)
{
	return since_ms >= 0 && since_ms <= now_ms ? now_ms - since_ms : now_ms;
}
