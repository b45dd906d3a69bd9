/*
 * Mail transactions against scripted servers: one true outcome for every recipient, whatever the
 * server does (CATALOGUE B1).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake/fake_conversation.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BODY "Subject: x\r\n\r\nhello\r\n..dot\r\n"

/* Two recipients in a pipelined group. */
#define GROUP_OF_2 \
	PIPELINING, EXPECT("MAIL FROM:"), EXPECT("RCPT TO:<u0"), EXPECT("RCPT TO:<u1"), \
		EXPECT("DATA\r\n")
#define TWO_PLAIN_RCPT \
	EXPECT("RCPT TO:<u0"), SEND("250 ok\r\n"), EXPECT("RCPT TO:<u1"), SEND("250 ok\r\n")
#define TLS_SESSION \
	EHLO("250 STARTTLS\r\n"), EXPECT("STARTTLS"), SEND("220 go\r\n"), TLS, EXPECT("EHLO"), \
		SEND("250-mx\r\n250 8BITMIME\r\n")

struct row {
	const char *name;
	size_t recipients;
	struct fake_step steps[32];
	const char *results;		/* of all recipients, joined by ", " */
	bool usable;
	enum tls_level level;
	int deadline_ms;		/* 0 = PATIENCE_MS */
	int time_limit_ms;		/* for stage_budget.h */
	size_t body_bytes;		/* 0 = BODY, else that many bytes of lines */
	const char *seen, *unseen;	/* in what the server read; NULL = anything */
};

static void fill_body(struct content *content, size_t bytes)
{
	if (bytes == 0)
		assert_int_equal(content_append(content, BODY, sizeof(BODY) - 1), CONTENT_OK);
	for (; bytes > 0; bytes = bytes > 80 ? bytes - 80 : 0)
		assert_int_equal(content_append(content,
						"0123456789012345678901234567890123456789"
						"01234567890123456789012345678901234567\r\n",
						80),
				 CONTENT_OK);
}

static char *join_results(const struct conversation *conversation, size_t count, char *out,
			  size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < count && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "",
					 conversation->results[i]);
	return out;
}

static void check(const struct row *row, const struct conversation *conversation, bool usable)
{
	const char *problem = conversation->mx.problem, *seen = conversation->mx.seen;
	char results[4096];

	join_results(conversation, row->recipients, results, sizeof(results));
	if (strcmp(results, row->results) != 0 || usable != row->usable ||
	    conversation->reports != row->recipients || problem[0] != '\0')
		fail_msg("%s: \"%s\" instead of \"%s\", usable %d, server: %s", row->name, results,
			 row->results, usable, problem);
	if (row->seen != NULL && strstr(seen, row->seen) == NULL)
		fail_msg("%s: the server did not see \"%s\" but \"%s\"", row->name, row->seen,
			 seen);
	if (row->unseen != NULL && strstr(seen, row->unseen) != NULL)
		fail_msg("%s: the server saw \"%s\"", row->name, row->unseen);
}

static void run(const struct row *row)
{
	struct conversation *conversation = calloc(1, sizeof(*conversation));
	struct deadline patience;
	bool usable;

	conversation_begin(conversation, row->steps, row->level, PATIENCE_MS, -1);
	if (!conversation->is_open)
		fail_msg("%s: did not open: %s; server: %s", row->name,
			 conversation->open_event.detail, conversation->mx.problem);
	conversation_add_recipients(conversation, row->recipients, "u");
	fill_body(&conversation->content, row->body_bytes);
	if (row->deadline_ms > 0) {
		conversation->client.params.deadline = deadline_in_ms(row->deadline_ms);
		conversation->client.params.data_done_timeout_ms = row->deadline_ms;
	}
	conversation->client.params.time_limit_ms = row->time_limit_ms;
	patience = deadline_in_ms(PATIENCE_MS / 3);
	usable = conversation_send(conversation, 0, row->recipients);
	if (deadline_has_passed(patience))
		fail_msg("%s: did not end before the delivery's deadline", row->name);
	conversation_end(conversation);
	check(row, conversation, usable);
	conversation_wipe(conversation);
	free(conversation);
}

static void run_all(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		run(&rows[i]);
}

