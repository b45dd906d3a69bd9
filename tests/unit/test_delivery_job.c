/*
 * Goal: a delivery that takes too long is left to itself, and nothing is lost by it: its outcome is
 * in the journal, it holds nothing when it has ended, and the end of the edge knows of it.
 *
 * A delivery takes as long as the test wants it to, since the test has the only place at its
 * destination.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>

#define MX_ADDRESS "127.0.0.75"

#include "edge/delivery_job.h"
#include "lib/log.h"
#include "tests/fake/fake_dns.h"
#include "tests/unit/captured_log.h"
#include "tests/unit/delivery_fixture.h"
#include "tests/unit/fake_threads.h"
#include "tests/unit/journal_fixture.h"

#define PATIENCE_MS 20000
#define GATES 2

static const char zones[] =
	"query gone.example MX\nrcode NXDOMAIN\n"
	"query null.example MX\nanswer @ 60 IN MX 0 .\n";

struct gate {
	struct destination_place place;
	bool is_closed;
};

struct world {
	struct edge edge;
	struct transaction transaction;	/* complete, not delivered */
	struct fixture *fixture;	/* the message, and what was heard of it */
	struct journal_place place;
	struct captured_log log;
	struct fake_dns *dns;
	struct gate gates[GATES];
};

static int set_up(void **state)
{
	struct world *world = aligned_alloc(_Alignof(struct world), sizeof(*world));
	struct edge *edge;

	if (world == NULL || sodium_init() < 0)
		return -1;
	memset(world, 0, sizeof(*world));
	edge = &world->edge;
	fake_threads_reset();
	captured_log_start(&world->log);
	journal_place_make(&world->place);
	world->dns = fake_dns_start(zones);
	world->fixture = start(world->dns->address,
			       ALLOW "destination_concurrency_limit = 1; delivery_threads = 1;\n");
	edge->setup = world->fixture->setup;
	edge->journal = journal_place_open(&world->place);
	pthread_mutex_init(&edge->setup_lock, NULL);
	content_pool_init(&edge->content_pool, 1 << 20);
	destination_table_init(&edge->destinations);
	tenant_table_init(&edge->tenants);
	delivery_jobs_init(&edge->jobs);
	atomic_init(&edge->end.phase, EDGE_RUNNING);
	edge->end.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	*state = world;
	return 0;
}

/* ---- how long it takes ---- */

/* Deliveries to this domain do not get on. */
static void close_gate(struct world *world, struct gate *gate, const char *domain)
{
	assert_int_equal(destination_enter(&world->edge.destinations, &(struct destination_request){
				.domain = domain, .limit = 1, .deadline = deadline_in_ms(0) },
				&gate->place),
			 DESTINATION_ENTERED);
	gate->is_closed = true;
}

static void open_gate(struct world *world, struct gate *gate)
{
	gate->is_closed = false;
	destination_leave(&world->edge.destinations, &gate->place, NULL);
}

static void await_end_of_all(struct world *world)
{
	assert_int_equal(delivery_jobs_wait_empty(&world->edge.jobs, deadline_in_ms(PATIENCE_MS)), 0);
}

static int64_t count_threads(const struct world *world)
{
	return atomic_load(&world->edge.load.threads);
}

/* Whatever the test did: every delivery ends, and nothing is held. */
static int tear_down(void **state)
{
	struct world *world = *state;
	struct edge *edge = &world->edge;
	int left;

	for (size_t i = 0; i < GATES; i++)
		if (world->gates[i].is_closed)
			open_gate(world, &world->gates[i]);
	left = delivery_jobs_wait_empty(&edge->jobs, deadline_in_ms(PATIENCE_MS)) != 0;
	transaction_end(&world->transaction);
	left = left || count_threads(world) != 0 || content_pool_used(&edge->content_pool) != 0 ||
	       atomic_load(&edge->setup->references) != 1 || destination_table_occupied(&edge->destinations) != 0;
	destination_table_wipe(&edge->destinations);
	tenant_table_wipe(&edge->tenants);
	content_pool_wipe(&edge->content_pool);
	close(edge->end.cancel_fd);
	journal_close(edge->journal);
	journal_place_remove(&world->place);
	finish(world->fixture);
	fake_dns_stop(world->dns);
	captured_log_stop(&world->log);
	free(world);
	return left;
}

/* ---- the message ---- */

