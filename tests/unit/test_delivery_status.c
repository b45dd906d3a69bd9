/*
 * Goal of this test: action, status class and LMTP code never contradict each other, the sentences are Postfix's, and no
 * peer's text gets out unprintable, in two lines or longer than the bound (rule R5, case 105).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/delivery_status.h"

#define TLS "TLSv1.3 TLS_AES_256_GCM_SHA384 (unauthenticated)"

static const struct delivery_status at_mx = {
	.remote_mta = "mx1.example.net", .remote_address = "192.0.2.9", .remote_port = 25, .tls = TLS,
};
static const struct delivery_status at_v6 = {
	.remote_mta = "mx1.example.net", .remote_address = "2001:db8::1", .remote_port = 25,
};
static const struct delivery_status nowhere, under_way = { .in_progress = true };

struct reply_row {
	const struct delivery_status *from;
	enum delivery_stage stage;
	struct smtp_reply reply;
	enum delivery_action action;
	const char *lmtp;
};

static const struct reply_row reply_rows[] = {
	{ &at_mx, STAGE_AFTER_FINAL_DOT, { 250, { 2, 0, 0 }, "2.0.0 Ok: queued as 4F" }, DELIVERY_RELAYED,
	  "250 2.0.0 us: mx1.example.net[192.0.2.9]:25 " TLS " said: 250 2.0.0 Ok: queued as 4F" },
	{ &at_v6, STAGE_AFTER_FINAL_DOT, { 251, { 2, 1, 5 }, "2.1.5 Ok" }, DELIVERY_RELAYED,
	  "250 2.1.5 us: mx1.example.net[2001:db8::1]:25 said: 251 2.1.5 Ok" },
	{ &at_mx, STAGE_RCPT, { 550, { 5, 1, 1 }, "5.1.1 no such user" }, DELIVERY_FAILED,
	  "550 5.1.1 us: host mx1.example.net[192.0.2.9] said: 550 5.1.1 no such user (in reply to RCPT TO command)" },
	{ &at_mx, STAGE_RCPT, { 550, { 0, 0, 0 }, "no" }, DELIVERY_FAILED,
	  "550 5.0.0 us: host mx1.example.net[192.0.2.9] said: 550 no (in reply to RCPT TO command)" },
	{ &at_v6, STAGE_AFTER_FINAL_DOT, { 552, { 5, 3, 4 }, "5.3.4 too big" }, DELIVERY_FAILED,
	  "552 5.3.4 us: host mx1.example.net[2001:db8::1] said: 552 5.3.4 too big (in reply to end of DATA command)" },
	{ &at_mx, STAGE_MAIL, { 452, { 0, 0, 0 }, "full" }, DELIVERY_DELAYED,
	  "452 4.0.0 us: host mx1.example.net[192.0.2.9] said: 452 full (in reply to MAIL FROM command)" },
	/* 421 would end the LMTP session */
	{ &at_mx, STAGE_DATA, { 421, { 4, 3, 2 }, "4.3.2 bye" }, DELIVERY_DELAYED,
	  "451 4.3.2 us: host mx1.example.net[192.0.2.9] said: 421 4.3.2 bye (in reply to DATA command)" },
	/* these would tell lmtp(8) that it speaks wrongly, and make it wait for an answer to nothing */
	{ &at_mx, STAGE_DATA, { 500, { 5, 5, 1 }, "5.5.1 What?" }, DELIVERY_FAILED,
	  "550 5.5.1 us: host mx1.example.net[192.0.2.9] said: 500 5.5.1 What? (in reply to DATA command)" },
	{ &at_mx, STAGE_RCPT, { 509, { 0, 0, 0 }, "no" }, DELIVERY_FAILED,
	  "550 5.0.0 us: host mx1.example.net[192.0.2.9] said: 509 no (in reply to RCPT TO command)" },
	{ &at_mx, STAGE_RCPT, { 510, { 0, 0, 0 }, "no" }, DELIVERY_FAILED,
	  "510 5.0.0 us: host mx1.example.net[192.0.2.9] said: 510 no (in reply to RCPT TO command)" },
	{ &at_mx, STAGE_MAIL, { 555, { 5, 5, 4 }, "5.5.4 BODY?" }, DELIVERY_FAILED,
	  "550 5.5.4 us: host mx1.example.net[192.0.2.9] said: 555 5.5.4 BODY? (in reply to MAIL FROM command)" },
	{ &at_mx, STAGE_GREETING, { 554, { 0, 0, 0 }, "go away" }, DELIVERY_FAILED,
	  "554 5.0.0 us: host mx1.example.net[192.0.2.9] refused to talk to me: 554 go away" },
	{ &at_mx, STAGE_EHLO, { 421, { 0, 0, 0 }, "" }, DELIVERY_DELAYED,
	  "451 4.0.0 us: host mx1.example.net[192.0.2.9] refused to talk to me: 421" },
	{ &at_mx, STAGE_DATA, { 354, { 0, 0, 0 }, "go" }, DELIVERY_DELAYED,
	  "451 4.5.0 us: host mx1.example.net[192.0.2.9] said: 354 go (in reply to DATA command)" },
	{ &at_mx, STAGE_CONTENT, { 452, { 4, 3, 1 }, "4.3.1 full" }, DELIVERY_DELAYED,
	  "452 4.3.1 us: host mx1.example.net[192.0.2.9] said: 452 4.3.1 full (while sending message body)" },
	/* case 105: what a hostile edge may hand on */
	{ &at_mx, STAGE_RCPT, { 250, { 5, 1, 1 }, "a\r\nb\x1b\xff" }, DELIVERY_RELAYED,
	  "250 2.0.0 us: mx1.example.net[192.0.2.9]:25 " TLS " said: 250 a??b??" },
	{ &at_mx, STAGE_RCPT, { 0, { 2, 0, 0 }, "ok" }, DELIVERY_DELAYED,
	  "451 4.5.0 us: host mx1.example.net[192.0.2.9]: the server gave no valid reply" },
	{ &at_mx, STAGE_RCPT, { 999, { 2, 0, 0 }, "ok" }, DELIVERY_DELAYED,
	  "451 4.5.0 us: host mx1.example.net[192.0.2.9]: the server gave no valid reply" },
	{ &at_mx, STAGE_RCPT, { -250, { 2, 0, 0 }, "ok" }, DELIVERY_DELAYED,
	  "451 4.5.0 us: host mx1.example.net[192.0.2.9]: the server gave no valid reply" },
};

