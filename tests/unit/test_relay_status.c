/*
 * Which statuses of an edge are believed (case 105): every contradiction is found, whatever it
 * claims to be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "transport/status_audit.h"

#define ST(c, s, d)                                                                                \
	{                                                                                          \
		(c), (s), (d)                                                                      \
	}

static const struct {
	enum delivery_action action;
	struct enhanced_status status;
	int code;
	struct enhanced_status reply_status;
	enum delivery_stage stage;
	bool before_end;
	bool is_sound;
} rows[] = {
	/* success */
	{ DELIVERY_RELAYED, ST(2, 0, 0), 250, ST(2, 0, 0), STAGE_AFTER_FINAL_DOT, false, true },
	{ DELIVERY_RELAYED, ST(2, 0, 0), 250, ST(0, 0, 0), STAGE_AFTER_FINAL_DOT, false, true },
	{ DELIVERY_RELAYED, ST(2, 0, 0), 252, ST(2, 5, 0), STAGE_AFTER_FINAL_DOT, false, true },
	{ DELIVERY_RELAYED, ST(2, 0, 0), 250, ST(2, 0, 0), STAGE_AFTER_FINAL_DOT, true, false },
	{ DELIVERY_RELAYED, ST(2, 0, 0), 250, ST(2, 0, 0), STAGE_RCPT, false, false },
	{ DELIVERY_RELAYED, ST(2, 0, 0), 0, ST(0, 0, 0), STAGE_AFTER_FINAL_DOT, false, false },
	{ DELIVERY_RELAYED, ST(2, 0, 0), 354, ST(0, 0, 0), STAGE_AFTER_FINAL_DOT, false, false },
	{ DELIVERY_RELAYED, ST(2, 0, 0), 550, ST(5, 1, 1), STAGE_AFTER_FINAL_DOT, false, false },
	{ DELIVERY_RELAYED, ST(2, 0, 0), 250, ST(5, 1, 1), STAGE_AFTER_FINAL_DOT, false, false },
	{ DELIVERY_RELAYED, ST(5, 1, 1), 250, ST(0, 0, 0), STAGE_AFTER_FINAL_DOT, false, false },
	{ DELIVERY_RELAYED, ST(4, 0, 0), 250, ST(0, 0, 0), STAGE_AFTER_FINAL_DOT, false, false },
	{ DELIVERY_RELAYED, ST(0, 0, 0), 250, ST(0, 0, 0), STAGE_AFTER_FINAL_DOT, false, false },
	/* permanent failure */
	{ DELIVERY_FAILED, ST(5, 1, 1), 550, ST(5, 1, 1), STAGE_RCPT, false, true },
	{ DELIVERY_FAILED, ST(5, 1, 10), 0, ST(0, 0, 0), STAGE_DNS, true, true },
	{ DELIVERY_FAILED, ST(5, 1, 1), 450, ST(4, 1, 1), STAGE_RCPT, false, false },
	{ DELIVERY_FAILED, ST(5, 1, 1), 250, ST(2, 1, 1), STAGE_RCPT, false, false },
	{ DELIVERY_FAILED, ST(5, 1, 1), 550, ST(2, 1, 5), STAGE_RCPT, false, false },
	{ DELIVERY_FAILED, ST(2, 0, 0), 550, ST(0, 0, 0), STAGE_RCPT, false, false },
	{ DELIVERY_FAILED, ST(4, 0, 0), 0, ST(0, 0, 0), STAGE_RCPT, false, false },
	/* temporary failure: also on a 5xx reply (552 to RCPT, RFC 5321 4.5.3.1.10) */
	{ DELIVERY_DELAYED, ST(4, 2, 0), 450, ST(4, 2, 0), STAGE_RCPT, false, true },
	{ DELIVERY_DELAYED, ST(4, 5, 3), 552, ST(5, 5, 3), STAGE_RCPT, false, true },
	{ DELIVERY_DELAYED, ST(4, 4, 1), 0, ST(0, 0, 0), STAGE_CONNECT, true, true },
	{ DELIVERY_DELAYED, ST(4, 0, 0), 250, ST(2, 0, 0), STAGE_AFTER_FINAL_DOT, false, false },
	{ DELIVERY_DELAYED, ST(2, 0, 0), 0, ST(0, 0, 0), STAGE_CONNECT, false, false },
	{ DELIVERY_DELAYED, ST(5, 0, 0), 0, ST(0, 0, 0), STAGE_CONNECT, false, false },
	/* neither */
	{ (enum delivery_action)7, ST(2, 0, 0), 250, ST(2, 0, 0), STAGE_AFTER_FINAL_DOT, false,
	  false },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct delivery_status status = {
			.action = rows[i].action,
			.status = rows[i].status,
			.stage = rows[i].stage,
			.reply = { .code = rows[i].code, .status = rows[i].reply_status },
		};
		const char *contradiction = status_audit(&status, !rows[i].before_end);

		if ((contradiction == NULL) != rows[i].is_sound)
			fail_msg("row %zu: %s", i,
				 contradiction != NULL ? contradiction : "believed");
	}
}

