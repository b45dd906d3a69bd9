/*
 * LMTP sessions as a mail system, good or hostile, would hold them, against an edge behind a real
 * tunnel (cases 105, 110 to 119). The session runs in a thread over a socket pair; the test is
 * Postfix.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>

#include "eventually.h"
#include "lib/log.h"
#include "lmtp_peer.h"

static void begin_data(struct session *session)
{
	ASK(session, "MAIL FROM:<s@home.example>", "250 2.1.0");
	ASK(session, "RCPT TO:<ok@example.net>", "250 2.1.5");
	ASK(session, "DATA", "354 ");
}

static void assert_content(struct session *session, const char *content, size_t length)
{
	assert_int_equal(buffer_length(&fake_edge_content), length);
	assert_memory_equal(buffer_data(&fake_edge_content), content, length);
	assert_true(session->edge.digest_is_good);
}

/* What an earlier attempt came to is told, and that it is; what cannot be is deferred. */
static void test_answers_from_journal(void **state)
{
	struct session session;
	char line[DELIVERY_LMTP_REPLY_MAX];

	(void)state;
	open_session(&session, FAKE_EDGE_GOOD);
	ASK(&session, "MAIL FROM:<s@home.example>", "250");
	ASK(&session, "RCPT TO:<ok-again@example.net>", "250");
	ASK(&session, "RCPT TO:<bounce-again@example.net>", "250");
	ASK(&session, "RCPT TO:<defer-again@example.net>", "250");
	ASK(&session, "RCPT TO:<ok@example.net>", "250");
	ASK(&session, "DATA", "354 ");
	SAY(&session, "Subject: x\r\n\r\nx\r\n.\r\n");
	expect(&session,
	       "250 2.0.0 edge.example.com: mx.example.net[192.0.2.9]:25 said: 250 2.0.0 Ok: queued "
	       "(already delivered; answered from journal)");
	expect(&session,
	       "550 5.1.1 edge.example.com: host mx.example.net[192.0.2.9] said: 550 5.1.1 no such user "
	       "(in reply to RCPT TO command) (answered from journal)");
	expect(&session, "451 4.4.2 edge.example.com: outcome unknown: temporary failure as an "
			 "earlier attempt's outcome (the message may have been delivered; ");
	assert_int_equal(stream_read_line(&session.stream, line, sizeof(line), NULL,
					  deadline_in_ms(PATIENCE_MS)),
			 STREAM_OK);
	assert_string_equal(line, "250 2.0.0 edge.example.com: mx.example.net[192.0.2.9]:25 said: "
				  "250 2.0.0 Ok: queued");
	ASK(&session, "QUIT", "221 2.0.0");
	finish(&session);
}

static void test_delivers(void **state)
{
	struct session session;

	(void)state;
	open_session(&session, FAKE_EDGE_GOOD);
	ASK(&session, "XFORWARD SOURCE=LOCAL IDENT=4FXYZ PROTO=ESMTP", "250 ");
	ASK(&session, "mail from:<S@home.example> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=abc",
	    "250 2.1.0");
	ASK(&session, "RCPT TO:<ok1@example.net> NOTIFY=FAILURE ORCPT=rfc822;ok1@example.net",
	    "250 2.1.5");
	ASK(&session, "RCPT TO:<bounce@example.net>", "250 2.1.5");
	ASK(&session, "RCPT TO:<defer@example.net>", "250 2.1.5");
	ASK(&session, "DATA", "354 ");
	SAY(&session, "Subject: x\r\n\r\n..dot\r\n.\r\n");
	expect(&session,
	       "250 2.0.0 edge.example.com: mx.example.net[192.0.2.9]:25 said: 250 2.0.0 Ok: queued");
	expect(&session,
	       "550 5.1.1 edge.example.com: host mx.example.net[192.0.2.9] said: 550 5.1.1 no such user");
	expect(&session,
	       "451 4.7.1 edge.example.com: host mx.example.net[192.0.2.9] said: 451 4.7.1 greylisted");
	ASK(&session, "QUIT", "221 2.0.0");
	finish(&session);
	assert_content(&session, "Subject: x\r\n\r\n..dot\r\n", 21);
	assert_string_equal(session.edge.envelope.envelope.queue_id, "4FXYZ");
	assert_string_equal(session.edge.envelope.envelope.envid, "abc");
	assert_int_equal(session.edge.envelope.envelope.ret, DSN_RETURN_HEADERS);
	assert_int_equal(session.edge.envelope.envelope.body_type, BODY_8BITMIME);
	assert_true(session.edge.envelope.budget_ms <= TUNNEL_EDGE_BUDGET_MS);
	assert_true(session.edge.envelope.budget_ms > TUNNEL_EDGE_BUDGET_MS - PATIENCE_MS);
	assert_int_equal(session.edge.recipients[0].notify, DSN_NOTIFY_FAILURE);
	assert_string_equal(session.edge.recipients[0].orcpt, "rfc822;ok1@example.net");
}

