/* What each failure means: every stage, every failure, every class of reply, both TLS levels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "edge/delivery_policy.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const stage_names[STAGE_COUNT] = {
	"TUNNEL", "EDGE", "DNS",  "CONNECT", "GREETING", "EHLO",
	"TLS",	  "MAIL", "RCPT", "DATA",    "CONTENT",	 "AFTER_FINAL_DOT",
};

static char next_letter(enum delivery_next next)
{
	static const char letters[] = {
		[DELIVERY_NEXT_FINAL] = 'F',
		[DELIVERY_NEXT_HOST] = 'H',
		[DELIVERY_NEXT_CLEARTEXT] = 'C',
		[DELIVERY_NEXT_TRANSACTION] = 'T',
	};

	return letters[next];
}

static void print_status(char *out, size_t size, const struct delivery_status *status)
{
	snprintf(out, size, "%d.%d.%d", status->status.class, status->status.subject,
		 status->status.detail);
}

static void check_class_fits_action(const struct delivery_status *status)
{
	static const int classes[] = {
		[DELIVERY_RELAYED] = 2, [DELIVERY_DELAYED] = 4, [DELIVERY_FAILED] = 5
	};

	assert_int_equal(status->status.class, classes[status->action]);
	assert_true((status->reply.code == 0) == (status->reason[0] != '\0'));
}

/*
 * Cells: F final, H next host, C cleartext, T further transaction; then the class of the outcome;
 * then '!' if the outcome is our own 4.5.0 because the reply makes no sense there, ':' if it is our
 * own 4.7.4, 'd' if it may be a duplicate.
 *
 * GREETING is cases 22 and 32, EHLO case 30, TLS case 16, RCPT cases 28 and 29, DATA case 23,
 * CONTENT case 10; that a 421 to the dot is a clear answer is case 22.
 */
static const int reply_codes[] = { 250, 354, 421, 450, 452, 550, 552 };
static const struct {
	enum delivery_stage stage;
	enum tls_level tls_level;
	size_t accepted_before;
	const char *cells[COUNT(reply_codes)];
} reply_rows[] = {
	/*                                    250     354    421    450    452    550    552 */
	{ STAGE_TUNNEL, TLS_MAY, 0,          { "H4!", "H4!",  "H4!","H4!", "H4!", "H4!", "H4!" } },
	{ STAGE_EDGE, TLS_MAY, 0,            { "H4!", "H4!",  "H4!","H4!", "H4!", "H4!", "H4!" } },
	{ STAGE_DNS, TLS_MAY, 0,             { "H4!", "H4!",  "H4!","H4!", "H4!", "H4!", "H4!" } },
	{ STAGE_CONNECT, TLS_MAY, 0,         { "H4!", "H4!",  "H4!","H4!", "H4!", "H4!", "H4!" } },
	{ STAGE_GREETING, TLS_MAY, 0,        { "H4!", "H4!",  "H4", "H4",  "H4",  "H5",  "H5" } },
	{ STAGE_EHLO, TLS_MAY, 0,            { "H4!", "H4!",  "H4", "H4",  "H4",  "H5",  "H5" } },
	{ STAGE_TLS, TLS_NONE, 0,            { "H4:", "H4:",  "H4", "H4:", "H4:", "H4:", "H4:" } },
	{ STAGE_TLS, TLS_MAY, 0,             { "C4:", "C4:",  "H4", "C4:", "C4:", "C4:", "C4:" } },
	{ STAGE_TLS, TLS_ENCRYPT, 0,         { "H4:", "H4:",  "H4", "H4:", "H4:", "H4:", "H4:" } },
	{ STAGE_MAIL, TLS_MAY, 0,            { "H4!", "H4!",  "H4", "H4",  "H4",  "F5",  "F5" } },
	{ STAGE_RCPT, TLS_MAY, 0,            { "H4!", "H4!",  "H4", "H4",  "H4",  "F5",  "H4" } },
	{ STAGE_RCPT, TLS_MAY, 1,            { "H4!", "H4!",  "H4", "H4",  "T4",  "F5",  "T4" } },
	{ STAGE_DATA, TLS_MAY, 0,            { "H4!", "H4!",  "H4", "H4",  "H4",  "F5",  "F5" } },
	{ STAGE_CONTENT, TLS_MAY, 0,         { "H4!", "H4!",  "H4", "H4",  "H4",  "F5",  "F5" } },
	{ STAGE_AFTER_FINAL_DOT, TLS_MAY, 0, { "F2",  "F4!d", "F4", "F4",  "F4",  "F5",  "F5" } },
};

