/*
 * Goal: a disk that fails, is full, or loses its power takes nothing from the journal that was
 * promised: without an intent no dot, what is known is told, room comes back with time (case 171).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/log.h"
#include "tests/unit/captured_log.h"
#include "tests/unit/fake_disk.h"
#include "tests/unit/journal_fixture.h"

#define FILE_BYTES (JOURNAL_FIXTURE_SLOTS * JOURNAL_RECORD_BYTES)
#define DAY_S 86400

struct world {
	struct journal_place place;
	struct journal *journal;
	struct captured_log log;
	struct test_subject one;
	const struct journal_subject *subject;	/* of `one` */
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	fake_disk_reset();
	captured_log_start(&world->log);
	journal_place_make(&world->place);
	world->journal = journal_place_open(&world->place);
	world->subject = test_subject_number(&world->one, 1);
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

static void reopen(struct world *world)
{
	world->journal = journal_place_reopen(&world->place, world->journal);
}

static void check_refused(struct world *world, const struct journal_subject *subject, const char *why)
{
	struct delivery_status status, relayed = test_relayed();
	struct journal_claim claim;

	assert_int_equal(claim_at_once(world->journal, subject, &claim, &status), JOURNAL_REFUSED);
	assert_false(claim.is_held);
	assert_int_equal(status.action, DELIVERY_DELAYED);
	assert_true(test_same_code(status.status, ENHANCED_STATUS(4, 3, 1)));
	assert_string_equal(status.reason, why);
	assert_false(status.from_journal);
	journal_settle(world->journal, &claim, &relayed);
}

/* ---- failing ---- */

static const char cannot_write[] = "this edge cannot write its journal";

/* An intent fails; then nothing new is begun, what is known is told, and in the end all is well. */
static void check_failing_intent(struct world *world, _Atomic int *error)
{
	struct delivery_status status, relayed = test_relayed(), delayed = test_delayed(), in_doubt = test_in_doubt();
	struct test_subject known, doubted, fresh;
	struct journal_claim claim, early;

	deliver_once(world->journal, test_subject_number(&known, 2), true, &relayed);
	deliver_once(world->journal, test_subject_number(&doubted, 3), true, &in_doubt);
	test_subject_number(&fresh, 4);
	assert_int_equal(claim_at_once(world->journal, world->subject, &claim, &status), JOURNAL_CLAIMED);
	assert_int_equal(claim_at_once(world->journal, &fresh.subject, &early, &status), JOURNAL_CLAIMED);
	*error = EIO;
	assert_int_equal(intend_one(world->journal, &claim), -1);
	journal_settle(world->journal, &claim, &delayed);
	check_refused(world, world->subject, cannot_write);
	check_refused(world, &doubted.subject, cannot_write);
	check_known(world->journal, &known.subject, &relayed);
	assert_int_equal(intend_one(world->journal, &early), -1);
	journal_settle(world->journal, &early, &delayed);
	assert_int_equal(captured_log_count(&world->log, ": Input/output error; no mail is delivered that"), 1);

	*error = 0;
	check_refused(world, world->subject, cannot_write);
	fake_disk.clock_ahead_s += 11;
	deliver_once(world->journal, world->subject, true, &relayed);
	check_claimable(world->journal, &fresh.subject, false);
	check_claimable(world->journal, &doubted.subject, true);
	check_known(world->journal, world->subject, &relayed);
	reopen(world);
	check_known(world->journal, world->subject, &relayed);
	check_known(world->journal, &known.subject, &relayed);
	check_claimable(world->journal, &doubted.subject, true);
}

static void test_intent_not_written(void **state)
{
	check_failing_intent(*state, &fake_disk.write_error);
}

static void test_intent_not_synced(void **state)
{
	check_failing_intent(*state, &fake_disk.sync_error);
}

/* Nobody is asked whether a sync works when nobody wants one. */
static void test_no_sync(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = test_relayed();

	world->place.settings.is_synced = false;
	reopen(world);
	fake_disk.sync_error = EIO;
	deliver_once(world->journal, world->subject, true, &relayed);
	check_known(world->journal, world->subject, &relayed);
}

