/*
 * From the connection to a server ready for mail, and every way in which a hostile one prevents
 * that (CATALOGUE B1).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/eventfd.h>

#include "tests/fake/fake_conversation.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OFFER_TLS EHLO("250-PIPELINING\r\n250 STARTTLS\r\n")
#define GO_TLS OFFER_TLS, EXPECT("STARTTLS\r\n"), SEND("220 go\r\n"), TLS
#define EHLO_AGAIN EXPECT("EHLO " OWN_NAME "\r\n"), SEND("250-mx.example.net\r\n250 8BITMIME\r\n")

struct row {
	const char *name;
	struct fake_step steps[16];
	const char *event;		/* "" = opens */
	enum tls_level level;
	int deadline_ms;		/* 0 = PATIENCE_MS */
};

static void run(const struct row *row)
{
	struct conversation *conversation = calloc(1, sizeof(*conversation));
	char event[64] = "";
	struct deadline patience = deadline_in_ms(PATIENCE_MS / 3);

	conversation_begin(conversation, row->steps, row->level,
			   row->deadline_ms > 0 ? row->deadline_ms : PATIENCE_MS, -1);
	if (!conversation->is_open)
		conversation_print(event, sizeof(event), &conversation->open_event);
	conversation_end(conversation);
	if (strcmp(event, row->event) != 0 || conversation->mx.problem[0] != '\0')
		fail_msg("%s: \"%s\" (%s) instead of \"%s\"; server: %s", row->name, event,
			 conversation->open_event.detail, row->event, conversation->mx.problem);
	if (deadline_has_passed(patience))
		fail_msg("%s: did not end before its deadline", row->name);
	conversation_wipe(conversation);
	free(conversation);
}

static void run_all(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		run(&rows[i]);
}

static void test_good_servers(void **state)
{
	static const struct row rows[] = {
		{ "plain", { PLAIN, QUIT_OK }, "", TLS_MAY, 0 },
		{ "multi-line greeting",
		  { SEND("220-mx.example.net\r\n220-wait\r\n220 ok\r\n"), EXPECT("EHLO"),
		    SEND("250 mx\r\n"), QUIT_OK }, "",
		  TLS_MAY, 0 },
		{ "case 5: 220 alone",
		  { SEND("220\r\n"), EXPECT("EHLO"), SEND("250\r\n"), QUIT_OK }, "", TLS_MAY, 0 },
		{ "case 8: bare LF",
		  { SEND("220 mx\n"), EXPECT("EHLO"), SEND("250-mx\n250 HELP\n"), QUIT_OK }, "",
		  TLS_MAY, 0 },
		{ "case 8: CR CR LF",
		  { SEND("220 mx\r\r\n"), EXPECT("EHLO"), SEND("250-mx\r\r\n250 HELP\r\r\n"),
		    QUIT_OK }, "",
		  TLS_MAY, 0 },
		{ "case 7: NUL, ESC, 8-bit",
		  { SEND_BYTES("220 mx\0\033[2J\377\r\n"), EXPECT("EHLO"), SEND("250 mx\r\n"),
		    QUIT_OK }, "",
		  TLS_MAY, 0 },
		{ "case 30: HELO",
		  { GREETING, EXPECT("EHLO"), SEND("502 what?\r\n"),
		    EXPECT("HELO " OWN_NAME "\r\n"), SEND("250 mx\r\n"), QUIT_OK }, "",
		  TLS_MAY, 0 },
		{ "TLS", { GO_TLS, EHLO_AGAIN, QUIT_OK }, "", TLS_MAY, 0 },
		{ "TLS wanted", { GO_TLS, EHLO_AGAIN, QUIT_OK }, "", TLS_ENCRYPT, 0 },
		{ "TLS not wanted", { OFFER_TLS, QUIT_OK }, "", TLS_NONE, 0 },
	};

	(void)state;
	run_all(rows, COUNT(rows));
}