static void check_reply(enum delivery_stage stage, enum tls_level tls_level, size_t accepted_before,
			int code, const char *cell)
{
	struct smtp_event event = { .stage = stage,
				    .reply = { .code = code, .text = "words of the server" } };
	struct delivery_decision decision;
	char seen[8], status[16];
	bool is_local;

	delivery_policy_decide(&event, tls_level, accepted_before, &decision);
	check_class_fits_action(&decision.status);
	print_status(status, sizeof(status), &decision.status);
	is_local = decision.status.reply.code == 0;
	snprintf(seen, sizeof(seen), "%c%d%s%s", next_letter(decision.next),
		 decision.status.status.class,
		 !is_local			? ""
		 : strcmp(status, "4.7.4") == 0 ? ":"
		 : strcmp(status, "4.5.0") == 0 ? "!"
						: "?",
		 decision.status.maybe_duplicate ? "d" : "");
	if (strcmp(seen, cell) != 0)
		fail_msg("%s, level %d, %zu accepted, %d: %s instead of %s (%s %s)",
			 stage_names[stage], tls_level, accepted_before, code, seen, cell, status,
			 decision.status.reason);
	if (!is_local)
		assert_int_equal(decision.status.reply.code, code);
	else
		assert_non_null(strstr(decision.status.reason, "words of the server"));
	assert_int_equal(decision.status.stage, stage);
}

static void test_replies(void **state)
{
	(void)state;
	for (size_t row = 0; row < COUNT(reply_rows); row++)
		for (size_t column = 0; column < COUNT(reply_codes); column++)
			check_reply(reply_rows[row].stage, reply_rows[row].tls_level,
				    reply_rows[row].accepted_before, reply_codes[column],
				    reply_rows[row].cells[column]);
}

/* The TLS level matters in stage TLS only, and recipients accepted before in stage RCPT only. */
static void test_replies_elsewhere_ignore_level_and_count(void **state)
{
	(void)state;
	for (size_t row = 0; row < COUNT(reply_rows); row++)
		for (size_t column = 0; column < COUNT(reply_codes); column++) {
			enum delivery_stage stage = reply_rows[row].stage;

			if (stage == STAGE_TLS || stage == STAGE_RCPT)
				continue;
			check_reply(stage, TLS_NONE, 7, reply_codes[column],
				    reply_rows[row].cells[column]);
			check_reply(stage, TLS_ENCRYPT, 7, reply_codes[column],
				    reply_rows[row].cells[column]);
		}
}

