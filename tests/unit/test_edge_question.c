/*
 * What a mail host may ask: an edge on loopback, asked through the transport's own tunnel client.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "edge/edge_question.h"
#include "tests/unit/edge_session_fixture.h"

static int set_up(void **state)
{
	*state = start_edge("", NULL);
	return 0;
}

static int tear_down(void **state)
{
	return stop_edge(*state);
}

static void ask(struct tunnel *tunnel, const char *question, const char *argument)
{
	struct frame frame = { .type = FRAME_ASK };

	strcpy(frame.u.ask.question, question);
	strcpy(frame.u.ask.argument, argument);
	send_now(tunnel, &frame);
}

/* All pieces; *pieces_out may be NULL. */
static json_t *hear(struct tunnel *tunnel, size_t *pieces_out)
{
	struct buffer text;
	struct frame frame;
	json_t *answer;
	size_t pieces = 0;

	buffer_init(&text, TUNNEL_ANSWER_MAX);
	do {
		expect(tunnel, &frame, FRAME_ANSWER, 0);
		assert_int_equal(buffer_put(&text, frame.u.answer.bytes, frame.u.answer.length), 0);
		pieces++;
	} while (!frame.u.answer.is_last);
	answer = json_loadb((const char *)buffer_data(&text), buffer_length(&text), 0, NULL);
	assert_non_null(answer);
	buffer_wipe(&text);
	if (pieces_out != NULL)
		*pieces_out = pieces;
	return answer;
}

static void expect_error(json_t *answer, const char *words)
{
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (error == NULL || strstr(error, words) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", error != NULL ? error : "(no error)", words);
	json_decref(answer);
}

static void status_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel tunnel;
	json_t *answer;

	connect_as(fixture, &tunnel, ALICE);
	ask(&tunnel, "status", "");
	answer = hear(&tunnel, NULL);
	assert_string_equal(json_string_value(json_object_get(answer, "name")), "relay.test.example");
	assert_true(llabs(json_integer_value(json_object_get(answer, "time")) - (json_int_t)time(NULL)) < 60);
	assert_true(json_is_integer(json_object_get(answer, "uptime_s")));
	json_decref(answer);
	tunnel_close(&tunnel, 0, NULL);
}

static void unknown_question_is_no_end(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel tunnel;

	connect_as(fixture, &tunnel, ALICE);
	ask(&tunnel, "weather", "tomorrow");
	expect_error(hear(&tunnel, NULL), "does not know the question \"weather\"");
	ask(&tunnel, "status", "");
	json_decref(hear(&tunnel, NULL));
	tunnel_close(&tunnel, 0, NULL);
}

/* Questions before, between and after transactions, and after one that was refused half-way. */
static void questions_between_messages(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel tunnel;

	connect_as(fixture, &tunnel, ALICE);
	for (uint32_t id = 1; id < 4; id++) {
		ask(&tunnel, "status", "");
		json_decref(hear(&tunnel, NULL));
		send_message(&tunnel, id, "u@gone.example");
		send_end(&tunnel, id, MESSAGE);
		expect_outcomes(&tunnel, id, 1, "5.1.2");
	}
	send_envelope(&tunnel, 4, 1 << 20);
	send_recipient(&tunnel, 4, 0, "u@gone.example");
	send_content(&tunnel, 4, MESSAGE);
	expect_outcomes(&tunnel, 4, 1, "5.3.4");
	ask(&tunnel, "status", "");
	json_decref(hear(&tunnel, NULL));
	/* what is left of the refused one is under way, as after an ENVELOPE */
	send_content(&tunnel, 4, MESSAGE);
	check_answers_ping(&tunnel);
	tunnel_close(&tunnel, 0, NULL);
}

/* All are answered: 20 at once, the other five 100 ms after each other. */
static void who_asks_often_waits(void **state)
{
	struct fixture *fixture = *state;
	int64_t began_ms = deadline_now_ms();
	struct tunnel tunnel;

	connect_as(fixture, &tunnel, ALICE);
	for (int i = 0; i < 25; i++) {
		ask(&tunnel, "weather", "");
		json_decref(hear(&tunnel, NULL));
	}
	assert_true(deadline_now_ms() - began_ms >= 400);
	tunnel_close(&tunnel, 0, NULL);
}

static void revoked_client_is_told_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel tunnel;

	connect_as(fixture, &tunnel, ALICE);
	check_answers_ping(&tunnel);
	authorize(fixture, "1");
	ask(&tunnel, "status", "");
	expect_close(&tunnel, CLOSE_REVOKED);
}

