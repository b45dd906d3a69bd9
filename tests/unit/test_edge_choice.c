/*
 * Goal: failover only while it is safe. Two edges behind a scripted link; which of them is up, what
 * the earlier attempt's end was, and where END of the next one goes (case 176).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "captured_log.h"
#include "file_place.h"
#include "lib/dot_stuffing.h"
#include "lib/log.h"
#include "transport/content_pump.h"
#include "transport/edge_watch.h"
#include "tunnel/tunnel_limits.h"

#define HOLD_MS 900000

/* Time stands still, but for who sleeps. */
static int64_t now_ms = 1000000000;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	if (clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, now);
	*now = (struct timespec){ now_ms / 1000, now_ms % 1000 * 1000000 };
	return 0;
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	assert_true(fds == NULL && count == 0);
	now_ms += timeout_ms;
	return 0;
}

struct world {
	struct file_place place;
	struct transport_setup setup;
	struct edge edges[2];
	bool is_down[2];
	bool is_full[2];	/* answers, and takes no tunnel */
	int tries[2];		/* tunnels that were wanted */
	int64_t granted_ms[2];	/* for the last of them */
	bool is_told;		/* the outcome, of this transaction */
	bool is_silent;		/* the tunnel is lost after END */
	char sent[40];		/* letters of the frames, each edge's number when it was opened */
	struct captured_log log;
};

static enum tunnel_failure link_open(void *context, const struct edge *edge, struct deadline deadline,
				     struct frame_info *info)
{
	struct world *world = context;
	size_t number = strcmp(edge->name, "de") == 0;

	world->tries[number]++;
	world->granted_ms[number] = deadline_left_ms(deadline);
	if (world->is_down[number])
		return TUNNEL_UNREACHABLE;
	if (world->is_full[number])
		return TUNNEL_LOST;
	snprintf(info->edge_name, sizeof(info->edge_name), "%s.example", edge->name);
	world->sent[strlen(world->sent)] = (char)('0' + number);
	return TUNNEL_OK;
}

static enum tunnel_failure link_send(void *context, const struct frame *frame, struct deadline deadline)
{
	struct world *world = context;

	(void)deadline;
	world->is_told &= frame->type != FRAME_ENVELOPE;
	world->sent[strlen(world->sent)] = "?ERC.A"[frame->type];
	return TUNNEL_OK;
}

static enum tunnel_failure link_flush(void *context, struct deadline deadline)
{
	(void)context;
	(void)deadline;
	return TUNNEL_OK;
}

/* The outcome, then DONE. */
static enum tunnel_failure link_receive(void *context, struct frame *frame, struct deadline deadline)
{
	struct world *world = context;
	struct smtp_reply reply = { .code = 250 };

	(void)deadline;
	if (world->is_silent)
		return TUNNEL_LOST;
	memset(frame, 0, sizeof(*frame));
	frame->transaction = 1;
	frame->type = world->is_told ? FRAME_DONE : FRAME_DELIVERY_STATUS;
	if (world->is_told)
		return TUNNEL_OK;
	world->is_told = true;
	delivery_status_set_reply(&frame->u.status.status, STAGE_AFTER_FINAL_DOT, &reply);
	return TUNNEL_OK;
}

static bool link_has_input(void *context)
{
	(void)context;
	return false;
}

static void link_close(void *context, enum close_reason reason, const char *text)
{
	(void)context;
	(void)reason;
	(void)text;
}

static const char *link_error(void *context)
{
	(void)context;
	return "scripted failure";
}

