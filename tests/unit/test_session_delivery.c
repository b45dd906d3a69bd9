/*
 * Goal: no delivery holds a mail host's tunnel for longer than wait_limit if its outcome can be
 * collected later; what is known by then is told, and the end of the edge waits for the rest.
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

#include "eventually.h"
#include "tests/unit/edge_session_fixture.h"
#include "tests/unit/fake_threads.h"
#include "tests/unit/journal_fixture.h"

/* As start_edge() has it. */
#define RECIPIENT_LIMIT 5
#define SLOW "a@gone.example"
/* Longer than wait_limit. */
#define SILENCE_MS 1400

/* A machine that is short of memory when a delivery begins: its job is allocated like this. */
static _Atomic bool is_short;

void *aligned_alloc(size_t alignment, size_t size)
{
	void *(*allocate)(size_t, size_t) =
		(void *(*)(size_t, size_t))(uintptr_t)dlsym(RTLD_NEXT, "aligned_alloc");

	return is_short ? NULL : allocate(alignment, size);
}

struct world {
	struct fixture *fixture;
	struct journal_place place;
	struct journal *journal;
	struct destination_place gate;
	bool is_closed;
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	if (world == NULL)
		return -1;
	fake_threads_reset();
	journal_place_make(&world->place);
	world->journal = journal_place_open(&world->place);
	world->fixture = start_edge("wait_limit = 1; destination_concurrency_limit = 1;\n", world->journal);
	*state = world;
	return 0;
}

/* Deliveries to SLOW do not get on. */
static void close_gate(struct world *world)
{
	assert_int_equal(destination_enter(&world->fixture->edge.destinations, &(struct destination_request){
				.domain = "gone.example", .limit = 1, .deadline = deadline_in_ms(0) },
				&world->gate),
			 DESTINATION_ENTERED);
	world->is_closed = true;
}

static void open_gate(struct world *world)
{
	world->is_closed = false;
	destination_leave(&world->fixture->edge.destinations, &world->gate, NULL);
}

static int tear_down(void **state)
{
	struct world *world = *state;
	int left;

	fake_threads.is_full = false;
	is_short = false;
	if (world->is_closed)
		open_gate(world);
	left = stop_edge(world->fixture);
	journal_close(world->journal);
	journal_place_remove(&world->place);
	free(world);
	return left;
}

/* ---- a mail host ---- */

static void send_queued(struct tunnel *tunnel, uint32_t id, const char *queue_id, const char *first,
			const char *second)
{
	struct frame frame = { .type = FRAME_ENVELOPE, .transaction = id };

	strcpy(frame.u.envelope.envelope.queue_id, queue_id);
	frame.u.envelope.envelope.reverse_path.is_null = true;
	frame.u.envelope.budget_ms = 60000;
	send_now(tunnel, &frame);
	send_recipient(tunnel, id, 0, first);
	if (second != NULL)
		send_recipient(tunnel, id, 1, second);
	send_content(tunnel, id, MESSAGE);
	send_end(tunnel, id, MESSAGE);
}

static void expect_status(struct tunnel *tunnel, uint32_t id, uint32_t recipient, const char *code,
			  const char *words)
{
	char text[ENHANCED_STATUS_TEXT_MAX], reply[DELIVERY_LMTP_REPLY_MAX];
	struct frame frame;

	expect(tunnel, &frame, FRAME_DELIVERY_STATUS, id);
	assert_int_equal(frame.u.status.index, recipient);
	enhanced_status_print(frame.u.status.status.status, text, sizeof(text));
	delivery_status_print_lmtp(&frame.u.status.status, "", reply, sizeof(reply));
	assert_true(frame.u.status.status.in_progress == (strstr(reply, "still in progress") != NULL));
	if (strcmp(text, code) != 0 || strstr(reply, words) == NULL)
		fail_msg("recipient %u: %s instead of %s %s", recipient, reply, code, words);
}

static void expect_done(struct tunnel *tunnel, uint32_t id)
{
	struct frame frame;

	expect(tunnel, &frame, FRAME_DONE, id);
}

static size_t count_jobs(struct world *world)
{
	return delivery_jobs_wait_empty(&world->fixture->edge.jobs, deadline_in_ms(0));
}

/* After a second at least, as wait_limit says; on a busy machine it may be more. */
static void expect_put_off(struct tunnel *tunnel, uint32_t id)
{
	static const char begin[] = "still in progress (waiting for its turn, ", end[] = " s); the result will be collected at the next attempt";
	char reply[DELIVERY_LMTP_REPLY_MAX], *at;
	struct frame frame;

	expect(tunnel, &frame, FRAME_DELIVERY_STATUS, id);
	assert_int_equal(frame.u.status.index, 0);
	assert_true(frame.u.status.status.in_progress);
	delivery_status_print_lmtp(&frame.u.status.status, "", reply, sizeof(reply));
	at = strstr(reply, begin);
	if (strncmp(reply + 3, " 4.4.2 ", 7) != 0 || at == NULL || strtol(at + strlen(begin), &at, 10) < 1 || strncmp(at, end, strlen(end)) != 0)
		fail_msg("%s", reply);
}

