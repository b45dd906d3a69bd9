/*
 * Goal: while an edge may know what became of an attempt no other edge gets the message, whatever
 * happens to us in between; later another may, and it is said (case 176).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "captured_log.h"
#include "file_place.h"
#include "lib/deadline.h"
#include "lib/log.h"
#include "transport/affinity.h"

#define HOLD_MS 900000
#define NOW_MS INT64_C(1000000000)

/* ---- the plan: rows of (edge, age) -> verdict ---- */

static struct edge edges[] = { { .name = "us" }, { .name = "de" }, { .name = "off", .is_disabled = true } };
static const struct edge_table table = { .edges = edges, .count = 3 };

static const struct edge *edge_named(const char *name)
{
	for (size_t i = 0; i < table.count; i++) {
		memset(edges[i].public_key, edges[i].name[0], sizeof(edges[i].public_key));
		if (strcmp(edges[i].name, name) == 0)
			return &edges[i];
	}
	return NULL;
}

static struct edge_state_entry entry_of(const char *edge, int64_t age_ms)
{
	struct edge_state_entry entry = { .kind = EDGE_STATE_OUTCOME, .since_ms = NOW_MS - age_ms };

	snprintf(entry.edge, sizeof(entry.edge), "%s", edge);
	memset(entry.edge_id, edge[0], sizeof(entry.edge_id));
	return entry;
}

static void test_plan(void **state)
{
	static const struct {
		const char *name;
		struct {
			const char *edge;
			int64_t age_ms;
		} entries[4];
		enum affinity_verdict verdict;
		const char *edge, *obstacle;
		int64_t left_ms;
	} rows[] = {
		{ "nothing is known", { { 0 } }, AFFINITY_ANY, NULL, NULL, 0 },
		{ "held", { { "de", 1000 } }, AFFINITY_ONLY, "de", NULL, HOLD_MS - 1000 },
		{ "just now", { { "de", 0 } }, AFFINITY_ONLY, "de", NULL, HOLD_MS },
		{ "the last millisecond", { { "de", HOLD_MS - 1 } }, AFFINITY_ONLY, "de", NULL, 1 },
		{ "the hold is over", { { "de", HOLD_MS } }, AFFINITY_FIRST, "de", NULL, 0 },
		{ "days ago", { { "de", EDGE_STATE_KEEP_MS - 1 } }, AFFINITY_FIRST, "de", NULL, 0 },
		{ "too old to matter", { { "de", EDGE_STATE_KEEP_MS } }, AFFINITY_ANY, NULL, NULL, 0 },
		{ "the longest of two holds", { { "us", 5000 }, { "us", 3000 }, { "us", 4000 } }, AFFINITY_ONLY,
		  "us", NULL, HOLD_MS - 3000 },
		{ "held here, over there", { { "us", HOLD_MS }, { "de", 3000 } }, AFFINITY_ONLY, "de", NULL,
		  HOLD_MS - 3000 },
		{ "held at two", { { "us", 5000 }, { "de", 3000 } }, AFFINITY_WAIT, NULL, "other edges",
		  HOLD_MS - 5000 },
		{ "held at two, the other way round", { { "us", 3000 }, { "de", 5000 }, { "de", 9000 } },
		  AFFINITY_WAIT, NULL, "other edges", HOLD_MS - 9000 },
		{ "the youngest of two that are over", { { "us", HOLD_MS + 2 }, { "de", HOLD_MS + 1 } },
		  AFFINITY_FIRST, "de", NULL, 0 },
		{ "removed", { { "gone", 1000 } }, AFFINITY_WAIT, NULL, "no longer in the table",
		  HOLD_MS - 1000 },
		{ "removed, the hold is over", { { "gone", HOLD_MS } }, AFFINITY_ANY, NULL, NULL, 0 },
		{ "disabled", { { "off", 1000 } }, AFFINITY_WAIT, NULL, "is disabled", HOLD_MS - 1000 },
		{ "disabled, the hold is over", { { "off", HOLD_MS } }, AFFINITY_ANY, NULL, NULL, 0 },
	};

	(void)state;
	edge_named("");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct affinity_plan plan = { .hold_ms = HOLD_MS, .now_ms = NOW_MS };

		for (size_t j = 0; j < 4 && rows[i].entries[j].edge != NULL; j++) {
			struct edge_state_entry entry =
				entry_of(rows[i].entries[j].edge, rows[i].entries[j].age_ms);

			affinity_plan_add(&plan, &entry);
		}
		affinity_plan_decide(&plan, &table);
		if (plan.verdict != rows[i].verdict)
			fail_msg("%s: verdict %d", rows[i].name, plan.verdict);
		if (rows[i].edge != NULL)
			assert_string_equal(plan.edge->name, rows[i].edge);
		if (rows[i].obstacle != NULL && strstr(plan.obstacle, rows[i].obstacle) == NULL)
			fail_msg("%s: %s", rows[i].name, plan.obstacle);
		if (plan.left_ms != rows[i].left_ms)
			fail_msg("%s: %lld ms left", rows[i].name, (long long)plan.left_ms);
	}
}