static void test_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(reply_rows) / sizeof(reply_rows[0]); i++) {
		const struct reply_row *row = &reply_rows[i];
		struct delivery_status status = *row->from;
		char lmtp[DELIVERY_LMTP_REPLY_MAX];

		delivery_status_set_reply(&status, row->stage, &row->reply);
		assert_int_equal(status.action, row->action);
		assert_string_equal(delivery_status_print_lmtp(&status, "us", lmtp, sizeof(lmtp)), row->lmtp);
	}
}

struct local_row {
	const struct delivery_status *from;
	enum delivery_stage stage;
	struct enhanced_status code;
	const char *edge, *reason;
	enum delivery_action action;
	const char *lmtp;
};

static const struct local_row local_rows[] = {
	{ &at_mx, STAGE_CONNECT, { 4, 4, 1 }, "us", "Connection timed out", DELIVERY_DELAYED,
	  "451 4.4.1 us: connect to mx1.example.net[192.0.2.9]:25: Connection timed out" },
	{ &at_v6, STAGE_CONNECT, { 4, 4, 1 }, "us", "Network is unreachable", DELIVERY_DELAYED,
	  "451 4.4.1 us: connect to mx1.example.net[2001:db8::1]:25: Network is unreachable" },
	{ &nowhere, STAGE_DNS, { 5, 1, 10 }, "us", "domain takes no mail", DELIVERY_FAILED,
	  "550 5.1.10 us: domain takes no mail" },
	{ &nowhere, STAGE_TUNNEL, { 4, 4, 1 }, "", "no edge can be reached", DELIVERY_DELAYED,
	  "451 4.4.1 no edge can be reached" },
	{ &at_mx, STAGE_EDGE, { 4, 3, 1 }, "us", "memory is full", DELIVERY_DELAYED, "451 4.3.1 us: memory is full" },
	{ &at_mx, STAGE_AFTER_FINAL_DOT, { 4, 4, 2 }, "us", "lost connection", DELIVERY_DELAYED,
	  "451 4.4.2 us: host mx1.example.net[192.0.2.9]: lost connection" },
	{ &at_mx, STAGE_AFTER_FINAL_DOT, { 2, 0, 0 }, "us", "delivered before", DELIVERY_RELAYED,
	  "250 2.0.0 us: mx1.example.net[192.0.2.9]:25: delivered before" },
	{ &under_way, STAGE_EDGE, { 4, 4, 2 }, "us", "still in progress", DELIVERY_DELAYED,
	  "450 4.4.2 us: still in progress" },
	{ &nowhere, STAGE_EDGE, { 0, 0, 0 }, "us", "a\r\n250 b", DELIVERY_DELAYED, "451 4.0.0 us: a??250 b" },
	{ &nowhere, STAGE_EDGE, { 3, 1, 1 }, "us", "x", DELIVERY_DELAYED, "451 4.0.0 us: x" },
};

