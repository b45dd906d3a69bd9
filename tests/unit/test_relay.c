/*
 * The relay against a scripted link: what is sent, in which order, and what every answer or silence
 * becomes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "transport/relay.h"

#define FRAMES_MAX 16

struct script {
	enum tunnel_failure open_result;
	int opens, closes;
	int fails_at_send; /* this send (1 = first) fails; 0 = none */
	int sends;
	char sent[200]; /* one letter per frame: E R C . A */
	uint32_t budget_ms;
	struct frame input[FRAMES_MAX]; /* what receive gives */
	size_t input_count, input_taken;
	size_t input_from_send;	    /* has_input is false until this many frames were sent */
	enum tunnel_failure at_end; /* what receive says after the last */
};

static enum tunnel_failure script_open(void *context, const struct edge *edge,
				       struct deadline deadline, struct frame_info *info)
{
	struct script *script = context;

	(void)edge;
	(void)deadline;
	script->opens++;
	if (script->open_result == TUNNEL_OK)
		snprintf(info->edge_name, sizeof(info->edge_name), "edge\r\n.example");
	return script->open_result;
}

static enum tunnel_failure script_send(void *context, const struct frame *frame,
				       struct deadline deadline)
{
	static const char letters[] = "?ERC.A";
	struct script *script = context;

	(void)deadline;
	if (++script->sends == script->fails_at_send)
		return TUNNEL_LOST;
	if (frame->type == FRAME_ENVELOPE)
		script->budget_ms = frame->u.envelope.budget_ms;
	script->sent[strlen(script->sent)] = letters[frame->type];
	return TUNNEL_OK;
}

static enum tunnel_failure script_flush(void *context, struct deadline deadline)
{
	(void)context;
	(void)deadline;
	return TUNNEL_OK;
}

static enum tunnel_failure script_receive(void *context, struct frame *frame,
					  struct deadline deadline)
{
	struct script *script = context;

	(void)deadline;
	if (script->input_taken == script->input_count)
		return script->at_end;
	*frame = script->input[script->input_taken++];
	return TUNNEL_OK;
}

static bool script_has_input(void *context)
{
	struct script *script = context;

	return script->input_taken < script->input_count &&
	       (size_t)script->sends >= script->input_from_send;
}

static void script_close(void *context, enum close_reason reason, const char *text)
{
	(void)reason;
	(void)text;
	((struct script *)context)->closes++;
}

static const char *script_error(void *context)
{
	(void)context;
	return "scripted failure";
}

static const struct edge_link_ops script_ops = {
	script_open,	  script_send,	script_flush, script_receive,
	script_has_input, NULL, script_close, script_error,
};

static const struct edge us = { .name = "us",
				.endpoint = { .host = "us.example", .port = "7843" } };
static const struct edge de = { .name = "de",
				.endpoint = { .host = "de.example", .port = "7843" } };

static void add_status(struct script *script, uint32_t transaction, uint32_t index, int code)
{
	struct frame *frame = &script->input[script->input_count++];
	struct smtp_reply reply = { .code = code };

	*frame = (struct frame){ .type = FRAME_DELIVERY_STATUS, .transaction = transaction };
	frame->u.status.index = index;
	delivery_status_set_reply(&frame->u.status.status, STAGE_AFTER_FINAL_DOT, &reply);
}

static void add_frame(struct script *script, enum frame_type type, uint32_t transaction)
{
	script->input[script->input_count++] = (struct frame){ .type = (uint8_t)type,
							       .transaction = transaction };
}

static void make_envelope(struct envelope *envelope, size_t recipients)
{
	struct recipient recipient = { .forward_path = { .local_part = "u",
							 .domain = "d.example" } };

	envelope_init(envelope);
	envelope->reverse_path.is_null = true;
	for (size_t i = 0; i < recipients; i++)
		envelope_add_recipient(envelope, &recipient);
}

/*
 * Runs one message of three recipients; outcomes as letters: 2 relayed, 4 delayed, 5 failed, !
 * maybe duplicate.
 */
static void run(struct relay *relay, struct script *script, char *outcomes)
{
	struct envelope envelope;
	struct delivery_status status;
	size_t used = 0;

	make_envelope(&envelope, 3);
	if (relay_open(relay, &us, deadline_in_ms(1000), &status) == 0 &&
	    relay_begin(relay, &envelope, deadline_in_ms(1000),
			deadline_in_ms(TUNNEL_TRANSPORT_BUDGET_MS)) == 0 &&
	    relay_content(relay, "a\r\n", 3) == 0 && relay_content(relay, "b\r\n", 3) == 0)
		relay_end(relay);
	while (relay_wait(relay))
		;
	(void)script;
	assert_int_equal(relay->known, relay->count);
	for (size_t i = 0; i < relay->count; i++) {
		const struct relay_outcome *outcome = &relay->outcomes[i];

		assert_true(outcome->is_known);
		outcomes[used++] = (char)('0' + outcome->status.status.class);
		if (outcome->status.maybe_duplicate)
			outcomes[used++] = '!';
	}
	outcomes[used] = '\0';
	envelope_wipe(&envelope);
}