/* An edge is its key: another name for it is no other edge, another key under its name is. */
static void test_plan_knows_keys(void **state)
{
	struct edge renamed = { .name = "new", .public_key = { 'd', 'd', 'd', 'd', 'd', 'd', 'd', 'd' } };
	struct edge rekeyed = { .name = "de", .public_key = { 'x' } };
	struct edge_state_entry entry = entry_of("de", 0);
	struct affinity_plan plan = { .hold_ms = HOLD_MS, .now_ms = NOW_MS };

	(void)state;
	affinity_plan_add(&plan, &entry);
	affinity_plan_decide(&plan, &(struct edge_table){ .edges = &renamed, .count = 1 });
	assert_int_equal(plan.verdict, AFFINITY_ONLY);
	assert_ptr_equal(plan.edge, &renamed);
	affinity_plan_decide(&plan, &(struct edge_table){ .edges = &rekeyed, .count = 1 });
	assert_int_equal(plan.verdict, AFFINITY_WAIT);
	/* Its key is being replaced: it is the same edge. */
	rekeyed.has_former_key = true;
	memcpy(rekeyed.former_key, renamed.public_key, sizeof(rekeyed.former_key));
	affinity_plan_decide(&plan, &(struct edge_table){ .edges = &rekeyed, .count = 1 });
	assert_int_equal(plan.verdict, AFFINITY_ONLY);
	assert_ptr_equal(plan.edge, &rekeyed);
}

static void test_sentence(void **state)
{
	struct edge_state_entry entry = entry_of("de", 0);
	struct affinity_plan plan = { .hold_ms = HOLD_MS, .now_ms = NOW_MS };
	struct delivery_status status;
	char reply[DELIVERY_LMTP_REPLY_MAX];

	(void)state;
	affinity_plan_add(&plan, &entry);
	affinity_plan_wait(&plan, "connect to edge de.example:7843: Connection refused", &status);
	delivery_status_print_lmtp(&status, "", reply, sizeof(reply));
	assert_non_null(strstr(reply, "451 4.4.2 edge de may hold the outcome of an earlier attempt; no other edge is "
				      "used until 2"));
	assert_non_null(strstr(reply, " UTC: connect to edge de.example:7843: Connection refused"));
	assert_false(status.maybe_duplicate);
}

/* ---- one message after another, on a file ---- */

struct world {
	struct file_place place;
	struct envelope envelope;
	struct captured_log log;
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct recipient recipient = { .forward_path = { .local_part = "a", .domain = "example.net" } };

	if (file_place_init(&world->place, "edges.state") != 0)
		return -1;
	envelope_init(&world->envelope);
	strcpy(world->envelope.queue_id, "4XyZ");
	envelope_add_recipient(&world->envelope, &recipient);
	strcpy(recipient.forward_path.local_part, "b");
	envelope_add_recipient(&world->envelope, &recipient);
	edge_named("");
	captured_log_start(&world->log);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	captured_log_stop(&world->log);
	envelope_wipe(&world->envelope);
	file_place_wipe(&world->place);
	free(world);
	return 0;
}

/* An attempt up to END. */
static void attempt(struct world *world, struct affinity *affinity, const char *edge)
{
	static const uint8_t digest[CONTENT_DIGEST_SIZE] = { 1 };

	affinity_init(affinity, world->place.path, HOLD_MS);
	affinity_begin(affinity, &world->envelope, digest);
	affinity_before_end(affinity, &world->envelope, edge_named(edge));
}