/* The fixture's message as a transaction, as a session brings it together. */
static void receive(struct world *world)
{
	struct transaction *transaction = &world->transaction;
	const struct envelope *envelope = &world->fixture->envelope;
	struct frame_envelope frame = { .budget_ms = 60000 };
	struct content_digest digest;
	uint8_t expected[CONTENT_DIGEST_SIZE];

	strcpy(frame.envelope.queue_id, envelope->queue_id);
	frame.envelope.reverse_path.is_null = true;
	transaction_begin(transaction, &world->edge, transaction->id + 1, &frame,
			  &(struct tenant_terms){ .tenant.name = "mail" });
	for (size_t i = 0; i < envelope->recipient_count; i++)
		assert_true(transaction_add_recipient(transaction, (uint32_t)i,
						      &envelope->recipients[i]));
	assert_true(transaction_add_content(transaction, MESSAGE, strlen(MESSAGE)));
	content_digest_init(&digest);
	content_digest_update(&digest, MESSAGE, strlen(MESSAGE));
	content_digest_final(&digest, expected);
	assert_true(transaction_complete(transaction, expected, strlen(MESSAGE)));
	assert_int_equal(transaction->state, TRANSACTION_RECEIVING);
}

static struct delivery_job *start_job(struct world *world)
{
	struct delivery_job *job;

	receive(world);
	job = delivery_job_start(&world->edge, &world->transaction);
	assert_non_null(job);
	return job;
}

static enum delivery_job_event wait_for_event(struct world *world, struct delivery_job *job,
					      int64_t patience_ms)
{
	struct delivery_status status;
	enum delivery_job_event event;
	size_t recipient;

	event = delivery_job_wait(job, deadline_in_ms(patience_ms), &recipient, &status);
	if (event == DELIVERY_JOB_STATUS)
		on_outcome(world->fixture, recipient, &status);
	return event;
}

/* Every outcome, DONE, and the end of the job. */
static void hear_all(struct world *world, struct delivery_job *job)
{
	enum delivery_job_event event;

	memset(world->fixture->outcomes, 0, sizeof(world->fixture->outcomes));
	world->fixture->reports = 0;
	while ((event = wait_for_event(world, job, PATIENCE_MS)) == DELIVERY_JOB_STATUS)
		;
	assert_int_equal(event, DELIVERY_JOB_DONE);
	assert_int_equal(content_pool_used(&world->edge.content_pool), 0);
	check_all_answered(world->fixture);
	assert_int_equal(wait_for_event(world, job, 0), DELIVERY_JOB_DONE);
	delivery_job_release(job);
}

/* The wait for a job that does not get on is over when its time is. */
static void wait_in_vain(struct world *world, struct delivery_job *job)
{
	struct deadline deadline = deadline_in_ms(20);

	assert_int_equal(wait_for_event(world, job, 20), DELIVERY_JOB_WAIT_OVER);
	assert_true(deadline_has_passed(deadline));
}

/* ---- to the end ---- */

static void test_outcomes(void **state)
{
	struct world *world = *state;
	struct delivery_job *job;

	add(world->fixture, "a", "gone.example");
	add(world->fixture, "b", "null.example");
	add(world->fixture, "c", "gone.example");
	job = start_job(world);
	/* the caller has nothing left but the id, and may take the next message */
	assert_int_equal(world->transaction.state, TRANSACTION_NONE);
	assert_int_equal(world->transaction.id, 1);
	assert_null(world->transaction.setup);
	hear_all(world, job);
	check_status(world->fixture, 0, "5.1.2", "");
	check_status(world->fixture, 1, "5.1.10", "");
	check_status(world->fixture, 2, "5.1.2", "");
	await_end_of_all(world);
}

/* One outcome is there long before the other: it is heard at once. */
static void test_one_by_one(void **state)
{
	struct world *world = *state;
	struct delivery_job *job;

	add(world->fixture, "a", "null.example");
	add(world->fixture, "b", "gone.example");
	close_gate(world, &world->gates[0], "gone.example");
	job = start_job(world);
	assert_int_equal(wait_for_event(world, job, PATIENCE_MS), DELIVERY_JOB_STATUS);
	check_status(world->fixture, 0, "5.1.10", "");
	wait_in_vain(world, job);
	open_gate(world, &world->gates[0]);
	assert_int_equal(wait_for_event(world, job, PATIENCE_MS), DELIVERY_JOB_STATUS);
	check_status(world->fixture, 1, "5.1.2", "");
	assert_int_equal(wait_for_event(world, job, PATIENCE_MS), DELIVERY_JOB_DONE);
	delivery_job_release(job);
}

/* Nobody has read them by the end: they are freed with the job. */
static void test_unheard(void **state)
{
	struct world *world = *state;
	struct delivery_job *job;

	add(world->fixture, "a", "gone.example");
	add(world->fixture, "b", "null.example");
	job = start_job(world);
	await_end_of_all(world);
	delivery_job_release(job);
}

/* ---- left ---- */