static void test_local(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(local_rows) / sizeof(local_rows[0]); i++) {
		const struct local_row *row = &local_rows[i];
		struct delivery_status status = *row->from;
		char lmtp[DELIVERY_LMTP_REPLY_MAX];

		status.reply.code = 250;	/* of an earlier attempt: must not shine through */
		delivery_status_set_local(&status, row->stage, row->code, "%s", row->reason);
		assert_int_equal(status.action, row->action);
		assert_string_equal(delivery_status_print_lmtp(&status, row->edge, lmtp, sizeof(lmtp)), row->lmtp);
	}
}

/* case 105: a status from the tunnel whose members contradict each other still prints as its action says. */
static void test_action_decides(void **state)
{
	static const int codes[] = { 0, 250, 354, 421, 450, 550, 7, 12345 };
	static const char *const starts[] = {
		[DELIVERY_RELAYED] = "2", [DELIVERY_DELAYED] = "4", [DELIVERY_FAILED] = "5",
	};

	(void)state;
	for (int action = DELIVERY_RELAYED; action <= DELIVERY_FAILED; action++)
		for (size_t i = 0; i < 6 * sizeof(codes) / sizeof(codes[0]); i++) {
			struct delivery_status status = at_mx;
			char lmtp[DELIVERY_LMTP_REPLY_MAX];

			status.action = (enum delivery_action)action;
			status.status.class = (uint8_t)(i % 6);
			status.reply.code = codes[i / 6];
			delivery_status_print_lmtp(&status, "us", lmtp, sizeof(lmtp));
			assert_int_equal(lmtp[0], starts[action][0]);
			assert_int_equal(lmtp[4], starts[action][0]);
			assert_int_equal(strspn(lmtp, "0123456789"), 3);
			assert_int_not_equal(strncmp(lmtp, "421", 3), 0);
		}
}

static void test_possible_duplicate(void **state)
{
	static const char note[] = " (the message may have been delivered; the next attempt may be a duplicate)";
	struct delivery_status status = at_mx;
	char text[DELIVERY_LMTP_REPLY_MAX];

	(void)state;
	status.maybe_duplicate = true;
	delivery_status_set_local(&status, STAGE_AFTER_FINAL_DOT, ENHANCED_STATUS(4, 4, 2), "lost connection");
	delivery_status_print_text(&status, "us", text, sizeof(text));
	assert_string_equal(strstr(text, " (the"), note);
	/* too little room cuts the reason, never the note */
	delivery_status_print_text(&status, "us", text, sizeof(note) + 5);
	assert_string_equal(text, "us: h (the message may have been delivered; the next attempt may be a duplicate)");
	delivery_status_set_local(&status, STAGE_AFTER_FINAL_DOT, ENHANCED_STATUS(2, 0, 0), "delivered before");
	assert_null(strstr(delivery_status_print_text(&status, "us", text, sizeof(text)), note));
}

struct journal_row {
	enum delivery_stage stage;
	struct smtp_reply reply;
	const char *plain, *note;
};