static struct delivery_status status_of(enum delivery_action action, bool maybe_duplicate, bool in_progress)
{
	return (struct delivery_status){ .action = action,
					 .maybe_duplicate = maybe_duplicate,
					 .in_progress = in_progress };
}

static enum affinity_verdict ask(struct world *world, int64_t hold_ms, const struct edge **edge)
{
	struct affinity affinity;
	struct affinity_plan plan;

	affinity_init(&affinity, world->place.path, hold_ms);
	affinity_begin(&affinity, &world->envelope, NULL);
	affinity_make_plan(&affinity, &table, &plan);
	if (edge != NULL)
		*edge = plan.edge;
	affinity_end(&affinity);
	return plan.verdict;
}

/* Each outcome, and whether anything is left to be asked for when the mail system has gone on. */
static void test_outcomes(void **state)
{
	static const struct {
		const char *name;
		enum delivery_action action;
		bool maybe_duplicate, in_progress;
		enum affinity_verdict verdict;
	} rows[] = {
		{ "relayed", DELIVERY_RELAYED, false, false, AFFINITY_ANY },
		{ "failed", DELIVERY_FAILED, false, false, AFFINITY_ANY },
		{ "temporary", DELIVERY_DELAYED, false, false, AFFINITY_ANY },
		{ "unknown", DELIVERY_DELAYED, true, false, AFFINITY_ONLY },
		{ "still in progress", DELIVERY_DELAYED, false, true, AFFINITY_ONLY },
	};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct delivery_status relayed = status_of(DELIVERY_RELAYED, false, false);
		struct delivery_status status =
			status_of(rows[i].action, rows[i].maybe_duplicate, rows[i].in_progress);
		struct affinity affinity;

		attempt(world, &affinity, "us");
		assert_int_equal(ask(world, HOLD_MS, NULL), AFFINITY_ONLY); /* killed here */
		affinity_note(&affinity, 0, &relayed);
		affinity_note(&affinity, 1, &status);
		assert_int_equal(ask(world, HOLD_MS, NULL), AFFINITY_ONLY); /* or here */
		affinity_confirm(&affinity);
		if (ask(world, HOLD_MS, NULL) != rows[i].verdict)
			fail_msg("%s: %d", rows[i].name, ask(world, HOLD_MS, NULL));
		attempt(world, &affinity, "us"); /* clean */
		affinity_note(&affinity, 0, &relayed);
		affinity_note(&affinity, 1, &relayed);
		affinity_confirm(&affinity);
		assert_int_equal(ask(world, HOLD_MS, NULL), AFFINITY_ANY);
	}
	assert_int_equal(captured_log_count(&world->log, "possible duplicate"), 0);
}

/* lmtp(8) may have died with our answer in its hands: its successor asks the same edge. */
static void test_not_confirmed(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = status_of(DELIVERY_RELAYED, false, false);
	struct delivery_status temporary = status_of(DELIVERY_DELAYED, false, false);
	struct affinity affinity;
	const struct edge *edge;

	attempt(world, &affinity, "us");
	affinity_note(&affinity, 0, &temporary);
	affinity_note(&affinity, 1, &temporary);
	affinity_end(&affinity);
	assert_int_equal(ask(world, HOLD_MS, NULL), AFFINITY_ANY);
	attempt(world, &affinity, "de");
	affinity_note(&affinity, 0, &relayed);
	affinity_note(&affinity, 1, &temporary);
	affinity_end(&affinity);
	assert_int_equal(ask(world, HOLD_MS, &edge), AFFINITY_ONLY);
	assert_string_equal(edge->name, "de");
}

/* Refused before END: nothing was learnt, and nothing is forgotten. */
static void test_before_end(void **state)
{
	struct world *world = *state;
	struct delivery_status temporary = status_of(DELIVERY_DELAYED, false, false);
	struct affinity affinity;

	attempt(world, &affinity, "us");
	affinity_end(&affinity);
	affinity_init(&affinity, world->place.path, HOLD_MS);
	affinity_begin(&affinity, &world->envelope, NULL);
	affinity_note(&affinity, 0, &temporary);
	affinity_note(&affinity, 1, &temporary);
	affinity_confirm(&affinity);
	assert_int_equal(ask(world, HOLD_MS, NULL), AFFINITY_ONLY);
}

