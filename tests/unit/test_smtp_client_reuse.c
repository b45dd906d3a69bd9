/*
 * A second message over the session of the first: the whole envelope in one flight, and a session that has ended is told from a
 * host that refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake/fake_conversation.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BODY "Subject: x\r\n\r\nhello\r\n"
#define FIRST_PIPELINED \
	EXPECT("MAIL"), EXPECT("RCPT TO:<u0"), EXPECT("DATA"), SEND("250 ok\r\n250 ok\r\n354 go\r\n"), DOT_OK
#define FIRST_PLAIN MAIL_OK, RCPT_OK, DATA_OK, DOT_OK
/* Nothing is answered before DATA was read: whoever waits in between hangs. */
#define IN_ONE_FLIGHT EXPECT("RSET\r\n"), EXPECT("MAIL"), EXPECT("RCPT TO:<u1"), EXPECT("DATA")
#define TLS_SESSION \
	EHLO("250 STARTTLS\r\n"), EXPECT("STARTTLS"), SEND("220 go\r\n"), TLS, EXPECT("EHLO"), \
		SEND("250-mx\r\n250 PIPELINING\r\n")

struct row {
	const char *name;
	struct fake_step steps[32];
	const char *result;		/* of the second message; "" = nobody was reported */
	bool usable, stale;
	enum tls_level level;
	int deadline_ms;		/* of the second; 0: enough */
};

static void run(const struct row *row)
{
	struct conversation *conversation = calloc(1, sizeof(*conversation));
	struct smtp_client *client = &conversation->client;
	struct smtp_client_params params;
	bool usable;

	conversation_begin(conversation, row->steps, row->level, PATIENCE_MS, -1);
	assert_true(conversation->is_open);
	params = client->params;
	conversation_add_recipients(conversation, 2, "u");
	assert_int_equal(content_append(&conversation->content, BODY, sizeof(BODY) - 1), CONTENT_OK);
	assert_true(conversation_send(conversation, 0, 1));
	assert_string_equal(conversation->results[0], "DOT 250");
	assert_int_equal(smtp_client_park(client), 0);
	assert_null(client->params.terms);
	assert_null(client->stream.input.bytes);
	if (row->deadline_ms > 0)
		params.deadline = deadline_in_ms(row->deadline_ms);
	assert_int_equal(smtp_client_resume(client, &params), 0);
	usable = conversation_send(conversation, 1, 1);
	if (strcmp(conversation->results[1], row->result) != 0 || usable != row->usable ||
	    client->is_stale != row->stale || client->is_open != usable)
		fail_msg("%s: \"%s\", usable %d, stale %d; server: %s", row->name, conversation->results[1], usable,
			 client->is_stale, conversation->mx.problem);
	conversation_end(conversation);
	assert_string_equal(conversation->mx.problem, "");
	conversation_wipe(conversation);
	free(conversation);
}

