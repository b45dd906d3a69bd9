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

struct place {
	struct fake_dns *dns;
	struct lookup_patience *patience;
	struct lookup_source source;
};

static void set_up(struct place *place, const char *replay)
{
	place->dns = fake_dns_start(replay);
	place->patience = calloc(1, sizeof(*place->patience));
	place->patience->resolver = resolver_of(place->dns->address);
	place->source = lookup_from_resolver(place->patience);
}

static void tear_down(struct place *place)
{
	dns_resolver_destroy(place->patience->resolver);
	free(place->patience);
	fake_dns_stop(place->dns);
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
	struct place place;
	enum dns_failure failure;
	unsigned asked;

	(void)state;
	set_up(&place, "query good.example A\nanswer @ 300 IN A 192.0.2.1\nquery bad.example A\nrcode SERVFAIL\n");
	assert_int_equal(ask(&place.source, "bad.example", &failure), DNS_ERROR);
	assert_int_equal(failure, DNS_FAILURE_SERVFAIL);
	asked = fake_dns_asked_count(place.dns);
	assert_int_equal(ask(&place.source, "BAD.example", &failure), DNS_ERROR);
	assert_int_equal(failure, DNS_FAILURE_SERVFAIL);
	assert_int_equal(fake_dns_asked_count(place.dns), asked);
	assert_int_equal(ask(&place.source, "good.example", &failure), DNS_FOUND);
	tear_down(&place);
}

/* The silences are as if they had been: nobody has 20 s for a test. */
static void test_silence(void **state)
{
	struct place place;
	enum dns_failure failure;
	int64_t began;

	(void)state;
	set_up(&place, "query good.example A\nanswer @ 300 IN A 192.0.2.1\nquery silent.example A\ndrop\n");
	place.patience->silences = 100;
	assert_int_equal(ask(&place.source, "good.example", &failure), DNS_ERROR);
	assert_int_equal(failure, DNS_FAILURE_TIMEOUT);
	assert_int_equal(fake_dns_asked_count(place.dns), 0);
	/* It has answered before: only less patience. */
	place.patience->has_answered = true;
	began = deadline_now_ms();
	assert_int_equal(ask(&place.source, "silent.example", &failure), DNS_ERROR);
	assert_int_equal(failure, DNS_FAILURE_TIMEOUT);
	assert_true(deadline_now_ms() - began >= 1000);
	/* One who is as patient as before asks a third time. */
	assert_true(fake_dns_asked_count(place.dns) <= 2);
	assert_int_equal(ask(&place.source, "good.example", &failure), DNS_FOUND);
	assert_int_equal(place.patience->silences, 0);
	tear_down(&place);
}

/* Of many silent names together, too, though others are answered in between. */
static void test_silence_in_all(void **state)
{
	struct place place;
	enum dns_failure failure;

	(void)state;
	set_up(&place, "query good.example A\nanswer @ 300 IN A 192.0.2.1\n"
		       "query silent.example A\ndrop\n");
	assert_int_equal(ask(&place.source, "good.example", &failure), DNS_FOUND);
	place.patience->silent_ms = 179000;
	place.patience->silences = 2;
	assert_int_equal(ask(&place.source, "silent.example", &failure), DNS_ERROR);
	assert_true(place.patience->silent_ms >= 180000);
	assert_int_equal(ask(&place.source, "good.example", &failure), DNS_ERROR);
	assert_int_equal(failure, DNS_FAILURE_TIMEOUT);
	tear_down(&place);
}

/* SERVFAIL by chance, and an answer when asked again without checking, do not make it bogus. */
static void test_bogus_twice(void **state)
{
	struct place place;
	struct dns_answer answer;

	(void)state;
	set_up(&place, "query chance.example A cd\nanswer @ 300 IN A 192.0.2.1\n"
		       "query chance.example A\nrcode SERVFAIL 1\nanswer @ 300 IN A 192.0.2.1\n"
		       "query bogus.example A cd\nanswer @ 300 IN A 192.0.2.1\n"
		       "query bogus.example A\nrcode SERVFAIL\n");
	lookup_ask(&place.source, "chance.example", DNS_TYPE_A, &answer);
	assert_int_equal(answer.result, DNS_FOUND);
	dns_answer_wipe(&answer);
	lookup_ask(&place.source, "bogus.example", DNS_TYPE_A, &answer);
	assert_int_equal(answer.trust, DNS_BOGUS);
	dns_answer_wipe(&answer);
	tear_down(&place);
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
