/*
 * The time-outs of RFC 5321 4.5.3.2 are those of whole replies: whoever sends a byte now and then
 * gains nothing (case 12), and whoever needs long for the final dot gets it (case 27). The client's
 * clock goes on only while the server sleeps, and then by as much, so no minute is really waited.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "tests/fake/fake_conversation.h"
#include "tunnel/tunnel_limits.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MINUTE_MS 60000
/* Of a whole delivery; never reached here. */
#define DELIVERY_MS (60 * MINUTE_MS)
#define OFFER_TLS EHLO("250-PIPELINING\r\n250 STARTTLS\r\n")
/* A byte every 20 s. */
#define BYTE_MS 20000
#define SLOW(text) DRIP(text, BYTE_MS)

/* Only the client lives in this time, in a thread of its own. */
static __thread bool is_client;
static _Atomic int64_t client_now_us = INT64_C(1000000000);
/* How often the client has looked at the clock and its socket while it waits. */
static _Atomic unsigned looks;
static atomic_bool client_is_done;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int64_t now_us = client_now_us;

	if (!is_client || clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, now);
	*now = (struct timespec){ now_us / 1000000, now_us % 1000000 * 1000 };
	return 0;
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	const struct timespec moment = { 0, 1000000 };
	int64_t until_us = client_now_us + timeout_ms * INT64_C(1000);

	if (!is_client)
		return (int)syscall(SYS_ppoll, fds, count, timeout_ms < 0 ? NULL : &timeout, NULL,
				    (size_t)0);
	for (;; looks++) {
		bool is_late = timeout_ms >= 0 && client_now_us >= until_us;
		int ready = (int)syscall(SYS_ppoll, fds, count, &(struct timespec){ 0, is_late ? 0 : moment.tv_nsec },
					 NULL, (size_t)0);

		if (ready != 0 || is_late)
			return ready;
	}
}

/* The server's. The time is over when the client, if it waits, has seen that it is. */
int usleep(useconds_t time_us)
{
	unsigned before;

	client_now_us += time_us;
	before = looks;
	while (looks - before < 2 && !client_is_done)
		sched_yield();
	return 0;
}

struct row {
	const char *name;
	struct fake_step steps[16];
	const char *event;
	int64_t after_ms;		/* the time-out */
	struct {
		int deadline_ms, limit_ms;	/* 0: DELIVERY_MS, no limit */
	} delivery;
};

/* At the first failure, or the end of the transaction. */
static void run_conversation(struct conversation *conversation, const struct row *row, char *event, size_t size)
{
	conversation_begin(conversation, row->steps, TLS_MAY, DELIVERY_MS, -1);
	conversation->client.params.data_done_timeout_ms = SMTP_DATA_DONE_TIMEOUT_MS;
	if (row->delivery.deadline_ms > 0)
		conversation->client.params.deadline = deadline_in_ms(row->delivery.deadline_ms);
	conversation->client.params.time_limit_ms = row->delivery.limit_ms;
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

	is_client = true;
	client_is_done = false;
	began_ms = deadline_now_ms();
	run_conversation(conversation, row, event, sizeof(event));
	took_ms = deadline_now_ms() - began_ms;
	client_is_done = true;
	is_client = false;
	if (strcmp(event, row->event) != 0 || took_ms < row->after_ms || took_ms > row->after_ms + 2 * BYTE_MS)
		fail_msg("%s: \"%s\" instead of \"%s\", after %lld s", row->name, event, row->event,
			 (long long)(took_ms / 1000));
	conversation_end(conversation);
	conversation_wipe(conversation);
	free(conversation);
}

static void test_slow_replies(void **state)
{
	static const struct row rows[] = {
		{ "case 12: greeting", { SLOW("220-slow\r\n") }, "GREETING timeout", 5 * MINUTE_MS, { 0 } },
		{ "case 12: EHLO", { GREETING, EXPECT("EHLO"), SLOW("250-slow\r\n") }, "EHLO timeout",
		  5 * MINUTE_MS, { 0 } },
		{ "case 12: STARTTLS", { OFFER_TLS, EXPECT("STARTTLS"), SLOW("220-slow\r\n") },
		  "TLS timeout", 5 * MINUTE_MS, { 0 } },
		{ "case 12: MAIL", { PLAIN, EXPECT("MAIL"), SLOW("250-slow\r\n") }, "MAIL timeout",
		  5 * MINUTE_MS, { 0 } },
		{ "case 12: RCPT", { PLAIN, MAIL_OK, EXPECT("RCPT"), SLOW("250-slow\r\n") },
		  "RCPT timeout", 5 * MINUTE_MS, { 0 } },
		{ "case 12: DATA", { PLAIN, MAIL_OK, RCPT_OK, EXPECT("DATA"), SLOW("354-slow\r\n") },
		  "DATA timeout", 2 * MINUTE_MS, { 0 } },
		{ "case 12: the dot", { TO_DOT, SLOW("250-slow\r\n") }, "DOT timeout in doubt",
		  10 * MINUTE_MS, { 0 } },
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
		"TLS handshake", 30000, { 0 }
	};

	(void)state;
	run(&row);
}

/*
 * The dot's reply has its own time, whatever is left of the delivery's. What too little is left for is not begun: 1 s for DATA, of a limit
 * of 200 s.
 */
static void test_delivery_time(void **state)
{
	static const struct row rows[] = {
		{ "the reply comes when the delivery's time is over",
		  { TO_DOT, SLEEP(2500), SEND("250 2.0.0 at last\r\n"), QUIT_OK }, "DOT 250", 2500, { 2000, 0 } },
		{ "no DATA",
		  { PLAIN, MAIL_OK, EXPECT("RCPT"), SLEEP(3200), SEND("250 2.1.5 ok\r\n"), DRAIN },
		  "DATA no time", 3200, { 4000, 200000 } },
		{ "time for DATA",
		  { PLAIN, MAIL_OK, EXPECT("RCPT"), SLEEP(2800), SEND("250 2.1.5 ok\r\n"), DATA_OK, DOT_OK, QUIT_OK },
		  "DOT 250", 2800, { 4000, 200000 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		run(&rows[i]);
}

/* Case 27: ten minutes for the final dot, less a second, and all who wait for it wait longer. */
static void test_late_answer(void **state)
{
	static const struct row row = {
		"case 27", { TO_DOT, SLEEP(599000), SEND("250 ok\r\n"), QUIT_OK }, "DOT 250",
		599000, { 0 }
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
		cmocka_unit_test(test_delivery_time),
		cmocka_unit_test(test_late_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