static void test_delivered(void **state)
{
	static const struct row rows[] = {
		{ "one by one", 1, { PLAIN, MAIL_OK, RCPT_OK, DATA_OK, DOT_OK, QUIT_OK }, "DOT 250",
		  .usable = true, .seen = TRACE BODY ".\r\n" },
		{ "pipelined", 2,
		  { GROUP_OF_2, SEND("250 ok\r\n250 ok\r\n251 ok\r\n354 go\r\n"), DOT_OK, QUIT_OK },
		  "DOT 250, DOT 250", .usable = true, .seen = "\r\nDATA\r\n" TRACE BODY ".\r\n" },
		{ "pipelined, answers one by one", 2,
		  { PIPELINING, EXPECT("MAIL"), SEND("250 ok\r\n"), EXPECT("RCPT"),
		    SEND("250 ok\r\n"), EXPECT("RCPT"), SEND("252 ok\r\n"), EXPECT("DATA"),
		    SEND("354 go\r\n"), DOT_OK, QUIT_OK }, "DOT 250, DOT 250",
		  .usable = true },
		{ "inside TLS", 1, { TLS_SESSION, MAIL_OK, RCPT_OK, DATA_OK, DOT_OK, QUIT_OK },
		  "DOT 250", .usable = true, .level = TLS_MAY, .seen = TRACE BODY ".\r\n" },
		{ "a megabyte", 1, { TO_DATA, DOT_OK, QUIT_OK }, "DOT 250", .usable = true,
		  .body_bytes = 1000000 },
		{ "a megabyte inside TLS", 1,
		  { TLS_SESSION, MAIL_OK, RCPT_OK, DATA_OK, DOT_OK, QUIT_OK }, "DOT 250",
		  .usable = true, .level = TLS_MAY, .body_bytes = 1000000 },
		{ "case 5: 250 alone", 1, { TO_DOT, SEND("250\r\n"), QUIT_OK }, "DOT 250",
		  .usable = true },
		{ "case 5: 250 and LF", 1, { TO_DOT, SEND("250\n"), QUIT_OK }, "DOT 250",
		  .usable = true },
		{ "case 7: NUL and ESC", 1,
		  { TO_DOT, SEND_BYTES("250 2.0.0 \0\033]0;x\007\377\r\n"), QUIT_OK }, "DOT 250",
		  .usable = true },
		{ "case 8: bare LF, CR CR LF", 1, { TO_DOT, SEND("250-a\n250 b\r\r\n"), QUIT_OK },
		  "DOT 250", .usable = true },
		{ "case 25: 250 and closed at once", 1, { TO_DOT, SEND("250 ok\r\n"), CUT },
		  "DOT 250", .usable = true },
		{ "case 27: a late answer", 1, { TO_DOT, SLEEP(300), SEND("250 ok\r\n"), QUIT_OK },
		  "DOT 250", .usable = true },
		{ "case 34: 8BITMIME not offered", 1,
		  { PLAIN, MAIL_OK, RCPT_OK, DATA_OK, DOT_OK, QUIT_OK }, "DOT 250", .usable = true,
		  .unseen = "BODY=" },
		{ "DSN not offered", 1, { PLAIN, MAIL_OK, RCPT_OK, DATA_OK, DOT_OK, QUIT_OK },
		  "DOT 250", .usable = true, .unseen = "NOTIFY=" },
		{ "DSN offered", 1,
		  { EHLO("250 DSN\r\n"), MAIL_OK, RCPT_OK, DATA_OK, DOT_OK, QUIT_OK }, "DOT 250",
		  .usable = true, .seen = "RCPT TO:<u0@example.net> NOTIFY=NEVER\r\n" },
		{ "SIZE without the doubled dot", 1,
		  { EHLO("250 SIZE 58\r\n"), MAIL_OK, RCPT_OK, DATA_OK, DOT_OK, QUIT_OK },
		  "DOT 250", .usable = true, .seen = "SIZE=58\r\n" },
	};

	(void)state;
	assert_int_equal(sizeof(TRACE BODY) - 1, 59);
	run_all(rows, COUNT(rows));
}