/* Sent, waited for, and put off. */
static void leave_one(struct tunnel *tunnel, uint32_t id)
{
	send_queued(tunnel, id, "4XyZ", SLOW, NULL);
	expect_put_off(tunnel, id);
	expect_done(tunnel, id);
}

/* ---- wait_limit ---- */

static void test_wait_is_over(void **state)
{
	struct world *world = *state;
	struct edge *edge = &world->fixture->edge;
	int64_t before_ms = deadline_now_ms();
	struct tunnel tunnel;

	connect_as(world->fixture, &tunnel, ALICE);
	close_gate(world);
	send_queued(&tunnel, 1, "4XyZ", SLOW, "b@" NOWHERE);
	expect_status(&tunnel, 1, 1, "5.4.4", "");
	expect_put_off(&tunnel, 1);
	assert_true(deadline_now_ms() - before_ms >= 1000);
	expect_done(&tunnel, 1);
	/* the tunnel is free for the next message while the first is delivered */
	send_queued(&tunnel, 2, "4XyA", "c@" NOWHERE, NULL);
	expect_outcomes(&tunnel, 2, 1, "5.4.4");
	assert_true(count_jobs(world) > 0);
	assert_false(fake_dns_was_asked(world->fixture->dns, "gone.example"));
	open_gate(world);
	assert_int_equal(delivery_jobs_wait_empty(&edge->jobs, deadline_in_ms(PATIENCE_MS)), 0);
	assert_int_equal(atomic_load(&edge->load.threads), 0);
	assert_int_equal(content_pool_used(&edge->content_pool), 0);
	/* the next attempt */
	send_queued(&tunnel, 3, "4XyZ", SLOW, NULL);
	expect_status(&tunnel, 3, 0, "5.1.2", "answered from journal");
	expect_done(&tunnel, 3);
	assert_int_equal(fake_dns_asked_count(world->fixture->dns), 1);
	tunnel_close(&tunnel, 0, NULL);
}

/* Nobody could collect it: the mail host waits for longer than wait_limit. */
static void test_no_queue_id(void **state)
{
	struct world *world = *state;
	struct pollfd pollfd = { .events = POLLIN };
	struct tunnel tunnel;

	connect_as(world->fixture, &tunnel, ALICE);
	close_gate(world);
	send_queued(&tunnel, 1, "", SLOW, NULL);
	pollfd.fd = tunnel.stream.read_fd;
	assert_int_equal(poll(&pollfd, 1, SILENCE_MS), 0);
	open_gate(world);
	expect_outcomes(&tunnel, 1, 1, "5.1.2");
	tunnel_close(&tunnel, 0, NULL);
}

/* Its tunnel ends; the delivery does not. */
static void test_tunnel_ends_first(void **state)
{
	struct world *world = *state;
	struct tunnel tunnel;

	connect_as(world->fixture, &tunnel, ALICE);
	close_gate(world);
	leave_one(&tunnel, 1);
	tunnel_close(&tunnel, 0, NULL);
	wait_for_sessions(world->fixture, 0);
	assert_int_equal(count_jobs(world), 1);
	open_gate(world);
	assert_int_equal(delivery_jobs_wait_empty(&world->fixture->edge.jobs, deadline_in_ms(PATIENCE_MS)), 0);
	connect_as(world->fixture, &tunnel, ALICE);
	send_queued(&tunnel, 1, "4XyZ", SLOW, NULL);
	expect_status(&tunnel, 1, 0, "5.1.2", "answered from journal");
	expect_done(&tunnel, 1);
	tunnel_close(&tunnel, 0, NULL);
}

/* The machine has no room for a thread: the session delivers, and waits to the end. */
static void test_no_thread(void **state)
{
	struct world *world = *state;
	struct pollfd pollfd = { .events = POLLIN };
	struct tunnel tunnel;

	connect_as(world->fixture, &tunnel, ALICE);
	close_gate(world);
	fake_threads.is_full = true;
	send_queued(&tunnel, 1, "4XyZ", SLOW, "b@gone.example");
	pollfd.fd = tunnel.stream.read_fd;
	assert_int_equal(poll(&pollfd, 1, SILENCE_MS), 0);
	assert_true(fake_threads.refused > 0);
	assert_int_equal(count_jobs(world), 0);
	open_gate(world);
	expect_outcomes(&tunnel, 1, 2, "5.1.2");
	assert_int_equal(content_pool_used(&world->fixture->edge.content_pool), 0);
	fake_threads.is_full = false;
	send_queued(&tunnel, 2, "4XyA", SLOW, NULL);
	expect_outcomes(&tunnel, 2, 1, "5.1.2");
	tunnel_close(&tunnel, 0, NULL);
}