static void test_queue_id_from_received(void **state)
{
	struct session session;

	(void)state;
	open_session(&session, FAKE_EDGE_GOOD);
	ASK(&session, "XFORWARD SOURCE=LOCAL", "250 ");
	ASK(&session, "MAIL FROM:<>", "250 2.1.0");
	ASK(&session, "RCPT TO:<ok@example.net>", "250 2.1.5");
	ASK(&session, "DATA", "354 ");
	SAY(&session, "Received: by home.example (Postfix, from userid 0)\r\n");
	SAY(&session, "\tid 4FABC1; Sat, 21 Nov 2026 03:00:00 +0000 (UTC)\r\nSubject: x\r\n");
	SAY(&session, "\r\nbody\r\n.\r\n");
	expect(&session, "250 2.0.0");
	finish(&session);
	assert_string_equal(session.edge.envelope.envelope.queue_id, "4FABC1");
	assert_true(session.edge.envelope.envelope.reverse_path.is_null);
	assert_true(session.edge.digest_is_good);
}

/* case 110, 111: a thousand recipients, duplicates among them, everything pipelined */
static void test_pipelined_thousand(void **state)
{
	static const char after[] = "DATA\r\n";
	struct session session;
	struct buffer commands;

	(void)state;
	open_session(&session, FAKE_EDGE_GOOD);
	buffer_init(&commands, 1 << 20);
	buffer_printf(&commands, "MAIL FROM:<s@home.example>\r\n");
	for (int i = 0; i < SMTP_RECIPIENTS_MAX + 1; i++)
		buffer_printf(&commands, "RCPT TO:<%s%d@example.net>\r\n",
			      i % 3 == 1 ? "bounce" : "ok", i % 2);
	buffer_put(&commands, after, sizeof(after) - 1);
	say(&session, buffer_data(&commands), buffer_length(&commands));
	expect(&session, "250 2.1.0");
	for (int i = 0; i < SMTP_RECIPIENTS_MAX; i++)
		expect(&session, "250 2.1.5");
	expect(&session, "452 4.5.3");
	expect(&session, "354 ");
	SAY(&session, "x\r\n.\r\nNOOP\r\n");
	for (int i = 0; i < SMTP_RECIPIENTS_MAX; i++)
		expect(&session, i % 3 == 1 ? "550 5.1.1" : "250 2.0.0");
	expect(&session, "250 2.0.0 Ok");
	finish(&session);
	assert_int_equal(session.edge.recipient_count, SMTP_RECIPIENTS_MAX);
	buffer_wipe(&commands);
}

/* Replies keep the order of RCPT and each is written as soon as it can be. */
static void test_replies_in_order_at_once(void **state)
{
	struct session session;
	struct pollfd fd;

	(void)state;
	open_session(&session, FAKE_EDGE_REVERSE);
	session.edge.is_held = true;
	ASK(&session, "MAIL FROM:<s@home.example>", "250");
	ASK(&session, "RCPT TO:<defer@example.net>", "250");
	ASK(&session, "RCPT TO:<bounce@example.net>", "250");
	ASK(&session, "RCPT TO:<ok@example.net>", "250");
	ASK(&session, "DATA", "354 ");
	SAY(&session, "x\r\n.\r\n");
	fd = (struct pollfd){ .fd = session.fd, .events = POLLIN };
	assert_int_equal(poll(&fd, 1, 50), 0); /* the first recipient's outcome comes last */
	session.edge.is_held = false;
	expect(&session, "451 4.7.1");
	expect(&session, "550 5.1.1");
	expect(&session, "250 2.0.0");
	finish(&session);
}