static void test_refused(void **state)
{
	static const struct row rows[] = {
		{ "MAIL 550, one by one", 2, { PLAIN, EXPECT("MAIL"), SEND("550 no\r\n"), QUIT_OK },
		  "MAIL 550, MAIL 550", .usable = true },
		{ "MAIL 451, pipelined", 2,
		  { GROUP_OF_2, SEND("451 no\r\n503 no\r\n503 no\r\n503 no\r\n"), QUIT_OK },
		  "MAIL 451, MAIL 451", .usable = true },
		{ "MAIL refused, DATA accepted", 2,
		  { GROUP_OF_2, SEND("550 no\r\n503 no\r\n503 no\r\n354 go\r\n"), EXPECT(".\r\n"),
		    SEND("554 nothing\r\n"), QUIT_OK }, "MAIL 550, MAIL 550",
		  .usable = true },
		{ "MAIL refused, RCPT and DATA accepted: no dot", 2,
		  { GROUP_OF_2, SEND("550 no\r\n250 ok\r\n250 ok\r\n354 go\r\n"), DRAIN },
		  "MAIL 550, MAIL 550", .usable = false, .unseen = "\r\n.\r\n" },
		{ "MAIL 354", 1, { PLAIN, EXPECT("MAIL"), SEND("354 what\r\n"), DRAIN },
		  "MAIL protocol", .usable = false },
		{ "case 28: a mix", 6,
		  { PIPELINING, EXPECT("MAIL"), SEND("250 ok\r\n"), EXPECT("RCPT TO:<u0"),
		    SEND("250 ok\r\n"), EXPECT("RCPT TO:<u1"), SEND("251 ok\r\n"),
		    EXPECT("RCPT TO:<u2"), SEND("252 ok\r\n"), EXPECT("RCPT TO:<u3"),
		    SEND("450 later\r\n"), EXPECT("RCPT TO:<u4"), SEND("550 no\r\n"),
		    EXPECT("RCPT TO:<u5"), SEND("552 many\r\n"), EXPECT("DATA"), SEND("354 go\r\n"),
		    DOT_OK, QUIT_OK }, "DOT 250, DOT 250, DOT 250, RCPT 450, RCPT 550, RCPT 552",
		  .usable = true },
		{ "all refused, one by one: no DATA", 2,
		  { PLAIN, MAIL_OK, EXPECT("RCPT"), SEND("550 no\r\n"), EXPECT("RCPT"),
		    SEND("450 no\r\n"), QUIT_OK }, "RCPT 550, RCPT 450",
		  .usable = true, .unseen = "DATA" },
		{ "all refused, pipelined", 2,
		  { GROUP_OF_2, SEND("250 ok\r\n550 no\r\n450 no\r\n554 no valid recipients\r\n"),
		    QUIT_OK }, "RCPT 550, RCPT 450",
		  .usable = true, .unseen = "\r\n.\r\n" },
		{ "case 24: all refused, and 354", 2,
		  { GROUP_OF_2, SEND("250 ok\r\n550 no\r\n450 no\r\n354 go\r\n"), EXPECT(".\r\n"),
		    SEND("250 queued\r\n"), QUIT_OK }, "RCPT 550, RCPT 450",
		  .usable = true },
		{ "case 24: and gone", 2,
		  { GROUP_OF_2, SEND("250 ok\r\n550 no\r\n450 no\r\n354 go\r\n"), EXPECT(".\r\n"),
		    CUT }, "RCPT 550, RCPT 450",
		  .usable = false },
		{ "RCPT 354", 2,
		  { PLAIN, MAIL_OK, RCPT_OK, EXPECT("RCPT"), SEND("354 what\r\n"), DRAIN },
		  "RCPT protocol, RCPT protocol", .usable = false },
		{ "case 23: DATA 250", 1,
		  { PLAIN, MAIL_OK, RCPT_OK, EXPECT("DATA"), SEND("250 ok\r\n"), DRAIN },
		  "DATA protocol", .usable = false, .unseen = "Subject" },
		{ "case 23: DATA 220", 1,
		  { PLAIN, MAIL_OK, RCPT_OK, EXPECT("DATA"), SEND("220 ok\r\n"), DRAIN },
		  "DATA protocol", .usable = false, .unseen = "Subject" },
		{ "case 23: DATA 500", 1,
		  { PLAIN, MAIL_OK, RCPT_OK, EXPECT("DATA"), SEND("500 ok\r\n"), QUIT_OK },
		  "DATA 500", .usable = true, .unseen = "Subject" },
		{ "case 23: DATA 451", 1,
		  { PLAIN, MAIL_OK, RCPT_OK, EXPECT("DATA"), SEND("451 ok\r\n"), QUIT_OK },
		  "DATA 451", .usable = true },
		{ "case 23: DATA silence", 1, { PLAIN, MAIL_OK, RCPT_OK, EXPECT("DATA"), DRAIN },
		  "DATA timeout", .usable = false, .deadline_ms = 2000, .unseen = "Subject" },
		{ "the dot 552", 1, { TO_DOT, SEND("552 5.3.4 too big\r\n"), QUIT_OK }, "DOT 552",
		  .usable = true },
		{ "the dot 451", 2,
		  { PLAIN, MAIL_OK, TWO_PLAIN_RCPT, DATA_OK, CONTENT, SEND("451 no\r\n"), QUIT_OK },
		  "DOT 451, DOT 451", .usable = true },
		{ "the dot 354", 1, { TO_DOT, SEND("354 more\r\n"), DRAIN }, "DOT 354",
		  .usable = false },
		{ "case 31: SIZE", 2, { EHLO("250 SIZE 57\r\n"), QUIT_OK },
		  "MAIL too big, MAIL too big", .usable = true, .unseen = "MAIL" },
		{ "case 31: absurd SIZE", 1,
		  { EHLO("250 SIZE 99999999999999999999\r\n"), MAIL_OK, RCPT_OK, DATA_OK, DOT_OK,
		    QUIT_OK }, "DOT 250",
		  .usable = true },
	};

	(void)state;
	run_all(rows, COUNT(rows));
}

