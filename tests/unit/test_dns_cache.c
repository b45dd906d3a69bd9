/*
 * Answers are used again within their TTL and the administrator's limit, with all that was said of them; failures never.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/dns_cache.h"
#include "tests/fake/fake_dns.h"

#define KEEP_MS 30000
#define NOW_MS 1000000

static struct dns_cache *cache_of(void)
{
	struct dns_cache *cache = dns_cache_create(KEEP_MS);

	assert_non_null(cache);
	return cache;
}

static struct dns_answer answer_of(uint32_t ttl_s, enum dns_trust trust)
{
	struct dns_answer answer = { .result = DNS_FOUND, .trust = trust, .ttl_s = ttl_s, .count = 2, .name = "mx.example" };

	answer.mx = calloc(2, sizeof(*answer.mx));
	answer.mx[0].preference = 10;
	strcpy(answer.mx[1].exchange, "second.example");
	return answer;
}

/* What is found, when, and whether it is. */
static void check(struct dns_cache *cache, const char *name, enum dns_type type, int64_t after_ms, bool is_there)
{
	struct dns_answer found = { 0 };

	assert_int_equal(dns_cache_find(cache, name, type, NOW_MS + after_ms, &found), is_there);
	dns_answer_wipe(&found);
}

static void test_time(void **state)
{
	static const struct row {
		uint32_t ttl_s;
		int64_t last_ms;	/* still there */
	} rows[] = { { 5, 4999 }, { 29, 28999 }, { 30, 29999 }, { 31, 29999 }, { 86400, 29999 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dns_cache *cache = cache_of();
		struct dns_answer answer = answer_of(rows[i].ttl_s, DNS_INSECURE);

		dns_cache_add(cache, "a.example", DNS_TYPE_MX, NOW_MS, &answer);
		check(cache, "a.example", DNS_TYPE_MX, 0, true);
		check(cache, "a.example", DNS_TYPE_MX, rows[i].last_ms, true);
		check(cache, "a.example", DNS_TYPE_MX, rows[i].last_ms + 1, false);
		check(cache, "a.example", DNS_TYPE_A, 0, false);
		check(cache, "b.example", DNS_TYPE_MX, 0, false);
		dns_answer_wipe(&answer);
		dns_cache_destroy(cache);
	}
}

static void test_whole(void **state)
{
	static const char *const records[] = { "one", "" };
	struct dns_cache *cache = cache_of();
	struct dns_answer mx = answer_of(300, DNS_SECURE), tlsa = { .trust = DNS_SECURE, .ttl_s = 60, .count = 1 },
			  txt = { .trust = DNS_INSECURE, .ttl_s = 60, .count = 2 },
			  nothing = { .result = DNS_NODATA, .trust = DNS_SECURE, .ttl_s = 5 }, found;

	(void)state;
	tlsa.tlsa = calloc(1, sizeof(*tlsa.tlsa));
	tlsa.tlsa[0] = (struct dns_tlsa){ .usage = 3, .selector = 1, .matching_type = 1, .length = 3, .data = malloc(3) };
	memcpy(tlsa.tlsa[0].data, "abc", 3);
	txt.txt = calloc(2, sizeof(*txt.txt));
	for (size_t i = 0; i < 2; i++)
		txt.txt[i] = strdup(records[i]);
	dns_cache_add(cache, "a.example", DNS_TYPE_MX, NOW_MS, &mx);
	dns_cache_add(cache, "a.example", DNS_TYPE_TLSA, NOW_MS, &tlsa);
	dns_cache_add(cache, "a.example", DNS_TYPE_TXT, NOW_MS, &txt);
	dns_cache_add(cache, "a.example", DNS_TYPE_AAAA, NOW_MS, &nothing);
	dns_answer_wipe(&mx);
	dns_answer_wipe(&tlsa);
	dns_answer_wipe(&txt);
	assert_true(dns_cache_find(cache, "a.example", DNS_TYPE_MX, NOW_MS, &found));
	assert_int_equal(found.trust, DNS_SECURE);
	assert_int_equal(found.count, 2);
	assert_int_equal(found.ttl_s, 300);
	assert_int_equal(found.mx[0].preference, 10);
	assert_string_equal(found.mx[1].exchange, "second.example");
	assert_string_equal(found.name, "mx.example");
	dns_answer_wipe(&found);
	assert_true(dns_cache_find(cache, "a.example", DNS_TYPE_TLSA, NOW_MS, &found));
	assert_int_equal(found.tlsa[0].usage, 3);
	assert_memory_equal(found.tlsa[0].data, "abc", 3);
	dns_answer_wipe(&found);
	assert_true(dns_cache_find(cache, "a.example", DNS_TYPE_TXT, NOW_MS, &found));
	assert_string_equal(found.txt[0], "one");
	assert_string_equal(found.txt[1], "");
	dns_answer_wipe(&found);
	assert_true(dns_cache_find(cache, "a.example", DNS_TYPE_AAAA, NOW_MS, &found));
	assert_int_equal(found.result, DNS_NODATA);
	assert_int_equal(found.trust, DNS_SECURE);
	dns_cache_destroy(cache);
}

static void test_newer_one_counts(void **state)
{
	struct dns_cache *cache = cache_of();
	struct dns_answer older = answer_of(300, DNS_SECURE), newer = answer_of(300, DNS_INSECURE), found;

	(void)state;
	dns_cache_add(cache, "a.example", DNS_TYPE_MX, NOW_MS, &older);
	dns_cache_add(cache, "a.example", DNS_TYPE_MX, NOW_MS + 20000, &newer);
	assert_true(dns_cache_find(cache, "a.example", DNS_TYPE_MX, NOW_MS + KEEP_MS + 10000, &found));
	assert_int_equal(found.trust, DNS_INSECURE);
	dns_answer_wipe(&found);
	dns_answer_wipe(&older);
	dns_answer_wipe(&newer);
	dns_cache_destroy(cache);
}

static void test_failures_are_not_kept(void **state)
{
	static const enum dns_trust trusts[] = { DNS_FAILED, DNS_BOGUS };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct dns_cache *cache = cache_of();
		struct dns_answer answer = { .result = DNS_ERROR, .trust = trusts[i], .ttl_s = 60 };

		dns_cache_add(cache, "a.example", DNS_TYPE_MX, NOW_MS, &answer);
		check(cache, "a.example", DNS_TYPE_MX, 0, false);
		dns_cache_destroy(cache);
	}
}

