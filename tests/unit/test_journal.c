/*
 * Goal: the journal keeps what journal.h promises: an outcome is told again, also after a restart;
 * an intent without an outcome is a doubt; two deliveries of the same do not go on at once; what is
 * not the same is not taken for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <sys/wait.h>

#include "eventually.h"
#include "lib/log.h"
#include "tests/unit/captured_log.h"
#include "tests/unit/fake_disk.h"
#include "tests/unit/journal_fixture.h"


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

/* ---- what becomes of a claim ---- */

static void test_unknown_is_claimed(void **state)
{
	struct world *world = *state;
	struct delivery_status status, delayed = test_delayed();
	struct journal_claim claim;

	assert_int_equal(claim_at_once(world->journal, world->subject, &claim, &status), JOURNAL_CLAIMED);
	assert_true(claim.is_held);
	assert_false(claim.is_in_doubt);
	journal_settle(world->journal, &claim, &delayed);
	assert_false(claim.is_held);
	assert_int_equal(fake_disk.writes, 0);
}

static void check_outcome_is_told(struct world *world, unsigned number, const struct delivery_status *outcome)
{
	const struct journal_subject *subject;
	struct test_subject test;

	subject = test_subject_number(&test, number);
	deliver_once(world->journal, subject, true, outcome);
	check_known(world->journal, subject, outcome);
	check_known(world->journal, subject, outcome);
	reopen(world);
	check_known(world->journal, subject, outcome);
}

static void test_outcome_is_told_again(void **state)
{
	struct delivery_status outcome = test_relayed();

	check_outcome_is_told(*state, 1, &outcome);
	outcome = test_failed();
	check_outcome_is_told(*state, 2, &outcome);
	memset(&outcome, 0, sizeof(outcome));
	delivery_status_set_local(&outcome, STAGE_DNS, ENHANCED_STATUS(5, 1, 10), "no mail here");
	check_outcome_is_told(*state, 3, &outcome);
}

/* Refused before the dot. */
static void test_refusal_without_intent(void **state)
{
	struct world *world = *state;
	struct delivery_status failed = test_failed();

	deliver_once(world->journal, world->subject, false, &failed);
	check_known(world->journal, world->subject, &failed);
	reopen(world);
	check_known(world->journal, world->subject, &failed);
}

static void check_delayed(struct world *world, bool with_dot)
{
	struct delivery_status delayed = test_delayed();

	deliver_once(world->journal, world->subject, with_dot, &delayed);
	check_claimable(world->journal, world->subject, false);
	reopen(world);
	check_claimable(world->journal, world->subject, false);
}

static void test_delayed_leaves_nothing(void **state)
{
	static const uint8_t zeros[JOURNAL_FIXTURE_SLOTS * JOURNAL_RECORD_BYTES];
	struct world *world = *state;
	uint8_t bytes[sizeof(zeros)];

	check_delayed(world, false);
	check_delayed(world, true);
	journal_place_read(&world->place, bytes, sizeof(bytes));
	assert_memory_equal(bytes, zeros, sizeof(zeros));
}

/* An outcome is on disk before journal_settle() returns, a refusal may come later. */
static void test_what_is_synced(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = test_relayed(), failed = test_failed();
	struct test_subject other;

	deliver_once(world->journal, world->subject, true, &relayed);
	assert_int_equal(fake_disk.syncs, 2);
	deliver_once(world->journal, test_subject_number(&other, 2), true, &failed);
	assert_int_equal(fake_disk.syncs, 3);
	world->place.settings.is_synced = false;
	reopen(world);
	deliver_once(world->journal, test_subject_number(&other, 3), true, &relayed);
	assert_int_equal(fake_disk.syncs, 3);
}

/* All intents of a transaction share one sync; claims that are not held are passed over. */
static void test_intents_together(void **state)
{
	struct world *world = *state;
	struct delivery_status status, relayed = test_relayed();
	struct journal_claim claims[4], not_held = { 0 };
	struct journal_claim *pointers[5] = { &not_held };
	struct test_subject test;

	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(claim_at_once(world->journal, test_subject_number(&test, i), &claims[i], &status),
				 JOURNAL_CLAIMED);
		pointers[i + 1] = &claims[i];
	}
	assert_int_equal(journal_intend(world->journal, pointers, 5), 0);
	assert_int_equal(fake_disk.writes, 4);
	assert_int_equal(fake_disk.syncs, 1);
	assert_int_equal(journal_intend(world->journal, pointers, 1), 0);
	assert_int_equal(journal_intend(world->journal, pointers, 0), 0);
	journal_settle(world->journal, &not_held, &relayed);
	assert_int_equal(fake_disk.syncs, 1);
	reopen(world);
	for (unsigned i = 0; i < 4; i++)
		check_claimable(world->journal, test_subject_number(&test, i), true);
}

/* ---- doubt ---- */

