/*
 * What every failure of the tunnel means at every stage: class 4, always, and a possible duplicate
 * only behind END.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "transport/relay_failure.h"
#include "tunnel/tunnel_limits.h"

static const struct {
	enum tunnel_failure failure;
	const char *connecting, *before_end;
} rows[] = {
	{ TUNNEL_OK, "4.3.0", "4.3.0" },	 { TUNNEL_UNREACHABLE, "4.4.1", "4.4.2" },
	{ TUNNEL_NO_ANSWER, "4.7.0", "4.4.2" },	 { TUNNEL_WRONG_PSK, "4.7.5", "4.7.5" },
	{ TUNNEL_LOST, "4.4.2", "4.4.2" },	 { TUNNEL_TIMED_OUT, "4.4.1", "4.4.2" },
	{ TUNNEL_BAD_RECORD, "4.7.7", "4.7.7" }, { TUNNEL_BAD_FRAME, "4.5.0", "4.5.0" },
	{ TUNNEL_LOCAL, "4.3.0", "4.3.0" },
};

static void check(const struct delivery_status *status, const char *code, const char *text,
		  bool maybe_duplicate)
{
	char printed[ENHANCED_STATUS_TEXT_MAX];

	assert_string_equal(enhanced_status_print(status->status, printed, sizeof(printed)), code);
	assert_int_equal(status->action, DELIVERY_DELAYED);
	assert_int_equal(status->stage, STAGE_TUNNEL);
	assert_int_equal(status->reply.code, 0);
	assert_string_equal(status->reason, text);
	assert_int_equal(status->maybe_duplicate, maybe_duplicate);
	assert_false(status->dsn_offered);
	assert_false(status->from_journal);
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct delivery_status status;

		memset(&status, 0xaa, sizeof(status));
		relay_failure_status(&status, RELAY_CONNECTING, rows[i].failure, "why");
		check(&status, rows[i].connecting, "why", false);
		memset(&status, 0xaa, sizeof(status));
		relay_failure_status(&status, RELAY_BEFORE_END, rows[i].failure, "why");
		check(&status, rows[i].before_end, "why", false);
		memset(&status, 0xaa, sizeof(status));
		relay_failure_status(&status, RELAY_AFTER_END, rows[i].failure, "why");
		check(&status, "4.4.2", "outcome unknown: why", true);
	}
}

static void test_closed(void **state)
{
	static const struct {
		int reason;
		const char *code, *text;
	} closes[] = {
		{ CLOSE_IDLE, "4.4.2", "the edge closed the tunnel as idle: because" },
		{ CLOSE_SHUTDOWN, "4.3.2", "the edge is being stopped: because" },
		{ CLOSE_REVOKED, "4.7.1", "the edge has revoked the key of this host: because" },
		{ CLOSE_PROTOCOL_ERROR, "4.5.0",
		  "the edge complains about our side of the protocol: because" },
		{ CLOSE_LIMIT, "4.4.5",
		  "the edge has no room for another tunnel of this host: because" },
		{ 99, "4.4.2", "the edge closed the tunnel: because" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(closes) / sizeof(closes[0]); i++) {
		struct frame_close close = { .reason = (enum close_reason)closes[i].reason,
					     .text = "because" };
		struct delivery_status status;
		char unknown[200];

		relay_failure_closed(&status, RELAY_BEFORE_END, &close);
		check(&status, closes[i].code, closes[i].text, false);
		snprintf(unknown, sizeof(unknown), "outcome unknown: %s", closes[i].text);
		relay_failure_closed(&status, RELAY_AFTER_END, &close);
		check(&status, "4.4.2", unknown, true);
	}
}

/* The longest sentence still fits, with its end on it. */
static void test_long_text(void **state)
{
	struct frame_close close = { .reason = CLOSE_SHUTDOWN };
	struct delivery_status status;

	(void)state;
	memset(close.text, 'x', sizeof(close.text) - 1);
	relay_failure_closed(&status, RELAY_AFTER_END, &close);
	assert_true(strlen(status.reason) < sizeof(status.reason));
	assert_int_equal(
		strncmp(status.reason, "outcome unknown: the edge is being stopped: xxx", 47), 0);
}

/* Deadlines nest: the edge's time ends a minute before ours, and END goes out only while there is some. */
static void test_budget(void **state)
{
	static const struct {
		int64_t left_ms;
		uint32_t budget_ms;
	} budgets[] = {
		{ 0, 0 },
		{ 59999, 0 },
		{ 60000, 0 },
		{ 60001, 1 },
		{ 100000, 40000 },
		{ TUNNEL_TRANSPORT_BUDGET_MS - 1, TUNNEL_EDGE_BUDGET_MS - 1 },
		{ TUNNEL_TRANSPORT_BUDGET_MS, TUNNEL_EDGE_BUDGET_MS },
		{ TUNNEL_TRANSPORT_BUDGET_MS + 1, TUNNEL_EDGE_BUDGET_MS },
		{ INT64_MAX, TUNNEL_EDGE_BUDGET_MS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++)
		assert_int_equal(relay_budget_ms(budgets[i].left_ms), budgets[i].budget_ms);
	assert_false(relay_may_end(0));
	assert_false(relay_may_end(4999));
	assert_true(relay_may_end(5000));
	assert_true(relay_may_end(INT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_long_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