static void test_good(void **state)
{
	struct script script = { .input_from_send = 99 };
	struct relay relay;
	char outcomes[20];

	(void)state;
	add_status(&script, 1, 2, 250);
	add_status(&script, 1, 0, 550);
	add_status(&script, 1, 1, 450);
	add_frame(&script, FRAME_DONE, 1);
	relay_init(&relay, (struct edge_link){ &script_ops, &script });
	run(&relay, &script, outcomes);
	assert_string_equal(outcomes, "542");
	assert_string_equal(script.sent, "ERRRCC.");
	assert_string_equal(relay.info.edge_name, "edge??.example");
	assert_in_range(script.budget_ms, TUNNEL_EDGE_BUDGET_MS / 2, TUNNEL_EDGE_BUDGET_MS);
	relay_finish(&relay);
	assert_int_equal(script.closes, 0);
	relay_wipe(&relay);
	assert_int_equal(script.closes, 1);
}

static void test_tunnel_is_kept(void **state)
{
	struct script script = { .input_from_send = 99 };
	struct relay relay;
	struct delivery_status status;
	char outcomes[20];

	(void)state;
	for (uint32_t transaction = 1; transaction <= 2; transaction++) {
		for (uint32_t i = 0; i < 3; i++)
			add_status(&script, transaction, i, 250);
		add_frame(&script, FRAME_DONE, transaction);
	}
	relay_init(&relay, (struct edge_link){ &script_ops, &script });
	run(&relay, &script, outcomes);
	relay_finish(&relay);
	run(&relay, &script, outcomes);
	assert_string_equal(outcomes, "222");
	relay_finish(&relay);
	assert_int_equal(script.opens, 1);
	assert_int_equal(relay_open(&relay, &de, deadline_in_ms(1000), &status), 0);
	assert_int_equal(script.opens, 2); /* another edge, another tunnel */
	script.input_from_send = 0;
	add_frame(&script, FRAME_CLOSE, 0);
	assert_int_equal(relay_open(&relay, &de, deadline_in_ms(1000), &status), 0);
	assert_int_equal(script.opens, 3); /* the edge said goodbye meanwhile */
	relay_wipe(&relay);
}

static void test_no_tunnel(void **state)
{
	struct script script = { .open_result = TUNNEL_UNREACHABLE };
	struct relay relay;
	struct delivery_status status;

	(void)state;
	relay_init(&relay, (struct edge_link){ &script_ops, &script });
	assert_int_equal(relay_open(&relay, &us, deadline_in_ms(1000), &status), -1);
	assert_int_equal(status.action, DELIVERY_DELAYED);
	assert_string_equal(status.reason, "scripted failure");
	relay_wipe(&relay);
	assert_int_equal(script.closes, 0);
}

/*
 * The tunnel breaks at each frame of a message: unknown only from END on. Frames: E R R R C C END.
 */
static void test_break_at_each_frame(void **state)
{
	(void)state;
	for (int at = 1; at <= 8; at++) {
		struct script script = { .fails_at_send = at, .at_end = TUNNEL_LOST };
		struct relay relay;
		char outcomes[20];

		relay_init(&relay, (struct edge_link){ &script_ops, &script });
		run(&relay, &script, outcomes);
		assert_string_equal(outcomes, at < 7 ? "444" : "4!4!4!");
		assert_int_equal(script.closes, 1);
		relay_wipe(&relay);
		assert_int_equal(script.closes, 1);
	}
}

