/*
 * Goal: a delivery asks the journal first and tells it everything: who is known is answered without
 * a connection, who is just being delivered to is waited for and holds nobody else up, and no final
 * dot goes out that the journal could not write down.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>

#define MX_ADDRESS "127.0.0.76"

#include "eventually.h"
#include "lib/log.h"
#include "tests/fake/fake_dns.h"
#include "tests/unit/captured_log.h"
#include "tests/unit/delivery_fixture.h"
#include "tests/unit/fake_disk.h"
#include "tests/unit/journal_fixture.h"


static const char zones[] =
	"query gone.example MX\nrcode NXDOMAIN\n"
	"query null.example MX\nanswer @ 60 IN MX 0 .\n"
	"query * MX\nrcode SERVFAIL\n";

struct world {
	struct journal_place place;
	struct journal *journal;
	struct captured_log log;
	struct fake_dns *dns;
	struct fixture *fixture;
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	fake_disk_reset();
	captured_log_start(&world->log);
	journal_place_make(&world->place);
	world->journal = journal_place_open(&world->place);
	world->dns = fake_dns_start(zones);
	world->fixture = start(world->dns->address, ALLOW);
	world->fixture->journal = world->journal;
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	finish(world->fixture);
	fake_dns_stop(world->dns);
	journal_close(world->journal);
	journal_place_remove(&world->place);
	captured_log_stop(&world->log);
	free(world);
	return 0;
}

/* What the delivery asks the journal about. */
static struct journal_subject subject_of(const struct fixture *fixture, size_t recipient)
{
	return (struct journal_subject){ "mail", fixture->envelope.queue_id, fixture->digest,
					 &fixture->envelope.recipients[recipient].forward_path };
}

static void claim_for_another(struct world *world, size_t recipient, struct journal_claim *claim)
{
	struct journal_subject subject = subject_of(world->fixture, recipient);
	struct delivery_status status;

	assert_int_equal(claim_at_once(world->journal, &subject, claim, &status), JOURNAL_CLAIMED);
}

/* An earlier attempt. */
static void remember(struct world *world, size_t recipient, const struct delivery_status *outcome)
{
	struct journal_subject subject = subject_of(world->fixture, recipient);

	deliver_once(world->journal, &subject, true, outcome);
}

/* The same message once more, as after a lost tunnel. */
static void run_again(struct world *world)
{
	memset(world->fixture->outcomes, 0, sizeof(world->fixture->outcomes));
	world->fixture->reports = 0;
	run(world->fixture);
}

static void check_from_journal(const struct world *world, size_t recipient, const struct delivery_status *meant)
{
	assert_true(world->fixture->outcomes[recipient].status.from_journal);
	check_same_words(&world->fixture->outcomes[recipient].status, meant);
}

/* ---- known ---- */

static void test_known_are_answered(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = test_relayed(), failed = test_failed();

	add(world->fixture, "a", "gone.example");
	add(world->fixture, "b", "null.example");
	add(world->fixture, "c", "null.example");
	add(world->fixture, "a", "GONE.example");
	remember(world, 0, &relayed);
	remember(world, 1, &failed);
	run(world->fixture);
	check_from_journal(world, 0, &relayed);
	check_from_journal(world, 1, &failed);
	check_from_journal(world, 3, &relayed);
	check_status(world->fixture, 2, "5.1.10", "");
	assert_int_equal(fake_dns_asked_count(world->dns), 1);
	run_again(world);
	assert_int_equal(fake_dns_asked_count(world->dns), 1);
	assert_true(world->fixture->outcomes[2].status.from_journal);
}

/* Without a queue id the same text may be meant twice. */
static void test_no_queue_id(void **state)
{
	struct world *world = *state;

	world->fixture->envelope.queue_id[0] = '\0';
	add(world->fixture, "a", "gone.example");
	run(world->fixture);
	run_again(world);
	check_status(world->fixture, 0, "5.1.2", "");
	assert_false(world->fixture->outcomes[0].status.from_journal);
	assert_int_equal(fake_dns_asked_count(world->dns), 2);
}

static void test_temporary_outcomes_are_not_kept(void **state)
{
	struct world *world = *state;
	unsigned asked;

	add(world->fixture, "a", "broken.example");
	run(world->fixture);
	asked = fake_dns_asked_count(world->dns);
	run_again(world);
	check_status(world->fixture, 0, "4.4.3", "");
	assert_int_equal(fake_dns_asked_count(world->dns), 2 * asked);
	assert_int_equal(fake_disk.writes, 0);
}

/* ---- with a mail server ---- */

/* Whoever hears of an outcome can be sure that the journal has it. */
static void check_it_is_remembered(struct fixture *fixture, size_t recipient)
{
	struct journal_subject subject = subject_of(fixture, recipient);

	if (fixture->outcomes[recipient].status.action != DELIVERY_DELAYED)
		check_known(fixture->journal, &subject, &fixture->outcomes[recipient].status);
}