/* case 112 */
static void test_order_of_commands(void **state)
{
	struct session session;

	(void)state;
	start(&session, FAKE_EDGE_GOOD);
	go(&session);
	ASK(&session, "MAIL FROM:<a@b.example>", "503 5.5.1");
	ASK(&session, "RCPT TO:<a@b.example>", "503 5.5.1");
	ASK(&session, "DATA", "503 5.5.1");
	ASK(&session, "EHLO x", "500 5.5.1");
	ASK(&session, "HELO x", "500 5.5.1");
	ASK(&session, "LHLO", "501 5.5.4");
	greet(&session);
	ASK(&session, "DATA", "503 5.5.1");
	ASK(&session, "RCPT TO:<a@b.example>", "503 5.5.1");
	ASK(&session, "MAIL FROM:<a@b.example>", "250 2.1.0");
	ASK(&session, "MAIL FROM:<a@b.example>", "503 5.5.1");
	ASK(&session, "DATA", "503 5.5.1");
	ASK(&session, "XFORWARD IDENT=4F", "503 5.5.1");
	ASK(&session, "RCPT TO:<old@b.example>", "250 2.1.5");
	greet(&session); /* LHLO again: as RSET */
	ASK(&session, "RCPT TO:<a@b.example>", "503 5.5.1");
	ASK(&session, "MAIL FROM:<a@b.example>", "250 2.1.0");
	ASK(&session, "RCPT TO:<old@b.example>", "250 2.1.5");
	ASK(&session, "RSET", "250 2.0.0");
	begin_data(&session);
	SAY(&session, "x\r\n.\r\n");
	expect(&session, "250 2.0.0");
	ASK(&session, "NOOP whatever", "250 2.0.0");
	ASK(&session, "VRFY a@b.example", "252 ");
	finish(&session);
	assert_int_equal(session.edge.recipient_count, 1);
	assert_int_equal(session.edge.tunnels, 1);
	assert_int_equal(session.edge.transactions, 1);
	assert_int_equal(session.edge.aborts, 0);
}

/* XFORWARD is valid for one transaction. */
static void test_ident_is_forgotten(void **state)
{
	struct session session;

	(void)state;
	open_session(&session, FAKE_EDGE_GOOD);
	ASK(&session, "XFORWARD IDENT=4FABC NAME=[UNAVAILABLE]", "250");
	begin_data(&session);
	SAY(&session, "x\r\n.\r\n");
	expect(&session, "250 2.0.0");
	begin_data(&session);
	SAY(&session, "x\r\n.\r\n");
	expect(&session, "250 2.0.0");
	ASK(&session, "XFORWARD FOO=1", "501 5.5.4");
	ASK(&session, "XFORWARD IDENT=[UNAVAILABLE]", "250");
	finish(&session);
	assert_string_equal(session.edge.envelope.envelope.queue_id, "");
	assert_int_equal(session.edge.tunnels, 1); /* kept from message to message */
	assert_int_equal(session.edge.transactions, 2);
}

/* case 113 */
static void test_no_chunking(void **state)
{
	struct session session;

	(void)state;
	open_session(&session, FAKE_EDGE_GOOD);
	ASK(&session, "BDAT 0 LAST", "502 5.5.1");
	ASK(&session, "BDAT 99999999999999999999", "502 5.5.1");
	ASK(&session, "BDAT -1", "502 5.5.1");
	ASK(&session, "STARTTLS", "502 5.5.1");
	ASK(&session, "WHAT", "500 5.5.2");
	ASK(&session, "", "500 5.5.2");
	finish(&session);
}

/* case 114 */
static void test_size(void **state)
{
	struct session session;

	(void)state;
	start(&session, FAKE_EDGE_GOOD);
	session.edge.info.size_max = 2000;
	go(&session);
	greet(&session);
	ASK(&session, "MAIL FROM:<s@home.example> SIZE=2001", "552 5.3.4");
	ASK(&session, "MAIL FROM:<s@home.example> SIZE=99999999999999999999999", "501 5.5.4");
	ASK(&session, "MAIL FROM:<s@home.example> SIZE=10", "250 2.1.0");
	ASK(&session, "RCPT TO:<ok1@example.net>", "250 2.1.5");
	ASK(&session, "RCPT TO:<ok2@example.net>", "250 2.1.5");
	ASK(&session, "DATA", "354 ");
	for (int i = 0; i < 1000; i++)
		SAY(&session, "0123456789012345678901234567890123456789\r\n");
	SAY(&session, ".\r\nNOOP\r\n");
	expect(&session, "552 5.3.4");
	expect(&session, "552 5.3.4");
	expect(&session, "250 2.0.0 Ok");
	begin_data(&session); /* the same tunnel works on */
	SAY(&session, "small\r\n.\r\n");
	expect(&session, "250 2.0.0");
	finish(&session);
	assert_int_equal(session.edge.aborts, 1);
	assert_int_equal(session.edge.ends, 1);
}