static void test_left_is_collected_later(void **state)
{
	struct world *world = *state;
	struct delivery_job *job;

	add(world->fixture, "a", "gone.example");
	close_gate(world, &world->gates[0], "gone.example");
	job = start_job(world);
	wait_in_vain(world, job);
	assert_true(delivery_job_leave(job));
	delivery_job_release(job);
	assert_int_equal(count_threads(world), 1);
	assert_int_equal(fake_dns_asked_count(world->dns), 0);
	open_gate(world, &world->gates[0]);
	await_end_of_all(world);
	assert_int_equal(count_threads(world), 0);
	assert_int_equal(content_pool_used(&world->edge.content_pool), 0);
	assert_int_equal(atomic_load(&world->edge.setup->references), 1);
	assert_int_equal(fake_dns_asked_count(world->dns), 1);
	/* the mail host's next attempt */
	hear_all(world, start_job(world));
	check_status(world->fixture, 0, "5.1.2", "answered from journal");
	assert_true(world->fixture->outcomes[0].status.from_journal);
	assert_int_equal(fake_dns_asked_count(world->dns), 1);
}

/* The next attempt comes while the first is still at it: it waits, and gets the outcome. */
static void test_attempt_meets_the_left_one(void **state)
{
	struct world *world = *state;
	struct delivery_job *job;

	add(world->fixture, "a", "gone.example");
	close_gate(world, &world->gates[0], "gone.example");
	job = start_job(world);
	wait_in_vain(world, job);
	assert_true(delivery_job_leave(job));
	delivery_job_release(job);
	job = start_job(world);
	wait_in_vain(world, job);
	open_gate(world, &world->gates[0]);
	await_end_of_all(world);	/* the first may end last */
	hear_all(world, job);
	check_status(world->fixture, 0, "5.1.2", "answered from journal");
	assert_int_equal(fake_dns_asked_count(world->dns), 1);
}

/* A message that a slow server takes in the end is delivered once. */
static void test_left_is_delivered_once(void **state)
{
	struct world *world = *state;
	struct delivery_job *job;
	struct mx mx = { 0 };

	if (!have_port_25())
		skip();
	mx_start(&mx);
	add(world->fixture, "ok", MX_DOMAIN);
	close_gate(world, &world->gates[0], world->fixture->envelope.recipients[0].forward_path.domain);
	job = start_job(world);
	wait_in_vain(world, job);
	assert_true(delivery_job_leave(job));
	delivery_job_release(job);
	open_gate(world, &world->gates[0]);
	await_end_of_all(world);
	hear_all(world, start_job(world));
	mx_stop(&mx);
	check_status(world->fixture, 0, "2.0.0", "already delivered; answered from journal");
	assert_int_equal(mx.dots, 1);
	assert_non_null(strstr(mx.content, MESSAGE));
}

/* What cannot be collected later is waited for to its end. */
static void check_must_be_heard(struct world *world)
{
	struct delivery_job *job;

	add(world->fixture, "a", "gone.example");
	close_gate(world, &world->gates[0], "gone.example");
	job = start_job(world);
	wait_in_vain(world, job);
	assert_false(delivery_job_leave(job));
	assert_int_equal(count_threads(world), 0);
	open_gate(world, &world->gates[0]);
	hear_all(world, job);
	check_status(world->fixture, 0, "5.1.2", "");
}

static void test_not_left_without_journal(void **state)
{
	struct world *world = *state;

	journal_close(world->edge.journal);
	world->edge.journal = NULL;
	check_must_be_heard(world);
}

static void test_not_left_without_queue_id(void **state)
{
	struct world *world = *state;

	world->fixture->envelope.queue_id[0] = '\0';
	check_must_be_heard(world);
}

/* delivery_threads is 1: the second must wait until the first has ended. */
static void test_not_left_beyond_the_limit(void **state)
{
	struct world *world = *state;
	struct delivery_job *first, *second;

	add(world->fixture, "a", "gone.example");
	close_gate(world, &world->gates[0], "gone.example");
	close_gate(world, &world->gates[1], "null.example");
	first = start_job(world);
	assert_true(delivery_job_leave(first));
	delivery_job_release(first);
	strcpy(world->fixture->envelope.recipients[0].forward_path.domain, "null.example");
	second = start_job(world);
	wait_in_vain(world, second);
	for (int i = 0; i < 3; i++)
		assert_false(delivery_job_leave(second));
	assert_int_equal(count_threads(world), 1);
	open_gate(world, &world->gates[0]);
	for (struct deadline end = deadline_in_ms(PATIENCE_MS); !delivery_job_leave(second);)
		assert_false(deadline_has_passed(end));
	delivery_job_release(second);
	open_gate(world, &world->gates[1]);
	await_end_of_all(world);
	assert_int_equal(count_threads(world), 0);
}