static void test_greeting(void **state)
{
	static const struct row rows[] = {
		{ "case 1: greeting without end",
		  { FLOOD("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") }, "GREETING flood", TLS_MAY,
		  0 },
		{ "case 2: endless 220-", { FLOOD("220-more\r\n") }, "GREETING flood", TLS_MAY, 0 },
		{ "case 2: 64 KiB in few lines",
		  { SEND("220-"), FLOOD("220-................................................."
					".........................................................."
					"........................................") },
		  "GREETING flood", TLS_MAY, 0 },
		{ "case 6: two digits", { SEND("25\r\n") }, "GREETING protocol", TLS_MAY, 0 },
		{ "case 6: four digits", { SEND("2200 x\r\n") }, "GREETING protocol", TLS_MAY, 0 },
		{ "case 6: letters", { SEND("abc ok\r\n") }, "GREETING protocol", TLS_MAY, 0 },
		{ "case 6: underscore", { SEND("220_ok\r\n") }, "GREETING protocol", TLS_MAY, 0 },
		{ "case 6: empty line", { SEND("\r\n") }, "GREETING protocol", TLS_MAY, 0 },
		{ "case 6: UTF-8 over byte 3", { SEND("22\303\251 x\r\n") }, "GREETING protocol",
		  TLS_MAY, 0 },
		{ "case 6: HTTP", { SEND("HTTP/1.1 400 Bad Request\r\n") }, "GREETING protocol",
		  TLS_MAY, 0 },
		{ "case 4: code changes", { SEND("220-mx\r\n554 no\r\n") }, "GREETING protocol",
		  TLS_MAY, 0 },
		{ "case 9: EHLO answered before it was said",
		  { SEND("220 mx\r\n250 mx\r\n"), DRAIN }, "EHLO protocol", TLS_MAY, 0 },
		{ "case 11: closed at once", { CUT }, "GREETING lost", TLS_MAY, 0 },
		{ "case 11: half a greeting", { SEND("220 mx.exam"), CUT }, "GREETING lost",
		  TLS_MAY, 0 },
		{ "case 12: drip", { DRIP("220-slow\r\n", 20) }, "GREETING timeout", TLS_MAY, 200 },
		{ "silence", { DRAIN }, "GREETING timeout", TLS_MAY, 100 },
		{ "case 22: 421", { SEND("421 4.3.2 busy\r\n") }, "GREETING 421", TLS_MAY, 0 },
		{ "450", { SEND("450 later\r\n") }, "GREETING 450", TLS_MAY, 0 },
		{ "case 32: 554", { SEND("554 no SMTP service here\r\n") }, "GREETING 554", TLS_MAY,
		  0 },
		{ "354", { SEND("354 go on\r\n") }, "GREETING 354", TLS_MAY, 0 },
		{ "case 33: our own name", { SEND("220 Edge.Example.ORG ESMTP\r\n") },
		  "GREETING loop", TLS_MAY, 0 },
		{ "case 33: our name as a part",
		  { SEND("220 xedge.example.org\r\n"), EXPECT("EHLO"), SEND("250 mx\r\n"),
		    QUIT_OK }, "",
		  TLS_MAY, 0 },
	};

	(void)state;
	run_all(rows, COUNT(rows));
}

static void test_ehlo(void **state)
{
	static const struct row rows[] = {
		{ "case 3: 100 MB reply", { GREETING, EXPECT("EHLO"), FLOOD("250-XMORE\r\n") },
		  "EHLO flood", TLS_MAY, 0 },
		{ "case 31: 10,000 lines",
		  { GREETING, EXPECT("EHLO"), SEND_TIMES("250-X\r\n", 10000), SEND("250 X\r\n") },
		  "EHLO flood", TLS_MAY, 0 },
		{ "case 4: code changes", { GREETING, EXPECT("EHLO"), SEND("250-a\r\n550 b\r\n") },
		  "EHLO protocol", TLS_MAY, 0 },
		{ "case 11: closed", { GREETING, EXPECT("EHLO"), CUT }, "EHLO lost", TLS_MAY, 0 },
		{ "silence", { GREETING, EXPECT("EHLO"), DRAIN }, "EHLO timeout", TLS_MAY, 2000 },
		{ "case 22: 421", { GREETING, EXPECT("EHLO"), SEND("421 bye\r\n") }, "EHLO 421",
		  TLS_MAY, 0 },
		{ "case 22: 421 unasked", { SEND("220 mx\r\n421 bye\r\n"), DRAIN }, "EHLO 421",
		  TLS_MAY, 0 },
		{ "4xx is no reason for HELO", { GREETING, EXPECT("EHLO"), SEND("450 later\r\n") },
		  "EHLO 450", TLS_MAY, 0 },
		{ "case 30: HELO refused too",
		  { GREETING, EXPECT("EHLO"), SEND("550 no\r\n"), EXPECT("HELO"),
		    SEND("550 no\r\n") }, "EHLO 550",
		  TLS_MAY, 0 },
		{ "case 30: HELO has no TLS",
		  { GREETING, EXPECT("EHLO"), SEND("500 no\r\n"), EXPECT("HELO"),
		    SEND("250 mx\r\n") }, "TLS not offered",
		  TLS_ENCRYPT, 0 },
		{ "case 33: EHLO",
		  { GREETING, EXPECT("EHLO"), SEND("250-EDGE.example.org hi\r\n250 HELP\r\n") },
		  "EHLO loop", TLS_MAY, 0 },
		{ "case 33: HELO",
		  { GREETING, EXPECT("EHLO"), SEND("502 no\r\n"), EXPECT("HELO"),
		    SEND("250 edge.example.org\r\n") }, "EHLO loop",
		  TLS_MAY, 0 },
	};

	(void)state;
	run_all(rows, COUNT(rows));
}

