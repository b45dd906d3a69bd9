/*
 * Reports to senders who asked for notice of success (RFC 3461 5.2.2): when, what, and that they
 * never change an outcome.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "lmtp_peer.h"
#include "transport/dsn_relayed.h"
#include "transport/submission.h"

static char directory[] = "/tmp/postern-dsn-XXXXXX";
static char sendmail_path[100], mail_path[100], arguments_path[100];

static void write_sendmail(const char *last_line)
{
	FILE *file = fopen(sendmail_path, "w");

	assert_non_null(file);
	fprintf(file, "#!/bin/sh\necho \"$@\" >%s\ncat >%s\n%s\n", arguments_path, mail_path,
		last_line);
	fclose(file);
	chmod(sendmail_path, 0755);
}

static void read_file(const char *path, char *out, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t got = 0;

	if (file != NULL) {
		got = fread(out, 1, size - 1, file);
		fclose(file);
	}
	out[got] = '\0';
}

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(sendmail_path, sizeof(sendmail_path), "%s/sendmail", directory);
	snprintf(mail_path, sizeof(mail_path), "%s/mail", directory);
	snprintf(arguments_path, sizeof(arguments_path), "%s/arguments", directory);
	return 0;
}

static int remove_mail(void **state)
{
	(void)state;
	unlink(mail_path);
	unlink(arguments_path);
	return 0;
}

static int tear_down(void **state)
{
	remove_mail(state);
	unlink(sendmail_path);
	return rmdir(directory);
}

static void open_with_sendmail(struct session *session, const char *last_line)
{
	write_sendmail(last_line);
	start(session, FAKE_EDGE_GOOD);
	session->setup.conf.sendmail = sendmail_path;
	go(session);
	greet(session);
}

static bool was_submitted(void)
{
	return access(mail_path, F_OK) == 0;
}

static void test_report(void **state)
{
	struct session session;
	char mail[20000], arguments[200];
	const char *machines;

	(void)state;
	open_with_sendmail(&session, "exit 0");
	ASK(&session, "XFORWARD IDENT=4FXYZ", "250");
	ASK(&session, "MAIL FROM:<\"a b\"@home.example> ENVID=id+2B7", "250");
	ASK(&session, "RCPT TO:<ok1@example.net> NOTIFY=SUCCESS ORCPT=rfc822;first+40example.net",
	    "250");
	ASK(&session, "RCPT TO:<ok2@example.net> NOTIFY=FAILURE", "250");
	ASK(&session, "RCPT TO:<dsn3@example.net> NOTIFY=SUCCESS", "250");
	ASK(&session, "RCPT TO:<bounce4@example.net> NOTIFY=SUCCESS,FAILURE", "250");
	ASK(&session, "RCPT TO:<ok5@example.net> NOTIFY=SUCCESS,DELAY", "250");
	ASK(&session, "RCPT TO:<ok-again6@example.net> NOTIFY=SUCCESS", "250");
	ASK(&session, "RCPT TO:<dsn-again7@example.net> NOTIFY=SUCCESS", "250");
	ASK(&session, "DATA", "354 ");
	SAY(&session, "Subject: hello\r\n continued\r\n..dotted: x\r\n\r\nsecret body\r\n.\r\n");
	expect(&session, "250 ");
	assert_true(was_submitted()); /* before the claim */
	expect(&session, "250 ");
	expect(&session, "250 ");
	expect(&session, "550 ");
	expect(&session, "250 ");
	expect(&session, "250 ");
	expect(&session, "250 ");
	finish(&session);
	read_file(mail_path, mail, sizeof(mail));
	read_file(arguments_path, arguments, sizeof(arguments));
	assert_string_equal(arguments, "-i -t -f <>\n");
	assert_null(strchr(mail, '\r'));
	assert_non_null(strstr(mail, "\nTo: <\"a b\"@home.example>\n"));
	assert_non_null(
		strstr(mail, "\nContent-Type: multipart/report; report-type=delivery-status;\n"));
	assert_non_null(strstr(mail, "\nAuto-Submitted: auto-replied\n"));
	machines = strstr(
		mail, "Content-Type: message/delivery-status\n\nReporting-MTA: dns; home.example\n"
		      "Original-Envelope-Id: id+7\nX-Postern-Queue-ID: 4FXYZ\nArrival-Date: ");
	assert_non_null(machines);
	assert_non_null(strstr(
		machines,
		"\n\nOriginal-Recipient: rfc822;first@example.net\nFinal-Recipient: rfc822; ok1@example.net\n"
		"Action: relayed\nStatus: 2.0.0\nRemote-MTA: dns; mx.example.net\n"
		"Diagnostic-Code: smtp; 250 2.0.0 Ok: queued\n\n"
		"Final-Recipient: rfc822; ok5@example.net\nAction: relayed\n"));
	/* from the journal: no less relayed; whose words are whose stays clear (RFC 3464 2.3.6) */
	assert_non_null(strstr(mail, "\n<ok-again6@example.net>: mx.example.net[192.0.2.9]:25 said: "
				     "250 2.0.0 Ok: queued (already delivered; answered from journal)\n"));
	assert_non_null(strstr(machines, "\n\nFinal-Recipient: rfc822; ok-again6@example.net\n"
					 "Action: relayed\nStatus: 2.0.0\n"
					 "Remote-MTA: dns; mx.example.net\n"
					 "Diagnostic-Code: smtp; 250 2.0.0 Ok: queued\n\n"));
	assert_null(strstr(mail, "dsn-again7@"));
	assert_null(strstr(mail, "ok2@"));
	assert_null(strstr(mail, "dsn3@"));
	assert_null(strstr(mail, "bounce4@"));
	assert_non_null(strstr(
		machines, "Content-Type: text/rfc822-headers\nContent-Transfer-Encoding: 8bit\n\n"
			  "Subject: hello\n continued\n.dotted: x\n\n--"));
	assert_null(strstr(mail, "secret body"));
}