/* A process that ends between the dot and its reply. */
static void die_after_intent(struct world *world)
{
	pid_t child;
	int status;

	journal_close(world->journal);
	world->journal = NULL;
	child = fork();
	if (child == 0) {
		struct journal *journal = journal_place_open(&world->place);
		struct delivery_status ignored;
		struct journal_claim claim;

		_exit(claim_at_once(journal, world->subject, &claim, &ignored) == JOURNAL_CLAIMED &&
				      intend_one(journal, &claim) == 0 ?
			      0 :
			      1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	world->journal = journal_place_open(&world->place);
}

static void test_death_after_intent(void **state)
{
	struct world *world = *state;
	struct delivery_status outcome = test_delayed();

	die_after_intent(world);
	assert_int_equal(captured_log_count(&world->log, "0 outcomes, 1 deliveries in doubt"), 1);
	/* A temporary answer to the second attempt says nothing about the first. */
	deliver_once(world->journal, world->subject, true, &outcome);
	check_claimable(world->journal, world->subject, true);
	deliver_once(world->journal, world->subject, false, &outcome);
	reopen(world);
	check_claimable(world->journal, world->subject, true);
	outcome = test_relayed();
	deliver_once(world->journal, world->subject, true, &outcome);
	check_known(world->journal, world->subject, &outcome);
	reopen(world);
	check_known(world->journal, world->subject, &outcome);
}

/* The server was lost after the dot: this process lives, and does not know either. */
static void test_no_reply(void **state)
{
	struct world *world = *state;
	struct delivery_status outcome = test_in_doubt();

	deliver_once(world->journal, world->subject, true, &outcome);
	check_claimable(world->journal, world->subject, true);
	reopen(world);
	check_claimable(world->journal, world->subject, true);
	deliver_once(world->journal, world->subject, true, &outcome);
	outcome = test_failed();
	deliver_once(world->journal, world->subject, false, &outcome);
	check_known(world->journal, world->subject, &outcome);
}

/* ---- two attempts at once ---- */

struct waiter {
	struct world *world;
	struct deadline deadline;
	pthread_t thread;
	enum journal_answer answer;
	struct journal_claim claim;
	struct delivery_status status;
};

static void *run_waiter(void *argument)
{
	struct waiter *waiter = argument;

	waiter->answer = journal_claim(waiter->world->journal, waiter->world->subject, waiter->deadline,
				       &waiter->claim, &waiter->status);
	return NULL;
}

static void await_waiting(unsigned count)
{
	for (struct deadline end = deadline_in_ms(PATIENCE_MS); fake_disk.waiting < count;) {
		assert_false(deadline_has_passed(end));
		sched_yield();
	}
}

/* Returns when they all stand and wait. */
static void start_waiters(struct world *world, struct waiter *waiters, unsigned count, struct deadline deadline)
{
	for (unsigned i = 0; i < count; i++) {
		waiters[i] = (struct waiter){ .world = world, .deadline = deadline };
		assert_int_equal(pthread_create(&waiters[i].thread, NULL, run_waiter, &waiters[i]), 0);
	}
	await_waiting(count);
}

static void claim_first(struct world *world, struct journal_claim *claim)
{
	struct delivery_status status;

	assert_int_equal(claim_at_once(world->journal, world->subject, claim, &status), JOURNAL_CLAIMED);
}

static void test_busy_at_once(void **state)
{
	struct world *world = *state;
	struct delivery_status status, delayed = test_delayed();
	struct journal_claim first, second;
	struct test_subject other;

	claim_first(world, &first);
	assert_int_equal(claim_at_once(world->journal, world->subject, &second, &status), JOURNAL_BUSY);
	assert_false(second.is_held);
	journal_settle(world->journal, &second, &delayed);
	assert_int_equal(claim_at_once(world->journal, world->subject, &second, &status), JOURNAL_BUSY);
	check_claimable(world->journal, test_subject_number(&other, 2), false);
	assert_int_equal(fake_disk.waiting, 0);
	/* a little patience is not enough */
	assert_int_equal(journal_claim(world->journal, world->subject, deadline_in_ms(20), &second, &status),
			 JOURNAL_BUSY);
	journal_settle(world->journal, &first, &delayed);
	check_claimable(world->journal, world->subject, false);
}

static void test_waits_for_the_outcome(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = test_relayed();
	struct journal_claim first;
	struct waiter waiters[3];

	claim_first(world, &first);
	start_waiters(world, waiters, 3, DEADLINE_NEVER);
	assert_int_equal(intend_one(world->journal, &first), 0);
	journal_settle(world->journal, &first, &relayed);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(waiters[i].thread, NULL);
		assert_int_equal(waiters[i].answer, JOURNAL_KNOWN);
		check_same_words(&waiters[i].status, &relayed);
	}
}

/* The first one ends without an outcome: one of those who wait is the next. */
static void check_next_in_line(struct world *world, bool with_dot, const struct delivery_status *end)
{
	struct delivery_status relayed = test_relayed();
	struct journal_claim first;
	struct waiter waiter;

	claim_first(world, &first);
	start_waiters(world, &waiter, 1, deadline_in_ms(PATIENCE_MS));
	if (with_dot)
		assert_int_equal(intend_one(world->journal, &first), 0);
	journal_settle(world->journal, &first, end);
	pthread_join(waiter.thread, NULL);
	assert_int_equal(waiter.answer, JOURNAL_CLAIMED);
	assert_int_equal(waiter.claim.is_in_doubt, end->maybe_duplicate);
	journal_settle(world->journal, &waiter.claim, end->maybe_duplicate ? &relayed : end);
}

static void test_next_in_line(void **state)
{
	struct delivery_status delayed = test_delayed(), in_doubt = test_in_doubt();

	check_next_in_line(*state, false, &delayed);
	check_next_in_line(*state, true, &delayed);
	check_next_in_line(*state, true, &in_doubt);
}

static void test_stop_wakes(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = test_relayed();
	struct journal_claim first;
	struct waiter waiters[3];

	claim_first(world, &first);
	start_waiters(world, waiters, 3, DEADLINE_NEVER);
	journal_stop(world->journal);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(waiters[i].thread, NULL);
		assert_int_equal(waiters[i].answer, JOURNAL_BUSY);
	}
	run_waiter(&waiters[0]);
	assert_int_equal(waiters[0].answer, JOURNAL_BUSY);
	/* whoever is past the dot still comes to an end */
	assert_int_equal(intend_one(world->journal, &first), 0);
	journal_settle(world->journal, &first, &relayed);
	check_known(world->journal, world->subject, &relayed);
}