static void test_starttls(void **state)
{
	static const struct row rows[] = {
		{ "case 14: injected reply",
		  { OFFER_TLS, EXPECT("STARTTLS"), SEND("220 go\r\n250 injected\r\n"), DRAIN },
		  "TLS injection", TLS_MAY, 0 },
		{ "case 14: one byte",
		  { OFFER_TLS, EXPECT("STARTTLS"), SEND("220 go\r\n2"), DRAIN }, "TLS injection",
		  TLS_MAY, 0 },
		{ "case 14: before STARTTLS", { EHLO("250 STARTTLS\r\n220 go\r\n"), DRAIN },
		  "TLS protocol", TLS_MAY, 0 },
		{ "case 16: 454", { OFFER_TLS, EXPECT("STARTTLS"), SEND("454 no\r\n") }, "TLS 454",
		  TLS_MAY, 0 },
		{ "case 16: 502", { OFFER_TLS, EXPECT("STARTTLS"), SEND("502 no\r\n") }, "TLS 502",
		  TLS_ENCRYPT, 0 },
		{ "case 16: silence", { OFFER_TLS, EXPECT("STARTTLS"), DRAIN }, "TLS timeout",
		  TLS_MAY, 2000 },
		{ "case 16: closed", { OFFER_TLS, EXPECT("STARTTLS"), CUT }, "TLS lost", TLS_MAY,
		  0 },
		{ "case 16: not offered", { PLAIN }, "TLS not offered", TLS_ENCRYPT, 0 },
		{ "case 17: handshake stall",
		  { OFFER_TLS, EXPECT("STARTTLS"), SEND("220 go\r\n"), DRAIN }, "TLS handshake",
		  TLS_MAY, 2000 },
		{ "case 18: garbage",
		  { OFFER_TLS, EXPECT("STARTTLS"), SEND("220 go\r\n"), READ(50),
		    SEND("250 not TLS at all\r\n"), DRAIN }, "TLS handshake",
		  TLS_MAY, 0 },
		{ "case 18: closed",
		  { OFFER_TLS, EXPECT("STARTTLS"), SEND("220 go\r\n"), READ(50), CUT },
		  "TLS handshake", TLS_MAY, 0 },
		{ "case 22: 421", { OFFER_TLS, EXPECT("STARTTLS"), SEND("421 bye\r\n") }, "TLS 421",
		  TLS_MAY, 0 },
		{ "refused after the handshake", { GO_TLS, CUT }, "TLS handshake", TLS_MAY, 0 },
		{ "case 20: EHLO inside TLS cut",
		  { GO_TLS, EXPECT("EHLO"), SEND("250-mx\r\n250 8BIT"), CUT }, "EHLO lost", TLS_MAY,
		  0 },
		{ "case 33: inside TLS", { GO_TLS, EXPECT("EHLO"), SEND("250 " OWN_NAME "\r\n") },
		  "EHLO loop", TLS_MAY, 0 },
	};

	(void)state;
	run_all(rows, COUNT(rows));
}

/* case 15: what was said before TLS is forgotten. */
static void test_capabilities_are_forgotten(void **state)
{
	static const struct fake_step steps[] = {
		EHLO("250-PIPELINING\r\n250-SIZE 10\r\n250-SMTPUTF8\r\n250-DSN\r\n250 "
		     "STARTTLS\r\n"),
		EXPECT("STARTTLS"),
		SEND("220 go\r\n"),
		TLS,
		EHLO_AGAIN,
		QUIT_OK,
		{ 0 },
	};
	struct conversation *conversation = calloc(1, sizeof(*conversation));
	const struct smtp_capabilities *capabilities = &conversation->client.capabilities;

	(void)state;
	conversation_begin(conversation, steps, TLS_MAY, PATIENCE_MS, -1);
	assert_true(conversation->is_open);
	assert_true(capabilities->esmtp && capabilities->eightbitmime);
	assert_false(capabilities->pipelining || capabilities->size || capabilities->smtputf8 ||
		     capabilities->dsn || capabilities->starttls);
	assert_int_equal(capabilities->size_max, 0);
	assert_non_null(strstr(conversation->client.tls.description, "(unauthenticated)"));
	conversation_end(conversation);
	conversation_wipe(conversation);
	free(conversation);
}

/* The edge stops: every wait ends at once. */
static void test_cancelled(void **state)
{
	static const struct fake_step scripts[][12] = {
		{ DRAIN },
		{ GREETING, EXPECT("EHLO"), DRAIN },
		{ OFFER_TLS, EXPECT("STARTTLS"), DRAIN },
		{ OFFER_TLS, EXPECT("STARTTLS"), SEND("220 go\r\n"), DRAIN },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(scripts); i++) {
		struct conversation *conversation = calloc(1, sizeof(*conversation));
		int cancel_fd = eventfd(1, EFD_CLOEXEC);

		conversation_begin(conversation, scripts[i], TLS_MAY, PATIENCE_MS, cancel_fd);
		assert_false(conversation->is_open);
		assert_int_equal(conversation->open_event.failure, SMTP_FAILURE_CANCELLED);
		conversation_end(conversation);
		conversation_wipe(conversation);
		free(conversation);
		close(cancel_fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_servers),
		cmocka_unit_test(test_greeting),
		cmocka_unit_test(test_ehlo),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_capabilities_are_forgotten),
		cmocka_unit_test(test_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