/* The reply of a recipient who is to be reported waits for the report; another one does not. */
static void test_claim_waits_for_report(void **state)
{
	static const char *const notify[] = { "NOTIFY=FAILURE", "NOTIFY=SUCCESS" };

	(void)state;
	for (int is_wanted = 0; is_wanted < 2; is_wanted++) {
		struct session session;
		struct pollfd fd;
		char line[100];

		write_sendmail("exit 0");
		start(&session, FAKE_EDGE_PAUSE);
		session.setup.conf.sendmail = sendmail_path;
		session.edge.is_held = true;
		go(&session);
		greet(&session);
		ASK(&session, "MAIL FROM:<s@home.example>", "250");
		snprintf(line, sizeof(line), "RCPT TO:<ok1@example.net> %s\r\n", notify[is_wanted]);
		say(&session, line, strlen(line));
		expect(&session, "250");
		ASK(&session, "RCPT TO:<defer2@example.net>", "250");
		ASK(&session, "DATA", "354 ");
		SAY(&session, "x\r\n.\r\n");
		fd = (struct pollfd){ .fd = session.fd, .events = POLLIN };
		assert_int_equal(poll(&fd, 1, is_wanted ? 100 : PATIENCE_MS), is_wanted ? 0 : 1);
		assert_false(was_submitted());
		session.edge.is_held = false;
		expect(&session, "250 2.0.0");
		assert_int_equal(was_submitted(), is_wanted);
		expect(&session, "451 4.7.1");
		finish(&session);
	}
}

static void test_nothing_due(void **state)
{
	static const char *const transactions[][2] = {
		{ "MAIL FROM:<s@home.example>\r\n", "RCPT TO:<ok@example.net>\r\n" },
		{ "MAIL FROM:<s@home.example>\r\n", "RCPT TO:<ok@example.net> NOTIFY=NEVER\r\n" },
		{ "MAIL FROM:<s@home.example>\r\n",
		  "RCPT TO:<dsn@example.net> NOTIFY=SUCCESS\r\n" },
		{ "MAIL FROM:<s@home.example>\r\n",
		  "RCPT TO:<defer@example.net> NOTIFY=SUCCESS\r\n" },
		{ "MAIL FROM:<>\r\n", "RCPT TO:<ok@example.net> NOTIFY=SUCCESS\r\n" },
	};
	struct session session;

	(void)state;
	open_with_sendmail(&session, "exit 0");
	for (size_t i = 0; i < sizeof(transactions) / sizeof(transactions[0]); i++) {
		say(&session, transactions[i][0], strlen(transactions[i][0]));
		say(&session, transactions[i][1], strlen(transactions[i][1]));
		SAY(&session, "DATA\r\n");
		expect(&session, "250");
		expect(&session, "250");
		expect(&session, "354");
		SAY(&session, "x\r\n.\r\n");
		expect(&session, i == 3 ? "451" : "250");
	}
	finish(&session);
	assert_false(was_submitted());
}

static void test_failed_submission_changes_nothing(void **state)
{
	static const char *const last_lines[] = { "echo no room; exit 75", "kill -9 $$" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct session session;

		open_with_sendmail(&session, last_lines[i % 2]);
		if (i == 2)
			session.setup.conf.sendmail = directory; /* cannot be executed */
		ASK(&session, "MAIL FROM:<s@home.example>", "250");
		ASK(&session, "RCPT TO:<ok@example.net> NOTIFY=SUCCESS", "250");
		ASK(&session, "DATA", "354 ");
		SAY(&session, "x\r\n.\r\n");
		expect(&session, "250 2.0.0");
		ASK(&session, "NOOP", "250 2.0.0 Ok");
		finish(&session);
	}
}

static int read_pid(void)
{
	FILE *file = fopen(mail_path, "r");
	int pid = 0;

	if (file != NULL && fscanf(file, "%d", &pid) != 1)
		pid = 0;
	if (file != NULL)
		fclose(file);
	return pid;
}