static void test_delivered_once(void **state)
{
	struct world *world = *state;
	struct mx mx = { 0 };

	if (!have_port_25())
		skip();
	mx_start(&mx);
	add(world->fixture, "ok1", MX_DOMAIN);
	add(world->fixture, "bad", MX_DOMAIN);
	add(world->fixture, "later", MX_DOMAIN);
	add(world->fixture, "ok1", MX_DOMAIN);		/* claimed once, answered twice */
	world->fixture->on_report = check_it_is_remembered;
	run(world->fixture);
	check_status(world->fixture, 0, "2.0.0", "250 2.0.0 Ok");
	check_status(world->fixture, 3, "2.0.0", "250 2.0.0 Ok");
	assert_false(world->fixture->outcomes[3].status.from_journal);
	/* one intent, three outcomes of which one is none */
	assert_int_equal(fake_disk.writes, 3);
	run_again(world);
	mx_stop(&mx);
	check_status(world->fixture, 0, "2.0.0", "already delivered; answered from journal");
	check_status(world->fixture, 1, "5.1.1", "no such user (in reply to RCPT TO command) (answered from journal)");
	check_status(world->fixture, 2, "4.2.0", "greylisted");
	check_status(world->fixture, 3, "2.0.0", "already delivered; answered from journal");
	assert_int_equal(mx.dots, 1);
	assert_int_equal(mx.asked, 4);	/* the greylisted one twice */
	assert_int_equal(fake_disk.waiting, 0);
}

static void test_more_than_a_transaction(void **state)
{
	struct world *world = *state;
	struct mx mx = { .recipients_max = 40 };

	if (!have_port_25())
		skip();
	world->place.settings.size = 256 * JOURNAL_RECORD_BYTES;
	world->journal = journal_place_reopen(&world->place, world->journal);
	world->fixture->journal = world->journal;
	mx_start(&mx);
	for (unsigned i = 0; i < 130; i++) {
		char text[40];

		snprintf(text, sizeof(text), "ok%u", i);
		add(world->fixture, text, MX_DOMAIN);
	}
	run(world->fixture);
	assert_int_equal(fake_disk.writes, 2 * 130);
	run_again(world);
	mx_stop(&mx);
	assert_int_equal(mx.accepted, 130);
	for (size_t i = 0; i < 130; i++)
		check_status(world->fixture, i, "2.0.0", "answered from journal");
}

/* A refusal that could be written is told again; one that could not is asked for again, of a server that is gone by then. */
static void check_no_dot(struct world *world, _Atomic int *error, bool is_refusal_written)
{
	struct mx mx = { 0 };

	mx_start(&mx);
	add(world->fixture, "ok1", MX_DOMAIN);
	add(world->fixture, "bad", MX_DOMAIN);
	add(world->fixture, "ok2", MX_DOMAIN);
	*error = EIO;
	run(world->fixture);
	*error = 0;
	mx_stop(&mx);
	assert_int_equal(mx.dots, 0);
	assert_int_equal(mx.transactions, 1);
	assert_non_null(strstr(mx.content, MESSAGE));
	check_status(world->fixture, 0, "4.3.1", "this edge cannot write its journal");
	check_status(world->fixture, 1, "5.1.1", "no such user");
	check_status(world->fixture, 2, "4.3.1", "this edge cannot write its journal");
	/* for a while nothing new is begun */
	run_again(world);
	check_status(world->fixture, 0, "4.3.1", "this edge cannot write its journal");
	if (is_refusal_written)
		check_status(world->fixture, 1, "5.1.1", "no such user");
	else
		check_status(world->fixture, 1, "4.4.1", "onnect");
}

static void test_no_intent_no_dot(void **state)
{
	if (!have_port_25())
		skip();
	check_no_dot(*state, &fake_disk.write_error, false);
}

static void test_no_sync_no_dot(void **state)
{
	if (!have_port_25())
		skip();
	check_no_dot(*state, &fake_disk.sync_error, true);
}

static void test_in_doubt_is_logged(void **state)
{
	struct world *world = *state;
	struct delivery_status in_doubt = test_in_doubt();

	add(world->fixture, "a", "gone.example");
	add(world->fixture, "b", "gone.example");
	remember(world, 0, &in_doubt);
	run(world->fixture);
	assert_int_equal(captured_log_count(&world->log, "possible duplicate"), 1);
	assert_int_equal(captured_log_count(&world->log, "to=<@gone.example>, client=mail: possible duplicate"), 1);
	check_status(world->fixture, 0, "5.1.2", "");
}

/* The mail host must not forget a doubt because the attempt after it was put off. */
static void test_in_doubt_stays(void **state)
{
	struct world *world = *state;
	struct delivery_status in_doubt = test_in_doubt();

	add(world->fixture, "a", "broken.example");
	add(world->fixture, "b", "broken.example");
	remember(world, 0, &in_doubt);
	for (int attempt = 0; attempt < 2; attempt++) {
		run_again(world);
		check_status(world->fixture, 1, "4.4.3", "");
		assert_int_equal(world->fixture->outcomes[0].status.action, DELIVERY_DELAYED);
		assert_true(world->fixture->outcomes[0].status.maybe_duplicate);
	}
}