static const struct journal_row journal_rows[] = {
	{ STAGE_AFTER_FINAL_DOT, { 250, { 2, 0, 0 }, "2.0.0 Ok" },
	  "250 2.0.0 us: mx1.example.net[192.0.2.9]:25 " TLS " said: 250 2.0.0 Ok",
	  " (already delivered; answered from journal)" },
	{ STAGE_RCPT, { 550, { 5, 1, 1 }, "5.1.1 no" },
	  "550 5.1.1 us: host mx1.example.net[192.0.2.9] said: 550 5.1.1 no (in reply to RCPT TO command)",
	  " (answered from journal)" },
	/* nothing of the kind is ever said of what will be tried again */
	{ STAGE_RCPT, { 450, { 4, 2, 0 }, "4.2.0 later" },
	  "450 4.2.0 us: host mx1.example.net[192.0.2.9] said: 450 4.2.0 later (in reply to RCPT TO command)", "" },
};

static void test_from_journal(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(journal_rows) / sizeof(journal_rows[0]); i++) {
		const struct journal_row *row = &journal_rows[i];
		struct delivery_status status = at_mx;
		char expected[DELIVERY_LMTP_REPLY_MAX], lmtp[DELIVERY_LMTP_REPLY_MAX], text[DELIVERY_LMTP_REPLY_MAX];

		delivery_status_set_reply(&status, row->stage, &row->reply);
		assert_string_equal(delivery_status_print_lmtp(&status, "us", lmtp, sizeof(lmtp)), row->plain);
		assert_string_equal(delivery_status_note(&status), "");
		status.from_journal = true;
		delivery_status_set_reply(&status, row->stage, &row->reply);
		assert_true(status.from_journal);
		snprintf(expected, sizeof(expected), "%s%s", row->plain, row->note);
		assert_string_equal(delivery_status_print_lmtp(&status, "us", lmtp, sizeof(lmtp)), expected);
		assert_string_equal(delivery_status_print_text(&status, "us", text, sizeof(text)), expected + strlen("250 2.0.0 "));
		assert_string_equal(delivery_status_note(&status), row->note);
	}
}

/* A note is of the action it belongs to, whatever other flags an edge sets. */
static void test_one_note(void **state)
{
	struct delivery_status status = { .maybe_duplicate = true, .from_journal = true };

	(void)state;
	delivery_status_set_local(&status, STAGE_AFTER_FINAL_DOT, ENHANCED_STATUS(4, 4, 2), "lost connection");
	assert_null(strstr(delivery_status_note(&status), "journal"));
	delivery_status_set_local(&status, STAGE_AFTER_FINAL_DOT, ENHANCED_STATUS(2, 0, 0), "Ok");
	assert_string_equal(delivery_status_note(&status), " (already delivered; answered from journal)");
	delivery_status_set_local(&status, STAGE_AFTER_FINAL_DOT, ENHANCED_STATUS(5, 0, 0), "no");
	assert_string_equal(delivery_status_note(&status), " (answered from journal)");
	status.from_journal = false;
	assert_string_equal(delivery_status_note(&status),
			    " (possible duplicate: an earlier attempt may have been delivered)");
	delivery_status_set_local(&status, STAGE_AFTER_FINAL_DOT, ENHANCED_STATUS(2, 0, 0), "Ok");
	assert_string_equal(delivery_status_note(&status),
			    " (possible duplicate: an earlier attempt may have been delivered)");
}

/* In every size of buffer: the text is cut, never the note; where not even the note fits, there is none of it. */
static void test_note_is_never_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct journal_row *row = &journal_rows[i];
		const char *plain = row->plain + strlen("250 2.0.0 ");
		struct delivery_status status = at_mx;

		status.from_journal = true;
		delivery_status_set_reply(&status, row->stage, &row->reply);
		for (size_t size = 1; size <= strlen(plain) + strlen(row->note) + 2; size++) {
			size_t note = size > strlen(row->note) ? strlen(row->note) : 0, length;
			char *out = malloc(size);

			assert_non_null(out);
			delivery_status_print_text(&status, "us", out, size);
			length = strlen(out) - note;
			assert_memory_equal(out + length, row->note, note);
			assert_memory_equal(out, plain, length);
			assert_true(length == strlen(plain) || length + note == size - 1);
			free(out);
		}
	}
}