/* case 22: 421 at every step; those who have their answer keep it. */
static void test_service_closing(void **state)
{
	static const struct row rows[] = {
		{ "case 22: unasked before MAIL", 1, { EHLO("250 HELP\r\n421 bye\r\n"), DRAIN },
		  "MAIL 421", .usable = false },
		{ "case 22: MAIL", 2, { PLAIN, EXPECT("MAIL"), SEND("421 bye\r\n") },
		  "MAIL 421, MAIL 421", .usable = false },
		{ "case 22: MAIL, pipelined", 2, { GROUP_OF_2, SEND("421 bye\r\n") },
		  "MAIL 421, MAIL 421", .usable = false },
		{ "case 22: RCPT 1", 2, { PLAIN, MAIL_OK, EXPECT("RCPT"), SEND("421 bye\r\n") },
		  "RCPT 421, RCPT 421", .usable = false },
		{ "case 22: RCPT 3 of 4", 4,
		  { PLAIN, MAIL_OK, EXPECT("RCPT"), SEND("250 ok\r\n"), EXPECT("RCPT"),
		    SEND("550 no\r\n"), EXPECT("RCPT"), SEND("421 bye\r\n") },
		  "RCPT 421, RCPT 550, RCPT 421, RCPT 421", .usable = false },
		{ "case 22: RCPT 2, pipelined", 2,
		  { GROUP_OF_2, SEND("250 ok\r\n550 no\r\n421 bye\r\n") }, "RCPT 550, RCPT 421",
		  .usable = false },
		{ "case 22: DATA", 2,
		  { PLAIN, MAIL_OK, EXPECT("RCPT"), SEND("550 no\r\n"), EXPECT("RCPT"),
		    SEND("250 ok\r\n"), EXPECT("DATA"), SEND("421 bye\r\n") }, "RCPT 550, DATA 421",
		  .usable = false },
		{ "case 22: content", 1, { TO_DATA, READ(100), SEND("421 bye\r\n"), DRAIN },
		  "CONTENT 421", .usable = false, .body_bytes = 3000000 },
		{ "case 22: the dot", 1, { TO_DOT, SEND("421 bye\r\n") }, "DOT 421",
		  .usable = false },
	};

	(void)state;
	run_all(rows, COUNT(rows));
}

