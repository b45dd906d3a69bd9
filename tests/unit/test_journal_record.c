/*
 * Goal: a record of the journal brings back the outcome that was put into it, with as many of its
 * words as there is room for; and every other 512 bytes are no record, but for zeros, which are a
 * free one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "edge/journal_record.h"
#include "tests/unit/journal_fixture.h"

#define SLOT 5
#define TIME_S INT64_C(1800000000)
/* Where things lie: journal_record.h. */
#define AT_STATE 4
#define AT_OUTCOME 32
#define AT_CHECKSUM 496
/* What the texts of an outcome have together: 464 bytes without nonce, tag, 11 numbers and 4 lengths. */
#define TEXTS_ROOM (464 - 40 - 22 - 8)

static const uint8_t key[JOURNAL_KEY_BYTES] = "0123456789abcdef0123456789abcde";
static const uint8_t other_key[JOURNAL_KEY_BYTES] = "1123456789abcdef0123456789abcde";

static struct journal_name name_of(const uint8_t *secret, unsigned number)
{
	struct test_subject test;
	struct journal_name name;

	journal_seal_name(&name, secret, test_subject_number(&test, number));
	return name;
}

static void print(uint8_t bytes[JOURNAL_RECORD_BYTES], enum journal_state state,
		  const struct delivery_status *outcome)
{
	struct journal_name name = name_of(key, 1);

	journal_record_print(bytes, key, SLOT, state, TIME_S, &name, outcome);
}

static enum journal_record_result read_record(const uint8_t bytes[JOURNAL_RECORD_BYTES])
{
	struct journal_record record;

	return journal_record_read(&record, bytes, key, SLOT);
}

static void check_head(const uint8_t bytes[JOURNAL_RECORD_BYTES], enum journal_state state)
{
	struct journal_name name = name_of(key, 1);
	struct journal_record record;

	assert_int_equal(journal_record_read(&record, bytes, key, SLOT), JOURNAL_RECORD_OK);
	assert_int_equal(record.state, state);
	assert_int_equal(record.time_s, TIME_S);
	assert_memory_equal(record.name, name.bytes, JOURNAL_NAME_BYTES);
}

/* ---- there and back ---- */

static void read_outcome(const uint8_t bytes[JOURNAL_RECORD_BYTES], struct delivery_status *outcome)
{
	struct journal_name name = name_of(key, 1);

	memset(outcome, 0x55, sizeof(*outcome));
	assert_int_equal(journal_record_outcome(outcome, bytes, &name), 0);
}

static void check_round_trip(enum journal_state state, const struct delivery_status *meant)
{
	uint8_t bytes[JOURNAL_RECORD_BYTES];
	struct delivery_status got;

	print(bytes, state, meant);
	check_head(bytes, state);
	read_outcome(bytes, &got);
	check_same_words(&got, meant);
	assert_false(got.from_journal);
}

static void test_round_trips(void **state)
{
	struct delivery_status outcome = test_relayed();

	(void)state;
	check_round_trip(JOURNAL_RELAYED, &outcome);
	outcome.dsn_offered = false;
	outcome.remote_port = 65535;
	outcome.tls[0] = '\0';
	outcome.reply.text[0] = '\0';
	outcome.reply.status = ENHANCED_STATUS(0, 0, 0);
	check_round_trip(JOURNAL_RELAYED, &outcome);
	outcome = test_failed();
	outcome.status = outcome.reply.status = ENHANCED_STATUS(5, 999, 999);
	check_round_trip(JOURNAL_FAILED, &outcome);
	/* our own words, with and without a server */
	delivery_status_set_local(&outcome, STAGE_MAIL, ENHANCED_STATUS(5, 3, 4), "too big");
	check_round_trip(JOURNAL_FAILED, &outcome);
	memset(&outcome, 0, sizeof(outcome));
	delivery_status_set_local(&outcome, STAGE_DNS, ENHANCED_STATUS(5, 1, 10), "no mail here");
	check_round_trip(JOURNAL_FAILED, &outcome);
	delivery_status_set_local(&outcome, STAGE_DNS, ENHANCED_STATUS(5, 1, 10), "%s", "");
	check_round_trip(JOURNAL_FAILED, &outcome);
}

static void test_intent(void **state)
{
	static const uint8_t zeros[AT_CHECKSUM - AT_OUTCOME];
	struct journal_name name = name_of(key, 1);
	uint8_t bytes[JOURNAL_RECORD_BYTES];
	struct delivery_status outcome;

	(void)state;
	print(bytes, JOURNAL_DOT, NULL);
	check_head(bytes, JOURNAL_DOT);
	assert_memory_equal(bytes, "PJ01\1\0\0\0\0\0\0\0\x6b\x49\xd2\0", 16);
	assert_memory_equal(bytes + AT_OUTCOME, zeros, sizeof(zeros));
	assert_int_equal(journal_record_outcome(&outcome, bytes, &name), -1);
}

