/* Layout and packing of a record. See journal_record.h. */
#include "journal_record.h"

#include <string.h>

static const uint8_t magic[4] = "PJ01";

#define AT_STATE 4
#define AT_TIME 8
#define AT_NAME 16
#define AT_OUTCOME 32
#define AT_CHECKSUM (JOURNAL_RECORD_BYTES - JOURNAL_CHECKSUM_BYTES)
#define OUTCOME_BYTES (AT_CHECKSUM - AT_OUTCOME - JOURNAL_SEAL_OVERHEAD)

_Static_assert(AT_OUTCOME == AT_NAME + JOURNAL_NAME_BYTES, "no gap");

/* Packs into, or unpacks from, a plain outcome; `is_bad`: it did not fit. */
struct packer {
	uint8_t *bytes;
	size_t at, size;
	bool is_bad;
};

static void put_number(struct packer *packer, unsigned number)
{
	if (packer->at + 2 > packer->size) {
		packer->is_bad = true;
		return;
	}
	packer->bytes[packer->at++] = (uint8_t)(number >> 8);
	packer->bytes[packer->at++] = (uint8_t)number;
}

static unsigned take_number(struct packer *packer)
{
	if (packer->at + 2 > packer->size) {
		packer->is_bad = true;
		return 0;
	}
	packer->at += 2;
	return (unsigned)packer->bytes[packer->at - 2] << 8 | packer->bytes[packer->at - 1];
}

/* At most `room` bytes of it. */
static void put_text(struct packer *packer, const char *text, size_t room)
{
	size_t length = strlen(text);

	if (length > room)
		length = room;
	put_number(packer, (unsigned)length);
	if (packer->at + length > packer->size) {
		packer->is_bad = true;
		return;
	}
	memcpy(packer->bytes + packer->at, text, length);
	packer->at += length;
}

static void take_text(struct packer *packer, char *text, size_t size)
{
	size_t length = take_number(packer);

	if (packer->is_bad || length >= size || packer->at + length > packer->size) {
		packer->is_bad = true;
		return;
	}
	memcpy(text, packer->bytes + packer->at, length);
	text[length] = '\0';
	packer->at += length;
}

static void put_status_code(struct packer *packer, struct enhanced_status status)
{
	put_number(packer, (unsigned)status.class);
	put_number(packer, (unsigned)status.subject);
	put_number(packer, (unsigned)status.detail);
}

static struct enhanced_status take_status_code(struct packer *packer)
{
	struct enhanced_status status;

	status.class = (int)take_number(packer);
	status.subject = (int)take_number(packer);
	status.detail = (int)take_number(packer);
	return status;
}

/* What is left for the next text, the length fields of it and of those after it set aside. */
static size_t room(const struct packer *packer, size_t texts_left)
{
	return packer->size - packer->at - 2 * texts_left;
}

static void pack(uint8_t bytes[OUTCOME_BYTES], const struct delivery_status *outcome)
{
	struct packer packer = { .bytes = bytes, .size = OUTCOME_BYTES };
	const char *words = outcome->reply.code != 0 ? outcome->reply.text : outcome->reason;

	memset(bytes, 0, OUTCOME_BYTES);
	put_number(&packer, outcome->action);
	put_number(&packer, outcome->stage);
	put_number(&packer, outcome->dsn_offered);
	put_number(&packer, (unsigned)outcome->remote_port);
	put_status_code(&packer, outcome->status);
	put_number(&packer, (unsigned)outcome->reply.code);
	put_status_code(&packer, outcome->reply.status);
	put_text(&packer, outcome->remote_mta, room(&packer, 4));
	put_text(&packer, outcome->remote_address, room(&packer, 3));
	put_text(&packer, outcome->tls, room(&packer, 2));
	put_text(&packer, words, room(&packer, 1));
}

