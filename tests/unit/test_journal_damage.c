/*
 * Goal: a journal whose file or key was damaged, cut, exchanged or lost costs what was hit and no
 * more: the other records are kept, and nothing is ever known from garbage (case 170).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "lib/log.h"
#include "tests/unit/captured_log.h"
#include "tests/unit/journal_fixture.h"

#define FILE_BYTES (JOURNAL_FIXTURE_SLOTS * JOURNAL_RECORD_BYTES)
#define SUBJECTS 6

struct world {
	struct journal_place place;
	struct journal *journal;	/* NULL while the file is changed */
	struct captured_log log;
	uint8_t bytes[FILE_BYTES];
};

/* A journal that knows SUBJECTS deliveries, in the first slots in this order; closed. */
static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct delivery_status relayed = test_relayed();
	struct test_subject test;
	struct journal *journal;

	captured_log_start(&world->log);
	journal_place_make(&world->place);
	journal = journal_place_open(&world->place);
	for (unsigned i = 0; i < SUBJECTS; i++)
		deliver_once(journal, test_subject_number(&test, i), true, &relayed);
	journal_close(journal);
	journal_place_read(&world->place, world->bytes, FILE_BYTES);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	journal_close(world->journal);
	journal_place_remove(&world->place);
	captured_log_stop(&world->log);
	free(world);
	return 0;
}

static uint8_t *record(struct world *world, unsigned slot)
{
	return world->bytes + (size_t)slot * JOURNAL_RECORD_BYTES;
}

/* Opens the journal with what was made of it. */
static void open_changed(struct world *world, size_t length)
{
	journal_place_write(&world->place, world->bytes, length);
	world->journal = journal_place_open(&world->place);
}

/* `lost`: a bit for each subject of which nothing is known any more. */
static void check_lost(struct world *world, unsigned lost)
{
	struct delivery_status relayed = test_relayed();
	struct test_subject test;

	for (unsigned i = 0; i < SUBJECTS; i++)
		if ((lost >> i & 1) != 0)
			check_claimable(world->journal, test_subject_number(&test, i), false);
		else
			check_known(world->journal, test_subject_number(&test, i), &relayed);
}

static void check_damaged_count(struct world *world, unsigned count)
{
	char text[100];

	snprintf(text, sizeof(text), ": %u damaged records are ignored", count);
	assert_int_equal(captured_log_count(&world->log, text), count > 0);
	assert_int_equal(captured_log_count(&world->log, "damaged"), count > 0);
}

/* ---- records ---- */

static void test_undamaged(void **state)
{
	struct world *world = *state;

	open_changed(world, FILE_BYTES);
	check_damaged_count(world, 0);
	check_lost(world, 0);
}

static void test_flipped_bytes(void **state)
{
	struct world *world = *state;

	record(world, 1)[20] ^= 1;
	record(world, 3)[300] ^= 0x80;
	record(world, 5)[511] ^= 0x10;
	record(world, 9)[100] ^= 1;	/* was free */
	open_changed(world, FILE_BYTES);
	check_damaged_count(world, 4);
	check_lost(world, 1 << 1 | 1 << 3 | 1 << 5);
}

/* Their slots are used again. */
static void test_damaged_slots_are_free(void **state)
{
	struct world *world = *state;
	struct delivery_status failed = test_failed();
	struct test_subject test;

	memset(record(world, 0), 0xff, 2 * JOURNAL_RECORD_BYTES);
	memset(record(world, SUBJECTS), 0x55, FILE_BYTES - SUBJECTS * JOURNAL_RECORD_BYTES);
	open_changed(world, FILE_BYTES);
	check_damaged_count(world, JOURNAL_FIXTURE_SLOTS - SUBJECTS + 2);
	for (unsigned i = SUBJECTS - 2; i < JOURNAL_FIXTURE_SLOTS; i++)
		deliver_once(world->journal, test_subject_number(&test, 100 + i), true, &failed);
	world->journal = journal_place_reopen(&world->place, world->journal);
	check_damaged_count(world, JOURNAL_FIXTURE_SLOTS - SUBJECTS + 2);
	for (unsigned i = SUBJECTS - 2; i < JOURNAL_FIXTURE_SLOTS; i++)
		check_known(world->journal, test_subject_number(&test, 100 + i), &failed);
	for (unsigned i = 2; i < SUBJECTS; i++) {
		struct delivery_status relayed = test_relayed();

		check_known(world->journal, test_subject_number(&test, i), &relayed);
	}
}