static void test_bounded(void **state)
{
	struct dns_cache *cache = cache_of();
	struct dns_answer answer = { .result = DNS_NXDOMAIN, .trust = DNS_INSECURE, .ttl_s = 60 };
	char name[40];

	(void)state;
	for (int i = 0; i < DNS_CACHE_ANSWERS_MAX + 1; i++) {
		snprintf(name, sizeof(name), "d%d.example", i);
		dns_cache_add(cache, name, DNS_TYPE_MX, NOW_MS, &answer);
	}
	check(cache, "d0.example", DNS_TYPE_MX, 0, true);
	check(cache, name, DNS_TYPE_MX, 0, false);
	/* Room again when the old ones are gone. */
	dns_cache_expire(cache, NOW_MS + KEEP_MS);
	dns_cache_add(cache, name, DNS_TYPE_MX, NOW_MS + KEEP_MS, &answer);
	check(cache, name, DNS_TYPE_MX, KEEP_MS, true);
	dns_cache_destroy(cache);
}

/* Through the resolver: the second time nobody is asked, and the name's case does not matter; a failure is asked about again. */
static void test_resolver(void **state)
{
	static const char replay[] = "query a.example A\nad\nanswer @ 300 IN A 192.0.2.1\nquery bad.example A\nrcode SERVFAIL\n";
	struct fake_dns *dns = fake_dns_start(replay);
	const char *servers[] = { dns->address };
	struct conf_list list = { .items = (char **)(uintptr_t)servers, .count = 1 };
	char error[200];
	struct dns_resolver *resolver = dns_resolver_create(&list, false, error, sizeof(error));
	struct dns_answer answer;

	(void)state;
	assert_non_null(resolver);
	assert_int_equal(dns_resolver_keep_answers(resolver, KEEP_MS), 0);
	for (int i = 0; i < 3; i++) {
		dns_lookup(resolver, i == 1 ? "A.Example." : "a.example", DNS_TYPE_A, deadline_in_ms(5000), &answer);
		assert_int_equal(answer.result, DNS_FOUND);
		assert_int_equal(answer.trust, DNS_SECURE);
		assert_int_equal(answer.count, 1);
		dns_answer_wipe(&answer);
	}
	assert_int_equal(fake_dns_asked_count(dns), 1);
	for (int i = 0; i < 2; i++) {
		dns_lookup(resolver, "bad.example", DNS_TYPE_A, deadline_in_ms(5000), &answer);
		assert_int_equal(answer.result, DNS_ERROR);
		dns_answer_wipe(&answer);
	}
	assert_true(fake_dns_asked_count(dns) >= 3);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_newer_one_counts),
		cmocka_unit_test(test_failures_are_not_kept),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_resolver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
