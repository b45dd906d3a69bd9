/*
 * Mail that goes to relays: whose mail is grouped with whose, what it shares, and that what is wrong
 * with a relay never fails mail. The relay needs port 25 of a loopback address, hence root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MX_ADDRESS "127.0.0.87"
#include "tests/fake/fake_dns.h"
#include "tests/unit/delivery_fixture.h"
#include "tests/unit/file_place.h"

#define RELAY "[" MX_ADDRESS "]:25"

static struct file_place table_place;

/* A delivery whose edge has this table of relays. */
static struct fixture *start_relayed(const char *resolver, const char *more_conf, const char *table)
{
	char conf[600];

	file_place_write(&table_place, table, 0644);
	snprintf(conf, sizeof(conf), "%srelay = \"%s\";\n", more_conf, table_place.path);
	return start(resolver, conf);
}

/* The relay is there for the delivery, and *mx is what it has seen of it. */
static void run_with_relay(struct fixture *fixture, struct mx *mx)
{
	mx_start(mx);
	run(fixture);
	mx_stop(mx);
}

static const char zones[] = "query gone.example MX\nrcode NXDOMAIN\n"
			    "query relay.example A\nanswer @ 60 IN A " MX_ADDRESS "\n"
			    "query nowhere.example A\nrcode NXDOMAIN\n"
			    "query broken.example A\nrcode SERVFAIL\n";

/* One message to three domains of one relay, and to one that has none: one transaction. */
static void test_domains_share_a_transaction(void **state)
{
	struct mx mx = { 0 };
	struct fake_dns *dns;
	struct fixture *fixture;

	(void)state;
	if (!have_port_25())
		skip();
	dns = fake_dns_start(zones);
	fixture = start_relayed(dns->address, ALLOW,
				"*            " RELAY " tls=none auth=no\n"
				"gone.example direct\n");
	add(fixture, "ok1", "one.example");
	add(fixture, "x", "gone.example");
	add(fixture, "ok2", "two.example");
	add(fixture, "bad", "three.example");
	add(fixture, "ok1", "ONE.example");	/* once delivered, twice answered */
	run_with_relay(fixture, &mx);
	assert_int_equal(mx.connections, 1);
	assert_int_equal(mx.transactions, 1);
	assert_int_equal(mx.asked, 3);
	assert_int_equal(mx.dots, 1);
	assert_int_equal(fake_dns_asked_count(dns), 1);	/* gone.example's */
	check_status(fixture, 0, "2.0.0", "[" MX_ADDRESS "]:25");
	check_status(fixture, 1, "5.1.2", "gone.example");
	check_status(fixture, 2, "2.0.0", "");
	check_status(fixture, 3, "5.1.1", "no such user");
	check_status(fixture, 4, "2.0.0", "");
	fake_dns_stop(dns);
	finish(fixture);
}

/* In brackets it is a host: its address is asked for, and nothing else. */
static void test_host_is_looked_up(void **state)
{
	struct mx mx = { 0 };
	struct fake_dns *dns;
	struct fixture *fixture;

	(void)state;
	if (!have_port_25())
		skip();
	dns = fake_dns_start(zones);
	fixture = start_relayed(dns->address, ALLOW, "one.example [Relay.example] tls=none auth=no\n");
	add(fixture, "ok", "one.example");
	run_with_relay(fixture, &mx);
	assert_int_equal(fake_dns_asked_count(dns), 1);
	check_status(fixture, 0, "2.0.0", "relay.example[" MX_ADDRESS "]:25");
	fake_dns_stop(dns);
	finish(fixture);
}