static const struct edge_link_ops ops = { link_open,	  link_send,  link_flush, link_receive,
					  link_has_input, NULL, link_close,
					  link_error };

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	if (file_place_init(&world->place, "edges.state") != 0)
		return -1;
	strcpy(world->edges[0].name, "us");
	strcpy(world->edges[1].name, "de");
	memset(world->edges[0].public_key, 'u', 32);
	memset(world->edges[1].public_key, 'd', 32);
	world->setup.edges = (struct edge_table){ .edges = world->edges, .count = 2 };
	world->setup.routes.is_missing = true;
	world->setup.conf.edge_state = world->place.path;
	world->setup.conf.affinity_hold = HOLD_MS;
	world->setup.conf.connect_timeout = 15000;
	world->setup.conf.stray_cr_lf = STRAY_CR_LF_SPACE;
	captured_log_start(&world->log);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	captured_log_stop(&world->log);
	file_place_wipe(&world->place);
	free(world);
	return 0;
}

static void make_envelope(struct envelope *envelope, const char *queue_id)
{
	struct recipient recipient = { .forward_path = { .local_part = "u", .domain = "d.example" } };

	envelope_init(envelope);
	snprintf(envelope->queue_id, sizeof(envelope->queue_id), "%s", queue_id);
	envelope->reverse_path.is_null = true;
	envelope_add_recipient(envelope, &recipient);
}

/* One message in a process of its own, as pipe(8) would have it; its outcome in *status. */
static void attempt(struct world *world, const char *queue_id, const char *content,
		    struct delivery_status *status)
{
	struct envelope envelope;
	struct edge_choice choice;
	struct content_pump pump;
	struct relay relay;
	size_t used;

	memset(world->sent, 0, sizeof(world->sent));
	make_envelope(&envelope, queue_id);
	relay_init(&relay, (struct edge_link){ &ops, world });
	edge_choice_init(&choice, &world->setup, &relay);
	if (edge_choice_begin(&choice, &envelope, NULL, status) == 0) {
		content_pump_init(&pump, &(struct content_pump_params){
			.relay = &relay,
			.choice = &choice,
			.envelope = &envelope,
			.stray_cr_lf = STRAY_CR_LF_SPACE,
			.connect_deadline = deadline_in_ms(1000),
			.deadline = deadline_in_ms(TUNNEL_TRANSPORT_BUDGET_MS),
		});
		assert_true(content_pump_feed(&pump, content, strlen(content), &used));
		while (relay_wait(&relay))
			;
		*status = relay.outcomes[0].status;
		affinity_note(&choice.affinity, 0, status);
		content_pump_wipe(&pump);
	}
	affinity_confirm(&choice.affinity);
	relay_wipe(&relay);
	envelope_wipe(&envelope);
}

#define MESSAGE "Subject: x\r\n\r\nx\r\n.\r\n"

static void check(struct world *world, const char *sent, const char *words)
{
	struct delivery_status status;
	char reply[DELIVERY_LMTP_REPLY_MAX];

	attempt(world, "4XyZ", MESSAGE, &status);
	delivery_status_print_lmtp(&status, "", reply, sizeof(reply));
	if (strcmp(world->sent, sent) != 0 || strstr(reply, words) == NULL)
		fail_msg("sent %s instead of %s: %s", world->sent, sent, reply);
}

static void test_failover_before_end(void **state)
{
	struct world *world = *state;

	check(world, "0ERC.", "250 ");
	world->is_down[0] = true;
	check(world, "1ERC.", "250 ");
	world->is_down[1] = true;
	check(world, "", "451 4.4.1 scripted failure");
	assert_int_equal(captured_log_count(&world->log, "possible duplicate"), 0);
}

static void test_stays_at_the_edge(void **state)
{
	struct world *world = *state;

	world->is_silent = true;
	check(world, "0ERC.", "outcome unknown");
	world->is_silent = false;
	world->is_down[0] = true;
	check(world, "1", "4.4.2 edge us may hold the outcome of an earlier attempt");
	check(world, "1", "4.4.2 edge us may hold");
	world->edges[0].is_disabled = true;
	check(world, "1", "it is disabled in the table of edges");
	world->edges[0].is_disabled = false;
	world->is_down[0] = false;
	check(world, "10ERC.", "250 "); /* a moment ago it was down: new mail would go elsewhere */
	world->is_down[0] = true; /* the outcome is known: another message of this id may go anywhere */
	check(world, "1ERC.", "250 ");
	assert_int_equal(captured_log_count(&world->log, "possible duplicate"), 0);
}

