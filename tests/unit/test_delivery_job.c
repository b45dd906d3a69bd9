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
#include <sched.h>
#include <sodium.h>

#define MX_ADDRESS "127.0.0.75"

#include "edge/delivery_job.h"
#include "eventually.h"
#include "lib/log.h"
#include "tests/fake/fake_dns.h"
#include "tests/unit/captured_log.h"
#include "tests/unit/delivery_fixture.h"
#include "tests/unit/journal_fixture.h"

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
	outcome_table_init(&edge->outcomes);
	delivery_jobs_init(&edge->jobs);
	assert_int_equal(delivery_jobs_start(&edge->jobs), 0);
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
	delivery_jobs_stop(&edge->jobs);
	transaction_end(&world->transaction);
	left = left || count_threads(world) != 0 || content_pool_used(&edge->content_pool) != 0 ||
	       atomic_load(&edge->setup->references) != 1 || destination_table_occupied(&edge->destinations) != 0;
	destination_table_wipe(&edge->destinations);
	tenant_table_wipe(&edge->tenants);
	outcome_table_wipe(&edge->outcomes);
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

/* ---- who waits ---- */

/* A delivery in a thread of its own, as a session's. */
struct attempt {
	struct world *world;
	struct delivery_job *job;
	pthread_t thread;
	int64_t look_ms;		/* how often it is asked for its patience */
	_Atomic bool has_waited_enough, has_no_room;
	_Atomic bool was_asked, is_left;
	bool was_told;			/* all of it; once the thread has ended */
};

static void hear(void *context, size_t recipient, const struct delivery_status *status)
{
	struct attempt *attempt = context;

	on_outcome(attempt->world->fixture, recipient, status);
}

static int64_t patience_ms(void *context, int64_t waited_ms)
{
	struct attempt *attempt = context;

	if (waited_ms > 0)
		attempt->was_asked = true;
	return attempt->has_waited_enough ? 0 : attempt->look_ms;
}

static bool take_over(void *context, struct delivery_job *job)
{
	struct attempt *attempt = context;

	if (attempt->has_no_room || job != attempt->job || delivery_job_context(job) != attempt)
		return false;
	attempt->is_left = true;
	return true;
}

static void *run_attempt(void *argument)
{
	struct attempt *attempt = argument;

	attempt->was_told = delivery_job_run(attempt->job);
	if (!attempt->was_told)
		delivery_jobs_end(&attempt->world->edge.jobs);
	return NULL;
}

static void begin_slow(struct world *world, struct attempt *attempt, int64_t look_ms)
{
	const struct delivery_listener listener = { hear, patience_ms, take_over, attempt };

	receive(world);
	*attempt = (struct attempt){ .world = world, .look_ms = look_ms };
	attempt->job = delivery_job_create(&world->edge, &world->transaction, &listener);
	assert_non_null(attempt->job);
	assert_int_equal(pthread_create(&attempt->thread, NULL, run_attempt, attempt), 0);
}

static void begin(struct world *world, struct attempt *attempt)
{
	memset(world->fixture->outcomes, 0, sizeof(world->fixture->outcomes));
	world->fixture->reports = 0;
	begin_slow(world, attempt, 5);
}

/* It does not get on until the first gate is opened. */
static void begin_stuck(struct world *world, struct attempt *attempt)
{
	add(world->fixture, "a", "gone.example");
	close_gate(world, &world->gates[0], "gone.example");
	begin(world, attempt);
}

/* Another message, behind the second gate. */
static void begin_stuck_elsewhere(struct world *world, struct attempt *attempt)
{
	close_gate(world, &world->gates[1], "null.example");
	strcpy(world->fixture->envelope.recipients[0].forward_path.domain, "null.example");
	begin(world, attempt);
}

static void await(const char *what, const _Atomic bool *is_so)
{
	for (struct deadline end = deadline_in_ms(PATIENCE_MS); !*is_so;) {
		if (deadline_has_passed(end))
			fail_msg("never: %s", what);
		sched_yield();
	}
}

/* Nobody waits any more. */
static void leave(struct attempt *attempt)
{
	attempt->has_waited_enough = true;
	await("left", &attempt->is_left);
	delivery_job_release(attempt->job);
}

/* Its thread ends; all was told. */
static void hear_all(struct attempt *attempt)
{
	pthread_join(attempt->thread, NULL);
	assert_true(attempt->was_told);
	assert_int_equal(content_pool_used(&attempt->world->edge.content_pool), 0);
	check_all_answered(attempt->world->fixture);
}

static void end_left(struct attempt *attempt)
{
	pthread_join(attempt->thread, NULL);
	assert_false(attempt->was_told);
}

/* It is asked over and over whether it goes on waiting, and must. */
static void want_to_leave_in_vain(struct attempt *attempt)
{
	attempt->has_waited_enough = true;
	for (struct deadline end = deadline_in_ms(50); !deadline_has_passed(end);)
		assert_false(attempt->is_left);
}

/* ---- to the end ---- */