/* sendmail(1) has helpers, and they have our pipe: none is left when the time is over. It needs some of that to get as far as to have one. */
static void test_submission_leaves_nobody(void **state)
{
	struct buffer message;
	char error[400] = "", helper[200];
	int pid = 0;

	(void)state;
	snprintf(helper, sizeof(helper), "sleep 1000 & echo $! >%s; wait", mail_path);
	write_sendmail(helper);
	buffer_init(&message, 100);
	for (int64_t time_ms = 500; pid == 0 && time_ms < PATIENCE_MS; time_ms *= 4) {
		assert_int_equal(submission_run(sendmail_path, &message, deadline_in_ms(time_ms), error,
						sizeof(error)),
				 -1);
		assert_non_null(strstr(error, "did not end in time"));
		pid = read_pid();
	}
	buffer_wipe(&message);
	assert_true(pid > 0);
	EVENTUALLY(kill(pid, 0) != 0);	/* until init has seen it */
}

static void test_submission_says_why(void **state)
{
	struct buffer message;
	char error[400];

	(void)state;
	buffer_init(&message, 100);
	buffer_printf(&message, "x\n");
	write_sendmail("echo 'disk \033 full' >&2; exit 75");
	assert_int_equal(submission_run(sendmail_path, &message, deadline_in_ms(PATIENCE_MS), error,
					sizeof(error)),
			 -1);
	assert_non_null(strstr(error, "/sendmail failed: disk ? full"));
	write_sendmail("exec sleep 60");
	assert_int_equal(
		submission_run(sendmail_path, &message, deadline_in_ms(200), error, sizeof(error)),
		-1);
	assert_non_null(strstr(error, "did not end in time"));
	assert_int_equal(
		submission_run("/nonexistent", &message, deadline_in_ms(PATIENCE_MS), error, sizeof(error)),
		-1);
	assert_string_equal(error, "cannot run /nonexistent: No such file or directory");
	buffer_wipe(&message);
}

/* Headers are kept up to a bound; a message with more is reported all the same. */
static void test_huge_header(void **state)
{
	struct session session;
	static char mail[300000];

	(void)state;
	open_with_sendmail(&session, "exit 0");
	ASK(&session, "MAIL FROM:<s@home.example>", "250");
	ASK(&session, "RCPT TO:<ok@example.net> NOTIFY=SUCCESS", "250");
	ASK(&session, "DATA", "354 ");
	for (int i = 0; i < 5000; i++)
		SAY(&session, "X-Long: 0123456789012345678901234567890123456789\r\n");
	SAY(&session, "\r\nbody\r\n.\r\n");
	expect(&session, "250 2.0.0");
	finish(&session);
	read_file(mail_path, mail, sizeof(mail));
	assert_in_range(strlen(mail), 25000, 40000);
	assert_non_null(strstr(mail, "56789\n\n--"));
}

/*
 * A report of the utf-8 address type (RFC 6533 3), and xtext that would start a field of its own.
 */
static void test_hostile_parameters(void **state)
{
	struct envelope envelope;
	struct recipient recipient = { .notify = DSN_NOTIFY_SUCCESS,
				       .orcpt = "rfc822;a+0D+0ABcc:+20x" };
	struct relay_outcome outcome = { .is_known = true };
	struct smtp_reply reply = { .code = 250, .text = "Ok" };
	struct buffer out, headers;
	struct dsn_relayed report = { .hostname = "h.example",
				      .envelope = &envelope,
				      .outcomes = &outcome,
				      .headers = &headers };

	(void)state;
	buffer_init(&out, DSN_RELAYED_MAX);
	buffer_init(&headers, 100);
	envelope_init(&envelope);
	snprintf(envelope.envid, sizeof(envelope.envid), "x+0AAction: failed");
	snprintf(envelope.reverse_path.mailbox.local_part, 10, "s");
	snprintf(envelope.reverse_path.mailbox.domain, 10, "h.example");
	snprintf(recipient.forward_path.local_part, 10, "\xc3\xbc");
	snprintf(recipient.forward_path.domain, 10, "d.example");
	recipient.forward_path.is_utf8 = true;
	envelope_add_recipient(&envelope, &recipient);
	delivery_status_set_reply(&outcome.status, STAGE_AFTER_FINAL_DOT, &reply);
	assert_int_equal(dsn_relayed_count(&report), 1);
	assert_int_equal(dsn_relayed_print(&out, &report, "b"), 0);
	buffer_put(&out, "", 1);
	assert_non_null(strstr((const char *)buffer_data(&out),
			       "Final-Recipient: utf-8; \\x{FC}@d.example\n"));
	assert_null(strstr((const char *)buffer_data(&out), "Action: failed"));
	assert_null(strstr((const char *)buffer_data(&out), "Bcc:"));
	envelope_wipe(&envelope);
	buffer_wipe(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_report, remove_mail),
		cmocka_unit_test_teardown(test_claim_waits_for_report, remove_mail),
		cmocka_unit_test_teardown(test_nothing_due, remove_mail),
		cmocka_unit_test_teardown(test_failed_submission_changes_nothing, remove_mail),
		cmocka_unit_test_teardown(test_submission_says_why, remove_mail),
		cmocka_unit_test_teardown(test_submission_leaves_nobody, remove_mail),
		cmocka_unit_test_teardown(test_huge_header, remove_mail),
		cmocka_unit_test(test_hostile_parameters),
	};

	log_open("test_lmtp_dsn", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