static void age_of_failure(struct world *world, int64_t ago_ms)
{
	struct edge_health health;
	const struct edge_health_attempt up = { .event = EDGE_HEALTH_OPENED,
						.now_ms = deadline_now_ms() - ago_ms - 1,
						.took_ms = 30 },
					 down = { .event = EDGE_HEALTH_FAILED,
						  .now_ms = deadline_now_ms() - ago_ms };

	edge_watch_note(world->place.path, &world->edges[0], &up, &health);
	edge_watch_note(world->place.path, &world->edges[0], &down, &health);
}

/* A dead edge is tried once, and then not before its probe is due; who probes is not kept for long. */
static void test_dead_edge_costs_once(void **state)
{
	struct world *world = *state;

	world->is_down[0] = true;
	for (int i = 0; i < 5; i++)
		check(world, "1ERC.", "250 ");
	assert_int_equal(world->tries[0], 1);
	assert_int_equal(world->granted_ms[0], 2000);
	assert_int_equal(world->granted_ms[1], 4000); /* no other is left */
	age_of_failure(world, 2000);
	check(world, "1ERC.", "250 ");
	check(world, "1ERC.", "250 ");
	assert_int_equal(world->tries[0], 2);
	assert_int_equal(world->granted_ms[0], 2000);
	age_of_failure(world, 2000);
	world->is_down[0] = false;
	check(world, "0ERC.", "250 ");
	check(world, "0ERC.", "250 ");
	assert_int_equal(world->tries[0], 4);
	assert_int_equal(captured_log_count(&world->log, "edge=us is back after 2 s"), 1);
}

/* The second of the route is probed, too, and mail still goes by the first. */
static void test_probe_of_a_later_edge(void **state)
{
	struct world *world = *state;
	struct edge first = world->edges[0];

	age_of_failure(world, 2000);
	world->edges[0] = world->edges[1];
	world->edges[1] = first;
	check(world, "01ERC.", "250 ");
	check(world, "1ERC.", "250 ");
	assert_int_equal(captured_log_count(&world->log, "edge=us is back after 2 s"), 1);
}

/* With no other edge it is tried whenever that costs nothing, as here: mail flows as soon as one is back. */
static void test_all_are_down(void **state)
{
	struct world *world = *state;

	world->is_down[0] = world->is_down[1] = true;
	check(world, "", "451 4.4.1 scripted failure");
	check(world, "", "451 4.4.1 scripted failure");
	assert_int_equal(world->tries[0], 2);
	assert_int_equal(world->tries[1], 2);
	world->is_down[1] = false;
	check(world, "1ERC.", "250 ");
}

/* Another process is trying it: a moment's wait, and no attempt of our own. */
static void test_claimed_by_another(void **state)
{
	struct world *world = *state;
	struct edge_health health;
	int64_t began_ms = now_ms;

	world->setup.edges.count = 1;
	age_of_failure(world, 2000);
	assert_true(edge_watch_claim(world->place.path, &world->edges[0], true, 5000, &health));
	check(world, "", "451 4.4.1 no edge of the route answers; edge us has been down for 2 s");
	assert_in_range(now_ms - began_ms, edge_health_wait_ms(&health), 2 * edge_health_wait_ms(&health));
	assert_int_equal(world->tries[0], 0);
}

/* An edge that has no room is not down; the next one takes this message. */
static void test_busy_is_not_down(void **state)
{
	struct world *world = *state;

	world->is_full[0] = true;
	check(world, "1ERC.", "250 ");
	check(world, "1ERC.", "250 ");
	assert_int_equal(world->tries[0], 2);
	assert_int_equal(captured_log_count(&world->log, "is down"), 0);
}