/* Case 173, too: a server that is killed is one whose connection ends, or is reset. */
static void test_broken_before_the_dot(void **state)
{
	static const struct row rows[] = {
		{ "case 9: stale replies, MAIL", 1,
		  { PLAIN, EXPECT("MAIL"), SEND("250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n"),
		    DRAIN }, "RCPT protocol",
		  .usable = false, .unseen = "RCPT" },
		{ "case 9: stale replies, RCPT", 1,
		  { PLAIN, MAIL_OK, EXPECT("RCPT"), SEND("250 ok\r\n354 go\r\n250 queued\r\n"),
		    DRAIN }, "DATA protocol",
		  .usable = false, .unseen = "DATA" },
		{ "case 9: before MAIL", 1, { EHLO("250 HELP\r\n250 ok\r\n"), DRAIN },
		  "MAIL protocol", .usable = false },
		{ "case 9: all at once, pipelined", 2,
		  { GROUP_OF_2, SEND("250 a\r\n250 b\r\n250 c\r\n354 d\r\n250 e\r\n"), DRAIN },
		  "CONTENT protocol, CONTENT protocol", .usable = false, .unseen = "\r\n.\r\n" },
		{ "case 10: an early 250", 1,
		  { TO_DATA, READ(1000), SEND("250 queued\r\n"), DRAIN }, "CONTENT protocol",
		  .usable = false, .body_bytes = 3000000, .unseen = "\r\n.\r\n" },
		{ "case 10: an early 552", 1,
		  { TO_DATA, READ(1000), SEND("552 too big\r\n"), DRAIN }, "CONTENT 552",
		  .usable = false, .body_bytes = 3000000 },
		{ "case 10: an early 452 and closed", 1,
		  { TO_DATA, READ(1000), SEND("452 full\r\n"), CUT }, "CONTENT 452",
		  .usable = false, .body_bytes = 3000000 },
		{ "case 4: RCPT", 1,
		  { PLAIN, MAIL_OK, EXPECT("RCPT"), SEND("250-a\r\n550 b\r\n"), DRAIN },
		  "RCPT protocol", .usable = false },
		{ "case 6: MAIL", 1, { PLAIN, EXPECT("MAIL"), SEND("2500 ok\r\n"), DRAIN },
		  "MAIL protocol", .usable = false },
		{ "case 3: RCPT", 2,
		  { PLAIN, MAIL_OK, EXPECT("RCPT"), FLOOD("250-more and more and more\r\n") },
		  "RCPT flood, RCPT flood", .usable = false },
		{ "case 11: MAIL", 2, { PLAIN, EXPECT("MAIL"), CUT }, "MAIL lost, MAIL lost",
		  .usable = false },
		{ "case 11: between replies", 2, { GROUP_OF_2, SEND("250 ok\r\n550 no\r\n"), CUT },
		  "RCPT 550, RCPT lost", .usable = false },
		{ "case 11: DATA", 1, { PLAIN, MAIL_OK, RCPT_OK, EXPECT("DATA"), CUT }, "DATA lost",
		  .usable = false },
		{ "case 11: reset instead of a reply", 1, { PLAIN, READ(4), CUT }, "MAIL lost",
		  .usable = false },
		{ "case 12: drip", 1, { PLAIN, EXPECT("MAIL"), DRIP("250-ok\r\n", 20) },
		  "MAIL timeout", .usable = false, .deadline_ms = 200 },
		{ "case 13: nobody reads", 1, { TO_DATA, HOLD }, "CONTENT timeout",
		  .usable = false, .deadline_ms = 2000, .body_bytes = 3000000 },
		{ "case 20: TLS cut in a reply", 1,
		  { TLS_SESSION, MAIL_OK, EXPECT("RCPT"), SEND("250 o"), CUT }, "RCPT lost",
		  .usable = false, .level = TLS_MAY },
		{ "case 21: reset in the content", 1, { TO_DATA, READ(5000), CUT }, "CONTENT lost",
		  .usable = false, .body_bytes = 3000000 },
		{ "case 21: inside TLS", 1,
		  { TLS_SESSION, MAIL_OK, RCPT_OK, DATA_OK, READ(5000), CUT }, "CONTENT lost",
		  .usable = false, .level = TLS_MAY, .body_bytes = 3000000 },
		{ "case 35: a flood while we write", 1,
		  { TO_DATA, FLOOD("250-more and more and more\r\n") }, "CONTENT flood",
		  .usable = false, .body_bytes = 3000000 },
		{ "case 35: a line without end", 1,
		  { TO_DATA, FLOOD("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") }, "CONTENT flood",
		  .usable = false, .body_bytes = 3000000 },
	};

	(void)state;
	run_all(rows, COUNT(rows));
}

/* What too little is left for is not begun: 2 s for a transaction, of a limit of 200 s. For DATA: test_smtp_client_timeouts.c. */
static void test_time(void **state)
{
	static const struct row rows[] = {
		{ "no transaction", 1, { PLAIN, DRAIN }, "MAIL no time", .usable = false, .deadline_ms = 1900,
		  .time_limit_ms = 200000, .unseen = "MAIL" },
		{ "no pipelined transaction", 2, { PIPELINING, DRAIN }, "MAIL no time, MAIL no time",
		  .usable = false, .deadline_ms = 1900, .time_limit_ms = 200000, .unseen = "MAIL" },
		{ "time for a transaction", 1, { TO_DOT, SEND("250 2.0.0 ok\r\n"), DRAIN }, "DOT 250",
		  .usable = true, .deadline_ms = PATIENCE_MS, .time_limit_ms = 200000 },
		{ "not for so large a message", 1, { PLAIN, DRAIN }, "MAIL no time", .usable = false,
		  .deadline_ms = 2100, .time_limit_ms = 200000, .unseen = "MAIL", .body_bytes = 30000000 },
	};

	(void)state;
	run_all(rows, COUNT(rows));
}

