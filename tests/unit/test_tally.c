/* tally.c: which hour counts, what a text about TLS means, and why mail was put off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "edge/tally.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOON (int64_t)(1700000000 / 3600 * 3600)

static void kinds_of_tls(void **state)
{
	static const struct {
		const char *text;
		enum tally_tls kind;
	} rows[] = {
		{ "", TALLY_TLS_NONE },
		{ "may TLSv1.3 TLS_AES_256_GCM_SHA384 (unauthenticated)", TALLY_TLS_UNAUTHENTICATED },
		{ "encrypt TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384 (unauthenticated)", TALLY_TLS_UNAUTHENTICATED },
		{ "dane TLSv1.3 TLS_AES_256_GCM_SHA384", TALLY_TLS_DANE },
		{ "dane-only TLSv1.3 TLS_AES_256_GCM_SHA384", TALLY_TLS_DANE },
		{ "dane TLSv1.3 X (trusted, not verified: MX record insecure)", TALLY_TLS_DANE },
		{ "dane TLSv1.3 X (unauthenticated: no usable TLSA record)", TALLY_TLS_UNAUTHENTICATED },
		{ "sts TLSv1.3 TLS_AES_256_GCM_SHA384", TALLY_TLS_STS },
		{ "sts TLSv1.3 X (MTA-STS testing: holds)", TALLY_TLS_STS },
		{ "sts TLSv1.3 X (MTA-STS testing: would fail)", TALLY_TLS_UNAUTHENTICATED },
		{ "verify TLSv1.3 X", TALLY_TLS_VERIFIED },
		{ "secure TLSv1.3 X", TALLY_TLS_VERIFIED },
		{ "fingerprint TLSv1.3 X", TALLY_TLS_VERIFIED },
		{ "verified by nobody", TALLY_TLS_UNAUTHENTICATED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(tally_tls_of(rows[i].text), rows[i].kind);
}

static void reasons(void **state)
{
	static const struct {
		struct delivery_status status;
		enum tally_reason reason;
	} rows[] = {
		{ { .stage = STAGE_DNS }, TALLY_DNS },
		{ { .stage = STAGE_CONNECT }, TALLY_CONNECT },
		{ { .stage = STAGE_TLS }, TALLY_TLS },
		{ { .stage = STAGE_GREETING }, TALLY_LOST },
		{ { .stage = STAGE_AFTER_FINAL_DOT }, TALLY_LOST },
		{ { .stage = STAGE_EDGE }, TALLY_LIMITS },
		{ { .stage = STAGE_RCPT, .reply = { 450, { 4, 7, 1 }, "" } }, TALLY_POLICY },
		{ { .stage = STAGE_RCPT, .reply = { 452, { 4, 2, 2 }, "" } }, TALLY_MAILBOX },
		{ { .stage = STAGE_RCPT, .reply = { 450, { 4, 1, 1 }, "" } }, TALLY_MAILBOX },
		{ { .stage = STAGE_RCPT, .reply = { 451, { 4, 3, 0 }, "" } }, TALLY_SERVER },
		{ { .stage = STAGE_GREETING, .reply = { 421, { 0, 0, 0 }, "" } }, TALLY_SERVER },
		/* what a server says of 5.7 and of 4xx at once is no policy of the 4.7 kind */
		{ { .stage = STAGE_MAIL, .reply = { 451, { 5, 7, 1 }, "" } }, TALLY_SERVER },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(tally_reason_of(&rows[i].status), rows[i].reason);
}

static void add(struct tally *tally, enum delivery_action action, uint32_t count, int64_t now_s)
{
	const struct delivery_status status = { .action = action, .stage = STAGE_DNS, .tls = "dane TLSv1.3 X" };

	tally_add(tally, &status, count, now_s);
}

static void a_day(void **state)
{
	struct tally tally = { .last_sent_s = 0 };
	struct tally_counts sum;

	(void)state;
	for (int64_t hour = 0; hour < 30; hour++) {
		add(&tally, DELIVERY_RELAYED, 1, NOON + hour * 3600 + 10);
		add(&tally, DELIVERY_DELAYED, 2, NOON + hour * 3600 + 3599);
	}
	add(&tally, DELIVERY_FAILED, 5, NOON + 29 * 3600);
	sum = tally_sum(&tally, NOON + 29 * 3600 + 3599);
	assert_int_equal(sum.sent, 24);
	assert_int_equal(sum.tls[TALLY_TLS_DANE], 24);
	assert_int_equal(sum.deferred, 48);
	assert_int_equal(sum.reasons[TALLY_DNS], 48);
	assert_int_equal(sum.bounced, 5);
	assert_int_equal(tally.last_sent_s, NOON + 29 * 3600 + 10);
	/* the next hour, in which nothing happens; the last one that counts; and none */
	assert_int_equal(tally_sum(&tally, NOON + 30 * 3600).sent, 23);
	assert_int_equal(tally_sum(&tally, NOON + 52 * 3600).bounced, 5);
	assert_int_equal(tally_sum(&tally, NOON + 53 * 3600).bounced, 0);
	/* a clock that was put back counts no hours of the future */
	assert_int_equal(tally_sum(&tally, NOON + 28 * 3600).bounced, 0);
}

static void counted_when_it_happened(void **state)
{
	struct tally tally = { .last_sent_s = 0 };
	struct delivery_status status = { .action = DELIVERY_RELAYED, .from_journal = true };

	(void)state;
	tally_add(&tally, &status, 1, NOON);
	status = (struct delivery_status){ .action = DELIVERY_DELAYED, .in_progress = true };
	tally_add(&tally, &status, 1, NOON);
	assert_int_equal(tally_sum(&tally, NOON).sent, 0);
	assert_int_equal(tally_sum(&tally, NOON).deferred, 0);
	assert_int_equal(tally.last_sent_s, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_of_tls),
		cmocka_unit_test(reasons),
		cmocka_unit_test(a_day),
		cmocka_unit_test(counted_when_it_happened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