/* Nothing is delivered then, every recipient is answered once, and the session goes on. */
static void test_no_memory(void **state)
{
	struct world *world = *state;
	uint32_t index, surplus = 2;
	struct tunnel tunnel;

	connect_as(world->fixture, &tunnel, ALICE);
	send_envelope(&tunnel, 1, 0);
	for (index = 0; index < RECIPIENT_LIMIT + surplus; index++)
		send_recipient(&tunnel, 1, index, "b@" NOWHERE);
	send_content(&tunnel, 1, MESSAGE);
	is_short = true;
	send_end(&tunnel, 1, MESSAGE);
	for (index = RECIPIENT_LIMIT; index < RECIPIENT_LIMIT + surplus; index++)
		expect_status(&tunnel, 1, index, "4.5.3", "more recipients than the limit of 5");
	for (index = 0; index < RECIPIENT_LIMIT; index++)
		expect_status(&tunnel, 1, index, "4.3.1", "out of memory");
	expect_done(&tunnel, 1);
	is_short = false;
	send_queued(&tunnel, 2, "4XyA", "b@" NOWHERE, NULL);
	expect_outcomes(&tunnel, 2, 1, "5.4.4");
	assert_int_equal(content_pool_used(&world->fixture->edge.content_pool), 0);
	tunnel_close(&tunnel, 0, NULL);
}

/* ---- the end ---- */

static void begin_to_stop(struct world *world)
{
	struct edge *edge = &world->fixture->edge;

	raise_in_edge(world->fixture, SIGTERM);
	for (struct deadline end = deadline_in_ms(PATIENCE_MS); atomic_load(&edge->end.phase) == EDGE_RUNNING;) {
		assert_false(deadline_has_passed(end));
		sched_yield();
	}
}

/* Within this time? */
static bool has_stopped(struct world *world, int64_t patience_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += patience_ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	if (pthread_timedjoin_np(world->fixture->thread, NULL, &until) != 0)
		return false;
	world->fixture->is_running = false;
	return true;
}

/* No session is left, but what they left is waited for. */
static void test_stop_waits_for_the_left(void **state)
{
	struct world *world = *state;
	struct edge *edge = &world->fixture->edge;
	struct delivery_status status;
	struct journal_claim claim;
	struct content_digest digest;
	struct test_subject test;
	struct tunnel tunnel;

	connect_as(world->fixture, &tunnel, ALICE);
	close_gate(world);
	leave_one(&tunnel, 1);
	begin_to_stop(world);
	expect_close(&tunnel, CLOSE_SHUTDOWN);
	wait_for_sessions(world->fixture, 0);
	assert_false(has_stopped(world, 200));
	assert_int_equal(count_jobs(world), 1);
	open_gate(world);
	join_edge(world->fixture);
	assert_int_equal(count_jobs(world), 0);
	assert_int_equal(atomic_load(&edge->end.phase), EDGE_DRAINING);	/* nothing was given up */
	test_subject(&test, "alice", "4XyZ", "a", "gone.example", 0);
	content_digest_init(&digest);
	content_digest_update(&digest, MESSAGE, strlen(MESSAGE));
	content_digest_final(&digest, test.digest);
	assert_int_equal(claim_at_once(world->journal, &test.subject, &claim, &status), JOURNAL_KNOWN);
}

/* Not beyond drain_time, though: it gives up, and the journal knows nothing. */
static void test_stop_gives_the_left_up(void **state)
{
	struct world *world = *state;
	struct tunnel tunnel;

	connect_as(world->fixture, &tunnel, ALICE);
	close_gate(world);
	leave_one(&tunnel, 1);
	begin_to_stop(world);
	expect_close(&tunnel, CLOSE_SHUTDOWN);
	join_edge(world->fixture);
	assert_int_equal(count_jobs(world), 0);
	assert_int_equal(atomic_load(&world->fixture->edge.end.phase), EDGE_CANCELLING);
	assert_false(fake_dns_was_asked(world->fixture->dns, "gone.example"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_wait_is_over),
		TEST(test_no_queue_id),
		TEST(test_tunnel_ends_first),
		TEST(test_no_thread),
		TEST(test_no_memory),
		TEST(test_stop_waits_for_the_left),
		TEST(test_stop_gives_the_left_up),
	};

	log_open("test", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