static void test_zeros_are_free(void **state)
{
	static const uint8_t zeros[JOURNAL_RECORD_BYTES];
	struct delivery_status outcome = test_relayed();
	struct journal_name name = name_of(key, 1);
	uint8_t bytes[JOURNAL_RECORD_BYTES];
	struct journal_record record;

	(void)state;
	memset(&record, 0x55, sizeof(record));
	assert_int_equal(journal_record_read(&record, zeros, key, SLOT), JOURNAL_RECORD_OK);
	assert_int_equal(record.state, JOURNAL_FREE);
	assert_int_equal(journal_record_outcome(&outcome, zeros, &name), -1);
	print(bytes, JOURNAL_FREE, NULL);
	assert_memory_equal(bytes, zeros, sizeof(zeros));
	print(bytes, JOURNAL_FREE, &outcome);
	assert_memory_equal(bytes, zeros, sizeof(zeros));
}

/* ---- too many words ---- */

static void fill(char *text, size_t length, char with)
{
	memset(text, with, length);
	text[length] = '\0';
}

static struct delivery_status wordy(size_t mta, size_t address, size_t tls, size_t words, bool has_reply)
{
	struct delivery_status outcome = test_failed();

	fill(outcome.remote_mta, mta, 'm');
	fill(outcome.remote_address, address, 'a');
	fill(outcome.tls, tls, 't');
	if (!has_reply)
		delivery_status_set_local(&outcome, STAGE_TLS, ENHANCED_STATUS(5, 7, 1), "%s", "");
	fill(has_reply ? outcome.reply.text : outcome.reason, words, 'w');
	return outcome;
}

/* What comes back: all of host and address, then TLS, then words, as far as there is room. */
static void check_cut(size_t mta, size_t address, size_t tls, size_t words, bool has_reply)
{
	struct delivery_status outcome = wordy(mta, address, tls, words, has_reply), got;
	size_t room = TEXTS_ROOM - mta - address;
	uint8_t bytes[JOURNAL_RECORD_BYTES];

	print(bytes, JOURNAL_FAILED, &outcome);
	read_outcome(bytes, &got);
	tls = tls < room ? tls : room;
	room -= tls;
	words = words < room ? words : room;
	outcome = wordy(mta, address, tls, words, has_reply);
	check_same_words(&got, &outcome);
}

static void test_long_texts(void **state)
{
	(void)state;
	for (int has_reply = 0; has_reply <= 1; has_reply++) {
		check_cut(14, 9, 40, SMTP_REPLY_TEXT_MAX, has_reply);
		check_cut(0, 0, 0, SMTP_REPLY_TEXT_MAX, has_reply);
		check_cut(0, 0, 0, TEXTS_ROOM, has_reply);
		check_cut(0, 0, 0, TEXTS_ROOM + 1, has_reply);
		check_cut(DELIVERY_HOST_MAX, 20, 20, 99, has_reply);
		check_cut(DELIVERY_HOST_MAX, DELIVERY_ADDRESS_MAX, 76, 100, has_reply);
		check_cut(DELIVERY_HOST_MAX, DELIVERY_ADDRESS_MAX, 75, 100, has_reply);
		check_cut(DELIVERY_HOST_MAX, DELIVERY_ADDRESS_MAX, DELIVERY_TLS_MAX, SMTP_REPLY_TEXT_MAX, has_reply);
		check_cut(DELIVERY_HOST_MAX, DELIVERY_ADDRESS_MAX, DELIVERY_TLS_MAX, 0, has_reply);
	}
}

/* ---- damage ---- */

static void check_every_bit(const uint8_t whole[JOURNAL_RECORD_BYTES], bool has_outcome)
{
	struct journal_name name = name_of(key, 1);
	uint8_t bytes[JOURNAL_RECORD_BYTES];
	struct delivery_status outcome;

	for (unsigned bit = 0; bit < 8 * JOURNAL_RECORD_BYTES; bit++) {
		memcpy(bytes, whole, sizeof(bytes));
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (read_record(bytes) != JOURNAL_RECORD_DAMAGED)
			fail_msg("bit %u of byte %u", bit % 8, bit / 8);
		/* The seal holds without the checksum, too: the name, and what is sealed under it. */
		if (has_outcome && bit / 8 >= 16 && bit / 8 < AT_CHECKSUM)
			assert_int_equal(journal_record_outcome(&outcome, bytes, &name), -1);
	}
}