/* case 115: dots at every line start, the input cut at each byte */
static void test_dots_byte_by_byte(void **state)
{
	static const char content[] = "..\r\n...\r\n..a\r\n\r\na.\r\n..\r\n";
	struct session session;

	(void)state;
	open_session(&session, FAKE_EDGE_GOOD);
	begin_data(&session);
	for (size_t i = 0; i < sizeof(content) - 1; i++)
		say(&session, content + i, 1);
	SAY(&session, ".");
	SAY(&session, "\r");
	SAY(&session, "\n");
	expect(&session, "250 2.0.0");
	finish(&session);
	assert_content(&session, content, sizeof(content) - 1);
}

/* case 116: nothing but CRLF . CRLF ends the message, and no stray CR or LF leaves */
static void test_smuggling(void **state)
{
	struct session session;

	(void)state;
	open_session(&session, FAKE_EDGE_GOOD);
	begin_data(&session);
	SAY(&session, "a\n.\nb\r\n.\nc\n.\r\nd\r.\re\r\n.\r\r\nf\r\n\0.\r\ng\r\n.\r\n");
	expect(&session, "250 2.0.0");
	ASK(&session, "NOOP", "250 2.0.0 Ok");
	finish(&session);
	assert_content(&session, "a . b\r\n. c .\r\nd . e\r\n. \r\nf\r\n\0.\r\ng\r\n", 35);
}

static void test_stray_is_rejected(void **state)
{
	struct session session;

	(void)state;
	start(&session, FAKE_EDGE_GOOD);
	session.setup.conf.stray_cr_lf = STRAY_CR_LF_REJECT;
	go(&session);
	greet(&session);
	begin_data(&session);
	SAY(&session, "a\nb\r\n");
	for (int i = 0; i < 5000; i++)
		SAY(&session, "and much more behind it\r\n");
	SAY(&session, ".\r\n");
	expect(&session, "550 5.6.0");
	begin_data(&session);
	SAY(&session, "clean\r\n.\r\n");
	expect(&session, "250 2.0.0");
	finish(&session);
	assert_int_equal(session.edge.aborts, 1);
	assert_int_equal(session.edge.ends, 1);
}

/* case 117 */
static void test_odd_contents(void **state)
{
	static char long_line[10 << 20];
	struct session session;

	(void)state;
	open_session(&session, FAKE_EDGE_GOOD);
	begin_data(&session);
	SAY(&session, ".\r\n");
	expect(&session, "250 2.0.0");
	assert_int_equal(buffer_length(&fake_edge_content), 0);
	begin_data(&session);
	memset(long_line, 'x', sizeof(long_line));
	say(&session, long_line, sizeof(long_line));
	SAY(&session, "\r\n.\r\n");
	expect(&session, "250 2.0.0");
	finish(&session);
	assert_int_equal(buffer_length(&fake_edge_content), sizeof(long_line) + 2);
	assert_true(session.edge.digest_is_good);
}

/* case 118 */
static void test_eof_in_data(void **state)
{
	struct session session;

	(void)state;
	open_session(&session, FAKE_EDGE_GOOD);
	ASK(&session, "XFORWARD IDENT=4F", "250");
	begin_data(&session);
	SAY(&session, "half a mess");
	finish(&session);
	assert_int_equal(session.edge.aborts, 1);
	assert_int_equal(session.edge.ends, 0);

	open_session(&session, FAKE_EDGE_GOOD);
	SAY(&session, "MAIL FROM:<a@b.exa");
	finish(&session);
	assert_int_equal(session.edge.tunnels, 0);
}