/* case 28: too many recipients is told from a full mailbox by the enhanced code. */
static void test_too_many_or_mailbox_full(void **state)
{
	static const struct {
		int code;
		uint8_t class;
		uint16_t subject, detail;
		enum delivery_next next;
		const char *status;
	} rows[] = {
		{ 452, 4, 5, 3, DELIVERY_NEXT_TRANSACTION, "4.5.3" },
		{ 552, 5, 5, 3, DELIVERY_NEXT_TRANSACTION, "4.5.3" },
		{ 452, 4, 3, 1, DELIVERY_NEXT_TRANSACTION, "4.3.1" },
		{ 452, 4, 2, 2, DELIVERY_NEXT_HOST, "4.2.2" },
		{ 552, 5, 2, 2, DELIVERY_NEXT_HOST, "4.2.2" },
		{ 452, 4, 1, 1, DELIVERY_NEXT_HOST, "4.1.1" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct smtp_event event = {
			.stage = STAGE_RCPT,
			.reply = { .code = rows[i].code,
				   .text = "no",
				   .status = { rows[i].class, rows[i].subject, rows[i].detail } },
		};
		struct delivery_decision decision;
		char status[16];

		delivery_policy_decide(&event, TLS_MAY, 3, &decision);
		print_status(status, sizeof(status), &decision.status);
		assert_int_equal(decision.next, rows[i].next);
		assert_string_equal(status, rows[i].status);
		assert_int_equal(decision.status.action, DELIVERY_DELAYED);
		assert_int_equal(decision.status.reply.code, rows[i].code);
	}
}

/* What a failure means at most stages; stage TLS and CONNECT have rows of their own below. */
static const struct {
	enum smtp_failure failure;
	enum delivery_next next, next_at_may;
	const char *status;
	const char *words;
} failure_rows[] = {
	{ SMTP_FAILURE_CONNECT, DELIVERY_NEXT_HOST, DELIVERY_NEXT_HOST, "4.4.1", "what happened" },
	{ SMTP_FAILURE_TIMEOUT, DELIVERY_NEXT_HOST, DELIVERY_NEXT_HOST, "4.4.2",
	  "conversation timed out while " },
	{ SMTP_FAILURE_LOST, DELIVERY_NEXT_HOST, DELIVERY_NEXT_HOST, "4.4.2",
	  "lost connection while " },
	{ SMTP_FAILURE_PROTOCOL, DELIVERY_NEXT_HOST, DELIVERY_NEXT_HOST, "4.5.0",
	  "protocol error while " },
	{ SMTP_FAILURE_FLOOD, DELIVERY_NEXT_HOST, DELIVERY_NEXT_HOST, "4.4.2",
	  "protocol error while " },
	{ SMTP_FAILURE_TLS_HANDSHAKE, DELIVERY_NEXT_HOST, DELIVERY_NEXT_CLEARTEXT, "4.7.5",
	  "Cannot start TLS: " },
	{ SMTP_FAILURE_TLS_CERTIFICATE, DELIVERY_NEXT_HOST, DELIVERY_NEXT_HOST, "4.7.5",
	  "Server certificate not accepted: what happened" },
	{ SMTP_FAILURE_TLS_INJECTION, DELIVERY_NEXT_HOST, DELIVERY_NEXT_HOST, "4.7.0",
	  "plaintext data behind" },
	{ SMTP_FAILURE_TLS_NOT_OFFERED, DELIVERY_NEXT_HOST, DELIVERY_NEXT_HOST, "4.7.4",
	  "TLS is required, but was not offered (demanded by what happened)" },
	{ SMTP_FAILURE_LOOP, DELIVERY_NEXT_FINAL, DELIVERY_NEXT_FINAL, "5.4.6",
	  "mail loops back to myself" },
	{ SMTP_FAILURE_REQUIRETLS, DELIVERY_NEXT_HOST, DELIVERY_NEXT_HOST, "5.7.30",
	  "what happened" },
	{ SMTP_FAILURE_AUTH, DELIVERY_NEXT_FINAL, DELIVERY_NEXT_FINAL, "4.7.0",
	  "SASL authentication failed; what happened" },
	{ SMTP_FAILURE_CAPABILITY, DELIVERY_NEXT_FINAL, DELIVERY_NEXT_FINAL, "5.6.7",
	  "what happened" },
	{ SMTP_FAILURE_TOO_BIG, DELIVERY_NEXT_FINAL, DELIVERY_NEXT_FINAL, "5.3.4",
	  "what happened" },
	{ SMTP_FAILURE_SLOW, DELIVERY_NEXT_HOST, DELIVERY_NEXT_HOST, "4.4.2",
	  "conversation timed out while " },
	{ SMTP_FAILURE_CANCELLED, DELIVERY_NEXT_FINAL, DELIVERY_NEXT_FINAL, "4.3.2",
	  "the edge is stopping" },
	{ SMTP_FAILURE_LOCAL, DELIVERY_NEXT_FINAL, DELIVERY_NEXT_FINAL, "4.3.0",
	  "local data error: " },
	{ SMTP_FAILURE_JOURNAL, DELIVERY_NEXT_FINAL, DELIVERY_NEXT_FINAL, "4.3.1",
	  "this edge cannot write its journal" },
	{ SMTP_FAILURE_NO_TIME, DELIVERY_NEXT_FINAL, DELIVERY_NEXT_FINAL, "4.4.7",
	  "no time left for this delivery attempt" },
};

static bool is_broken(enum smtp_failure failure)
{
	return failure == SMTP_FAILURE_TIMEOUT || failure == SMTP_FAILURE_LOST ||
	       failure == SMTP_FAILURE_SLOW;
}

static void check_failure(size_t row, enum delivery_stage stage, enum tls_level tls_level)
{
	struct smtp_event event = { .stage = stage,
				    .failure = failure_rows[row].failure,
				    .detail = "what happened" };
	enum delivery_next next = tls_level == TLS_MAY ? failure_rows[row].next_at_may
						       : failure_rows[row].next;
	const char *expected = failure_rows[row].status;
	struct delivery_decision decision;
	char status[16];

	if (is_broken(event.failure) && stage == STAGE_CONNECT)
		expected = "4.4.1";
	if (is_broken(event.failure) && stage == STAGE_TLS) { /* case 16: silence after STARTTLS */
		expected = "4.7.4";
		next = tls_level == TLS_MAY ? DELIVERY_NEXT_CLEARTEXT : DELIVERY_NEXT_HOST;
	}
	delivery_policy_decide(&event, tls_level, 0, &decision);
	check_class_fits_action(&decision.status);
	print_status(status, sizeof(status), &decision.status);
	if (decision.next != next || strcmp(status, expected) != 0 ||
	    strstr(decision.status.reason, failure_rows[row].words) == NULL)
		fail_msg("failure %d at %s, level %d: %c %s \"%s\"", event.failure,
			 stage_names[stage], tls_level, next_letter(decision.next), status,
			 decision.status.reason);
	assert_false(decision.status.maybe_duplicate);
	/* The edge's own disk, whatever was going on. */
	assert_int_equal(decision.status.stage,
			 event.failure == SMTP_FAILURE_JOURNAL ? STAGE_EDGE : stage);
}

/* RFC 4954 6, and what Postfix makes of it (smtp_sasl_auth_soft_bounce). */
static void test_auth(void **state)
{
	static const struct {
		int code;
		struct enhanced_status given;
		const char *status;
		enum delivery_next next;
	} rows[] = {
		{ 535, ENHANCED_STATUS(5, 7, 8), "4.7.8", DELIVERY_NEXT_FINAL },
		{ 535, ENHANCED_STATUS_NONE, "4.7.8", DELIVERY_NEXT_FINAL },
		{ 534, ENHANCED_STATUS(5, 7, 9), "4.7.9", DELIVERY_NEXT_FINAL },
		{ 454, ENHANCED_STATUS(4, 7, 0), "4.7.0", DELIVERY_NEXT_HOST },
		{ 454, ENHANCED_STATUS_NONE, "4.7.0", DELIVERY_NEXT_HOST },
		{ 550, ENHANCED_STATUS_NONE, "4.7.0", DELIVERY_NEXT_FINAL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct smtp_event event = { .stage = STAGE_EHLO,
					    .failure = SMTP_FAILURE_AUTH,
					    .reply = { .code = rows[i].code,
						       .status = rows[i].given,
						       .text = "who are you" } };
		struct delivery_decision decision;
		char status[16];

		delivery_policy_decide(&event, TLS_SECURE, 0, &decision);
		print_status(status, sizeof(status), &decision.status);
		check_class_fits_action(&decision.status);
		assert_string_equal(status, rows[i].status);
		assert_int_equal(decision.status.action, DELIVERY_DELAYED);
		assert_int_equal(decision.next, rows[i].next);
		assert_non_null(strstr(decision.status.reason, "SASL authentication failed; server said: "));
		assert_non_null(strstr(decision.status.reason, "who are you"));
	}
}

static void test_relay_is_softened(void **state)
{
	static const struct {
		enum delivery_stage stage;
		int code;	/* 0: our own words */
		bool is_softened;
	} rows[] = {
		{ STAGE_DNS, 0, true },		 { STAGE_CONNECT, 0, true },
		{ STAGE_GREETING, 0, true },	 { STAGE_GREETING, 554, true },
		{ STAGE_EHLO, 550, true },	 { STAGE_EHLO, 0, true },
		{ STAGE_MAIL, 530, true },	 { STAGE_RCPT, 535, true },
		{ STAGE_RCPT, 534, true },	 { STAGE_DATA, 538, true },
		{ STAGE_AFTER_FINAL_DOT, 530, true },
		{ STAGE_MAIL, 550, false },	 { STAGE_RCPT, 550, false },
		{ STAGE_RCPT, 554, false },	 { STAGE_AFTER_FINAL_DOT, 554, false },
		{ STAGE_MAIL, 0, false },	 { STAGE_TLS, 0, false },
		{ STAGE_EDGE, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct smtp_reply reply = { .code = rows[i].code, .text = "no" };
		struct delivery_status status = { 0 };

		if (rows[i].code != 0)
			delivery_status_set_reply(&status, rows[i].stage, &reply);
		else
			delivery_status_set_local(&status, rows[i].stage,
						  ENHANCED_STATUS(5, 4, 4), "no");
		delivery_policy_soften_relay(&status);
		if (status.action != (rows[i].is_softened ? DELIVERY_DELAYED : DELIVERY_FAILED))
			fail_msg("%s %d: %d", stage_names[rows[i].stage], rows[i].code, status.action);
		check_class_fits_action(&status);
	}
}

/* It makes nothing worse, and takes nothing back. */
static void test_relay_success_stays(void **state)
{
	struct smtp_reply reply = { .code = 250, .text = "Ok" };
	struct delivery_status status = { 0 };

	(void)state;
	delivery_status_set_reply(&status, STAGE_AFTER_FINAL_DOT, &reply);
	delivery_policy_soften_relay(&status);
	assert_int_equal(status.action, DELIVERY_RELAYED);
	assert_int_equal(status.status.class, 2);
}

static void test_failures(void **state)
{
	(void)state;
	assert_int_equal(COUNT(failure_rows),
			 SMTP_FAILURE_NO_TIME); /* every failure but NONE has its row */
	for (size_t row = 0; row < COUNT(failure_rows); row++)
		for (int stage = 0; stage < STAGE_COUNT; stage++)
			for (int level = TLS_NONE; level <= TLS_FINGERPRINT; level++)
				check_failure(row, (enum delivery_stage)stage,
					      (enum tls_level)level);
}

/*
 * case 26, and R4: whatever broke, after the dot the outcome is unknown, no other host is tried,
 * and it never fails.
 */
static void test_in_doubt(void **state)
{
	(void)state;
	for (size_t row = 0; row < COUNT(failure_rows); row++)
		for (int level = TLS_NONE; level <= TLS_ENCRYPT; level++) {
			struct smtp_event event = {
				.stage = STAGE_AFTER_FINAL_DOT,
				.failure = failure_rows[row].failure,
				.detail = "what happened",
				.final_dot_sent = true,
			};
			struct delivery_decision decision;
			char status[16];

			delivery_policy_decide(&event, (enum tls_level)level, 5, &decision);
			print_status(status, sizeof(status), &decision.status);
			assert_int_equal(decision.next, DELIVERY_NEXT_FINAL);
			assert_int_equal(decision.status.action, DELIVERY_DELAYED);
			assert_string_equal(status, "4.4.2");
			assert_true(decision.status.maybe_duplicate);
			assert_non_null(strstr(decision.status.reason, "delivery status unknown"));
			assert_int_equal(decision.status.stage, STAGE_AFTER_FINAL_DOT);
		}
}

static void test_words_without_detail(void **state)
{
	struct smtp_event event = { .stage = STAGE_MAIL, .failure = SMTP_FAILURE_TIMEOUT };
	struct delivery_decision decision;

	(void)state;
	delivery_policy_decide(&event, TLS_MAY, 0, &decision);
	assert_string_equal(decision.status.reason,
			    "conversation timed out while sending MAIL FROM");
	event = (struct smtp_event){ .stage = STAGE_GREETING, .failure = SMTP_FAILURE_LOST };
	delivery_policy_decide(&event, TLS_MAY, 0, &decision);
	assert_string_equal(decision.status.reason,
			    "lost connection while receiving the initial server greeting");
	event = (struct smtp_event){ .stage = STAGE_AFTER_FINAL_DOT,
				     .failure = SMTP_FAILURE_LOST,
				     .final_dot_sent = true };
	delivery_policy_decide(&event, TLS_MAY, 0, &decision);
	assert_string_equal(decision.status.reason,
			    "lost connection while sending end of data -- delivery status unknown");
}

/* case 32 and the merge rule. */
static void test_merge(void **state)
{
	static const struct {
		const char *name;
		enum delivery_action kept_action;
		enum delivery_stage kept_stage;
		bool kept_maybe_duplicate;
		enum delivery_action later_action;
		enum delivery_stage later_stage;
		bool later_wins;
	} rows[] = {
		{ "every host refuses at the greeting", DELIVERY_FAILED, STAGE_GREETING, false,
		  DELIVERY_FAILED, STAGE_GREETING, true },
		{ "5xx greeting, then a dead host", DELIVERY_FAILED, STAGE_GREETING, false,
		  DELIVERY_DELAYED, STAGE_CONNECT, true },
		{ "a dead host, then a 5xx greeting", DELIVERY_DELAYED, STAGE_CONNECT, false,
		  DELIVERY_FAILED, STAGE_GREETING, false },
		{ "a dead host, then ourselves", DELIVERY_DELAYED, STAGE_CONNECT, false,
		  DELIVERY_FAILED, STAGE_EHLO, false },
		{ "a dead host, then 550 to RCPT", DELIVERY_DELAYED, STAGE_CONNECT, false,
		  DELIVERY_FAILED, STAGE_RCPT, true },
		{ "a dead host, then 550 to MAIL", DELIVERY_DELAYED, STAGE_CONNECT, false,
		  DELIVERY_FAILED, STAGE_MAIL, true },
		{ "450 to RCPT, then a dead host", DELIVERY_DELAYED, STAGE_RCPT, false,
		  DELIVERY_DELAYED, STAGE_CONNECT, false },
		{ "a dead host, then 450 to RCPT", DELIVERY_DELAYED, STAGE_CONNECT, false,
		  DELIVERY_DELAYED, STAGE_RCPT, true },
		{ "450 to RCPT twice", DELIVERY_DELAYED, STAGE_RCPT, false, DELIVERY_DELAYED,
		  STAGE_RCPT, true },
		{ "a dead host, then sent", DELIVERY_DELAYED, STAGE_CONNECT, false,
		  DELIVERY_RELAYED, STAGE_AFTER_FINAL_DOT, true },
		{ "sent stays sent", DELIVERY_RELAYED, STAGE_AFTER_FINAL_DOT, false,
		  DELIVERY_FAILED, STAGE_RCPT, false },
		{ "doubt stays", DELIVERY_DELAYED, STAGE_AFTER_FINAL_DOT, true, DELIVERY_FAILED,
		  STAGE_RCPT, false },
		{ "doubt ends in success", DELIVERY_DELAYED, STAGE_AFTER_FINAL_DOT, true,
		  DELIVERY_RELAYED, STAGE_AFTER_FINAL_DOT, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct delivery_status kept = { .action = rows[i].kept_action,
						.stage = rows[i].kept_stage,
						.remote_port = 1,
						.maybe_duplicate = rows[i].kept_maybe_duplicate };
		struct delivery_status later = { .action = rows[i].later_action,
						 .stage = rows[i].later_stage,
						 .remote_port = 2 };

		delivery_policy_merge(&kept, &later);
		if ((kept.remote_port == 2) != rows[i].later_wins)
			fail_msg("%s", rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_replies_elsewhere_ignore_level_and_count),
		cmocka_unit_test(test_too_many_or_mailbox_full),
		cmocka_unit_test(test_auth),
		cmocka_unit_test(test_relay_is_softened),
		cmocka_unit_test(test_relay_success_stays),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_in_doubt),
		cmocka_unit_test(test_words_without_detail),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