/*
 * The edge that may know turns the message away before it looks into its journal: what it may know it
 * may still know. At a first attempt such an answer is as good as any.
 */
static void test_turned_away(void **state)
{
	static const struct {
		enum delivery_stage stage;
		enum affinity_verdict first, second;
	} rows[] = {
		{ STAGE_TUNNEL, AFFINITY_ANY, AFFINITY_ONLY },
		{ STAGE_EDGE, AFFINITY_ANY, AFFINITY_ONLY },
		{ STAGE_DNS, AFFINITY_ANY, AFFINITY_ANY },
		{ STAGE_RCPT, AFFINITY_ANY, AFFINITY_ANY },
	};
	struct world *world = *state;

	world->envelope.recipient_count = 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct delivery_status status = status_of(DELIVERY_DELAYED, false, false);
		struct affinity affinity;

		status.stage = rows[i].stage;
		attempt(world, &affinity, "us");
		affinity_note(&affinity, 0, &status);
		affinity_confirm(&affinity);
		assert_int_equal(ask(world, HOLD_MS, NULL), rows[i].first);
		attempt(world, &affinity, "us"); /* unknown */
		affinity_end(&affinity);
		attempt(world, &affinity, "us");
		affinity_note(&affinity, 0, &status);
		affinity_confirm(&affinity);
		assert_int_equal(ask(world, HOLD_MS, NULL), rows[i].second);
		status.action = DELIVERY_RELAYED;
		attempt(world, &affinity, "us");
		affinity_note(&affinity, 0, &status);
		affinity_confirm(&affinity);
	}
}

/* Recipients of one message in two deliveries at once: the end of one is not the end of the other. */
static void test_recipients_are_apart(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = status_of(DELIVERY_RELAYED, false, false);
	struct affinity one, two;

	attempt(world, &two, "us");
	affinity_end(&two);
	world->envelope.recipient_count = 1;
	attempt(world, &one, "us");
	affinity_note(&one, 0, &relayed);
	affinity_confirm(&one);
	assert_int_equal(ask(world, HOLD_MS, NULL), AFFINITY_ANY);
	world->envelope.recipient_count = 2;
	assert_int_equal(ask(world, HOLD_MS, NULL), AFFINITY_ONLY);
	strcpy(world->envelope.queue_id, "4XyA");
	assert_int_equal(ask(world, HOLD_MS, NULL), AFFINITY_ANY);
}

/* The hold is over and another edge delivers: said, counted, and remembered until it is certain. */
static void test_possible_duplicate(void **state)
{
	struct world *world = *state;
	struct delivery_status status = status_of(DELIVERY_DELAYED, false, false);
	struct affinity affinity;
	struct edge_state file;
	const struct edge *edge;

	attempt(world, &affinity, "us");
	affinity_end(&affinity);
	assert_int_equal(ask(world, 0, &edge), AFFINITY_FIRST);
	assert_string_equal(edge->name, "us");
	attempt(world, &affinity, "us"); /* its journal knows: no duplicate */
	affinity_end(&affinity);
	assert_int_equal(captured_log_count(&world->log, "possible duplicate"), 0);
	attempt(world, &affinity, "de");
	assert_int_equal(captured_log_count(&world->log,
					    "to=<a@example.net>, edge=de: possible duplicate: edge us was given this "),
			 1);
	assert_int_equal(captured_log_count(&world->log, "possible duplicate"), 2);
	affinity_note(&affinity, 0, &status); /* a temporary answer from de tells nothing of us */
	assert_true(status.maybe_duplicate);
	status.maybe_duplicate = false;
	affinity_note(&affinity, 1, &status);
	affinity_confirm(&affinity);
	assert_int_equal(ask(world, 0, &edge), AFFINITY_FIRST);
	assert_string_equal(edge->name, "us");
	attempt(world, &affinity, "de");
	status = status_of(DELIVERY_RELAYED, false, false);
	affinity_note(&affinity, 0, &status);
	assert_true(status.maybe_duplicate);
	affinity_note(&affinity, 1, &status);
	affinity_confirm(&affinity);
	assert_int_equal(ask(world, 0, NULL), AFFINITY_ANY);
	assert_int_equal(edge_state_open(&file, world->place.path, false), 0);
	assert_int_equal(edge_state_counted(&file, EDGE_STATE_DUPLICATES), 4);
	edge_state_close(&file);
}