/* case 119: hostile addresses are data or refused */
static void test_addresses(void **state)
{
	struct session session;

	(void)state;
	open_session(&session, FAKE_EDGE_GOOD);
	ASK(&session, "MAIL FROM:<@a.example,@b.example:u@d.example>", "250 2.1.0");
	ASK(&session, "RCPT TO:<\"a b\"@d.example>", "250 2.1.5");
	ASK(&session, "RCPT TO:<u@[IPv6:::1]>", "250 2.1.5");
	ASK(&session, "RCPT TO:<ok-oX@d.example>", "250 2.1.5");
	ASK(&session, "RCPT TO:<-oX@d.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+40y",
	    "250 2.1.5");
	ASK(&session, "RCPT TO:<$(id)@d.example>", "501 ");
	ASK(&session, "RCPT TO:<a;b@d.example>", "501 ");
	ASK(&session, "RCPT TO:<>", "501 ");
	ASK(&session, "RCPT TO:<postmaster>", "5");
	ASK(&session, "RCPT TO:<a@d.example> FOO=1", "555 ");
	ASK(&session, "RCPT TO:<a@d.example> NOTIFY=NEVER,DELAY", "501 ");
	ASK(&session, "RCPT TO a@d.example", "501 ");
	ASK(&session, "RCPT TO:<\xc3\xbc@d.example>", "5");
	say(&session, "RCPT TO:<a\0b@d.example>\r\n", 25);
	expect(&session, "500 5.5.2");
	finish(&session);
}

static void test_long_line_and_errors(void **state)
{
	static char line[100000];
	struct session session;

	(void)state;
	open_session(&session, FAKE_EDGE_GOOD);
	memset(line, 'A', sizeof(line));
	say(&session, line, sizeof(line));
	SAY(&session, "\r\nNOOP\r\n");
	expect(&session, "500 5.5.2");
	expect(&session, "250 2.0.0"); /* in step again */
	for (int i = 1; i < LMTP_ERRORS_MAX; i++)
		ASK(&session, "WHAT", "500 5.5.2");
	expect(&session, "421 4.7.0");
	finish(&session);
}

/* Many refusals that follow from one refused MAIL are no errors of the client. */
static void test_pipelined_after_refused_mail(void **state)
{
	struct session session;
	struct buffer commands;

	(void)state;
	start(&session, FAKE_EDGE_GOOD);
	memset(session.edges[0].public_key, 7,
	       sizeof(session.edges[0].public_key)); /* not this edge's key */
	go(&session);
	greet(&session);
	buffer_init(&commands, 1 << 16);
	buffer_printf(&commands, "MAIL FROM:<s@home.example>\r\n");
	for (int i = 0; i < 50; i++)
		buffer_printf(&commands, "RCPT TO:<ok@example.net>\r\n");
	buffer_printf(&commands, "DATA\r\nRSET\r\n");
	say(&session, buffer_data(&commands), buffer_length(&commands));
	expect(&session, "451 4.7.0 ");
	for (int i = 0; i < 51; i++)
		expect(&session, "503 5.5.1");
	expect(&session, "250 2.0.0");
	finish(&session);
	buffer_wipe(&commands);
}

static void test_no_usable_edge(void **state)
{
	struct session session;

	(void)state;
	start(&session, FAKE_EDGE_GOOD);
	session.edges[0].is_disabled = true;
	go(&session);
	greet(&session);
	ASK(&session, "MAIL FROM:<s@home.example>",
	    "451 4.4.4 no usable edge: no edge takes new mail; see ");
	finish(&session);
}

/* What each way of losing the edge becomes, and that the session lives on. */
static void test_failures(void **state)
{
	static const struct {
		enum fake_edge_mode mode;
		const char *first, *second;
	} rows[] = {
		{ FAKE_EDGE_VANISH_AT_ENVELOPE, "451 4.4.2", "451 4.4.2" },
		{ FAKE_EDGE_VANISH_AT_CONTENT, "451 4.4.2", "451 4.4.2" },
		{ FAKE_EDGE_VANISH_AT_END, "451 4.4.2 edge.example.com: outcome unknown",
		  "451 4.4.2 edge.example.com: outcome unknown" },
		{ FAKE_EDGE_VANISH_AT_STATUS, "250 2.0.0",
		  "451 4.4.2 edge.example.com: outcome unknown" },
		{ FAKE_EDGE_EARLY_DONE, "550 5.1.1", "550 5.1.1" },
		{ FAKE_EDGE_EARLY_SUCCESS, "451 4.5.0", "451 4.5.0" },
		{ FAKE_EDGE_EARLY_CLOSE, "451 4.3.2", "451 4.3.2" },
		{ FAKE_EDGE_IDLE_CLOSE, "250 2.0.0", "250 2.0.0" },
	};
	static char body[300000];

	(void)state;
	for (size_t i = 0; i + 2 <= sizeof(body); i += 2)
		memcpy(body + i, i % 80 == 78 ? "\r\n" : "xy", 2);
	memcpy(body + sizeof(body) - 2, "\r\n", 2);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session session;

		open_session(&session, rows[i].mode);
		for (int message = 0; message < 2; message++) {
			ASK(&session, "MAIL FROM:<s@home.example>", "250 2.1.0");
			ASK(&session, "RCPT TO:<ok1@example.net>", "250 2.1.5");
			ASK(&session, "RCPT TO:<ok2@example.net>", "250 2.1.5");
			ASK(&session, "DATA", "354 ");
			say(&session, body, sizeof(body));
			usleep(20000);
			say(&session, body, sizeof(body));
			SAY(&session, ".\r\n");
			expect(&session, rows[i].first);
			expect(&session, rows[i].second);
			usleep(20000);
		}
		ASK(&session, "NOOP", "250 2.0.0 Ok");
		finish(&session);
		if (rows[i].mode == FAKE_EDGE_IDLE_CLOSE)
			assert_int_equal(session.edge.tunnels, 2);
	}
}