/* The outcome stands; after a restart there is at least the doubt. */
static void test_outcome_not_written(void **state)
{
	struct world *world = *state;
	struct delivery_status status, relayed = test_relayed();
	struct journal_claim claim;

	assert_int_equal(claim_at_once(world->journal, world->subject, &claim, &status), JOURNAL_CLAIMED);
	assert_int_equal(intend_one(world->journal, &claim), 0);
	fake_disk.write_error = ENOSPC;
	journal_settle(world->journal, &claim, &relayed);
	assert_int_equal(captured_log_count(&world->log, "an outcome may be forgotten when this edge stops"), 1);
	assert_int_equal(claim_at_once(world->journal, world->subject, &claim, &status), JOURNAL_KNOWN);
	assert_int_equal(status.action, DELIVERY_RELAYED);
	assert_true(status.from_journal);
	assert_non_null(strstr(status.reason, "delivered by an earlier attempt"));
	fake_disk.write_error = 0;
	reopen(world);
	check_claimable(world->journal, world->subject, true);
}

/* The dot was not sent; after a restart nobody knows that any more. */
static void test_intent_not_taken_back(void **state)
{
	struct world *world = *state;
	struct delivery_status status, delayed = test_delayed();
	struct journal_claim claim;

	assert_int_equal(claim_at_once(world->journal, world->subject, &claim, &status), JOURNAL_CLAIMED);
	assert_int_equal(intend_one(world->journal, &claim), 0);
	fake_disk.write_error = EIO;
	journal_settle(world->journal, &claim, &delayed);
	assert_int_equal(captured_log_count(&world->log, "will be called a possible duplicate"), 1);
	fake_disk.write_error = 0;
	check_claimable(world->journal, world->subject, false);
	reopen(world);
	check_claimable(world->journal, world->subject, true);
}

/* ---- full ---- */

static void fill(struct world *world, const struct delivery_status *outcome)
{
	struct test_subject test;

	for (unsigned i = 0; i < JOURNAL_FIXTURE_SLOTS; i++)
		deliver_once(world->journal, test_subject_number(&test, 100 + i), true, outcome);
}

static void test_full(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = test_relayed();
	struct test_subject test;

	fill(world, &relayed);
	check_refused(world, world->subject, "this edge's journal is full");
	check_refused(world, world->subject, "this edge's journal is full");
	assert_int_equal(captured_log_count(&world->log, "is full: mail is deferred until"), 1);
	reopen(world);
	check_refused(world, world->subject, "this edge's journal is full");
	for (unsigned i = 0; i < JOURNAL_FIXTURE_SLOTS; i++)
		check_known(world->journal, test_subject_number(&test, 100 + i), &relayed);
	/* not yet old enough */
	fake_disk.clock_ahead_s += HOUR_MS / 1000 - 60;
	check_refused(world, world->subject, "this edge's journal is full");
	fake_disk.clock_ahead_s += 60 + 601;
	check_claimable(world->journal, world->subject, false);
	for (unsigned i = 0; i < JOURNAL_FIXTURE_SLOTS; i++)
		check_claimable(world->journal, test_subject_number(&test, 100 + i), false);
	fill(world, &relayed);
}

/* A delivery that is under way keeps its place, however long it takes. */
static void test_held_does_not_expire(void **state)
{
	struct world *world = *state;
	struct delivery_status status, relayed = test_relayed();
	struct journal_claim claim, second;
	struct test_subject test;

	assert_int_equal(claim_at_once(world->journal, world->subject, &claim, &status), JOURNAL_CLAIMED);
	assert_int_equal(intend_one(world->journal, &claim), 0);
	fake_disk.clock_ahead_s += 2 * HOUR_MS / 1000;
	check_claimable(world->journal, test_subject_number(&test, 2), false);
	assert_int_equal(claim_at_once(world->journal, world->subject, &second, &status), JOURNAL_BUSY);
	journal_settle(world->journal, &claim, &relayed);
	check_known(world->journal, world->subject, &relayed);
}

static void test_expired_while_down(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = test_relayed();
	struct test_subject later;

	deliver_once(world->journal, world->subject, true, &relayed);
	fake_disk.clock_ahead_s += 40 * 60;
	deliver_once(world->journal, test_subject_number(&later, 2), true, &relayed);
	fake_disk.clock_ahead_s += 21 * 60;
	reopen(world);
	check_claimable(world->journal, world->subject, false);
	check_known(world->journal, &later.subject, &relayed);
	assert_int_equal(captured_log_count(&world->log, "of another time than this machine's clock"), 0);
}