/* case 105, and what else an edge may say behind END */
static void test_answers(void **state)
{
	static const struct {
		const char *name;
		int codes[6]; /* code of status i, 0 = end */
		uint32_t indices[6];
		uint32_t transaction;
		enum frame_type last; /* after them */
		uint32_t last_transaction;
		const char *outcomes;
		int closes; /* before relay_wipe() */
	} rows[] = {
		{ "all", { 250, 250, 250 }, { 0, 1, 2 }, 1, FRAME_DONE, 1, "222", 0 },
		{ "none", { 0 }, { 0 }, 1, FRAME_DONE, 1, "4!4!4!", 0 },
		{ "one missing", { 250, 550 }, { 0, 2 }, 1, FRAME_DONE, 1, "24!5", 0 },
		{ "same twice",
		  { 250, 250, 250, 250 },
		  { 0, 0, 1, 2 },
		  1,
		  FRAME_DONE,
		  1,
		  "222",
		  0 },
		{ "two different",
		  { 250, 250, 550, 250 },
		  { 0, 1, 1, 2 },
		  1,
		  FRAME_DONE,
		  1,
		  "24!2",
		  0 },
		{ "two different, success last",
		  { 550, 250, 250, 250 },
		  { 0, 0, 1, 2 },
		  1,
		  FRAME_DONE,
		  1,
		  "4!22",
		  0 },
		{ "unknown recipient",
		  { 250, 250, 250 },
		  { 0, 3, 1 },
		  1,
		  FRAME_DONE,
		  1,
		  "24!4!",
		  1 },
		{ "huge index", { 250, 250 }, { 0, UINT32_MAX }, 1, FRAME_DONE, 1, "24!4!", 1 },
		{ "future transaction", { 250 }, { 0 }, 2, FRAME_DONE, 1, "4!4!4!", 1 },
		{ "done of a future transaction", { 250 }, { 0 }, 1, FRAME_DONE, 2, "24!4!", 1 },
		{ "transaction 0", { 250 }, { 0 }, 0, FRAME_DONE, 1, "4!4!4!", 1 },
		{ "close", { 250 }, { 0 }, 1, FRAME_CLOSE, 0, "24!4!", 1 },
		{ "frame of a mail host", { 250 }, { 0 }, 1, FRAME_ENVELOPE, 1, "24!4!", 1 },
		{ "content from the edge", { 250 }, { 0 }, 1, FRAME_CONTENT, 1, "24!4!", 1 },
		{ "silence", { 250 }, { 0 }, 1, FRAME_INFO, 0, "24!4!", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct script script = { .input_from_send = 99, .at_end = TUNNEL_TIMED_OUT };
		struct relay relay;
		char outcomes[20];

		for (size_t j = 0; rows[i].codes[j] != 0; j++)
			add_status(&script, rows[i].transaction, rows[i].indices[j],
				   rows[i].codes[j]);
		add_frame(&script, rows[i].last, rows[i].last_transaction);
		relay_init(&relay, (struct edge_link){ &script_ops, &script });
		run(&relay, &script, outcomes);
		if (strcmp(outcomes, rows[i].outcomes) != 0 || script.closes != rows[i].closes)
			fail_msg("%s: outcomes %s, %d closes", rows[i].name, outcomes,
				 script.closes);
		relay_wipe(&relay);
	}
}

/* What an edge says of an earlier attempt: believed where it is final and comes after END. */
static void test_from_journal(void **state)
{
	static const struct {
		int code;
		size_t from_send; /* 99: after END */
		const char *outcomes, *sent;
		bool is_believed;
	} rows[] = {
		{ 250, 99, "222", "ERRRCC.", true },
		{ 550, 99, "555", "ERRRCC.", true },
		{ 450, 99, "4!4!4!", "ERRRCC.", false },
		{ 250, 4, "444", "ERRRA", false },
		{ 550, 4, "444", "ERRRA", false },
		{ 450, 4, "444", "ERRRA", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct script script = { .input_from_send = rows[i].from_send };
		struct relay relay;
		char outcomes[20];

		for (uint32_t index = 0; index < 3; index++) {
			add_status(&script, 1, index, rows[i].code);
			script.input[index].u.status.status.from_journal = true;
		}
		add_frame(&script, FRAME_DONE, 1);
		relay_init(&relay, (struct edge_link){ &script_ops, &script });
		run(&relay, &script, outcomes);
		if (strcmp(outcomes, rows[i].outcomes) != 0 ||
		    strcmp(script.sent, rows[i].sent) != 0)
			fail_msg("%zu: outcomes %s, sent %s", i, outcomes, script.sent);
		for (size_t j = 0; j < 3; j++)
			assert_int_equal(relay.outcomes[j].status.from_journal,
					 rows[i].is_believed);
		relay_wipe(&relay);
	}
}

/* What comes while content is still being sent. */
static void test_early_words(void **state)
{
	static const struct {
		const char *name;
		int code;
		enum frame_type last;
		const char *outcomes;
		const char *sent;
	} rows[] = {
		{ "early failure of all", 550, FRAME_DONE, "555", "ERRRA" },
		{ "early success", 250, FRAME_DONE, "444", "ERRRA" },
		{ "done without outcomes", 0, FRAME_DONE, "444", "ERRRA" },
		{ "all outcomes, DONE still to come", 550, FRAME_INFO, "555", "ERRRA" },
		{ "close", 0, FRAME_CLOSE, "444", "ERRR" },
		{ "info", 0, FRAME_INFO, "4!4!4!", "ERRRCC." },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct script script = { .input_from_send = 4, .at_end = TUNNEL_LOST };
		struct relay relay;
		char outcomes[20];

		for (uint32_t index = 0; rows[i].code != 0 && index < 3; index++)
			add_status(&script, 1, index, rows[i].code);
		add_frame(&script, rows[i].last, rows[i].last == FRAME_DONE ? 1 : 0);
		relay_init(&relay, (struct edge_link){ &script_ops, &script });
		run(&relay, &script, outcomes);
		if (strcmp(outcomes, rows[i].outcomes) != 0 ||
		    strcmp(script.sent, rows[i].sent) != 0)
			fail_msg("%s: outcomes %s, sent %s", rows[i].name, outcomes, script.sent);
		relay_wipe(&relay);
	}
}

/* One recipient is refused early: the others' message goes on, and the early outcome stays. */
static void test_early_status_of_one(void **state)
{
	struct script script = { .input_from_send = 4 };
	struct relay relay;
	char outcomes[20];

	(void)state;
	add_status(&script, 1, 1, 550);
	relay_init(&relay, (struct edge_link){ &script_ops, &script });
	script.at_end = TUNNEL_LOST;
	run(&relay, &script, outcomes);
	assert_string_equal(outcomes, "4!54!");
	assert_string_equal(script.sent, "ERRRCC.");
	relay_wipe(&relay);
}

/* Postfix was slow: the edge's time is over before END, so nothing is asked of it. */
static void test_too_late_for_the_end(void **state)
{
	struct script script = { .input_from_send = 99 };
	struct envelope envelope;
	struct delivery_status status;
	struct relay relay;

	(void)state;
	make_envelope(&envelope, 2);
	relay_init(&relay, (struct edge_link){ &script_ops, &script });
	assert_int_equal(relay_open(&relay, &us, deadline_in_ms(1000), &status), 0);
	assert_int_equal(relay_begin(&relay, &envelope, deadline_in_ms(1000),
				     deadline_in_ms(TUNNEL_TRANSPORT_BUDGET_MS)),
			 0);
	assert_int_equal(relay_content(&relay, "a\r\n", 3), 0);
	relay.edge_deadline = deadline_in_ms(2000);
	relay_end(&relay);
	assert_false(relay_wait(&relay));
	assert_string_equal(script.sent, "ERRCA");
	assert_int_equal(relay.known, 2);
	assert_int_equal(relay.outcomes[1].status.action, DELIVERY_DELAYED);
	assert_int_equal(relay.outcomes[1].status.status.detail, 7);
	assert_false(relay.outcomes[1].status.maybe_duplicate);
	relay_wipe(&relay);
	envelope_wipe(&envelope);
}

static void test_late_words_of_an_aborted_transaction(void **state)
{
	struct script script = { .input_from_send = 99 };
	struct envelope envelope;
	struct delivery_status status = { .action = DELIVERY_FAILED,
					  .status = ENHANCED_STATUS(5, 6, 0) };
	struct relay relay;
	char outcomes[20];

	(void)state;
	make_envelope(&envelope, 1);
	relay_init(&relay, (struct edge_link){ &script_ops, &script });
	assert_int_equal(relay_open(&relay, &us, deadline_in_ms(1000), &status), 0);
	assert_int_equal(relay_begin(&relay, &envelope, deadline_in_ms(1000), deadline_in_ms(1000)),
			 0);
	relay_give_up(&relay, &status);
	assert_false(relay_wait(&relay));
	assert_int_equal(relay.outcomes[0].status.action, DELIVERY_FAILED);
	relay_finish(&relay);
	add_status(&script, 1, 0, 250);
	add_frame(&script, FRAME_DONE, 1);
	for (uint32_t i = 0; i < 3; i++)
		add_status(&script, 2, i, 450);
	add_frame(&script, FRAME_DONE, 2);
	run(&relay, &script, outcomes);
	assert_string_equal(outcomes, "444");
	assert_string_equal(script.sent, "ERAERRRCC.");
	envelope_wipe(&envelope);
	relay_wipe(&relay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_tunnel_is_kept),
		cmocka_unit_test(test_no_tunnel),
		cmocka_unit_test(test_break_at_each_frame),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_from_journal),
		cmocka_unit_test(test_early_words),
		cmocka_unit_test(test_early_status_of_one),
		cmocka_unit_test(test_too_late_for_the_end),
		cmocka_unit_test(test_late_words_of_an_aborted_transaction),
	};

	log_open("test_relay", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