/* An earlier attempt's outcome must be sound in itself, final, and told after END. */
static void test_from_journal(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		bool before_end = i % 2 == 1;
		struct delivery_status status = {
			.action = rows[i / 2].action,
			.status = rows[i / 2].status,
			.stage = rows[i / 2].stage,
			.reply = { .code = rows[i / 2].code, .status = rows[i / 2].reply_status },
		};
		bool is_without_words = status.action == DELIVERY_RELAYED && status.reply.code == 0 &&
					status.status.class == 2 &&
					status.stage == STAGE_AFTER_FINAL_DOT;
		bool is_sound = (status_audit(&status, true) == NULL || is_without_words) && !before_end &&
				status.action != DELIVERY_DELAYED;
		const char *contradiction;

		status.from_journal = true;
		contradiction = status_audit(&status, !before_end);
		if ((contradiction == NULL) != is_sound)
			fail_msg("row %zu, %s END: %s", i / 2, before_end ? "before" : "after",
				 contradiction != NULL ? contradiction : "believed");
	}
}

/* Words for the log: what is wrong with an outcome from the journal, not only that something is. */
static void test_words_for_the_journal(void **state)
{
	struct delivery_status status = { .action = DELIVERY_FAILED,
					  .status = ST(5, 1, 10),
					  .stage = STAGE_DNS,
					  .from_journal = true };

	(void)state;
	assert_null(status_audit(&status, true));
	assert_string_equal(status_audit(&status, false),
			    "an earlier attempt's outcome before the end of the message");
	status.action = DELIVERY_DELAYED;
	status.status.class = 4;
	assert_string_equal(status_audit(&status, true),
			    "temporary failure as an earlier attempt's outcome");
}

static void test_same(void **state)
{
	const struct delivery_status heard = { .action = DELIVERY_RELAYED,
					       .status = ST(2, 0, 0),
					       .stage = STAGE_AFTER_FINAL_DOT,
					       .reply = { .code = 250 } };
	struct delivery_status again = heard;

	(void)state;
	again.from_journal = true;
	assert_true(status_audit_is_same(&heard, &again));
	again.reply.code = 251;
	assert_false(status_audit_is_same(&heard, &again));
}

static void test_texts_become_printable(void **state)
{
	struct delivery_status status = { .action = DELIVERY_DELAYED, .status = ST(4, 0, 0) };

	(void)state;
	strcpy(status.reply.text, "a\r\nb\x1b\xff");
	strcpy(status.reason, "a\nb");
	strcpy(status.remote_mta, "mx\rx");
	strcpy(status.remote_address, "1\t2");
	memset(status.tls, 'x', sizeof(status.tls)); /* no NUL */
	assert_null(status_audit(&status, true));
	assert_string_equal(status.reply.text, "a??b??");
	assert_string_equal(status.reason, "a?b");
	assert_string_equal(status.remote_mta, "mx?x");
	assert_string_equal(status.remote_address, "1?2");
	assert_int_equal(strlen(status.tls), sizeof(status.tls) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_from_journal),
		cmocka_unit_test(test_words_for_the_journal),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_texts_become_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