/* case 105: what a broken or hostile edge says */
static void test_unsound_statuses(void **state)
{
	static const struct {
		const char *recipient, *reply;
	} rows[] = {
		{ "missing",
		  "451 4.4.2 edge.example.com: outcome unknown: the edge gave no outcome" },
		{ "twice", "451 4.4.2" },
		{ "wrongclass", "451 4.4.2" },
		{ "noreply", "451 4.4.2" },
		{ "stranger", "451 4.4.2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session session;
		char line[100];

		open_session(&session, FAKE_EDGE_GOOD);
		ASK(&session, "MAIL FROM:<s@home.example>", "250");
		ASK(&session, "RCPT TO:<ok@example.net>", "250");
		snprintf(line, sizeof(line), "RCPT TO:<%s@example.net>\r\n", rows[i].recipient);
		say(&session, line, strlen(line));
		expect(&session, "250 2.1.5");
		ASK(&session, "DATA", "354 ");
		SAY(&session, "x\r\n.\r\n");
		expect(&session, "250 2.0.0");
		expect(&session, rows[i].reply);
		ASK(&session, "NOOP", "250 2.0.0 Ok");
		finish(&session);
	}
}

static void test_idle(void **state)
{
	struct session session;

	(void)state;
	start(&session, FAKE_EDGE_GOOD);
	session.setup.conf.idle_timeout = 50;
	go(&session);
	expect(&session, "421 4.4.2 home.example");
	finish(&session);
}

/* Who cannot be answered is not waited for: a session that says nothing any more holds one of Postfix's slots. */
static void test_ends_when_it_cannot_answer(void **state)
{
	struct deadline patience = deadline_in_ms(PATIENCE_MS);
	struct session session;

	(void)state;
	start(&session, FAKE_EDGE_GOOD);
	session.setup.conf.idle_timeout = 2 * PATIENCE_MS;
	go(&session);
	shutdown(session.fd, SHUT_RD);
	SAY(&session, "LHLO mail.example\r\n");
	pthread_join(session.thread, NULL);
	assert_false(deadline_has_passed(patience));
	stream_wipe(&session.stream);
	fake_edge_stop(&session.edge);
}

static void test_refuses_with_reason(void **state)
{
	char line[200];
	int pair[2];
	ssize_t got;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	lmtp_session_refuse(pair[0], pair[0], "/etc/postern/postern.conf:12: bad\r\n250 injected");
	got = read(pair[1], line, sizeof(line) - 1);
	assert_true(got > 0);
	line[got] = '\0';
	assert_string_equal(line, "421 4.3.5 /etc/postern/postern.conf:12: bad??250 injected\r\n");
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delivers),
		cmocka_unit_test(test_answers_from_journal),
		cmocka_unit_test(test_queue_id_from_received),
		cmocka_unit_test(test_pipelined_thousand),
		cmocka_unit_test(test_replies_in_order_at_once),
		cmocka_unit_test(test_order_of_commands),
		cmocka_unit_test(test_ident_is_forgotten),
		cmocka_unit_test(test_no_chunking),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_dots_byte_by_byte),
		cmocka_unit_test(test_smuggling),
		cmocka_unit_test(test_stray_is_rejected),
		cmocka_unit_test(test_odd_contents),
		cmocka_unit_test(test_eof_in_data),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_long_line_and_errors),
		cmocka_unit_test(test_pipelined_after_refused_mail),
		cmocka_unit_test(test_no_usable_edge),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_unsound_statuses),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_ends_when_it_cannot_answer),
		cmocka_unit_test(test_refuses_with_reason),
	};

	log_open("test_lmtp_session", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