static void test_every_bit(void **state)
{
	static const uint8_t zeros[JOURNAL_RECORD_BYTES];
	struct delivery_status outcome = test_relayed();
	uint8_t bytes[JOURNAL_RECORD_BYTES];

	(void)state;
	print(bytes, JOURNAL_RELAYED, &outcome);
	check_every_bit(bytes, true);
	print(bytes, JOURNAL_DOT, NULL);
	check_every_bit(bytes, false);
	check_every_bit(zeros, false);
}

/* A checksum is right, but what it covers is none of ours: a later format, a state of the future. */
static void test_sound_but_strange(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
	} rows[] = { { 0, 'Q' }, { 3, '2' }, { AT_STATE, 0 }, { AT_STATE, 4 }, { AT_STATE, 255 } };
	struct delivery_status outcome = test_relayed();
	uint8_t bytes[JOURNAL_RECORD_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print(bytes, JOURNAL_RELAYED, &outcome);
		bytes[rows[i].at] = rows[i].byte;
		journal_seal_checksum(bytes + AT_CHECKSUM, key, bytes, AT_CHECKSUM, SLOT);
		assert_int_equal(read_record(bytes), JOURNAL_RECORD_DAMAGED);
	}
}

static void test_another_slot(void **state)
{
	struct delivery_status outcome = test_relayed();
	uint8_t bytes[JOURNAL_RECORD_BYTES];
	struct journal_record record;

	(void)state;
	print(bytes, JOURNAL_RELAYED, &outcome);
	assert_int_equal(read_record(bytes), JOURNAL_RECORD_OK);
	for (uint32_t slot = 0; slot < 600; slot++)
		assert_int_equal(journal_record_read(&record, bytes, key, slot),
				 slot == SLOT ? JOURNAL_RECORD_OK : JOURNAL_RECORD_DAMAGED);
}

static void test_another_key(void **state)
{
	struct journal_name same = name_of(key, 1), other = name_of(other_key, 1);
	struct delivery_status outcome = test_relayed(), got;
	uint8_t bytes[JOURNAL_RECORD_BYTES];
	struct journal_record record;

	(void)state;
	print(bytes, JOURNAL_RELAYED, &outcome);
	assert_int_equal(journal_record_read(&record, bytes, other_key, SLOT), JOURNAL_RECORD_DAMAGED);
	assert_memory_not_equal(same.bytes, other.bytes, JOURNAL_NAME_BYTES);
	assert_memory_not_equal(same.record_key, other.record_key, JOURNAL_KEY_BYTES);
	assert_int_equal(journal_record_outcome(&got, bytes, &other), -1);
	/* whoever has the secret, but not the message */
	memcpy(other.bytes, same.bytes, JOURNAL_NAME_BYTES);
	assert_int_equal(journal_record_outcome(&got, bytes, &other), -1);
}

static void test_another_name(void **state)
{
	struct journal_name same = name_of(key, 1), other = name_of(key, 2);
	struct delivery_status outcome = test_relayed(), got;
	uint8_t bytes[JOURNAL_RECORD_BYTES];

	(void)state;
	assert_memory_not_equal(same.bytes, other.bytes, JOURNAL_NAME_BYTES);
	assert_memory_not_equal(same.record_key, other.record_key, JOURNAL_KEY_BYTES);
	print(bytes, JOURNAL_RELAYED, &outcome);
	assert_int_equal(journal_record_outcome(&got, bytes, &other), -1);
	memcpy(bytes + 16, other.bytes, JOURNAL_NAME_BYTES);
	assert_int_equal(journal_record_outcome(&got, bytes, &other), -1);
}

/* Nobody who reads the disk learns a word, not even that two outcomes are the same. */
static void test_nothing_in_clear(void **state)
{
	struct delivery_status outcome = test_relayed();
	uint8_t one[JOURNAL_RECORD_BYTES], two[JOURNAL_RECORD_BYTES];

	(void)state;
	print(one, JOURNAL_RELAYED, &outcome);
	print(two, JOURNAL_RELAYED, &outcome);
	assert_null(memmem(one, sizeof(one), "queued", 6));
	assert_null(memmem(one, sizeof(one), "mx.example", 10));
	assert_null(memmem(one, sizeof(one), "4Xq1", 4));
	assert_memory_not_equal(one + AT_OUTCOME, two + AT_OUTCOME, 24);
	for (size_t at = AT_OUTCOME + 24; at < AT_CHECKSUM; at += 16)
		assert_memory_not_equal(one + at, two + at, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_intent),
		cmocka_unit_test(test_zeros_are_free),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_sound_but_strange),
		cmocka_unit_test(test_another_slot),
		cmocka_unit_test(test_another_key),
		cmocka_unit_test(test_another_name),
		cmocka_unit_test(test_nothing_in_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