/* ---- what is the same, and what is not: case 175 ---- */

static void test_subjects(void **state)
{
	static const struct {
		const char *client, *queue_id, *local_part, *domain;
		int content;
		bool is_same;
	} rows[] = {
		{ "mail", "4Xq1", "user", "example.net", 7, true },
		{ "mail", "4Xq1", "user", "EXAMPLE.Net", 7, true },
		{ "mail2", "4Xq1", "user", "example.net", 7, false },
		{ "Mail", "4Xq1", "user", "example.net", 7, false },
		{ "mail", "4Xq2", "user", "example.net", 7, false },
		{ "mail", "4xq1", "user", "example.net", 7, false },
		{ "mail", "4Xq1", "User", "example.net", 7, false },
		{ "mail", "4Xq1", "use", "rexample.net", 7, false },
		{ "mail", "4Xq1", "user", "example.org", 7, false },
		{ "mail", "4Xq1u", "ser", "example.net", 7, false },
		{ "mail4", "Xq1", "user", "example.net", 7, false },
		{ "mail", "4Xq1", "user", "example.net", 8, false },
	};
	struct world *world = *state;
	struct delivery_status relayed = test_relayed();

	deliver_once(world->journal, world->subject, true, &relayed);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct journal_subject *subject;
		struct test_subject test;

		subject = test_subject(&test, rows[i].client, rows[i].queue_id, rows[i].local_part, rows[i].domain,
				       rows[i].content);
		if (rows[i].is_same)
			check_known(world->journal, subject, &relayed);
		else
			check_claimable(world->journal, subject, false);
	}
}

/* Claimed by whoever asks, as often as they ask; nothing is written. */
static void test_no_queue_id(void **state)
{
	struct world *world = *state;
	struct delivery_status status, relayed = test_relayed();
	const struct journal_subject *subject;
	struct journal_claim first, second;
	struct test_subject test;

	subject = test_subject(&test, "mail", "", "user", "example.net", 7);
	assert_int_equal(claim_at_once(world->journal, subject, &first, &status), JOURNAL_CLAIMED);
	assert_int_equal(claim_at_once(world->journal, subject, &second, &status), JOURNAL_CLAIMED);
	assert_false(first.is_held || second.is_held || first.is_in_doubt);
	assert_int_equal(intend_one(world->journal, &first), 0);
	journal_settle(world->journal, &first, &relayed);
	assert_int_equal(claim_at_once(world->journal, subject, &first, &status), JOURNAL_CLAIMED);
	assert_int_equal(fake_disk.writes, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unknown_is_claimed),
		TEST(test_outcome_is_told_again),
		TEST(test_refusal_without_intent),
		TEST(test_delayed_leaves_nothing),
		TEST(test_what_is_synced),
		TEST(test_intents_together),
		TEST(test_death_after_intent),
		TEST(test_no_reply),
		TEST(test_busy_at_once),
		TEST(test_waits_for_the_outcome),
		TEST(test_next_in_line),
		TEST(test_stop_wakes),
		TEST(test_subjects),
		TEST(test_no_queue_id),
	};

	log_open(NULL, LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
