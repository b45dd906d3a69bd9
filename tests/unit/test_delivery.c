/*
 * One message to many recipients: how they are grouped, that each is answered exactly once, and
 * what the walk through the mail exchangers makes of theirs. DNS is answered by a fake; the mail
 * server needs port 25 of a loopback address, hence root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/log.h"
#include "tests/fake/fake_dns.h"
#include "tests/unit/delivery_fixture.h"

/* ---- grouping ---- */

static const char zones[] =
	"query null.example MX\nanswer @ 60 IN MX 0 .\n"
	"query gone.example MX\nrcode NXDOMAIN\n"
	"query slow.example MX\ndelay 1000\nrcode NXDOMAIN\n"
	"query * MX\nrcode SERVFAIL\n";

static void test_domains_are_looked_up_once(void **state)
{
	static const struct {
		const char *local_part, *domain, *code;
	} rows[] = {
		{ "a", "gone.example", "5.1.2" },   { "b", "null.example", "5.1.10" },
		{ "c", "GONE.example", "5.1.2" },   { "a", "Gone.Example", "5.1.2" },
		{ "d", "NULL.EXAMPLE", "5.1.10" },  { "A", "gone.example", "5.1.2" },
		{ "e", "broken.example", "4.4.3" },
	};
	struct fake_dns *dns = fake_dns_start(zones);
	struct fixture *fixture = start(dns->address, "");

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		add(fixture, rows[i].local_part, rows[i].domain);
	run(fixture);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_status(fixture, i, rows[i].code, "");
	fake_dns_stop(dns);
	finish(fixture);
}

/* The number of questions is that of the domains. */
static void test_one_question_per_domain(void **state)
{
	struct fake_dns *dns = fake_dns_start(zones);
	struct fixture *fixture = start(dns->address, "");

	(void)state;
	for (int i = 0; i < 30; i++) {
		char local_part[20];

		snprintf(local_part, sizeof(local_part), "user%d", i);
		add(fixture, local_part,
		    i % 3 == 0	 ? "gone.example"
		    : i % 3 == 1 ? "GONE.EXAMPLE"
				 : "null.example");
	}
	run(fixture);
	assert_int_equal(fake_dns_asked_count(dns), 2);
	fake_dns_stop(dns);
	finish(fixture);
}

static void add_thousand(struct fixture *fixture)
{
	for (unsigned i = 0; i < RECIPIENTS_MAX; i++) {
		char local_part[20], domain[40];

		snprintf(local_part, sizeof(local_part), "user%u",
			 i / 600); /* some addresses come twice */
		snprintf(domain, sizeof(domain), "d%u.%s", i % 300,
			 i % 2 == 0 ? "example" : "EXAMPLE");
		add(fixture, local_part, domain);
	}
}

static void test_thousand_recipients(void **state)
{
	struct fake_dns *dns = fake_dns_start(zones);
	struct fixture *fixture = start(dns->address, "parallel_destinations = 50;\n");

	(void)state;
	add_thousand(fixture);
	run(fixture);
	for (size_t i = 0; i < RECIPIENTS_MAX; i++)
		check_status(fixture, i, "4.4.3", "SERVFAIL");
	fake_dns_stop(dns);
	finish(fixture);
}

/* The mail host's patience is over before anything was tried: nobody is forgotten all the same. */
static void test_no_time(void **state)
{
	struct fixture *fixture = start("127.0.0.1@1", "parallel_destinations = 3;\n");

	(void)state;
	fixture->deadline = deadline_in_ms(0);
	add_thousand(fixture);
	run(fixture);
	for (size_t i = 0; i < RECIPIENTS_MAX; i++)
		assert_int_equal(fixture->outcomes[i].status.action, DELIVERY_DELAYED);
	finish(fixture);
}

static void test_slow_domain_delays_nobody(void **state)
{
	struct fake_dns *dns = fake_dns_start(zones);
	struct fixture *fixture = start(dns->address, "");

	(void)state;
	add(fixture, "a", "slow.example");
	/* needs no DNS; the fake one answers one question after the other */
	add(fixture, "b", "[192.0.2.300]");
	add(fixture, "c", "slow.example");
	run(fixture);
	assert_int_equal(fixture->outcomes[1].place, 1);
	check_status(fixture, 0, "5.1.2", "slow.example");
	check_status(fixture, 1, "5.1.2", "");
	assert_int_equal(fixture->load.threads, 0);
	fake_dns_stop(dns);
	finish(fixture);
}