/* These bytes are ours, or the tag would not fit; still nothing is taken that makes no sense. */
static int unpack(struct delivery_status *outcome, uint8_t bytes[OUTCOME_BYTES])
{
	struct packer packer = { .bytes = bytes, .size = OUTCOME_BYTES };
	unsigned action = take_number(&packer), stage = take_number(&packer);

	memset(outcome, 0, sizeof(*outcome));
	if (action > DELIVERY_FAILED || stage >= STAGE_COUNT)
		return -1;
	outcome->action = (enum delivery_action)action;
	outcome->stage = (enum delivery_stage)stage;
	outcome->dsn_offered = take_number(&packer) != 0;
	outcome->remote_port = (int)take_number(&packer);
	outcome->status = take_status_code(&packer);
	outcome->reply.code = (int)take_number(&packer);
	outcome->reply.status = take_status_code(&packer);
	take_text(&packer, outcome->remote_mta, sizeof(outcome->remote_mta));
	take_text(&packer, outcome->remote_address, sizeof(outcome->remote_address));
	take_text(&packer, outcome->tls, sizeof(outcome->tls));
	if (outcome->reply.code != 0)
		take_text(&packer, outcome->reply.text, sizeof(outcome->reply.text));
	else
		take_text(&packer, outcome->reason, sizeof(outcome->reason));
	return packer.is_bad ? -1 : 0;
}

void journal_record_print(uint8_t out[JOURNAL_RECORD_BYTES], const uint8_t key[JOURNAL_KEY_BYTES],
			  uint32_t slot, enum journal_state state, int64_t time_s,
			  const struct journal_name *name, const struct delivery_status *outcome)
{
	uint8_t plain[OUTCOME_BYTES];

	memset(out, 0, JOURNAL_RECORD_BYTES);
	if (state == JOURNAL_FREE)
		return;
	memcpy(out, magic, sizeof(magic));
	out[AT_STATE] = (uint8_t)state;
	for (int i = 0; i < 8; i++)
		out[AT_TIME + i] = (uint8_t)((uint64_t)time_s >> (8 * (7 - i)));
	memcpy(out + AT_NAME, name->bytes, JOURNAL_NAME_BYTES);
	if (outcome != NULL) {
		pack(plain, outcome);
		journal_seal_close(out + AT_OUTCOME, name, plain, OUTCOME_BYTES);
	}
	journal_seal_checksum(out + AT_CHECKSUM, key, out, AT_CHECKSUM, slot);
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

enum journal_record_result journal_record_read(struct journal_record *record,
					       const uint8_t bytes[JOURNAL_RECORD_BYTES],
					       const uint8_t key[JOURNAL_KEY_BYTES], uint32_t slot)
{
	uint8_t checksum[JOURNAL_CHECKSUM_BYTES];
	uint64_t time_s = 0;

	memset(record, 0, sizeof(*record));
	if (is_zero(bytes, JOURNAL_RECORD_BYTES))
		return JOURNAL_RECORD_OK;
	journal_seal_checksum(checksum, key, bytes, AT_CHECKSUM, slot);
	if (!journal_seal_is_same(checksum, bytes + AT_CHECKSUM, sizeof(checksum)) ||
	    memcmp(bytes, magic, sizeof(magic)) != 0 || bytes[AT_STATE] < JOURNAL_DOT ||
	    bytes[AT_STATE] > JOURNAL_FAILED)
		return JOURNAL_RECORD_DAMAGED;
	for (int i = 0; i < 8; i++)
		time_s = time_s << 8 | bytes[AT_TIME + i];
	record->state = (enum journal_state)bytes[AT_STATE];
	record->time_s = (int64_t)time_s;
	memcpy(record->name, bytes + AT_NAME, JOURNAL_NAME_BYTES);
	return JOURNAL_RECORD_OK;
}

int journal_record_outcome(struct delivery_status *outcome, const uint8_t bytes[JOURNAL_RECORD_BYTES],
			   const struct journal_name *name)
{
	uint8_t plain[OUTCOME_BYTES];

	if (memcmp(bytes + AT_NAME, name->bytes, JOURNAL_NAME_BYTES) != 0 ||
	    !journal_seal_open(plain, name, bytes + AT_OUTCOME, OUTCOME_BYTES))
		return -1;
	return unpack(outcome, plain);
}