static void test_outcomes(void **state)
{
	struct world *world = *state;
	struct attempt attempt;

	add(world->fixture, "a", "gone.example");
	add(world->fixture, "b", "null.example");
	add(world->fixture, "c", "gone.example");
	begin(world, &attempt);
	/* the caller has nothing left but the id, and may take the next message */
	assert_int_equal(world->transaction.state, TRANSACTION_NONE);
	assert_int_equal(world->transaction.id, 1);
	assert_null(world->transaction.setup);
	hear_all(&attempt);
	check_status(world->fixture, 0, "5.1.2", "");
	check_status(world->fixture, 1, "5.1.10", "");
	check_status(world->fixture, 2, "5.1.2", "");
}

static _Atomic bool was_reported;

static void note_report(struct fixture *fixture, size_t recipient)
{
	(void)fixture;
	if (recipient == 0)
		was_reported = true;
}

/* One outcome is there long before the other: it is told at once. */
static void test_one_by_one(void **state)
{
	struct world *world = *state;
	struct attempt attempt;

	was_reported = false;
	world->fixture->on_report = note_report;
	add(world->fixture, "a", "null.example");
	add(world->fixture, "b", "gone.example");
	close_gate(world, &world->gates[0], "gone.example");
	begin(world, &attempt);
	await("the first one's outcome", &was_reported);
	open_gate(world, &world->gates[0]);
	hear_all(&attempt);
	check_status(world->fixture, 0, "5.1.10", "");
	check_status(world->fixture, 1, "5.1.2", "");
}

/* ---- left ---- */

static void test_left_is_collected_later(void **state)
{
	struct world *world = *state;
	struct attempt attempt;

	begin_stuck(world, &attempt);
	await("a look", &attempt.was_asked);
	assert_int_equal(count_threads(world), 0);
	leave(&attempt);
	assert_int_equal(count_threads(world), 1);
	assert_int_equal(fake_dns_asked_count(world->dns), 0);
	open_gate(world, &world->gates[0]);
	end_left(&attempt);
	assert_int_equal(world->fixture->reports, 0);
	assert_int_equal(count_threads(world), 0);
	assert_int_equal(content_pool_used(&world->edge.content_pool), 0);
	assert_int_equal(atomic_load(&world->edge.setup->references), 1);
	assert_int_equal(fake_dns_asked_count(world->dns), 1);
	/* the mail host's next attempt */
	begin(world, &attempt);
	hear_all(&attempt);
	check_status(world->fixture, 0, "5.1.2", "answered from journal");
	assert_true(world->fixture->outcomes[0].status.from_journal);
	assert_int_equal(fake_dns_asked_count(world->dns), 1);
}

/* Who takes over knows whom nothing was told of, and where their delivery stands. */
static void test_what_is_open(void **state)
{
	struct world *world = *state;
	struct attempt attempt;
	char place[200];
	size_t recipient = 0;

	world->edge.setup->conf.delivery_threads = 2;	/* one for the second domain */
	was_reported = false;
	world->fixture->on_report = note_report;
	add(world->fixture, "a", "null.example");
	add(world->fixture, "b", "gone.example");
	close_gate(world, &world->gates[0], "gone.example");
	begin(world, &attempt);
	await("the first one's outcome", &was_reported);
	attempt.has_waited_enough = true;
	await("left", &attempt.is_left);
	assert_string_equal(delivery_job_queue_id(attempt.job), world->fixture->envelope.queue_id);
	assert_true(delivery_job_next_open(attempt.job, &recipient));
	assert_int_equal(recipient, 1);
	assert_string_equal(delivery_job_print_place(attempt.job, recipient, place, sizeof(place)), "waiting for its turn");
	recipient++;
	assert_false(delivery_job_next_open(attempt.job, &recipient));
	open_gate(world, &world->gates[0]);
	end_left(&attempt);
	/* it was its last user's */
	assert_string_equal(delivery_job_print_place(attempt.job, 1, place, sizeof(place)), "waiting for its turn");
	delivery_job_release(attempt.job);
	assert_int_equal(world->fixture->reports, 1);
}

/* The next attempt comes while the first is still at it: it waits, and gets the outcome. */
static void test_attempt_meets_the_left_one(void **state)
{
	struct world *world = *state;
	struct attempt first, second;

	begin_stuck(world, &first);
	leave(&first);
	begin(world, &second);
	await("a look", &second.was_asked);
	open_gate(world, &world->gates[0]);
	end_left(&first);
	hear_all(&second);
	check_status(world->fixture, 0, "5.1.2", "answered from journal");
	assert_int_equal(fake_dns_asked_count(world->dns), 1);
}

/* A message that a slow server takes in the end is delivered once. */
static void test_left_is_delivered_once(void **state)
{
	struct world *world = *state;
	struct attempt attempt;
	struct mx mx = { 0 };

	if (!have_port_25())
		skip();
	mx_start(&mx);
	add(world->fixture, "ok", MX_DOMAIN);
	close_gate(world, &world->gates[0], world->fixture->envelope.recipients[0].forward_path.domain);
	begin(world, &attempt);
	leave(&attempt);
	open_gate(world, &world->gates[0]);
	end_left(&attempt);
	begin(world, &attempt);
	hear_all(&attempt);
	mx_stop(&mx);
	check_status(world->fixture, 0, "2.0.0", "already delivered; answered from journal");
	assert_int_equal(mx.dots, 1);
	assert_non_null(strstr(mx.content, MESSAGE));
}