/* No thread to spare: one domain after the other, and the count of threads comes back to nothing. */
static void test_no_further_threads(void **state)
{
	struct fake_dns *dns = fake_dns_start(zones);
	struct fixture *fixture = start(dns->address, "delivery_threads = 0;\n");

	(void)state;
	add(fixture, "a", "gone.example");
	add(fixture, "b", "null.example");
	add(fixture, "c", "slow.example");
	run(fixture);
	check_status(fixture, 0, "5.1.2", "");
	check_status(fixture, 1, "5.1.10", "");
	check_status(fixture, 2, "5.1.2", "");
	assert_int_equal(fixture->outcomes[0].place, 1);
	assert_int_equal(fixture->load.threads, 0);
	fake_dns_stop(dns);
	finish(fixture);
}

/* One address given three times: answered three times, together. */
static void test_duplicates_are_answered(void **state)
{
	struct fake_dns *dns = fake_dns_start(zones);
	struct fixture *fixture = start(dns->address, "parallel_destinations = 1;\n");

	(void)state;
	add(fixture, "user", "gone.example");
	add(fixture, "a", "null.example");
	add(fixture, "user", "GONE.example");
	add(fixture, "other", "gone.example");
	add(fixture, "user", "gone.example");
	run(fixture);
	assert_int_equal(fixture->outcomes[2].place, fixture->outcomes[0].place + 1);
	assert_int_equal(fixture->outcomes[4].place, fixture->outcomes[0].place + 2);
	fake_dns_stop(dns);
	finish(fixture);
}

/* ---- a destination that has enough ---- */

/* Takes the place that others would deliver in. */
static void occupy(struct fixture *fixture, const char *domain, struct destination_place *place)
{
	struct destination_request request = {
		.domain = domain,
		.limit = (size_t)fixture->setup->conf.destination_concurrency_limit,
		.deadline = DEADLINE_NEVER,
	};

	assert_int_equal(destination_enter(&fixture->destinations, &request, place),
			 DESTINATION_ENTERED);
}

/*
 * All of that domain's recipients are for later; the other domain is none the worse for it. Without the deadline they would stand in line for
 * DESTINATION_WAIT_MAX_MS.
 */
static void test_busy_destination(void **state)
{
	struct fake_dns *dns = fake_dns_start(zones);
	struct fixture *fixture = start(dns->address, "destination_concurrency_limit = 1;\n");
	struct destination_place place;
	int64_t before_ms;

	(void)state;
	occupy(fixture, "gone.example", &place);
	fixture->deadline = deadline_in_ms(3000);
	before_ms = deadline_now_ms();
	add(fixture, "a", "GONE.example");
	add(fixture, "b", "null.example");
	add(fixture, "c", "gone.example");
	run(fixture);
	assert_true(deadline_now_ms() - before_ms < DESTINATION_WAIT_MAX_MS - 5000);
	check_status(fixture, 0, "4.3.2",
		     "451 4.3.2 destination GONE.example is busy: 1 deliveries active, 0 waiting");
	check_status(fixture, 1, "5.1.10", "");
	check_status(fixture, 2, "4.3.2", "is busy");
	assert_int_equal(fixture->outcomes[1].place, 1);
	assert_int_equal(fake_dns_asked_count(dns), 1);
	destination_leave(&fixture->destinations, &place, NULL);
	fake_dns_stop(dns);
	finish(fixture);
}

static void test_waits_for_its_turn(void **state)
{
	struct fake_dns *dns = fake_dns_start(zones);
	struct fixture *fixture = start(dns->address, "destination_concurrency_limit = 1;\n");
	struct destination_place place;
	pthread_t thread;

	(void)state;
	occupy(fixture, "gone.example", &place);
	add(fixture, "a", "gone.example");
	assert_int_equal(pthread_create(&thread, NULL, run_delivery, fixture), 0);
	usleep(300000);
	assert_int_equal(fake_dns_asked_count(dns), 0);
	destination_leave(&fixture->destinations, &place, NULL);
	pthread_join(thread, NULL);
	check_all_answered(fixture);
	check_status(fixture, 0, "5.1.2", "");
	fake_dns_stop(dns);
	finish(fixture);
}

/* ---- with a mail server ---- */

/* So little time is left that the message could not be brought to its end: the server is not troubled. */
static void test_too_late_to_connect(void **state)
{
	struct mx mx = { 0 };
	struct fixture *fixture;

	(void)state;
	if (!have_port_25())
		skip();
	fixture = start_with(&mx);
	fixture->deadline = deadline_in_ms(4500);
	add(fixture, "ok1", MX_DOMAIN);
	run(fixture);
	mx_stop(&mx);
	assert_int_equal(mx.connections, 0);
	check_status(fixture, 0, "4.4.7", "no time left for this delivery attempt");
	finish(fixture);
}