/* ---- clocks ---- */

#define YEARS_10_S (3653 * (int64_t)DAY_S)

/* Off for longer than outcomes are kept, or a wrong clock: kept for another while, not for ever. */
static void test_down_for_long(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = test_relayed();

	deliver_once(world->journal, world->subject, true, &relayed);
	fake_disk.clock_ahead_s += HOUR_MS / 1000 + 2;
	reopen(world);
	assert_int_equal(captured_log_count(&world->log, "of another time than this machine's clock"), 1);
	fake_disk.clock_ahead_s += HOUR_MS / 1000 - 60;
	check_known(world->journal, world->subject, &relayed);
	fake_disk.clock_ahead_s += 60 + 601;
	check_claimable(world->journal, world->subject, false);
}

/*
 * Case 106: the clock is set by ten years, forth or back: nothing is forgotten before its time, now
 * and after restarts under the wrong clock and under the right one; and all of it goes in the end.
 */
static void check_clock_jump(struct world *world, int64_t jump_s)
{
	struct delivery_status relayed = test_relayed();
	struct test_subject before, after, restarted, corrected;

	deliver_once(world->journal, test_subject_number(&before, 1), true, &relayed);
	fake_disk.wall_ahead_s = jump_s;
	fake_disk.clock_ahead_s += 601;			/* the journal looks for what is too old */
	deliver_once(world->journal, test_subject_number(&after, 2), true, &relayed);
	check_known(world->journal, &before.subject, &relayed);
	reopen(world);
	deliver_once(world->journal, test_subject_number(&restarted, 3), true, &relayed);
	fake_disk.clock_ahead_s += 601;
	check_known(world->journal, &before.subject, &relayed);
	fake_disk.wall_ahead_s = 0;
	reopen(world);
	deliver_once(world->journal, test_subject_number(&corrected, 4), true, &relayed);
	fake_disk.clock_ahead_s += 601;
	check_known(world->journal, &before.subject, &relayed);
	check_known(world->journal, &after.subject, &relayed);
	check_known(world->journal, &restarted.subject, &relayed);
	check_known(world->journal, &corrected.subject, &relayed);
	fake_disk.clock_ahead_s += HOUR_MS / 1000 + 601;
	for (unsigned number = 1; number <= 4; number++)
		check_claimable(world->journal, test_subject_number(&before, number), false);
}

static void test_clock_jumps_forth(void **state)
{
	check_clock_jump(*state, YEARS_10_S);
}

static void test_clock_jumps_back(void **state)
{
	check_clock_jump(*state, -YEARS_10_S);
}

/* Case 106: written under a clock that was far ahead: known all the same, and not for ever. */
static void test_clock_was_ahead(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = test_relayed();

	fake_disk.clock_ahead_s = 1000 * (int64_t)DAY_S;
	deliver_once(world->journal, world->subject, true, &relayed);
	journal_close(world->journal);
	fake_disk.clock_ahead_s = 0;
	world->journal = journal_place_open(&world->place);
	check_known(world->journal, world->subject, &relayed);
	fake_disk.clock_ahead_s = HOUR_MS / 1000 + 2;
	check_claimable(world->journal, world->subject, false);
}

/* ---- the power goes ---- */

#define SUBJECTS 10

/* The least that must be known of a subject, and what else may be. */
struct promise {
	bool may_be_new, may_be_doubt;
	bool may_be_known;
	struct delivery_status outcome;	/* if it is known */
};

