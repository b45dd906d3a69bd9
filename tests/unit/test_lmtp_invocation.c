/*
 * LMTP sessions as Exim and Sendmail hold them: without XFORWARD, with what the command line says. The test is the mail system, as in test_lmtp_session.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "file_place.h"
#include "lmtp_peer.h"

#define EXIM_ID "1xUyFG-00000c-0u"
#define EXIM_RECEIVED                                                                              \
	"Received: from [198.51.100.20] (helo=c)\r\n\tby h with esmtpa (Exim 4.96)\r\n"             \
	"\t(envelope-from <s@home.example>)\r\n\tid 1xUyEp-00000g-20;\r\n\tdate\r\n"

static void send_message(struct session *session, const char *content)
{
	ASK(session, "MAIL FROM:<s@home.example>", "250 2.1.0");
	ASK(session, "RCPT TO:<ok@example.net>", "250 2.1.5");
	ASK(session, "DATA", "354 ");
	say(session, content, strlen(content));
	SAY(session, "x\r\n.\r\n");
	expect(session, "250 2.0.0");
}

/* Exim: LHLO, one message, QUIT; the argument counts, whatever its Received field has. */
static void test_id_of_the_command_line(void **state)
{
	struct session session;

	(void)state;
	start(&session, FAKE_EDGE_GOOD);
	session.invocation = (struct lmtp_invocation){ EXIM_ID, NULL, false };
	go(&session);
	greet(&session);
	send_message(&session, EXIM_RECEIVED "\r\n");
	ASK(&session, "QUIT", "221 2.0.0");
	finish(&session);
	assert_string_equal(session.edge.envelope.envelope.queue_id, EXIM_ID);
}

/* A transaction that came to nothing was about the same message; one whose content came was it. */
static void test_id_is_for_one_message(void **state)
{
	static const struct {
		int before; /* messages in the session before the one that is looked at */
		const char *content, *queue_id;
	} rows[] = {
		{ 0, "Subject: x\r\n\r\n", EXIM_ID },
		{ 1, "Subject: x\r\n\r\n", "" },
		{ 1, EXIM_RECEIVED "\r\n", "1xUyEp-00000g-20" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session session;

		start(&session, FAKE_EDGE_GOOD);
		session.invocation = (struct lmtp_invocation){ EXIM_ID, NULL, false };
		go(&session);
		greet(&session);
		ASK(&session, "MAIL FROM:<s@home.example>", "250 2.1.0");
		ASK(&session, "RSET", "250 2.0.0");
		greet(&session);
		for (int before = 0; before < rows[i].before; before++)
			send_message(&session, "Subject: another\r\n\r\n");
		send_message(&session, rows[i].content);
		finish(&session);
		assert_string_equal(session.edge.envelope.envelope.queue_id, rows[i].queue_id);
	}
}

/* XFORWARD is of this message for certain; what is no id is none. */
static void test_other_ids(void **state)
{
	static const struct {
		const char *first, *xforward, *queue_id;
	} rows[] = {
		{ "4ARGUMENT", "XFORWARD IDENT=4FORWARD\r\n", "4FORWARD" },
		{ "4ARGUMENT", "XFORWARD IDENT=[UNAVAILABLE]\r\n", "4ARGUMENT" },
		{ "", "NOOP\r\n", "" },
		{ "not one", "NOOP\r\n", "" },
		{ "-4F", "NOOP\r\n", "" },
		{ NULL, "NOOP\r\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session session;

		start(&session, FAKE_EDGE_GOOD);
		session.invocation = (struct lmtp_invocation){ rows[i].first, NULL, false };
		go(&session);
		greet(&session);
		say(&session, rows[i].xforward, strlen(rows[i].xforward));
		expect(&session, "250 ");
		send_message(&session, "\r\n");
		finish(&session);
		assert_string_equal(session.edge.envelope.envelope.queue_id, rows[i].queue_id);
	}
}

static const char *edge_name(const void *array, size_t position)
{
	return ((const struct edge *)array)[position].name;
}

static void read_routes(struct session *session, struct file_place *place)
{
	struct transport_setup *setup = &session->setup;

	setup->conf.routes = place->path;
	assert_int_equal(name_index_init(&setup->edges.index, 1), 0);
	name_index_add(&setup->edges.index, edge_name, setup->edges.edges, 0);
	if (route_table_read(&setup->routes, place->path, &setup->edges, place->error,
			     sizeof(place->error)) < 0)
		fail_msg("%s", place->error);
}

/* Routes by login: the edge is for alice alone. */
static void test_login(void **state)
{
	static const struct {
		const char *login, *reply;
	} rows[] = {
		{ "alice", "250 2.0.0" },
		{ "bob", "451 4.4.4 no usable edge" },
		{ "", "451 4.4.4 no usable edge" },
		{ NULL, "451 4.4.4 no usable edge" },
	};
	struct file_place place;

	(void)state;
	assert_int_equal(file_place_init(&place, "routes"), 0);
	file_place_write(&place, "login:alice us\n", 0644);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session session;

		start(&session, FAKE_EDGE_GOOD);
		read_routes(&session, &place);
		session.invocation = (struct lmtp_invocation){ "4F", rows[i].login, false };
		go(&session);
		greet(&session);
		ASK(&session, "MAIL FROM:<s@home.example>", "250 2.1.0");
		ASK(&session, "RCPT TO:<ok@example.net>", "250 2.1.5");
		ASK(&session, "DATA", "354 ");
		SAY(&session, "x\r\n.\r\n");
		expect(&session, rows[i].reply);
		finish(&session);
		route_table_wipe(&session.setup.routes);
		name_index_wipe(&session.setup.edges.index);
	}
	file_place_wipe(&place);
}

/* Nobody has to make a success notice for who never heard that we could; the parameters may come. */
static void test_no_dsn(void **state)
{
	struct session session;

	(void)state;
	start(&session, FAKE_EDGE_GOOD);
	session.invocation = (struct lmtp_invocation){ NULL, NULL, true };
	go(&session);
	ASK(&session, "LHLO mail.example", "250-home.example");
	for (int i = 0; i < 5; i++)
		expect(&session, "250-");
	expect(&session, "250-ENHANCEDSTATUSCODES");
	expect(&session, "250 XFORWARD");
	ASK(&session, "MAIL FROM:<s@home.example> RET=HDRS", "250 2.1.0");
	ASK(&session, "RCPT TO:<ok@example.net> NOTIFY=NEVER", "250 2.1.5");
	finish(&session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_id_of_the_command_line),
		cmocka_unit_test(test_id_is_for_one_message),
		cmocka_unit_test(test_other_ids),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_no_dsn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