static void test_verdicts(void **state)
{
	struct mx mx = { 0 };
	struct fixture *fixture;

	(void)state;
	if (!have_port_25())
		skip();
	fixture = start_with(&mx);
	add(fixture, "ok1", MX_DOMAIN);
	add(fixture, "bad", MX_DOMAIN);
	add(fixture, "later", MX_DOMAIN);
	add(fixture, "ok2", MX_DOMAIN);
	add(fixture, "ok1", MX_DOMAIN);		/* once delivered, twice answered */
	add(fixture, "OK1", MX_DOMAIN);		/* another mailbox, for all we know */
	run(fixture);
	mx_stop(&mx);
	assert_int_equal(mx.connections, 1);
	assert_int_equal(mx.transactions, 1);
	assert_int_equal(mx.asked, 5);
	assert_int_equal(mx.accepted, 3);
	check_status(fixture, 0, "2.0.0", MX_DOMAIN "[" MX_ADDRESS "]:25");
	check_status(fixture, 1, "5.1.1",
		     "said: 550 5.1.1 no such user (in reply to RCPT TO command)");
	check_status(fixture, 2, "4.2.0",
		     "said: 450 4.2.0 greylisted (in reply to RCPT TO command)");
	check_status(fixture, 3, "2.0.0", "");
	check_status(fixture, 4, "2.0.0", MX_DOMAIN "[" MX_ADDRESS "]:25");
	check_status(fixture, 5, "2.0.0", "");
	/* our field, then the content as it came */
	assert_ptr_equal(
		strstr(mx.content, "Received: by relay.test.example (postern) id 4XyZ;\r\n\t"),
		mx.content);
	assert_string_equal(strstr(mx.content, "+0000\r\n") + strlen("+0000\r\n"), MESSAGE);
	finish(fixture);
}

static void add_many(struct fixture *fixture, const char *local_part, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char text[40];

		snprintf(text, sizeof(text), "%s%u", local_part, i);
		add(fixture, text, MX_DOMAIN);
	}
}

/*
 * More recipients than one transaction takes, none of them accepted: every one is asked for, and
 * gets the server's words.
 */
static void test_many_greylisted(void **state)
{
	struct mx mx = { 0 };
	struct fixture *fixture;

	(void)state;
	if (!have_port_25())
		skip();
	fixture = start_with(&mx);
	add_many(fixture, "later", 250);
	run(fixture);
	mx_stop(&mx);
	assert_int_equal(mx.connections, 1);
	assert_int_equal(mx.asked, 250);
	for (size_t i = 0; i < 250; i++)
		check_status(fixture, i, "4.2.0", "greylisted");
	finish(fixture);
}

/* RFC 5321 4.5.3.1.10: the rest goes in further transactions. */
static void test_too_many_for_the_server(void **state)
{
	struct mx mx = { .recipients_max = 40 };
	struct fixture *fixture;

	(void)state;
	if (!have_port_25())
		skip();
	fixture = start_with(&mx);
	add_many(fixture, "ok", 130);
	run(fixture);
	mx_stop(&mx);
	assert_int_equal(mx.accepted, 130);
	assert_int_equal(mx.connections, 1);
	for (size_t i = 0; i < 130; i++)
		check_status(fixture, i, "2.0.0", "");
	finish(fixture);
}

/* The server has enough after the first transaction. The rest waits, with a reason that is true. */
static void test_server_leaves_early(void **state)
{
	struct mx mx = { .transactions_max = 1 };
	struct fixture *fixture;
	unsigned sent = 0, told = 0, lost = 0;

	(void)state;
	if (!have_port_25())
		skip();
	fixture = start_with(&mx);
	add_many(fixture, "ok", 250);
	run(fixture);
	mx_stop(&mx);
	for (size_t i = 0; i < 250; i++) {
		const struct delivery_status *status = &fixture->outcomes[i].status;

		assert_string_equal(status->remote_address, MX_ADDRESS);
		sent += status->action == DELIVERY_RELAYED;
		told += status->reply.code == 421;
		lost += strstr(status->reason, "lost connection while sending MAIL FROM") != NULL;
	}
	assert_int_equal(sent, 100);
	assert_int_equal(told, 100);
	assert_int_equal(lost, 50);
	finish(fixture);
}