/* Everything as long as it can be, in every size of buffer: it fits, and is one printable line. */
static void test_sizes(void **state)
{
	struct delivery_status status = { .stage = STAGE_AFTER_FINAL_DOT, .remote_port = 65535 };
	struct smtp_reply reply = { .code = 250 };
	char edge[300], whole[DELIVERY_LMTP_REPLY_MAX];

	(void)state;
	memset(edge, 'e', sizeof(edge) - 1);
	edge[sizeof(edge) - 1] = '\0';
	memset(status.remote_mta, '\r', DELIVERY_HOST_MAX);
	memset(status.remote_address, '\n', DELIVERY_ADDRESS_MAX);
	memset(status.tls, '\xff', DELIVERY_TLS_MAX);
	memset(reply.text, 't', SMTP_REPLY_TEXT_MAX);
	delivery_status_set_reply(&status, STAGE_AFTER_FINAL_DOT, &reply);
	delivery_status_print_lmtp(&status, edge, whole, sizeof(whole));
	assert_string_equal(whole + strlen(whole) - 3, "ttt");
	for (const char *byte = whole; *byte != '\0'; byte++)
		assert_in_range(*byte, ' ', '~');
	for (size_t size = 1; size <= sizeof(whole); size++) {
		char *out = malloc(size);

		assert_non_null(out);
		delivery_status_print_lmtp(&status, edge, out, size);
		assert_memory_equal(out, whole, strlen(out));
		assert_true(strlen(out) == size - 1 || strlen(out) == strlen(whole));
		free(out);
	}
	/* there is room for a note, too */
	status.from_journal = true;
	delivery_status_print_lmtp(&status, edge, whole, sizeof(whole));
	assert_non_null(strstr(whole, "ttt (already delivered; answered from journal)"));
	assert_true(strlen(whole) < sizeof(whole) - 1);
}

static void test_relay_and_words(void **state)
{
	struct delivery_status literal = { .remote_address = "192.0.2.9", .remote_port = 2525 };
	struct delivery_status unresolved = { .remote_mta = "mx1.example.net", .remote_port = 25 };
	char relay[400];

	(void)state;
	assert_string_equal(delivery_status_relay(&at_mx, relay, sizeof(relay)), "mx1.example.net[192.0.2.9]:25");
	assert_string_equal(delivery_status_relay(&at_v6, relay, sizeof(relay)), "mx1.example.net[2001:db8::1]:25");
	assert_string_equal(delivery_status_relay(&literal, relay, sizeof(relay)), "192.0.2.9[192.0.2.9]:2525");
	assert_string_equal(delivery_status_relay(&unresolved, relay, sizeof(relay)), "mx1.example.net");
	assert_string_equal(delivery_status_relay(&nowhere, relay, sizeof(relay)), "none");
	assert_string_equal(delivery_action_word(DELIVERY_RELAYED), "sent");
	assert_string_equal(delivery_action_word(DELIVERY_DELAYED), "deferred");
	assert_string_equal(delivery_action_word(DELIVERY_FAILED), "bounced");
	for (int stage = 0; stage < STAGE_COUNT; stage++)
		assert_string_not_equal(delivery_stage_words((enum delivery_stage)stage), "at an unknown stage");
}

/* The edge sets a status again from its own reply when it changes its mind about the stage. */
static void test_reply_of_the_status_itself(void **state)
{
	struct delivery_status status = at_mx;
	const struct smtp_reply reply = { 550, { 5, 7, 1 }, "5.7.1 no" };

	(void)state;
	delivery_status_set_reply(&status, STAGE_RCPT, &reply);
	delivery_status_set_reply(&status, STAGE_DATA, &status.reply);
	assert_string_equal(status.reply.text, "5.7.1 no");
	assert_int_equal(status.status.subject, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_action_decides),
		cmocka_unit_test(test_possible_duplicate),
		cmocka_unit_test(test_from_journal),
		cmocka_unit_test(test_one_note),
		cmocka_unit_test(test_note_is_never_cut),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_relay_and_words),
		cmocka_unit_test(test_reply_of_the_status_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
