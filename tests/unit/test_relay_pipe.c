/*
 * One message from pipe(8) (case 120): exit codes, the line that decides, wire form, and messages
 * cut short.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

#include "fake_edge.h"
#include "lib/dot_stuffing.h"
#include "lib/log.h"
#include "transport/pipe_front.h"
#include "transport/tunnel_link.h"
#include "transport/wire_form.h"

struct pipe_test {
	struct fake_edge edge;
	struct transport_setup setup;
	struct noise_keypair key;
	const char *sender, *recipient;
	uint64_t size;
	bool is_abandoned; /* the reader of our output dies together with the writer of our input */
	char output[2000];
};

/* Delivers `content` and returns the exit code. */
static int deliver_all(struct pipe_test *test, enum fake_edge_mode mode, const void *content,
		       size_t length)
{
	char *recipients[] = { (char *)(uintptr_t)test->recipient,
			       (char *)(uintptr_t) "second@example.net" };
	struct pipe_arguments arguments = { .queue_id = "4FXYZ",
					    .login = "",
					    .sender = test->sender,
					    .size = test->size,
					    .recipients = recipients,
					    .recipient_count = 1,
					    .parent = getppid() };
	struct tunnel_link link;
	struct relay relay;
	int in[2], out[2], code;
	ssize_t got = 0;

	fake_edge_start(&test->edge, mode);
	test->edge.info.size_max = 100000;
	noise_keypair_generate(&test->key);
	test->setup = (struct transport_setup){ .conf = { .connect_timeout = 5000 } };
	test->setup.key = noise_keypair_static_key(&test->key);
	test->setup.edges = (struct edge_table){ .edges = &test->edge.edge, .count = 1 };
	test->setup.routes.is_missing = true;
	if (strcmp(test->recipient, "two") == 0)
		arguments.recipient_count = 2;
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	fcntl(in[1], F_SETPIPE_SZ, 1 << 20);
	assert_int_equal(write(in[1], content, length), (ssize_t)length);
	close(in[1]);
	if (test->is_abandoned)
		close(out[0]);
	arguments.in_fd = in[0];
	arguments.out_fd = out[1];
	relay_init(&relay, tunnel_link_init(&link, &test->setup.key));
	code = pipe_front_run(&test->setup, &relay, &arguments);
	relay_wipe(&relay);
	close(out[1]);
	if (!test->is_abandoned) {
		got = read(out[0], test->output, sizeof(test->output) - 1);
		close(out[0]);
	}
	test->output[got < 0 ? 0 : got] = '\0';
	fake_edge_stop(&test->edge);
	return code;
}

static void check(const char *sender, const char *recipient, enum fake_edge_mode mode, int code,
		  const char *line)
{
	struct pipe_test test = { .sender = sender, .recipient = recipient };
	int got = deliver_all(&test, mode, "Subject: x\n\nbody\n", 17);

	if (got != code || strncmp(test.output, line, strlen(line)) != 0)
		fail_msg("<%s> to <%s>: exit %d, \"%s\"", sender, recipient, got, test.output);
	assert_null(strchr(test.output, '\n'));
}

static void test_outcomes(void **state)
{
	(void)state;
	check("s@home.example", "ok@example.net", FAKE_EDGE_GOOD, 0,
	      "edge.example.com: mx.example.net[192.0.2.9]:25 said: 250");
	check("", "ok@example.net", FAKE_EDGE_GOOD, 0, "edge.example.com: mx");
	check("<>", "ok@example.net", FAKE_EDGE_GOOD, 0, "edge.example.com: mx");
	check("s@home.example", "bounce@example.net", FAKE_EDGE_GOOD, 75,
	      "5.1.1 edge.example.com: host mx.example.net");
	check("s@home.example", "defer@example.net", FAKE_EDGE_GOOD, 75,
	      "4.7.1 edge.example.com: host mx.example.net");
	check("s@home.example", "ok-again@example.net", FAKE_EDGE_GOOD, 0,
	      "edge.example.com: mx.example.net[192.0.2.9]:25 said: 250 2.0.0 Ok: queued "
	      "(already delivered; answered from journal)");
	check("s@home.example", "bounce-again@example.net", FAKE_EDGE_GOOD, 75,
	      "5.1.1 edge.example.com: host mx.example.net[192.0.2.9] said: 550 5.1.1 no such user "
	      "(in reply to RCPT TO command) (answered from journal)");
	check("s@home.example", "missing@example.net", FAKE_EDGE_GOOD, 75,
	      "4.4.2 edge.example.com: outcome unknown");
	check("s@home.example", "ok@example.net", FAKE_EDGE_VANISH_AT_ENVELOPE, 75, "4.4.2 ");
	check("s@home.example", "ok@example.net", FAKE_EDGE_VANISH_AT_END, 75,
	      "4.4.2 edge.example.com: outcome unknown");
	check("s@home.example", "two", FAKE_EDGE_GOOD, 75,
	      "4.3.5 --pipe takes one recipient at a time");
	check("s@home.example", "no address", FAKE_EDGE_GOOD, 75, "5.1.3 ");
	check("s@home.example", "$(id)", FAKE_EDGE_GOOD, 75, "5.1.3 ");
	check("s", "ok@example.net", FAKE_EDGE_GOOD, 75, "5.1.7 ");
}