static void test_refused(void **state)
{
	struct fixture *fixture;

	(void)state;
	if (!have_port_25())
		skip();		/* somebody listens everywhere */
	fixture = start("127.0.0.1@1", ALLOW);
	add(fixture, "user", "[" CLOSED_ADDRESS "]");
	run(fixture);
	check_status(fixture, 0, "4.4.1",
		     "connect to [" CLOSED_ADDRESS "][" CLOSED_ADDRESS "]:25: Connection refused");
	finish(fixture);
}

/* Without allow_destinations no connection is tried. */
static void test_guarded(void **state)
{
	struct fixture *fixture = start("127.0.0.1@1", "");

	(void)state;
	add(fixture, "user", MX_DOMAIN);
	run(fixture);
	check_status(fixture, 0, "5.4.4", "address refused");
	finish(fixture);
}

/* ---- the end of the edge ---- */

static void cancel(struct fixture *fixture)
{
	atomic_store(&fixture->end.phase, EDGE_CANCELLING);
	assert_int_equal(eventfd_write(fixture->end.cancel_fd, 1), 0);
	destination_table_stop(&fixture->destinations);
}

static void test_cancelled_before(void **state)
{
	struct fixture *fixture = start("127.0.0.1@1", ALLOW);

	(void)state;
	cancel(fixture);
	add(fixture, "user", "[" CLOSED_ADDRESS "]");
	run(fixture);
	check_status(fixture, 0, "4.3.2", "stopping");
	finish(fixture);
}

/* A connect that hangs (the server's queue is full) does not hold the end up. */
static void test_cancelled_while_connecting(void **state)
{
	struct sockaddr_in target = { .sin_family = AF_INET, .sin_port = htons(25) };
	int listening, fillers[4];
	struct fixture *fixture;
	int64_t before_ms;
	pthread_t thread;

	(void)state;
	if (!have_port_25())
		skip();
	listening = listen_at(FULL_ADDRESS, 0);
	inet_pton(AF_INET, FULL_ADDRESS, &target.sin_addr);
	for (size_t i = 0; i < 4; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(fillers[i], (struct sockaddr *)&target, sizeof(target));
	}
	usleep(50000);
	fixture = start("127.0.0.1@1", ALLOW);
	add(fixture, "user", "[" FULL_ADDRESS "]");
	assert_int_equal(pthread_create(&thread, NULL, run_delivery, fixture), 0);
	usleep(200000);
	before_ms = deadline_now_ms();
	cancel(fixture);
	pthread_join(thread, NULL);
	assert_true(deadline_now_ms() - before_ms < SMTP_CONNECT_TIMEOUT_MS - 5000);
	check_all_answered(fixture);
	check_status(fixture, 0, "4.3.2", "stopping");
	for (size_t i = 0; i < 4; i++)
		close(fillers[i]);
	close(listening);
	finish(fixture);
}

/* Nor does a destination that has enough; who stood there to the end would find it busy. */
static void test_cancelled_in_line(void **state)
{
	struct fixture *fixture = start("127.0.0.1@1", ALLOW "destination_concurrency_limit = 1;\n");
	struct destination_place place;
	pthread_t thread;

	(void)state;
	occupy(fixture, "gone.example", &place);
	add(fixture, "a", "gone.example");
	assert_int_equal(pthread_create(&thread, NULL, run_delivery, fixture), 0);
	usleep(200000);
	cancel(fixture);
	pthread_join(thread, NULL);
	check_all_answered(fixture);
	check_status(fixture, 0, "4.3.2", "the edge is stopping");
	destination_leave(&fixture->destinations, &place, NULL);
	finish(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domains_are_looked_up_once),
		cmocka_unit_test(test_one_question_per_domain),
		cmocka_unit_test(test_thousand_recipients),
		cmocka_unit_test(test_no_time),
		cmocka_unit_test(test_slow_domain_delays_nobody),
		cmocka_unit_test(test_no_further_threads),
		cmocka_unit_test(test_duplicates_are_answered),
		cmocka_unit_test(test_busy_destination),
		cmocka_unit_test(test_waits_for_its_turn),
		cmocka_unit_test(test_too_late_to_connect),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_many_greylisted),
		cmocka_unit_test(test_too_many_for_the_server),
		cmocka_unit_test(test_server_leaves_early),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_guarded),
		cmocka_unit_test(test_cancelled_before),
		cmocka_unit_test(test_cancelled_while_connecting),
		cmocka_unit_test(test_cancelled_in_line),
	};

	log_open("test", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