/* Mallory's key is an invite's. */
static void invite(struct fixture *fixture, const char *expires)
{
	char text[BASE64_KEY_TEXT + 1];
	FILE *file;

	authorize(fixture, "0");
	file = fopen(fixture->clients_path, "a");
	assert_non_null(file);
	base64_key_encode(text, fixture->keys[MALLORY].public_key);
	fprintf(file, "%s guest invite=%s\n", text, expires);
	fclose(file);
}

static void expect_result(struct tunnel *tunnel, const uint8_t *key, const char *result, const char *reason)
{
	char text[BASE64_KEY_TEXT + 1];
	json_t *answer;

	base64_key_encode(text, key);
	ask(tunnel, "enrol", text);
	answer = hear(tunnel, NULL);
	assert_string_equal(json_string_value(json_object_get(answer, "result")), result);
	assert_non_null(strstr(json_string_value(json_object_get(answer, "reason")), reason));
	assert_string_equal(json_string_value(json_object_get(answer, "edge_name")), "relay.test.example");
	assert_true(llabs(json_integer_value(json_object_get(answer, "time")) - (json_int_t)time(NULL)) < 60);
	assert_true(json_is_array(json_object_get(answer, "addresses")));
	json_decref(answer);
}

/* An invite lets one key in, and is good for nothing else. */
static void an_invite_is_used(void **state)
{
	struct fixture *fixture = *state;
	const uint8_t *bob = fixture->keys[BOB].public_key, *alice = fixture->keys[ALICE].public_key;
	struct tunnel tunnel, late;

	invite(fixture, "2999-01-01T00:00:00Z");
	connect_as(fixture, &tunnel, MALLORY);
	connect_as(fixture, &late, MALLORY);
	ask(&tunnel, "status", "");
	expect_error(hear(&tunnel, NULL), "may not be asked with this key");
	ask(&tunnel, "enrol", "nonsense");
	json_decref(hear(&tunnel, NULL));
	expect_result(&tunnel, alice, "refused", "in this edge's list already");
	expect_result(&tunnel, bob, "enrolled", "was enrolled");
	expect_result(&tunnel, bob, "enrolled", "before");
	expect_result(&late, fixture->edge_key.public_key, "used", "this invite was used");
	ask(&late, "check", "");
	expect_error(hear(&late, NULL), "this invite was used");
	/* Used or not, the list looked at anew or not: it is no client. */
	send_envelope(&tunnel, 1, 100);
	expect_close(&tunnel, CLOSE_PROTOCOL_ERROR);
	tunnel_close(&late, 0, NULL);
	connect_as(fixture, &tunnel, BOB);
	ask(&tunnel, "enrol", "");
	expect_error(hear(&tunnel, NULL), "may not be asked with this key");
	send_message(&tunnel, 1, "u@gone.example");
	send_end(&tunnel, 1, MESSAGE);
	expect_outcomes(&tunnel, 1, 1, "5.1.2");
	/* Its line is taken out: the enrolled key is nobody's. */
	authorize(fixture, "0");
	ask(&tunnel, "status", "");
	expect_close(&tunnel, CLOSE_REVOKED);
}

static void an_invite_that_is_over(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel tunnel;

	invite(fixture, "2001-01-01T00:00:00Z");
	connect_as(fixture, &tunnel, MALLORY);
	expect_result(&tunnel, fixture->keys[BOB].public_key, "expired", "expired at 2001-01-01T00:00:00Z");
	ask(&tunnel, "check", "");
	expect_error(hear(&tunnel, NULL), "expired at 2001-01-01T00:00:00Z");
	/* Taken back under an open tunnel. */
	authorize(fixture, "0");
	ask(&tunnel, "enrol", "");
	expect_close(&tunnel, CLOSE_REVOKED);
}

static void who_may_ask(void **state)
{
	struct fixture *fixture = *state;
	struct edge_question question = {
		.edge = &fixture->edge,
		.who = EDGE_QUESTION_INVITED,
		.client = "alice",
		.public_key = fixture->keys[ALICE].public_key,
		.argument = "",
	};
	size_t length;
	char *text = edge_question_answer(&question, "status", &length);

	assert_non_null(text);
	assert_int_equal(length, strlen(text));
	assert_string_equal(text, "{\"error\":\"\\\"status\\\" may not be asked with this key\"}");
	free(text);
}

static json_t *ask_as(struct fixture *fixture, int who, const char *question, const char *argument)
{
	struct tunnel tunnel;
	json_t *answer;

	connect_as(fixture, &tunnel, who);
	ask(&tunnel, question, argument);
	answer = hear(&tunnel, NULL);
	tunnel_close(&tunnel, 0, NULL);
	return answer;
}