/* A write in place that was cut short. */
static void test_torn_records(void **state)
{
	struct world *world = *state;

	memset(record(world, 2) + 256, 0, 256);
	memcpy(record(world, 4), record(world, 0), 256);
	open_changed(world, FILE_BYTES);
	check_damaged_count(world, 2);
	check_lost(world, 1 << 2 | 1 << 4);
}

/* A record in another's place, or in two. */
static void test_moved_records(void **state)
{
	struct world *world = *state;

	memcpy(record(world, 1), record(world, 2), JOURNAL_RECORD_BYTES);
	memcpy(record(world, 10), record(world, 3), JOURNAL_RECORD_BYTES);
	open_changed(world, FILE_BYTES);
	check_damaged_count(world, 2);
	check_lost(world, 1 << 1);
}

static void test_garbage(void **state)
{
	struct world *world = *state;

	srandom(1);
	for (size_t i = 0; i < FILE_BYTES; i++)
		world->bytes[i] = (uint8_t)random();
	open_changed(world, FILE_BYTES);
	check_damaged_count(world, JOURNAL_FIXTURE_SLOTS);
	check_lost(world, (1 << SUBJECTS) - 1);
}

/* Damaged while it runs: that it was delivered is certain, only the words are lost. */
static void test_damaged_later(void **state)
{
	struct world *world = *state;
	struct delivery_status status;
	struct journal_claim claim;
	struct test_subject test;
	uint8_t byte;
	int fd;

	open_changed(world, FILE_BYTES);
	/* Ciphertext: whatever is written, it must be another byte. */
	fd = open(world->place.path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, 100), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 100), 1);
	close(fd);
	assert_int_equal(claim_at_once(world->journal, test_subject_number(&test, 0), &claim, &status), JOURNAL_KNOWN);
	assert_int_equal(status.action, DELIVERY_RELAYED);
	assert_true(status.from_journal);
	assert_string_equal(status.reason, "delivered by an earlier attempt, whose reply cannot be read any more");
}

/* ---- the file's length ---- */

static void test_cut_file(void **state)
{
	struct world *world = *state;

	open_changed(world, 3 * JOURNAL_RECORD_BYTES);
	check_damaged_count(world, 0);
	check_lost(world, 1 << 3 | 1 << 4 | 1 << 5);
	assert_int_equal(journal_place_size(&world->place), FILE_BYTES);
}

static void test_cut_in_a_record(void **state)
{
	struct world *world = *state;

	open_changed(world, 5 * JOURNAL_RECORD_BYTES + 100);
	check_damaged_count(world, 1);
	check_lost(world, 1 << 5);
	assert_int_equal(journal_place_size(&world->place), FILE_BYTES);
}

static void test_empty_file(void **state)
{
	struct world *world = *state;

	open_changed(world, 0);
	check_damaged_count(world, 0);
	check_lost(world, (1 << SUBJECTS) - 1);
}

/* journal_size was made smaller: what the file holds counts. */
static void test_smaller_setting(void **state)
{
	struct world *world = *state;

	world->place.settings.size = 2 * JOURNAL_RECORD_BYTES;
	open_changed(world, FILE_BYTES);
	assert_int_equal(captured_log_count(&world->log, "6 outcomes, 0 deliveries in doubt, room for 16"), 1);
	check_lost(world, 0);
}

/* ---- the same name twice ---- */