/* Without a queue id no edge can answer: nothing waits, but it is said, at the same edge, too. */
static void test_without_queue_id(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = status_of(DELIVERY_RELAYED, false, false);
	struct affinity affinity;

	world->envelope.queue_id[0] = '\0';
	attempt(world, &affinity, "us");
	affinity_end(&affinity);
	assert_int_equal(ask(world, HOLD_MS, NULL), AFFINITY_ANY);
	attempt(world, &affinity, "us");
	assert_int_equal(captured_log_count(&world->log, "possible duplicate"), 2);
	affinity_note(&affinity, 0, &relayed);
	assert_true(relayed.maybe_duplicate);
	affinity_end(&affinity);
}

/* No protection is lost in silence, and no mail is refused for it. */
static void test_unwritable(void **state)
{
	struct world *world = *state;
	struct delivery_status relayed = status_of(DELIVERY_RELAYED, false, false);
	struct affinity affinity;

	snprintf(world->place.path, sizeof(world->place.path), "%s/no/edges.state", world->place.directory);
	assert_int_equal(ask(world, HOLD_MS, NULL), AFFINITY_ANY);
	attempt(world, &affinity, "us");
	assert_int_equal(captured_log_count(&world->log, "another edge may deliver this message again"), 1);
	affinity_note(&affinity, 0, &relayed);
	assert_false(relayed.maybe_duplicate);
	affinity_confirm(&affinity);
	assert_int_equal(captured_log_count(&world->log, ""), 1);
}

/* What stands there is damaged: made anew, said once, and the message goes on. */
static void test_damaged(void **state)
{
	struct world *world = *state;
	struct affinity affinity;

	attempt(world, &affinity, "us");
	affinity_end(&affinity);
	assert_int_equal(truncate(world->place.path, 100), 0);
	assert_int_equal(ask(world, HOLD_MS, NULL), AFFINITY_ANY);
	attempt(world, &affinity, "us");
	affinity_end(&affinity);
	assert_int_equal(captured_log_count(&world->log, "damaged: it is made anew"), 1);
	assert_int_equal(ask(world, HOLD_MS, NULL), AFFINITY_ONLY);
}

/* The oldest outcome gives way when there are too many; that is said. */
static void test_bounded(void **state)
{
	struct world *world = *state;
	struct affinity affinity;
	char id[20];

	for (int i = 0; i < 6000; i++) {
		snprintf(id, sizeof(id), "Q%d", i);
		strcpy(world->envelope.queue_id, id);
		attempt(world, &affinity, "us");
		affinity_end(&affinity);
	}
	assert_true(captured_log_count(&world->log, "has no room: forgot that edge us may know") > 1000);
	assert_int_equal(ask(world, HOLD_MS, NULL), AFFINITY_ONLY);
}

static void test_no_addresses(void **state)
{
	struct world *world = *state;
	struct affinity affinity;
	char command[200];

	attempt(world, &affinity, "us");
	affinity_end(&affinity);
	snprintf(command, sizeof(command), "grep -qaE 'example|4XyZ' %s", world->place.path);
	assert_int_not_equal(system(command), 0);
	snprintf(command, sizeof(command), "grep -qa us %s", world->place.path);
	assert_int_equal(system(command), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_plan_knows_keys),
		cmocka_unit_test(test_sentence),
		TEST(test_outcomes),
		TEST(test_not_confirmed),
		TEST(test_before_end),
		TEST(test_turned_away),
		TEST(test_recipients_are_apart),
		TEST(test_possible_duplicate),
		TEST(test_without_queue_id),
		TEST(test_unwritable),
		TEST(test_damaged),
		TEST(test_bounded),
		TEST(test_no_addresses),
	};

	/* The warning about a new file is not what these count. */
	log_open("test", LOG_TARGET_STDERR, LOG_LEVEL_WARNING);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
