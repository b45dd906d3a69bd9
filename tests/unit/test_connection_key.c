/* What makes two sessions interchangeable, and what does not: one difference per row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "edge/connection_key.h"

static uint8_t digest_a[4] = { 1, 2, 3, 4 }, digest_b[4] = { 1, 2, 3, 5 };

struct sample {
	struct sockaddr_storage address, source;
	struct dns_tlsa tlsa[2];
	struct dane_records dane;
	struct tls_terms terms;
	struct connection_identity identity;
};

static void set_address(struct sockaddr_storage *address, const char *text, int port)
{
	struct sockaddr_in *four = (struct sockaddr_in *)address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
	} else {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		assert_int_equal(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
	}
}

static void init(struct sample *sample)
{
	memset(sample, 0, sizeof(*sample));
	set_address(&sample->address, "192.0.2.1", 25);
	set_address(&sample->source, "198.51.100.1", 0);
	sample->tlsa[0] = (struct dns_tlsa){ 3, 1, 1, 4, digest_a };
	sample->tlsa[1] = (struct dns_tlsa){ 3, 1, 1, 4, digest_b };
	sample->dane = (struct dane_records){ .state = DANE_USABLE, .base_domain = "mx.example", .tlsa = sample->tlsa,
					      .count = 2 };
	sample->terms = (struct tls_terms){ .level = TLS_DANE, .check = TLS_CHECK_DANE, .label = "dane", .note = "",
					    .rule = "DANE", .sni = "mx.example", .names = { "mx.example" },
					    .name_count = 1, .dane = &sample->dane, .protocols = TLS_V1_3 };
	sample->identity = (struct connection_identity){ .address = &sample->address, .ehlo_name = "edge.example",
							 .relay = "", .terms = &sample->terms, .setup = 7 };
}

static void level(struct sample *s) { s->terms.level = TLS_DANE_ONLY; }
static void check_names(struct sample *s) { s->terms.check = TLS_CHECK_NAMES; }
static void name(struct sample *s) { strcpy(s->terms.names[0], "mx.examples"); }
static void two_names(struct sample *s) { strcpy(s->terms.names[1], "a"); s->terms.name_count = 2; }
static void san_only(struct sample *s) { s->terms.is_san_only = true; }
static void sni(struct sample *s) { s->terms.sni[0] = '\0'; }
static void requiretls(struct sample *s) { s->terms.needs_requiretls = true; }
static void testing(struct sample *s) { s->terms.is_test = true; }
static void protocols(struct sample *s) { s->terms.protocols = TLS_V1_2; }
static void ciphers(struct sample *s) { s->terms.ciphers = TLS_CIPHERS_HIGH; }
static void fingerprint(struct sample *s) { s->terms.fingerprint_count = 1; }
static void one_record(struct sample *s) { s->dane.count = 1; }
static void other_record(struct sample *s) { s->tlsa[1].usage = 2; }
static void base_domain(struct sample *s) { strcpy(s->dane.base_domain, "mx.example.net"); }
static void port(struct sample *s) { set_address(&s->address, "192.0.2.1", 587); }
static void address(struct sample *s) { set_address(&s->address, "192.0.2.2", 25); }
static void family(struct sample *s) { set_address(&s->address, "2001:db8::1", 25); }
static void source(struct sample *s) { s->identity.source = &s->source; }
static void ehlo_name(struct sample *s) { s->identity.ehlo_name = "other.example"; }
static void relay(struct sample *s) { s->identity.relay = "me"; }
static void setup(struct sample *s) { s->identity.setup = 8; }
/* no difference */
static void nothing(struct sample *s) { (void)s; }
static void rule(struct sample *s) { strcpy(s->terms.rule, "tls_policy:3"); }
static void order(struct sample *s)
{
	struct dns_tlsa first = s->tlsa[0];

	s->tlsa[0] = s->tlsa[1];
	s->tlsa[1] = first;
}
static void behind_the_address(struct sample *s) { memset((char *)&s->address + sizeof(struct sockaddr_in), 1, 8); }

static void test_differences(void **state)
{
	static const struct {
		void (*change)(struct sample *sample);
		const char *name;
		bool is_same;
	} rows[] = {
#define DIFFERS(change) { change, #change, false }
#define SAME(change) { change, #change, true }
		DIFFERS(level), DIFFERS(check_names), DIFFERS(name), DIFFERS(two_names), DIFFERS(san_only), DIFFERS(sni),
		DIFFERS(requiretls), DIFFERS(testing), DIFFERS(protocols), DIFFERS(ciphers), DIFFERS(fingerprint),
		DIFFERS(one_record), DIFFERS(other_record), DIFFERS(base_domain), DIFFERS(port), DIFFERS(address),
		DIFFERS(family), DIFFERS(source), DIFFERS(ehlo_name), DIFFERS(relay), DIFFERS(setup),
		SAME(nothing), SAME(rule), SAME(order), SAME(behind_the_address),
	};
	struct sample one, two;
	struct buffer left, right;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		init(&one);
		init(&two);
		rows[i].change(&two);
		buffer_init(&left, CONNECTION_KEY_MAX);
		buffer_init(&right, CONNECTION_KEY_MAX);
		assert_int_equal(connection_key_print(&left, &one.identity), 0);
		assert_int_equal(connection_key_print(&right, &two.identity), 0);
		if ((buffer_length(&left) == buffer_length(&right) &&
		     memcmp(buffer_data(&left), buffer_data(&right), buffer_length(&left)) == 0) != rows[i].is_same)
			fail_msg("%s", rows[i].name);
		buffer_wipe(&left);
		buffer_wipe(&right);
	}
}

/* Two neighbouring texts cannot be cut at another place. */
static void test_no_ambiguity(void **state)
{
	struct sample one, two;
	struct buffer left, right;

	(void)state;
	init(&one);
	init(&two);
	one.identity.ehlo_name = "ab";
	one.identity.relay = "c";
	two.identity.ehlo_name = "a";
	two.identity.relay = "bc";
	buffer_init(&left, CONNECTION_KEY_MAX);
	buffer_init(&right, CONNECTION_KEY_MAX);
	assert_int_equal(connection_key_print(&left, &one.identity), 0);
	assert_int_equal(connection_key_print(&right, &two.identity), 0);
	assert_int_equal(buffer_length(&left), buffer_length(&right));
	assert_memory_not_equal(buffer_data(&left), buffer_data(&right), buffer_length(&left));
	buffer_wipe(&left);
	buffer_wipe(&right);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_no_ambiguity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
