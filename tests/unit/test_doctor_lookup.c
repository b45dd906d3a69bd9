/* How the doctor asks a resolver: failures are asked for once, and a resolver that answers nothing
 * is given up, one that is slow for a name is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "doctor/lookup.h"
#include "lib/deadline.h"
#include "tests/fake/fake_dns.h"

static struct dns_resolver *resolver_of(const char *address)
{
	char *items[] = { (char *)(uintptr_t)address };
	struct conf_list list = { .items = items, .count = 1 };
	char error[200];
	struct dns_resolver *resolver = dns_resolver_create(&list, true, error, sizeof(error));

	assert_non_null(resolver);
	return resolver;
}

static enum dns_result ask(const struct lookup_source *source, const char *name,
			   enum dns_failure *failure)
{
	struct dns_answer answer;
	enum dns_result result;

	lookup_ask(source, name, DNS_TYPE_A, &answer);
	result = answer.result;
	*failure = answer.failure;
	dns_answer_wipe(&answer);
	return result;
}

static void test_failures_once(void **state)
{
	struct fake_dns *dns = fake_dns_start(
		"query good.example A\nanswer @ 300 IN A 192.0.2.1\nquery bad.example A\nrcode SERVFAIL\n");
	struct lookup_patience *patience = calloc(1, sizeof(*patience));
	struct lookup_source source;
	enum dns_failure failure;
	unsigned asked;

	(void)state;
	patience->resolver = resolver_of(dns->address);
	source = lookup_from_resolver(patience);
	assert_int_equal(ask(&source, "bad.example", &failure), DNS_ERROR);
	assert_int_equal(failure, DNS_FAILURE_SERVFAIL);
	asked = fake_dns_asked_count(dns);
	assert_int_equal(ask(&source, "BAD.example", &failure), DNS_ERROR);
	assert_int_equal(failure, DNS_FAILURE_SERVFAIL);
	assert_int_equal(fake_dns_asked_count(dns), asked);
	assert_int_equal(ask(&source, "good.example", &failure), DNS_FOUND);
	dns_resolver_destroy(patience->resolver);
	free(patience);
	fake_dns_stop(dns);
}

/* The silences are as if they had been: nobody has 20 s for a test. */
static void test_silence(void **state)
{
	struct fake_dns *dns = fake_dns_start(
		"query good.example A\nanswer @ 300 IN A 192.0.2.1\nquery silent.example A\ndrop\n");
	struct lookup_patience *patience = calloc(1, sizeof(*patience));
	struct lookup_source source;
	enum dns_failure failure;
	int64_t began;

	(void)state;
	patience->resolver = resolver_of(dns->address);
	source = lookup_from_resolver(patience);
	patience->silences = 100;
	assert_int_equal(ask(&source, "good.example", &failure), DNS_ERROR);
	assert_int_equal(failure, DNS_FAILURE_TIMEOUT);
	assert_int_equal(fake_dns_asked_count(dns), 0);
	/* It has answered before: only less patience. */
	patience->has_answered = true;
	began = deadline_now_ms();
	assert_int_equal(ask(&source, "silent.example", &failure), DNS_ERROR);
	assert_int_equal(failure, DNS_FAILURE_TIMEOUT);
	assert_in_range(deadline_now_ms() - began, 1000, 5000);
	assert_int_equal(ask(&source, "good.example", &failure), DNS_FOUND);
	assert_int_equal(patience->silences, 0);
	dns_resolver_destroy(patience->resolver);
	free(patience);
	fake_dns_stop(dns);
}

/* Of many silent names together, too, though others are answered in between. */
static void test_silence_in_all(void **state)
{
	struct fake_dns *dns = fake_dns_start("query good.example A\nanswer @ 300 IN A 192.0.2.1\n"
					      "query silent.example A\ndrop\n");
	struct lookup_patience *patience = calloc(1, sizeof(*patience));
	struct lookup_source source;
	enum dns_failure failure;

	(void)state;
	patience->resolver = resolver_of(dns->address);
	source = lookup_from_resolver(patience);
	assert_int_equal(ask(&source, "good.example", &failure), DNS_FOUND);
	patience->silent_ms = 179000;
	patience->silences = 2;
	assert_int_equal(ask(&source, "silent.example", &failure), DNS_ERROR);
	assert_in_range(patience->silent_ms, 180000, 190000);
	assert_int_equal(ask(&source, "good.example", &failure), DNS_ERROR);
	assert_int_equal(failure, DNS_FAILURE_TIMEOUT);
	dns_resolver_destroy(patience->resolver);
	free(patience);
	fake_dns_stop(dns);
}

/* SERVFAIL by chance, and an answer when asked again without checking, do not make it bogus. */
static void test_bogus_twice(void **state)
{
	struct fake_dns *dns = fake_dns_start("query chance.example A cd\nanswer @ 300 IN A 192.0.2.1\n"
					      "query chance.example A\nrcode SERVFAIL 1\nanswer @ 300 IN A 192.0.2.1\n"
					      "query bogus.example A cd\nanswer @ 300 IN A 192.0.2.1\n"
					      "query bogus.example A\nrcode SERVFAIL\n");
	struct lookup_patience *patience = calloc(1, sizeof(*patience));
	struct lookup_source source;
	struct dns_answer answer;

	(void)state;
	patience->resolver = resolver_of(dns->address);
	source = lookup_from_resolver(patience);
	lookup_ask(&source, "chance.example", DNS_TYPE_A, &answer);
	assert_int_equal(answer.result, DNS_FOUND);
	dns_answer_wipe(&answer);
	lookup_ask(&source, "bogus.example", DNS_TYPE_A, &answer);
	assert_int_equal(answer.trust, DNS_BOGUS);
	dns_answer_wipe(&answer);
	dns_resolver_destroy(patience->resolver);
	free(patience);
	fake_dns_stop(dns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failures_once),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_silence_in_all),
		cmocka_unit_test(test_bogus_twice),
	};

	return cmocka_run_group_tests_name("doctor_lookup", tests, NULL, NULL);
}