/* After the loss of everything that was not synced, or of some of it. */
static void check_after_cut(struct world *world, const struct promise *promises, bool keeps_some)
{
	struct journal_place copy = world->place;
	uint8_t bytes[FILE_BYTES], now[FILE_BYTES];
	struct journal *journal;

	snprintf(copy.path, sizeof(copy.path), "%s/copy", copy.directory);
	snprintf(copy.key_path, sizeof(copy.key_path), "%s.key", copy.path);
	copy.settings.path = copy.path;
	journal_place_read(&world->place, now, sizeof(now));
	memcpy(bytes, fake_disk.durable, sizeof(bytes));
	for (unsigned slot = 0; slot < JOURNAL_FIXTURE_SLOTS; slot++)
		if (keeps_some && random() % 2 == 0)
			memcpy(bytes + slot * JOURNAL_RECORD_BYTES, now + slot * JOURNAL_RECORD_BYTES,
			       JOURNAL_RECORD_BYTES);
	journal_place_write(&copy, bytes, sizeof(bytes));
	assert_int_equal(link(world->place.key_path, copy.key_path), 0);
	fake_disk.is_recording = false;
	journal = journal_place_open(&copy);
	for (unsigned i = 0; i < SUBJECTS; i++) {
		const struct promise *promise = &promises[i];
		struct delivery_status status;
		struct journal_claim claim;
		struct test_subject test;

		if (claim_at_once(journal, test_subject_number(&test, i), &claim, &status) == JOURNAL_KNOWN) {
			assert_true(promise->may_be_known);
			check_same_words(&status, &promise->outcome);
		} else {
			assert_true(claim.is_held);
			assert_true(claim.is_in_doubt ? promise->may_be_doubt : promise->may_be_new);
		}
	}
	journal_close(journal);
	fake_disk.is_recording = true;
	unlink(copy.path);
	unlink(copy.key_path);
}

/* One delivery of one subject; the promises follow. */
static void step(struct world *world, unsigned number, struct promise *promises)
{
	struct promise *promise = &promises[number];
	struct delivery_status status, outcome;
	struct journal_claim claim;
	struct test_subject test;
	enum journal_answer answer = claim_at_once(world->journal, test_subject_number(&test, number), &claim, &status);
	bool with_dot = random() % 4 != 0;

	if (answer == JOURNAL_KNOWN) {
		assert_true(promise->may_be_known);
		check_same_words(&status, &promise->outcome);
		return;
	}
	assert_int_equal(answer, JOURNAL_CLAIMED);
	if (with_dot) {
		assert_int_equal(intend_one(world->journal, &claim), 0);
		*promise = (struct promise){ .may_be_doubt = true };
		check_after_cut(world, promises, random() % 2 == 0);
	}
	switch (random() % (with_dot ? 8 : 2)) {
	case 0:
		outcome = test_failed();
		promise->may_be_known = true;
		promise->outcome = outcome;
		break;
	case 2:
		outcome = test_relayed();
		snprintf(outcome.reply.text, sizeof(outcome.reply.text), "2.1.5 queued as %ld", random());
		*promise = (struct promise){ .may_be_known = true, .outcome = outcome };
		break;
	case 3:
		outcome = test_in_doubt();
		break;
	default:
		outcome = test_delayed();
		if (!claim.is_in_doubt)
			promise->may_be_new = true;
	}
	journal_settle(world->journal, &claim, &outcome);
}

static void power_cuts(struct world *world, unsigned seed)
{
	struct promise promises[SUBJECTS];

	srandom(seed);
	for (unsigned i = 0; i < SUBJECTS; i++)
		promises[i] = (struct promise){ .may_be_new = true };
	memset(fake_disk.durable, 0, sizeof(fake_disk.durable));
	fake_disk.is_recording = true;
	for (unsigned i = 0; i < 60; i++) {
		step(world, (unsigned)(random() % SUBJECTS), promises);
		check_after_cut(world, promises, random() % 2 == 0);
	}
	fake_disk.is_recording = false;
}

/*
 * At every return of journal_intend() and journal_settle() the power may go. All that was promised
 * by then is there: whoever was intended for is in doubt or known, whoever was delivered to is known
 * with the same words; and nothing is known that never was.
 */
static void test_power_cut(void **state)
{
	struct world *world = *state;

	for (unsigned seed = 1; seed <= 30; seed++) {
		power_cuts(world, seed);
		journal_close(world->journal);
		unlink(world->place.path);
		world->journal = journal_place_open(&world->place);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_intent_not_written),
		TEST(test_intent_not_synced),
		TEST(test_no_sync),
		TEST(test_outcome_not_written),
		TEST(test_intent_not_taken_back),
		TEST(test_full),
		TEST(test_held_does_not_expire),
		TEST(test_expired_while_down),
		TEST(test_down_for_long),
		TEST(test_clock_jumps_forth),
		TEST(test_clock_jumps_back),
		TEST(test_clock_was_ahead),
		TEST(test_power_cut),
	};

	log_open(NULL, LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