static void send_as(struct fixture *fixture, int who, const char *queue_id, const char *recipient, const char *code)
{
	struct frame frame = { .type = FRAME_ENVELOPE, .transaction = 1 };
	struct tunnel tunnel;

	connect_as(fixture, &tunnel, who);
	frame.u.envelope.envelope.reverse_path.is_null = true;
	strcpy(frame.u.envelope.envelope.queue_id, queue_id);
	frame.u.envelope.budget_ms = 60000;
	send_now(&tunnel, &frame);
	send_recipient(&tunnel, 1, 0, recipient);
	send_content(&tunnel, 1, MESSAGE);
	send_end(&tunnel, 1, MESSAGE);
	if (code != NULL)
		expect_outcomes(&tunnel, 1, 1, code);
	tunnel_close(&tunnel, 0, NULL);
}

/* "a.b.c" in an object of objects. */
static const json_t *at(const json_t *value, const char *path)
{
	char copy[80], *state = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *name = strtok_r(copy, ".", &state); name != NULL; name = strtok_r(NULL, ".", &state))
		value = json_object_get(value, name);
	return value;
}

static long long number_at(const json_t *value, const char *path)
{
	assert_true(json_is_integer(at(value, path)));
	return json_integer_value(at(value, path));
}

/* What each client sees is its own mail alone. */
static void status_counts_own_mail(void **state)
{
	struct fixture *fixture = *state;
	json_t *answer;
	const json_t *first;

	send_as(fixture, ALICE, "4ZA", "u@gone.example", "5.1.2");
	send_as(fixture, ALICE, "4ZB", "u@Else.example", "4.4.3");
	send_as(fixture, BOB, "4ZC", "u@gone.example", "5.1.2");
	answer = ask_as(fixture, ALICE, "status", "");
	assert_int_equal(number_at(answer, "client.messages"), 2);
	assert_int_equal(number_at(answer, "client.recipients.bounced"), 1);
	assert_int_equal(number_at(answer, "client.day.bounced"), 1);
	assert_int_equal(number_at(answer, "client.day.deferred"), 1);
	assert_int_equal(number_at(answer, "client.day.reasons.dns"), 1);
	assert_int_equal(number_at(answer, "client.day.reasons.limits"), 0);
	assert_int_equal(number_at(answer, "client.day.sent"), 0);
	assert_null(at(answer, "client.last_delivery"));
	assert_int_equal(json_array_size(at(answer, "destinations")), 2);
	first = json_array_get(at(answer, "destinations"), 0);
	assert_string_equal(json_string_value(at(first, "domain")), "else.example");
	assert_string_equal(json_string_value(at(first, "last.status")), "deferred");
	assert_string_equal(json_string_value(at(first, "last.dsn")), "4.4.3");
	assert_int_equal(number_at(first, "active"), 0);
	json_decref(answer);
	answer = ask_as(fixture, BOB, "status", "");
	assert_int_equal(number_at(answer, "client.messages"), 1);
	/* that of the question is not counted */
	assert_int_equal(number_at(answer, "client.tunnels"), 0);
	assert_int_equal(json_array_size(at(answer, "destinations")), 1);
	assert_string_equal(json_string_value(at(answer, "client.client")), "bob");
	json_decref(answer);
}

/* How many deliveries are inside, by the first destination; *has_ended: there was an outcome already. */
static long long look_at(struct tunnel *tunnel, bool *has_ended)
{
	const json_t *first;
	json_t *answer;
	long long active;

	ask(tunnel, "status", "");
	answer = hear(tunnel, NULL);
	first = json_array_get(at(answer, "destinations"), 0);
	active = json_integer_value(at(first, "active"));
	*has_ended = at(first, "last") != NULL;
	json_decref(answer);
	return active;
}

/* While a delivery is inside, which takes 700 ms; a look that comes too late has another try. */
static void status_shows_who_is_there(void **state)
{
	struct fixture *fixture = *state;
	long long active = 0;

	for (int i = 0; i < 20 && active == 0; i++) {
		bool has_ended = false;
		struct tunnel tunnel;

		connect_as(fixture, &tunnel, ALICE);
		send_as(fixture, ALICE, "4ZA", "u@slow.example", NULL);
		for (int k = 0; k < 5000 && active == 0 && !has_ended; k++) {
			active = look_at(&tunnel, &has_ended);
			usleep(1000);
		}
		tunnel_close(&tunnel, 0, NULL);
		wait_for_sessions(fixture, 0);
	}
	assert_int_equal(active, 1);
}