/* It takes nothing new, but whoever must ask there may; then it is an edge like one that is not there. */
static void test_drained(void **state)
{
	struct world *world = *state;

	world->is_silent = true;
	check(world, "0ERC.", "outcome unknown");
	world->is_silent = false;
	world->edges[0].is_drained = true;
	check(world, "10ERC.", "250 ");
	check(world, "1ERC.", "250 ");
	world->edges[1].is_drained = true;
	check(world, "", "4.4.4 no usable edge: no edge takes new mail");
}

/* Also if the route would try the other one first. */
static void test_goes_back_to_the_edge(void **state)
{
	struct world *world = *state;
	struct edge first;

	world->is_silent = true;
	check(world, "0ERC.", "outcome unknown");
	world->is_silent = false;
	first = world->edges[0];
	world->edges[0] = world->edges[1];
	world->edges[1] = first;
	check(world, "10ERC.", "250 ");
}

static void test_hold_is_over(void **state)
{
	struct world *world = *state;

	world->is_silent = true;
	check(world, "0ERC.", "outcome unknown");
	world->is_silent = false;
	world->setup.conf.affinity_hold = 0;
	world->is_down[0] = true;
	check(world, "11ERC.", "(possible duplicate: an earlier attempt may have been delivered)");
	assert_int_equal(captured_log_count(&world->log, "edge=de: possible duplicate: edge us was given"), 1);
	check(world, "1ERC.", "250 ");
	assert_int_equal(captured_log_count(&world->log, "possible duplicate"), 1);
}

/* Its journal keeps outcomes for longer than the hold: that edge is asked first all the same. */
static void test_hold_is_over_and_the_edge_is_back(void **state)
{
	struct world *world = *state;
	struct edge first;

	world->is_silent = true;
	check(world, "0ERC.", "outcome unknown");
	world->is_silent = false;
	world->setup.conf.affinity_hold = 0;
	first = world->edges[0];
	world->edges[0] = world->edges[1];
	world->edges[1] = first;
	check(world, "10ERC.", "250 ");
	assert_int_equal(captured_log_count(&world->log, "possible duplicate"), 0);
}

/* sendmail(1): the id is in the content, and is known before ENVELOPE. */
static void test_id_in_the_content(void **state)
{
	static const char message[] = "Received: by mail.example (Postfix, from userid 0)\r\n"
				      "\tid 4QrS; Sat, 21 Nov 2026 10:00:00 +0000\r\n" MESSAGE;
	struct world *world = *state;
	struct delivery_status status;

	world->is_silent = true;
	attempt(world, "", message, &status);
	assert_string_equal(world->sent, "0ERC.");
	world->is_down[0] = true;
	attempt(world, "", message, &status);
	assert_string_equal(world->sent, "1");
	assert_non_null(strstr(status.reason, "edge us may hold"));
}

/* Nothing names it but its content: no edge would know, so none is waited for. */
static void test_no_id(void **state)
{
	struct world *world = *state;
	struct delivery_status status;

	world->is_silent = true;
	attempt(world, "", MESSAGE, &status);
	world->is_silent = false;
	world->is_down[0] = true;
	attempt(world, "", "Subject: y\r\n\r\nx\r\n.\r\n", &status);
	assert_false(status.maybe_duplicate);
	attempt(world, "", MESSAGE, &status);
	assert_string_equal(world->sent, "1ERC.");
	assert_true(status.maybe_duplicate);
	assert_int_equal(captured_log_count(&world->log, "possible duplicate"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_failover_before_end),
		TEST(test_stays_at_the_edge),
		TEST(test_dead_edge_costs_once),
		TEST(test_probe_of_a_later_edge),
		TEST(test_all_are_down),
		TEST(test_claimed_by_another),
		TEST(test_busy_is_not_down),
		TEST(test_drained),
		TEST(test_goes_back_to_the_edge),
		TEST(test_hold_is_over),
		TEST(test_hold_is_over_and_the_edge_is_back),
		TEST(test_id_in_the_content),
		TEST(test_no_id),
	};

	log_open("test", LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