/* What cannot be collected later is waited for to its end. */
static void check_must_be_heard(struct world *world)
{
	struct attempt attempt;

	begin_stuck(world, &attempt);
	want_to_leave_in_vain(&attempt);
	assert_int_equal(count_threads(world), 0);
	open_gate(world, &world->gates[0]);
	hear_all(&attempt);
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

/* The listener has no thread that could go on. */
static void test_not_left_without_room(void **state)
{
	struct world *world = *state;
	struct attempt attempt;

	begin_stuck(world, &attempt);
	attempt.has_no_room = true;
	want_to_leave_in_vain(&attempt);
	assert_int_equal(count_threads(world), 0);
	attempt.has_no_room = false;
	leave(&attempt);	/* it is tried again */
	open_gate(world, &world->gates[0]);
	end_left(&attempt);
}

/* delivery_threads is 1: the second must wait until the first has ended. */
static void test_not_left_beyond_the_limit(void **state)
{
	struct world *world = *state;
	struct attempt first, second;

	begin_stuck(world, &first);
	leave(&first);
	begin_stuck_elsewhere(world, &second);
	want_to_leave_in_vain(&second);
	assert_int_equal(count_threads(world), 1);
	open_gate(world, &world->gates[0]);
	end_left(&first);
	leave(&second);
	open_gate(world, &world->gates[1]);
	end_left(&second);
	assert_int_equal(count_threads(world), 0);
}

static _Atomic bool may_go_on;

static void hold_report(struct fixture *fixture, size_t recipient)
{
	note_report(fixture, recipient);
	await("the end of the report", &may_go_on);
}

/* What is just being told is told to its end, and by nobody else. */
static void test_not_left_while_it_tells(void **state)
{
	struct world *world = *state;
	struct attempt attempt;

	was_reported = may_go_on = false;
	world->fixture->on_report = hold_report;
	add(world->fixture, "a", "gone.example");
	begin(world, &attempt);
	await("the outcome", &was_reported);
	want_to_leave_in_vain(&attempt);
	may_go_on = true;
	hear_all(&attempt);
	assert_false(attempt.is_left);
	assert_int_equal(count_threads(world), 0);
}

/* Others are looked at long after this one: that must not keep it waiting. */
static void test_impatient_beside_patient(void **state)
{
	struct world *world = *state;
	struct attempt patient, impatient;

	add(world->fixture, "a", "gone.example");
	close_gate(world, &world->gates[0], "gone.example");
	close_gate(world, &world->gates[1], "null.example");
	begin_slow(world, &patient, 10 * PATIENCE_MS);
	strcpy(world->fixture->envelope.recipients[0].forward_path.domain, "null.example");
	begin_slow(world, &impatient, 20);
	leave(&impatient);
	assert_false(patient.was_asked);
	open_gate(world, &world->gates[0]);
	open_gate(world, &world->gates[1]);
	end_left(&impatient);
	pthread_join(patient.thread, NULL);
	assert_true(patient.was_told);
}

/* ---- the end of the edge ---- */

static void test_wait_for_all(void **state)
{
	struct world *world = *state;
	struct delivery_jobs *jobs = &world->edge.jobs;
	struct attempt first, second;
	struct deadline deadline;

	world->edge.setup->conf.delivery_threads = 2;
	begin_stuck(world, &first);
	assert_int_equal(delivery_jobs_wait_empty(jobs, deadline_in_ms(0)), 0);	/* somebody waits for it */
	leave(&first);
	begin_stuck_elsewhere(world, &second);
	leave(&second);
	deadline = deadline_in_ms(20);
	assert_int_equal(delivery_jobs_wait_empty(jobs, deadline), 2);
	assert_true(deadline_has_passed(deadline));
	open_gate(world, &world->gates[0]);
	end_left(&first);
	assert_int_equal(delivery_jobs_wait_empty(jobs, deadline_in_ms(20)), 1);
	open_gate(world, &world->gates[1]);
	assert_int_equal(delivery_jobs_wait_empty(jobs, deadline_in_ms(PATIENCE_MS)), 0);
	end_left(&second);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_outcomes),
		TEST(test_one_by_one),
		TEST(test_left_is_collected_later),
		TEST(test_what_is_open),
		TEST(test_attempt_meets_the_left_one),
		TEST(test_left_is_delivered_once),
		TEST(test_not_left_without_journal),
		TEST(test_not_left_without_queue_id),
		TEST(test_not_left_beyond_the_limit),
		TEST(test_not_left_without_room),
		TEST(test_not_left_while_it_tells),
		TEST(test_impatient_beside_patient),
		TEST(test_wait_for_all),
		TEST(test_move_there_and_back),
	};

	log_open(NULL, LOG_TARGET_STDERR, LOG_LEVEL_WARNING);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