/* R4: from the dot to a complete reply nobody knows. */
static void test_in_doubt(void **state)
{
	static const struct row rows[] = {
		{ "case 26: closed", 2,
		  { PLAIN, MAIL_OK, EXPECT("RCPT"), SEND("550 no\r\n"), EXPECT("RCPT"),
		    SEND("250 ok\r\n"), DATA_OK, CONTENT, CUT }, "RCPT 550, DOT lost in doubt",
		  .usable = false },
		{ "case 26: silence", 1, { TO_DOT, DRAIN }, "DOT timeout in doubt", .usable = false,
		  .deadline_ms = 2000 },
		{ "case 26: half a reply", 1, { TO_DOT, SEND("250 2.0.0 queued"), CUT },
		  "DOT lost in doubt", .usable = false },
		{ "case 3: endless reply", 1, { TO_DOT, FLOOD("250-more and more and more\r\n") },
		  "DOT flood in doubt", .usable = false },
		{ "case 4: code changes", 1, { TO_DOT, SEND("250-a\r\n550 b\r\n"), DRAIN },
		  "DOT protocol in doubt", .usable = false },
		{ "case 6: no code", 1, { TO_DOT, SEND("ok\r\n"), DRAIN }, "DOT protocol in doubt",
		  .usable = false },
		{ "case 12: drip", 1, { TO_DOT, DRIP("250-ok\r\n", 20) }, "DOT timeout in doubt",
		  .usable = false, .deadline_ms = 2000 },
		{ "case 20: TLS cut", 1, { TLS_SESSION, MAIL_OK, RCPT_OK, DATA_OK, CONTENT, CUT },
		  "DOT lost in doubt", .usable = false, .level = TLS_MAY },
		{ "case 20: TLS cut in the reply", 1,
		  { TLS_SESSION, MAIL_OK, RCPT_OK, DATA_OK, CONTENT, SEND("250 2.0.0 ok"), CUT },
		  "DOT lost in doubt", .usable = false, .level = TLS_MAY },
	};

	(void)state;
	run_all(rows, COUNT(rows));
}

static struct conversation *begin(const struct fake_step *steps, size_t recipients, int cancel_fd)
{
	struct conversation *conversation = calloc(1, sizeof(*conversation));

	conversation_begin(conversation, steps, TLS_MAY, PATIENCE_MS, cancel_fd);
	assert_true(conversation->is_open);
	conversation_add_recipients(conversation, recipients, "u");
	return conversation;
}

static void end(struct conversation *conversation)
{
	conversation_end(conversation);
	assert_string_equal(conversation->mx.problem, "");
	conversation_wipe(conversation);
	free(conversation);
}

/* case 13: the minimum rate. */
static void test_slow_reader(void **state)
{
	static const struct fake_step steps[] = { TO_DATA, HOLD, { 0 } };
	struct conversation *conversation = begin(steps, 1, -1);

	(void)state;
	fill_body(&conversation->content, 3000000);
	/*
	 * What the socket took at once counts as fast: the grace must end before that, or the test
	 * would last minutes.
	 */
	conversation->client.data_rate_grace_ms = -3000000 / SMTP_MIN_DATA_RATE_BYTES_PER_S * 1000;
	assert_false(conversation_send(conversation, 0, 1));
	assert_string_equal(conversation->results[0], "CONTENT slow");
	end(conversation);
}

/*
 * case 29, and a further transaction on the same connection: after a dot no RSET, after an
 * unfinished one RSET.
 */
static void test_transactions_in_a_row(void **state)
{
	static const struct fake_step steps[] = {
		PLAIN,
		MAIL_OK,
		EXPECT("RCPT TO:<u0"),
		SEND("250 ok\r\n"),
		EXPECT("RCPT TO:<u1"),
		SEND("452 4.5.3 too many\r\n"),
		EXPECT("DATA"),
		SEND("354 go\r\n"),
		DOT_OK,
		EXPECT("MAIL"),
		SEND("250 ok\r\n"),
		EXPECT("RCPT TO:<u1"),
		SEND("550 no\r\n"),
		EXPECT("RSET\r\n"),
		SEND("250 ok\r\n"),
		EXPECT("MAIL"),
		SEND("250 ok\r\n"),
		EXPECT("RCPT TO:<u2"),
		SEND("250 ok\r\n"),
		DATA_OK,
		DOT_OK,
		QUIT_OK,
		{ 0 },
	};
	struct conversation *conversation = begin(steps, 3, -1);

	(void)state;
	fill_body(&conversation->content, 0);
	assert_true(conversation_send(conversation, 0, 2));
	assert_string_equal(conversation->results[0], "DOT 250");
	assert_string_equal(conversation->results[1], "RCPT 452");
	assert_true(conversation_send(conversation, 1, 1));
	assert_string_equal(conversation->results[1], "RCPT 550");
	assert_true(conversation_send(conversation, 2, 1));
	assert_string_equal(conversation->results[2], "DOT 250");
	end(conversation);
}