static void test_content(void **state)
{
	static const struct {
		const char *in;
		size_t length;
		const char *wire;
	} rows[] = {
		{ "", 0, "" },
		{ "a\nb\n", 4, "a\r\nb\r\n" },
		{ "no newline", 10, "no newline\r\n" },
		{ ".\n..\n.a\na.\n", 11, "..\r\n...\r\n..a\r\na.\r\n" },
		{ "crlf\r\nlf\n.\r\nx", 13, "crlf\r\nlf\r\n..\r\nx\r\n" },
		{ "a\rb\n\r.\n", 7, "a b\r\n .\r\n" },
		{ "cr\r", 3, "cr\r\n" },
	};
	struct pipe_test test = { .sender = "s@home.example", .recipient = "ok@example.net" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(deliver_all(&test, FAKE_EDGE_GOOD, rows[i].in, rows[i].length), 0);
		assert_int_equal(buffer_length(&fake_edge_content), strlen(rows[i].wire));
		if (strlen(rows[i].wire) > 0)
			assert_memory_equal(buffer_data(&fake_edge_content), rows[i].wire,
					    strlen(rows[i].wire));
		assert_true(test.edge.digest_is_good);
		assert_string_equal(test.edge.envelope.envelope.queue_id, "4FXYZ");
	}
}

static void test_size(void **state)
{
	static char large[200000];
	struct pipe_test test = { .sender = "s@home.example",
				  .recipient = "ok@example.net",
				  .size = 10 };

	(void)state;
	memset(large, 'x', sizeof(large));
	assert_int_equal(deliver_all(&test, FAKE_EDGE_GOOD, large, sizeof(large)), 75);
	assert_int_equal(strncmp(test.output, "5.3.4 ", 6), 0);
	assert_int_equal(test.edge.ends, 0);
}

/* pipe(8) died in the middle: half a message is not delivered. */
static void test_abandoned(void **state)
{
	struct pipe_test test = { .sender = "s@home.example",
				  .recipient = "ok@example.net",
				  .is_abandoned = true };

	(void)state;
	assert_int_equal(deliver_all(&test, FAKE_EDGE_GOOD, "half a mess", 11), 75);
	assert_int_equal(test.edge.ends, 0);
}

/* Cut at any byte the wire form is the same. */
static void test_wire_form_in_pieces(void **state)
{
	static const char in[] = ".a\n\n..b\r\n.\rc\n\r\n.";
	char whole[100], pieces[100];
	struct wire_form form;
	size_t whole_length, length;

	(void)state;
	wire_form_init(&form);
	whole_length = wire_form_convert(&form, in, sizeof(in) - 1, whole);
	whole_length += wire_form_end(&form, whole + whole_length);
	for (size_t cut = 0; cut < sizeof(in); cut++) {
		wire_form_init(&form);
		length = wire_form_convert(&form, in, cut, pieces);
		length += wire_form_convert(&form, in + cut, sizeof(in) - 1 - cut, pieces + length);
		length += wire_form_end(&form, pieces + length);
		assert_int_equal(length, whole_length);
		assert_memory_equal(pieces, whole, length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_wire_form_in_pieces),
	};

	signal(SIGPIPE, SIG_IGN);
	log_open("test_relay_pipe", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