static void test_second_message(void **state)
{
	static const struct row rows[] = {
		{ "pipelined", { PIPELINING, FIRST_PIPELINED, IN_ONE_FLIGHT,
				 SEND("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"), DOT_OK, QUIT_OK },
		  "DOT 250", .usable = true },
		{ "pipelined inside TLS", { TLS_SESSION, FIRST_PIPELINED, IN_ONE_FLIGHT,
					    SEND("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"), DOT_OK, QUIT_OK },
		  "DOT 250", .usable = true, .level = TLS_MAY },
		{ "one by one: MAIL is the question", { PLAIN, FIRST_PLAIN, EXPECT("MAIL"), SEND("250 ok\r\n"),
							 EXPECT("RCPT"), SEND("250 ok\r\n"), DATA_OK, DOT_OK, QUIT_OK },
		  "DOT 250", .usable = true },
		{ "lost", { PIPELINING, FIRST_PIPELINED, IN_ONE_FLIGHT, CUT }, "", .stale = true },
		{ "lost after RSET", { PIPELINING, FIRST_PIPELINED, IN_ONE_FLIGHT, SEND("250 ok\r\n"), CUT }, "",
		  .stale = true },
		{ "421 to RSET", { PIPELINING, FIRST_PIPELINED, IN_ONE_FLIGHT, SEND("421 bye\r\n"), CUT }, "",
		  .stale = true },
		{ "421 to MAIL", { PLAIN, FIRST_PLAIN, EXPECT("MAIL"), SEND("421 enough\r\n"), CUT }, "",
		  .stale = true },
		{ "RSET is unknown", { PIPELINING, FIRST_PIPELINED, IN_ONE_FLIGHT,
				       SEND("500 what\r\n250 ok\r\n250 ok\r\n354 go\r\n"), DRAIN }, "", .stale = true },
		{ "silence", { PIPELINING, FIRST_PIPELINED, IN_ONE_FLIGHT, DRAIN }, "", .stale = true,
		  .deadline_ms = 1000 },
		/* From here on the server has spoken about this message. */
		{ "MAIL refused", { PIPELINING, FIRST_PIPELINED, IN_ONE_FLIGHT,
				    SEND("250 ok\r\n451 4.7.1 later\r\n503 no\r\n503 no\r\n"), QUIT_OK },
		  "MAIL 451", .usable = true },
		{ "lost after MAIL", { PIPELINING, FIRST_PIPELINED, IN_ONE_FLIGHT, SEND("250 ok\r\n250 ok\r\n"), CUT },
		  "RCPT lost", .usable = false },
		{ "lost after the dot", { PIPELINING, FIRST_PIPELINED, IN_ONE_FLIGHT,
					  SEND("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"), CONTENT, CUT },
		  "DOT lost in doubt", .usable = false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		run(&rows[i]);
}

/* Sends one message, and tries to park. */
static int park_after(const struct fake_step *steps, bool has_more, bool *was_open)
{
	struct conversation *conversation = calloc(1, sizeof(*conversation));
	int result;

	conversation_begin(conversation, steps, TLS_NONE, PATIENCE_MS, -1);
	assert_true(conversation->is_open);
	conversation_add_recipients(conversation, 1, "u");
	assert_int_equal(content_append(&conversation->content, BODY, sizeof(BODY) - 1), CONTENT_OK);
	*was_open = conversation_send(conversation, 0, 1);
	if (has_more)
		EVENTUALLY(stream_has_input(&conversation->client.stream));
	result = smtp_client_park(&conversation->client);
	smtp_client_close(&conversation->client);
	fake_mx_finish(&conversation->mx);
	conversation_wipe(conversation);
	free(conversation);
	return result;
}

static void test_not_to_be_kept(void **state)
{
	static const struct {
		const char *name;
		struct fake_step steps[16];
		int result;
		bool has_more;	/* follows the reply */
	} rows[] = {
		{ "good", { TO_DATA, DOT_OK, DRAIN }, 0, false },
		{ "the dot was refused", { TO_DOT, SEND("451 4.3.0 later\r\n"), DRAIN }, -1, false },
		{ "nobody was taken", { PLAIN, MAIL_OK, EXPECT("RCPT"), SEND("550 no\r\n"), DRAIN }, -1, false },
		{ "421 to the dot", { TO_DOT, SEND("421 4.3.0 later\r\n"), DRAIN }, -1, false },
		{ "it has closed", { TO_DATA, DOT_OK, CUT }, -1, true },
		{ "it has spoken", { TO_DATA, DOT_OK, SEND("421 4.4.2 too idle\r\n"), DRAIN }, -1, true },
	};
	bool was_open;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (park_after(rows[i].steps, rows[i].has_more, &was_open) != rows[i].result)
			fail_msg("%s: open %d", rows[i].name, was_open);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_second_message),
		cmocka_unit_test(test_not_to_be_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