/* Places are the relay's: mail to one of its domains stands in line for all of them. */
static void test_domains_share_places(void **state)
{
	struct fixture *fixture = start_relayed("127.0.0.1@1",
						ALLOW "destination_concurrency_limit = 1;\n",
						"* " RELAY " tls=none auth=no\n");
	struct destination_place place;

	(void)state;
	assert_int_equal(destination_enter(&fixture->destinations,
					   &(struct destination_request){ .domain = RELAY,
									  .limit = 1,
									  .deadline = DEADLINE_NEVER },
					   &place),
			 DESTINATION_ENTERED);
	fixture->deadline = deadline_in_ms(2000);
	add(fixture, "a", "one.example");
	add(fixture, "b", "two.example");
	run(fixture);
	for (size_t i = 0; i < 2; i++)
		check_status(fixture, i, "4.3.2",
			     "destination " RELAY " is busy: 1 deliveries active, 0 waiting");
	destination_leave(&fixture->destinations, &place, NULL);
	finish(fixture);
}

/* The same servers and answers fail mail of a domain that has no relay. */
static void test_trouble_with_relay_is_temporary(void **state)
{
	static const struct {
		const char *relay, *more_conf, *code, *words;
	} rows[] = {
		{ RELAY " tls=none auth=no", "", "4.4.4", "address refused: a loopback address" },
		{ "[nowhere.example]:587", ALLOW, "4.4.4", "host nowhere.example has no IPv4 address" },
		{ "gone.example:587", ALLOW, "4.1.2", "domain gone.example does not exist" },
		{ "[broken.example]:587", ALLOW, "4.4.3", "SERVFAIL" },
		{ "[" CLOSED_ADDRESS "]:2 tls=none auth=no", ALLOW, "4.4.1",
		  "[" CLOSED_ADDRESS "]:2: Connection refused" },
	};
	struct fake_dns *dns = fake_dns_start(zones);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char table[200];
		struct fixture *fixture;

		snprintf(table, sizeof(table), "one.example %s\n", rows[i].relay);
		fixture = start_relayed(dns->address, rows[i].more_conf, table);
		add(fixture, "a", "one.example");
		run(fixture);
		check_status(fixture, 0, rows[i].code, rows[i].words);
		assert_int_equal(fixture->outcomes[0].status.action, DELIVERY_DELAYED);
		finish(fixture);
	}
	fake_dns_stop(dns);
}

static void test_login_wanted(void **state)
{
	struct mx mx = { 0 };
	struct fixture *fixture;

	(void)state;
	if (!have_port_25())
		skip();
	fixture = start_relayed("127.0.0.1@1", ALLOW, "one.example " RELAY " tls=none auth=no\n");
	add(fixture, "login", "one.example");
	add(fixture, "login", MX_DOMAIN);
	run_with_relay(fixture, &mx);
	check_status(fixture, 0, "4.7.0", "said: 530 5.7.0 Authentication required");
	check_status(fixture, 1, "5.7.0", "said: 530 5.7.0 Authentication required");
	finish(fixture);
}

/* A level that demands TLS holds for the relay, whatever tls_security_level says. */
static void test_relay_has_its_own_level(void **state)
{
	struct mx mx = { 0 };
	struct fixture *fixture;

	(void)state;
	if (!have_port_25())
		skip();
	fixture = start_relayed("127.0.0.1@1", ALLOW, "one.example " RELAY " match=mx.example\n");
	add(fixture, "ok", "one.example");
	run_with_relay(fixture, &mx);
	assert_int_equal(mx.transactions, 0);
	check_status(fixture, 0, "4.7.4", "TLS is required, but was not offered (demanded by /tmp/");
	check_status(fixture, 0, "4.7.4", ":1: secure; see: openssl s_client -starttls smtp");
	finish(fixture);
}

static int make_place(void **state)
{
	(void)state;
	return file_place_init(&table_place, "relay");
}

static int remove_place(void **state)
{
	(void)state;
	file_place_wipe(&table_place);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domains_share_a_transaction),
		cmocka_unit_test(test_host_is_looked_up),
		cmocka_unit_test(test_domains_share_places),
		cmocka_unit_test(test_trouble_with_relay_is_temporary),
		cmocka_unit_test(test_login_wanted),
		cmocka_unit_test(test_relay_has_its_own_level),
	};

	return cmocka_run_group_tests(tests, make_place, remove_place);
}