static void test_not_left_when_done(void **state)
{
	struct world *world = *state;
	struct delivery_job *job;

	add(world->fixture, "a", "gone.example");
	job = start_job(world);
	await_end_of_all(world);
	assert_false(delivery_job_leave(job));
	assert_int_equal(count_threads(world), 0);
	hear_all(world, job);
}

/* ---- the end of the edge ---- */

static void test_wait_for_all(void **state)
{
	struct world *world = *state;
	struct delivery_jobs *jobs = &world->edge.jobs;
	struct delivery_job *first, *second;
	struct deadline deadline = deadline_in_ms(20);

	add(world->fixture, "a", "gone.example");
	close_gate(world, &world->gates[0], "gone.example");
	close_gate(world, &world->gates[1], "null.example");
	first = start_job(world);
	strcpy(world->fixture->envelope.recipients[0].forward_path.domain, "null.example");
	second = start_job(world);
	assert_int_equal(delivery_jobs_wait_empty(jobs, deadline), 2);
	assert_true(deadline_has_passed(deadline));
	open_gate(world, &world->gates[0]);
	for (struct deadline end = deadline_in_ms(PATIENCE_MS);
	     delivery_jobs_wait_empty(jobs, deadline_in_ms(5)) != 1;)
		assert_false(deadline_has_passed(end));
	assert_int_equal(delivery_jobs_wait_empty(jobs, deadline_in_ms(20)), 1);
	open_gate(world, &world->gates[1]);
	assert_int_equal(delivery_jobs_wait_empty(jobs, deadline_in_ms(PATIENCE_MS)), 0);
	hear_all(world, first);
	hear_all(world, second);
}

/* ---- the transaction ---- */

static void check_same(const struct transaction *got, const struct transaction *meant)
{
	assert_int_equal(got->state, meant->state);
	assert_int_equal(got->id, meant->id);
	assert_string_equal(got->envelope.queue_id, meant->envelope.queue_id);
	assert_ptr_equal(got->envelope.recipients, meant->envelope.recipients);
	assert_int_equal(got->envelope.recipient_count, meant->envelope.recipient_count);
	assert_ptr_equal(got->content.first, meant->content.first);
	assert_int_equal(got->content.length, meant->content.length);
	assert_memory_equal(got->content_digest, meant->content_digest, CONTENT_DIGEST_SIZE);
	assert_ptr_equal(got->setup, meant->setup);
	assert_int_equal(got->deadline.at_ms, meant->deadline.at_ms);
}

static void check_empty(const struct transaction *transaction)
{
	assert_int_equal(transaction->state, TRANSACTION_NONE);
	assert_int_equal(transaction->id, 1);
	assert_null(transaction->setup);
	assert_null(transaction->envelope.recipients);
	assert_int_equal(transaction->envelope.recipient_count, 0);
	assert_null(transaction->content.first);
}

static void test_move_there_and_back(void **state)
{
	struct world *world = *state;
	struct transaction other, before;

	transaction_init(&other);
	add(world->fixture, "a", "gone.example");
	receive(world);
	before = world->transaction;
	transaction_move(&other, &world->transaction);
	check_same(&other, &before);
	check_empty(&world->transaction);
	transaction_end(&world->transaction);	/* which has nothing to end */
	assert_int_equal(atomic_load(&world->edge.setup->references), 2);
	transaction_move(&world->transaction, &other);
	check_same(&world->transaction, &before);
	check_empty(&other);
}

/* The caller has its message back, whole, and can deliver it. */
static void test_no_thread(void **state)
{
	struct world *world = *state;
	struct transaction before;

	add(world->fixture, "a", "gone.example");
	receive(world);
	before = world->transaction;
	fake_threads.is_full = true;
	assert_null(delivery_job_start(&world->edge, &world->transaction));
	assert_int_equal(fake_threads.refused, 1);
	check_same(&world->transaction, &before);
	assert_int_equal(delivery_jobs_wait_empty(&world->edge.jobs, deadline_in_ms(0)), 0);
	transaction_deliver(&world->transaction, &world->edge, NULL, on_outcome, world->fixture);
	check_all_answered(world->fixture);
	check_status(world->fixture, 0, "5.1.2", "");
	fake_threads.is_full = false;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_outcomes),
		TEST(test_one_by_one),
		TEST(test_unheard),
		TEST(test_left_is_collected_later),
		TEST(test_attempt_meets_the_left_one),
		TEST(test_left_is_delivered_once),
		TEST(test_not_left_without_journal),
		TEST(test_not_left_without_queue_id),
		TEST(test_not_left_beyond_the_limit),
		TEST(test_not_left_when_done),
		TEST(test_wait_for_all),
		TEST(test_move_there_and_back),
		TEST(test_no_thread),
	};

	log_open(NULL, LOG_TARGET_STDERR, LOG_LEVEL_WARNING);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