/* ---- busy ---- */

static void await_count(const _Atomic unsigned *count, unsigned wanted)
{
	for (struct deadline end = deadline_in_ms(PATIENCE_MS); *count < wanted;) {
		assert_false(deadline_has_passed(end));
		sched_yield();
	}
}

/*
 * Another attempt has the first one. The others have their answers before it ends; then the outcome
 * is passed on, or the delivery goes on by itself if there is none.
 */
static void check_busy(struct world *world, const struct delivery_status *end)
{
	struct fixture *fixture = world->fixture;
	struct journal_claim claim;
	pthread_t thread;

	add(fixture, "a", "gone.example");
	add(fixture, "b", "gone.example");
	add(fixture, "c", "null.example");
	add(fixture, "a", "gone.example");
	claim_for_another(world, 0, &claim);
	assert_int_equal(pthread_create(&thread, NULL, run_delivery, fixture), 0);
	await_count(&fixture->reports, 2);
	await_count(&fake_disk.waiting, 1);
	assert_int_equal(fixture->reports, 2);
	assert_int_equal(fake_dns_asked_count(world->dns), 2);
	journal_settle(world->journal, &claim, end);
	pthread_join(thread, NULL);
	check_all_answered(fixture);
	check_status(fixture, 1, "5.1.2", "");
	check_status(fixture, 2, "5.1.10", "");
	assert_true(fixture->outcomes[0].place > 2 && fixture->outcomes[3].place > 2);
}

static void test_busy_then_known(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = test_relayed();

	check_busy(world, &relayed);
	check_from_journal(world, 0, &relayed);
	check_from_journal(world, 3, &relayed);
	assert_int_equal(fake_dns_asked_count(world->dns), 2);
}

static void test_busy_then_free(void **state)
{
	struct world *world = *state;
	struct delivery_status delayed = test_delayed();

	check_busy(world, &delayed);
	check_status(world->fixture, 0, "5.1.2", "");
	check_status(world->fixture, 3, "5.1.2", "");
	assert_int_equal(fake_dns_asked_count(world->dns), 3);
}

/* The mail host's patience ends first. */
static void test_busy_to_the_end(void **state)
{
	struct world *world = *state;
	struct fixture *fixture = world->fixture;
	struct delivery_status delayed = test_delayed();
	struct journal_claim claim;

	add(fixture, "a", "gone.example");
	claim_for_another(world, 0, &claim);
	fixture->deadline = deadline_in_ms(1000);
	run(fixture);
	check_status(fixture, 0, "4.3.2", "delivery in progress");
	assert_true(fixture->outcomes[0].status.in_progress);
	assert_int_equal(fake_dns_asked_count(world->dns), 0);
	journal_settle(world->journal, &claim, &delayed);
}

/* Nor does it hold up the end of the edge. */
static void test_busy_while_stopping(void **state)
{
	struct world *world = *state;
	struct delivery_status delayed = test_delayed();
	struct journal_claim claim;
	pthread_t thread;

	add(world->fixture, "a", "gone.example");
	claim_for_another(world, 0, &claim);
	assert_int_equal(pthread_create(&thread, NULL, run_delivery, world->fixture), 0);
	await_count(&fake_disk.waiting, 1);
	journal_stop(world->journal);
	pthread_join(thread, NULL);
	check_all_answered(world->fixture);
	check_status(world->fixture, 0, "4.3.2", "delivery in progress");
	assert_true(world->fixture->outcomes[0].status.in_progress);
	journal_settle(world->journal, &claim, &delayed);
}

static void test_full(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = test_relayed();
	struct test_subject test;

	for (unsigned i = 1; i < JOURNAL_FIXTURE_SLOTS; i++)
		deliver_once(world->journal, test_subject_number(&test, i), true, &relayed);
	add(world->fixture, "a", "gone.example");
	add(world->fixture, "b", "gone.example");
	run(world->fixture);
	check_status(world->fixture, 0, "5.1.2", "");
	check_status(world->fixture, 1, "4.3.1", "this edge's journal is full");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_known_are_answered),
		TEST(test_no_queue_id),
		TEST(test_temporary_outcomes_are_not_kept),
		TEST(test_delivered_once),
		TEST(test_more_than_a_transaction),
		TEST(test_no_intent_no_dot),
		TEST(test_no_sync_no_dot),
		TEST(test_in_doubt_is_logged),
		TEST(test_in_doubt_stays),
		TEST(test_busy_then_known),
		TEST(test_busy_then_free),
		TEST(test_busy_to_the_end),
		TEST(test_busy_while_stopping),
		TEST(test_full),
	};

	log_open(NULL, LOG_TARGET_STDERR, LOG_LEVEL_WARNING);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
