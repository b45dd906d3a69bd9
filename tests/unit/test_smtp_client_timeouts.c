/*
 * The time-outs of RFC 5321 4.5.3.2 are those of whole replies: whoever sends a byte now and then
 * gains nothing (case 12), and whoever needs long for the final dot gets it (case 27). The client's
 * clock runs fast here, and its waiting with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>

#include "tests/fake/fake_conversation.h"
#include "tunnel/tunnel_limits.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TIMES_FASTER 200
#define MINUTE_MS 60000
/* Of a whole delivery; never reached here. */
#define DELIVERY_MS (60 * MINUTE_MS)
#define OFFER_TLS EHLO("250-PIPELINING\r\n250 STARTTLS\r\n")
/* A byte every 20 s. */
#define SLOW(text) DRIP(text, 20000 / TIMES_FASTER)

/* Only the client is in a hurry, the server that plays against it is not. */
static __thread bool is_fast;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = (int)syscall(SYS_clock_gettime, clock, now);
	int64_t ns;

	if (!is_fast || clock != CLOCK_MONOTONIC)
		return result;
	ns = ((int64_t)now->tv_sec % 1000000 * 1000000000 + now->tv_nsec) * TIMES_FASTER;
	now->tv_sec = (time_t)(ns / 1000000000);
	now->tv_nsec = (long)(ns % 1000000000);
	return result;
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	int wait_ms = is_fast && timeout_ms > 0 ? timeout_ms / TIMES_FASTER + 1 : timeout_ms;
	struct timespec timeout = { wait_ms / 1000, wait_ms % 1000 * 1000000L };

	return (int)syscall(SYS_ppoll, fds, count, timeout_ms < 0 ? NULL : &timeout, NULL, (size_t)0);
}

struct row {
	const char *name;
	struct fake_step steps[16];
	const char *event;
	int64_t after_ms;		/* the time-out */
};

/* At the first failure, or the end of the transaction. */
static void run_conversation(struct conversation *conversation, const struct row *row, char *event, size_t size)
{
	conversation_begin(conversation, row->steps, TLS_MAY, DELIVERY_MS, -1);
	conversation->client.params.data_done_timeout_ms = SMTP_DATA_DONE_TIMEOUT_MS;
	if (!conversation->is_open) {
		conversation_print(event, size, &conversation->open_event);
		return;
	}
	conversation_add_recipients(conversation, 1, "u");
	assert_int_equal(content_append(&conversation->content, "Subject: x\r\n\r\n", 14), CONTENT_OK);
	conversation_send(conversation, 0, 1);
	snprintf(event, size, "%s", conversation->results[0]);
}

static void run(const struct row *row)
{
	struct conversation *conversation = calloc(1, sizeof(*conversation));
	char event[64] = "";
	int64_t began_ms, took_ms;

	is_fast = true;
	began_ms = deadline_now_ms();
	run_conversation(conversation, row, event, sizeof(event));
	took_ms = deadline_now_ms() - began_ms;
	is_fast = false;
	if (strcmp(event, row->event) != 0 || took_ms < row->after_ms || took_ms > DELIVERY_MS / 2)
		fail_msg("%s: \"%s\" instead of \"%s\", after %lld s", row->name, event, row->event,
			 (long long)(took_ms / 1000));
	conversation_end(conversation);
	conversation_wipe(conversation);
	free(conversation);
}

static void test_slow_replies(void **state)
{
	static const struct row rows[] = {
		{ "case 12: greeting", { SLOW("220-slow\r\n") }, "GREETING timeout", 5 * MINUTE_MS },
		{ "case 12: EHLO", { GREETING, EXPECT("EHLO"), SLOW("250-slow\r\n") }, "EHLO timeout",
		  5 * MINUTE_MS },
		{ "case 12: STARTTLS", { OFFER_TLS, EXPECT("STARTTLS"), SLOW("220-slow\r\n") },
		  "TLS timeout", 5 * MINUTE_MS },
		{ "case 12: MAIL", { PLAIN, EXPECT("MAIL"), SLOW("250-slow\r\n") }, "MAIL timeout",
		  5 * MINUTE_MS },
		{ "case 12: RCPT", { PLAIN, MAIL_OK, EXPECT("RCPT"), SLOW("250-slow\r\n") },
		  "RCPT timeout", 5 * MINUTE_MS },
		{ "case 12: DATA", { PLAIN, MAIL_OK, RCPT_OK, EXPECT("DATA"), SLOW("354-slow\r\n") },
		  "DATA timeout", 2 * MINUTE_MS },
		{ "case 12: the dot", { TO_DOT, SLOW("250-slow\r\n") }, "DOT timeout in doubt",
		  10 * MINUTE_MS },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		run(&rows[i]);
}

/* Case 17: a handshake that never ends has 30 s. */
static void test_slow_handshake(void **state)
{
	static const struct row row = {
		"case 17",
		{ OFFER_TLS, EXPECT("STARTTLS"), SEND("220 go\r\n"), READ(50), SLOW("\x16\x03\x03\x3f\xff") },
		"TLS handshake", 30000
	};
	int64_t began_ms = deadline_now_ms();

	(void)state;
	run(&row);
	assert_true(deadline_now_ms() - began_ms < 4 * MINUTE_MS / TIMES_FASTER);	/* no other time-out */
}

/* Case 27: most of ten minutes for the final dot, and all who wait for it wait longer. */
static void test_late_answer(void **state)
{
	static const struct row row = {
		"case 27", { TO_DOT, SLEEP(400000 / TIMES_FASTER), SEND("250 ok\r\n"), QUIT_OK }, "DOT 250",
		390000
	};
	char line[200] = "";
	FILE *example = fopen("conf.examples/master.cf", "r");
	int lmtp_s = 0;

	(void)state;
	run(&row);
	assert_non_null(example);
	while (lmtp_s == 0 && fgets(line, sizeof(line), example) != NULL)
		sscanf(line, " -o lmtp_data_done_timeout=%ds", &lmtp_s);
	fclose(example);
	assert_true(SMTP_DATA_DONE_TIMEOUT_MS >= 10 * MINUTE_MS);
	assert_true(TUNNEL_EDGE_BUDGET_MS > SMTP_DATA_DONE_TIMEOUT_MS);
	assert_true(TUNNEL_TRANSPORT_BUDGET_MS > TUNNEL_EDGE_BUDGET_MS);
	assert_true(lmtp_s * 1000 > TUNNEL_TRANSPORT_BUDGET_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_replies),
		cmocka_unit_test(test_slow_handshake),
		cmocka_unit_test(test_late_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