/* A record as this journal would have written it. */
static void forge(struct world *world, uint32_t slot, enum journal_state state, int64_t time_s, unsigned number,
		  const struct delivery_status *outcome)
{
	uint8_t key[JOURNAL_KEY_BYTES];
	struct journal_name name;
	struct test_subject test;
	char error[300] = "";

	if (journal_seal_key(key, world->place.key_path, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	journal_seal_name(&name, key, test_subject_number(&test, number));
	journal_record_print(record(world, slot), key, slot, state, time_s, &name, outcome);
}

static void test_later_record_counts(void **state)
{
	struct world *world = *state;
	struct delivery_status failed = test_failed(), relayed = test_relayed();
	struct test_subject test;
	int64_t now_s = time(NULL);

	forge(world, 8, JOURNAL_FAILED, now_s + 10, 1, &failed);	/* after slot 1's */
	forge(world, 9, JOURNAL_FAILED, now_s - 1000, 2, &failed);	/* before slot 2's */
	open_changed(world, FILE_BYTES);
	check_known(world->journal, test_subject_number(&test, 1), &failed);
	check_known(world->journal, test_subject_number(&test, 2), &relayed);
}

/* Records older than journal_keep are not known, and their slots are free. */
static void test_old_records(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = test_relayed();
	struct test_subject test;
	int64_t now_s = time(NULL);

	for (uint32_t slot = 0; slot < JOURNAL_FIXTURE_SLOTS; slot++)
		forge(world, slot, JOURNAL_RELAYED, now_s - HOUR_MS / 1000 + (slot % 2 == 0 ? 100 : -100), slot,
		      &relayed);
	open_changed(world, FILE_BYTES);
	for (unsigned i = 0; i < JOURNAL_FIXTURE_SLOTS; i += 2)
		check_known(world->journal, test_subject_number(&test, i), &relayed);
	for (unsigned i = 1; i < JOURNAL_FIXTURE_SLOTS; i += 2)
		deliver_once(world->journal, test_subject_number(&test, i), true, &relayed);
}

/* Times that no clock tells. */
static void test_absurd_times(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = test_relayed();

	forge(world, 0, JOURNAL_RELAYED, INT64_MAX, 0, &relayed);
	forge(world, 1, JOURNAL_RELAYED, INT64_MIN, 1, &relayed);
	forge(world, 2, JOURNAL_RELAYED, 0, 2, &relayed);
	forge(world, 3, JOURNAL_RELAYED, -1, 3, &relayed);
	open_changed(world, FILE_BYTES);
	check_lost(world, 1 << 1 | 1 << 2 | 1 << 3);
}

/* ---- the key ---- */

static void test_lost_key(void **state)
{
	struct world *world = *state;

	assert_int_equal(unlink(world->place.key_path), 0);
	open_changed(world, FILE_BYTES);
	check_damaged_count(world, SUBJECTS);
	check_lost(world, (1 << SUBJECTS) - 1);
}

static void replace_key(struct world *world, const char *text, mode_t mode)
{
	FILE *file = fopen(world->place.key_path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(world->place.key_path, mode), 0);
}

static const char other_key[] = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n";

static void test_replaced_key(void **state)
{
	struct world *world = *state;

	replace_key(world, other_key, 0600);
	open_changed(world, FILE_BYTES);
	check_damaged_count(world, SUBJECTS);
	check_lost(world, (1 << SUBJECTS) - 1);
}

/* A key that is no secret, or none at all, is not gone on without. */
static void test_bad_keys(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		const char *words;
	} rows[] = {
		{ other_key, 0644, "mode 0644 lets others read this key; chmod 600" },
		{ "", 0600, "empty" },
		{ "0123", 0600, "not a key" },
	};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char error[300] = "";

		replace_key(world, rows[i].text, rows[i].mode);
		assert_null(journal_open(&world->place.settings, error, sizeof(error)));
		assert_ptr_equal(strstr(error, world->place.key_path), error);
		assert_non_null(strstr(error, rows[i].words));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_undamaged),
		TEST(test_flipped_bytes),
		TEST(test_damaged_slots_are_free),
		TEST(test_torn_records),
		TEST(test_moved_records),
		TEST(test_garbage),
		TEST(test_damaged_later),
		TEST(test_cut_file),
		TEST(test_cut_in_a_record),
		TEST(test_empty_file),
		TEST(test_smaller_setting),
		TEST(test_later_record_counts),
		TEST(test_old_records),
		TEST(test_absurd_times),
		TEST(test_lost_key),
		TEST(test_replaced_key),
		TEST(test_bad_keys),
	};

	log_open(NULL, LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