static void test_rset_refused(void **state)
{
	static const struct {
		struct fake_step steps[20];
		const char *result;
	} rows[] = {
		{ { PLAIN, MAIL_OK, EXPECT("RCPT"), SEND("550 no\r\n"), EXPECT("RSET"),
		    SEND("500 what\r\n"), DRAIN }, "MAIL protocol" },
		{ { PLAIN, MAIL_OK, EXPECT("RCPT"), SEND("550 no\r\n"), EXPECT("RSET"),
		    SEND("421 bye\r\n"), DRAIN }, "MAIL 421" },
		{ { PLAIN, MAIL_OK, EXPECT("RCPT"), SEND("550 no\r\n"), EXPECT("RSET"), CUT },
		  "MAIL lost" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct conversation *conversation = begin(rows[i].steps, 2, -1);

		fill_body(&conversation->content, 0);
		assert_true(conversation_send(conversation, 0, 1));
		assert_false(conversation_send(conversation, 1, 1));
		assert_string_equal(conversation->results[1], rows[i].result);
		end(conversation);
	}
}

/*
 * case 29 and case 35: a hundred recipients, and a server that answers at length and reads nothing
 * meanwhile.
 */
static void test_large_group_does_not_deadlock(void **state)
{
	static char answer[4000], mail_answer[4000];
	struct fake_step steps[] = {
		PIPELINING, EXPECT("MAIL"), SEND(mail_answer), REPEAT(100, "RCPT TO:<", answer),
		DATA_OK, DOT_OK, QUIT_OK, { 0 },
	};
	struct conversation *conversation;
	struct smtp_client *client;
	const int small = 4096;
	char local_part[SMTP_LOCAL_PART_MAX * 2];

	(void)state;
	memset(answer, 'x', sizeof(answer) - 1);
	memcpy(answer, "250 ", 4);
	memcpy(answer + sizeof(answer) - 3, "\r\n", 2);
	memcpy(mail_answer, answer, sizeof(answer));
	conversation = begin(steps, 0, -1);
	/* Sockets that hold little, so that each side has to wait for the other. */
	setsockopt(conversation->mx.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	client = &conversation->client;
	setsockopt(client->stream.write_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	memset(local_part, 'u', sizeof(local_part));
	local_part[sizeof(local_part) - 6] = '\0';
	conversation_add_recipients(conversation, 100, local_part);
	for (size_t i = 0; i < 100; i++)	/* as long as they come, to fill the socket */
		memset(conversation->envelope.recipients[i].orcpt, 'o', SMTP_ORCPT_MAX);
	client->capabilities.dsn = true;
	fill_body(&conversation->content, 0);
	assert_true(conversation_send(conversation, 0, 100));
	for (size_t i = 0; i < 100; i++)
		assert_string_equal(conversation->results[i], "DOT 250");
	end(conversation);
}

/*
 * case 34: SMTPUTF8 where an address or a header needs it; 8-bit content otherwise goes as it is.
 */
static void test_smtputf8(void **state)
{
	static const struct {
		const char *name;
		bool asked, utf8_address, offered;
		const char *body, *result;
	} rows[] = {
		{ "ASCII only, not offered", true, false, false, "Subject: x\r\n\r\nx\r\n",
		  "DOT 250" },
		{ "8-bit body, not offered", true, false, false, "Subject: x\r\n\r\n\303\244\r\n",
		  "DOT 250" },
		{ "UTF-8 header, not offered", true, false, false, "Subject: \303\244\r\n\r\nx\r\n",
		  "MAIL capability" },
		{ "UTF-8 address, not offered", true, true, false, "Subject: x\r\n\r\nx\r\n",
		  "MAIL capability" },
		{ "8-bit header, not asked for", false, false, false, "Subject: \344\r\n\r\nx\r\n",
		  "DOT 250" },
		{ "UTF-8 address, offered", true, true, true, "Subject: x\r\n\r\nx\r\n",
		  "DOT 250" },
	};
	static const struct fake_step scripts[2][24] = {
		{ EHLO("250 8BITMIME\r\n"), MAIL_OK, RCPT_OK, DATA_OK, DOT_OK, QUIT_OK },
		{ EHLO("250-8BITMIME\r\n250 SMTPUTF8\r\n"), MAIL_OK, RCPT_OK, DATA_OK, DOT_OK,
		  QUIT_OK },
	};
	static const struct fake_step refused[] = { EHLO("250 8BITMIME\r\n"), QUIT_OK, { 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		bool goes = strcmp(rows[i].result, "DOT 250") == 0;
		struct conversation *conversation = begin(goes ? scripts[rows[i].offered] : refused,
							  1, -1);

		conversation->envelope.smtputf8 = rows[i].asked;
		conversation->envelope.body_type = BODY_8BITMIME;
		conversation->envelope.recipients[0].forward_path.is_utf8 = rows[i].utf8_address;
		assert_int_equal(content_append(&conversation->content, rows[i].body,
						strlen(rows[i].body)),
				 CONTENT_OK);
		assert_true(conversation_send(conversation, 0, 1));
		if (strcmp(conversation->results[0], rows[i].result) != 0)
			fail_msg("%s: %s", rows[i].name, conversation->results[0]);
		conversation_end(conversation);
		if (goes) {
			assert_non_null(strstr(conversation->mx.seen, rows[i].body));
			assert_true((strstr(conversation->mx.seen, " SMTPUTF8\r\n") != NULL) ==
				    rows[i].offered);
			assert_non_null(strstr(conversation->mx.seen, "BODY=8BITMIME"));
		}
		end(conversation);
	}
}

/* case 7 and R5: text is made printable and cut, the code counts. */
static void test_reply_text(void **state)
{
	static const struct fake_step steps[] = {
		TO_DOT,
		SEND_BYTES("550-5.7.1 bad\0\033[2J\r\n550 5.7.1 \377worse\r\n"),
		QUIT_OK,
		{ 0 },
	};
	struct conversation *conversation = begin(steps, 1, -1);

	(void)state;
	fill_body(&conversation->content, 0);
	assert_true(conversation_send(conversation, 0, 1));
	assert_string_equal(conversation->results[0], "DOT 550");
	assert_string_equal(conversation->last_reply.text, "5.7.1 bad??[2J ?worse");
	end(conversation);
}

/* case 9: the reply to a dot that was not sent yet, with nothing else left to be written. */
static void test_stale_reply_before_the_dot(void **state)
{
	static const struct fake_step steps[] = {
		GROUP_OF_2, SEND("250 a\r\n250 b\r\n250 c\r\n354 d\r\n250 e\r\n"), DRAIN, { 0 }
	};
	struct conversation *conversation = begin(steps, 2, -1);

	(void)state;
	conversation->without_trace = true;
	assert_false(conversation_send(conversation, 0, 2));
	assert_string_equal(conversation->results[0], "CONTENT protocol");
	assert_string_equal(conversation->results[1], "CONTENT protocol");
	end(conversation);
}

/* A stop ends everything before the dot and nothing after it. */
static void test_cancelled(void **state)
{
	int cancel_fd = eventfd(0, EFD_CLOEXEC);
	const struct fake_step before[] = { TO_DATA, READ(1000), SIGNAL(cancel_fd), DRAIN, { 0 } };
	const struct fake_step after[] = { TO_DOT,     SIGNAL(cancel_fd),
					   SLEEP(100), SEND("250 ok\r\n"),
					   QUIT_OK,    { 0 } };
	struct conversation *conversation;
	eventfd_t count;

	(void)state;
	conversation = begin(after, 1, cancel_fd);
	fill_body(&conversation->content, 0);
	assert_true(conversation_send(conversation, 0, 1));
	assert_string_equal(conversation->results[0], "DOT 250");
	assert_int_equal(eventfd_read(cancel_fd, &count), 0);	/* so that QUIT works */
	end(conversation);

	conversation = begin(before, 1, cancel_fd);
	fill_body(&conversation->content, 30000000);
	assert_false(conversation_send(conversation, 0, 1));
	assert_string_equal(conversation->results[0], "CONTENT cancelled");
	end(conversation);
	close(cancel_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delivered),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_service_closing),
		cmocka_unit_test(test_broken_before_the_dot),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_in_doubt),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_transactions_in_a_row),
		cmocka_unit_test(test_rset_refused),
		cmocka_unit_test(test_large_group_does_not_deadlock),
		cmocka_unit_test(test_smtputf8),
		cmocka_unit_test(test_reply_text),
		cmocka_unit_test(test_stale_reply_before_the_dot),
		cmocka_unit_test(test_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