/* A last outcome at slow.example, and 300 elsewhere since. */
static void note_outcomes(struct fixture *fixture)
{
	struct delivery_status status = { .in_progress = false };
	char domain[40] = "slow.example";

	delivery_status_set_local(&status, STAGE_CONNECT, ENHANCED_STATUS(4, 4, 1), "no");
	for (int i = 0; i < 300; i++) {
		outcome_table_note(&fixture->edge.outcomes, "alice", domain, &status, EDGE_LOG_RECIPIENTS_FULL, 1);
		snprintf(domain, sizeof(domain), "d%d.example", i);
	}
}

/* Where something is now the last outcome is told, however old it is. */
static void status_knows_old_outcomes(void **state)
{
	struct fixture *fixture = *state;
	long long active = 0;
	bool is_known = false;

	for (int i = 0; i < 20 && active == 0; i++) {
		struct tunnel tunnel;

		note_outcomes(fixture);
		connect_as(fixture, &tunnel, ALICE);
		send_as(fixture, ALICE, "4ZA", "u@slow.example", NULL);
		for (int k = 0; k < 300 && active == 0; k++)
			active = look_at(&tunnel, &is_known);
		tunnel_close(&tunnel, 0, NULL);
		wait_for_sessions(fixture, 0);
	}
	assert_int_equal(active, 1);
	assert_true(is_known);
}

static void log_is_own_messages(void **state)
{
	struct fixture *fixture = *state;
	const json_t *lines;
	json_t *answer;

	send_as(fixture, ALICE, "4ZA", "u@gone.example", "5.1.2");
	send_as(fixture, BOB, "4ZA", "u@gone.example", "5.1.2");
	answer = ask_as(fixture, ALICE, "log", "4ZA");
	lines = at(answer, "lines");
	assert_int_equal(json_array_size(lines), 2);
	assert_string_equal(json_string_value(at(json_array_get(lines, 0), "text")),
			    "4ZA: client=alice, from=<>, size=20, nrcpt=1");
	assert_non_null(strstr(json_string_value(at(json_array_get(lines, 1), "text")),
			       "4ZA: to=<@gone.example>, relay=none, client=alice"));
	assert_true(json_is_false(at(answer, "is_cut")));
	assert_int_equal(number_at(answer, "since_ms"), 0);
	json_decref(answer);
	answer = ask_as(fixture, ALICE, "log", "4ZB");
	assert_int_equal(json_array_size(at(answer, "lines")), 0);
	json_decref(answer);
	/* Exim's ids have hyphens */
	send_as(fixture, ALICE, "1rABCD-0000ab-2C", "u@gone.example", "5.1.2");
	answer = ask_as(fixture, ALICE, "log", "1rABCD-0000ab-2C");
	assert_int_equal(json_array_size(at(answer, "lines")), 2);
	json_decref(answer);
	expect_error(ask_as(fixture, ALICE, "log", ""), "is no queue id");
	expect_error(ask_as(fixture, ALICE, "log", "4Z A"), "is no queue id");
	expect_error(ask_as(fixture, ALICE, "log", "../4ZA"), "is no queue id");
}

/* More lines than an answer has room for: the last ones are told, in several pieces. */
static void log_that_is_too_long(void **state)
{
	struct fixture *fixture = *state;
	char filler[1000];
	struct tunnel tunnel;
	json_t *answer;
	size_t pieces;

	memset(filler, '"', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	message_log_begin("alice", "4ZA");
	for (int i = 0; i < 300; i++)
		log_info("%d %s", i, filler);
	log_info("no UTF-8: \xff\xc3");
	message_log_end();
	connect_as(fixture, &tunnel, ALICE);
	ask(&tunnel, "log", "4ZA");
	answer = hear(&tunnel, &pieces);
	assert_true(pieces > 10);
	assert_true(json_is_true(at(answer, "is_cut")));
	assert_true(json_array_size(at(answer, "lines")) < 100);
	assert_non_null(strstr(json_string_value(at(json_array_get(at(answer, "lines"), json_array_size(at(answer, "lines")) - 1),
						    "text")),
			       "4ZA: no UTF-8: ??"));
	json_decref(answer);
	tunnel_close(&tunnel, 0, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(status_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unknown_question_is_no_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(questions_between_messages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_asks_often_waits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(revoked_client_is_told_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_may_ask, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_invite_is_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_invite_that_is_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(status_counts_own_mail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(status_shows_who_is_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(status_knows_old_outcomes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(log_is_own_messages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(log_that_is_too_long, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
