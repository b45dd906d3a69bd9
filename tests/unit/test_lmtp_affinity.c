/*
 * Goal: what an edge may know is noted while a message is with it, and forgotten only when the mail
 * system has shown that it took the outcome in (cases 163, 172).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "lib/log.h"
#include "lmtp_peer.h"

static char directory[] = "/tmp/postern-lmtp-affinity-XXXXXX";
static char path[100];

/* Is an edge noted for this recipient of message 4FXYZ? */
static bool is_noted(struct session *session, const char *local_part)
{
	struct recipient recipient = { .forward_path = { .domain = "example.net" } };
	struct affinity affinity;
	struct affinity_plan plan;
	struct envelope envelope;

	envelope_init(&envelope);
	strcpy(envelope.queue_id, "4FXYZ");
	strcpy(recipient.forward_path.local_part, local_part);
	envelope_add_recipient(&envelope, &recipient);
	affinity_init(&affinity, path, 900000);
	affinity_begin(&affinity, &envelope, NULL);
	affinity_make_plan(&affinity, &session->setup.edges, &plan);
	affinity_end(&affinity);
	envelope_wipe(&envelope);
	return plan.verdict == AFFINITY_ONLY;
}

/* Two recipients, up to and with both replies; `behind` is sent together with the final dot. */
static void deliver(struct session *session, enum fake_edge_mode mode, const char *behind)
{
	start(session, mode);
	session->setup.conf.edge_state = path;
	session->setup.conf.affinity_hold = 900000;
	go(session);
	greet(session);
	ASK(session, "XFORWARD IDENT=4FXYZ", "250");
	ASK(session, "MAIL FROM:<s@home.example>", "250");
	ASK(session, "RCPT TO:<ok@example.net>", "250");
	ASK(session, "RCPT TO:<bounce@example.net>", "250");
	ASK(session, "DATA", "354");
	SAY(session, "Subject: x\r\n\r\nx\r\n");
	say(session, behind, strlen(behind));
}

static void test_next_command(void **state)
{
	struct session session;

	(void)state;
	deliver(&session, FAKE_EDGE_PAUSE, ".\r\n");
	expect(&session, "250 2.0.0");
	expect(&session, "550 5.1.1");
	assert_true(is_noted(&session, "ok")); /* lmtp(8) may die now */
	assert_true(is_noted(&session, "bounce"));
	ASK(&session, "RSET", "250");
	assert_false(is_noted(&session, "ok"));
	assert_false(is_noted(&session, "bounce"));
	finish(&session);
}

/* Neither of these shows that the replies were read. */
static void test_no_sign(void **state)
{
	static const char *const behind[] = { ".\r\n", ".\r\n", ".\r\nQUIT\r\n", ".\r\nRSET\r\n" };
	struct session session;

	(void)state;
	for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
		deliver(&session, FAKE_EDGE_GOOD, behind[i]);
		expect(&session, "250 2.0.0");
		expect(&session, "550 5.1.1");
		if (i == 0)
			ASK(&session, "QUIT", "221"); /* lmtp(8) sends it without reading anything */
		finish(&session);
		if (!is_noted(&session, "ok"))
			fail_msg("row %zu", i);
		unlink(path);
	}
}

static void test_unknown(void **state)
{
	struct session session;

	(void)state;
	deliver(&session, FAKE_EDGE_VANISH_AT_STATUS, ".\r\n");
	expect(&session, "250 2.0.0");
	expect(&session, "451 4.4.2");
	ASK(&session, "RSET", "250");
	assert_false(is_noted(&session, "ok"));
	assert_true(is_noted(&session, "bounce"));
	finish(&session);
}

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/edges.state", directory);
	return 0;
}

static int forget(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_next_command, forget),
		cmocka_unit_test_teardown(test_no_sign, forget),
		cmocka_unit_test_teardown(test_unknown, forget),
	};

	log_open("test", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
