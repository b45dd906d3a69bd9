/* A tenant's limits and addresses: what one uses, another keeps; what was taken comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "edge/tenant_table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MINUTE_MS 60000
#define START 1000000

static int set_up(void **state)
{
	struct tenant_table *table = malloc(sizeof(*table));

	tenant_table_init(table);
	*state = table;
	return 0;
}

static int tear_down(void **state)
{
	tenant_table_wipe(*state);
	free(*state);
	return 0;
}

/* Enters and leaves; what was said. */
static struct tenant_admission pass(struct tenant_table *table, const struct tenant_terms *terms,
				    bool is_null, int64_t now_ms)
{
	struct tenant_admission admission;
	struct tenant_row *row = tenant_table_enter(table, terms, is_null, now_ms, &admission);

	assert_non_null(row);
	tenant_row_leave(row, admission.refusal == TENANT_ADMITTED);
	return admission;
}

static struct tenant_count count_of(struct tenant_table *table, const char *name)
{
	struct tenant_count *counts, found = { .name = "" };
	size_t count;

	counts = tenant_table_copy(table, START, &count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(counts[i].name, name) == 0)
			found = counts[i];
	free(counts);
	return found;
}

static void test_rate(void **state)
{
	struct tenant_terms shop = { .tenant.name = "shop", .limits.rate = { 3, MINUTE_MS } };
	struct tenant_terms other = { .tenant.name = "other", .limits.rate = { 3, MINUTE_MS } };
	struct tenant_admission admission;

	for (int i = 0; i < 3; i++)
		assert_int_equal(pass(*state, &shop, false, START).refusal, TENANT_ADMITTED);
	admission = pass(*state, &shop, false, START);
	assert_int_equal(admission.refusal, TENANT_RATE);
	assert_int_equal(admission.wait_ms, MINUTE_MS / 3);
	assert_int_equal(pass(*state, &other, false, START).refusal, TENANT_ADMITTED);
	/* To the millisecond. */
	assert_int_equal(pass(*state, &shop, false, START + 19999).refusal, TENANT_RATE);
	assert_int_equal(pass(*state, &shop, false, START + 20000).refusal, TENANT_ADMITTED);
	assert_int_equal(pass(*state, &shop, false, START + 20000).refusal, TENANT_RATE);
	assert_int_equal(count_of(*state, "shop").transactions, 4);
	assert_int_equal(count_of(*state, "shop").refused[TENANT_RATE], 3);
	/* Another rate holds at once; what was taken stays taken. */
	shop.limits.rate.tokens = 5;
	assert_int_equal(pass(*state, &shop, false, START + 20000).refusal, TENANT_ADMITTED);
	shop.limits.rate.tokens = 0;
	for (int i = 0; i < 10; i++)
		assert_int_equal(pass(*state, &shop, false, START + 20000).refusal, TENANT_ADMITTED);
}

static void test_bounces(void **state)
{
	struct tenant_terms shop = { .tenant.name = "shop",
				     .limits = { .rate = { 4, MINUTE_MS }, .bounces = { 1, MINUTE_MS } } };
	struct tenant_terms bound = { .tenant.name = "bound", .has_domains = true };

	assert_int_equal(pass(*state, &shop, true, START).refusal, TENANT_ADMITTED);
	assert_int_equal(pass(*state, &shop, true, START).refusal, TENANT_BOUNCES);
	/* They count against both; what was refused, against none. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(pass(*state, &shop, false, START).refusal, TENANT_ADMITTED);
	assert_int_equal(pass(*state, &shop, false, START).refusal, TENANT_RATE);
	/* Who is bound to domains and says nothing else has a bound for what belongs to no domain. */
	for (int i = 0; i < 300; i++)
		assert_int_equal(pass(*state, &bound, true, START).refusal, TENANT_ADMITTED);
	assert_int_equal(pass(*state, &bound, true, START).refusal, TENANT_BOUNCES);
	assert_int_equal(pass(*state, &bound, false, START).refusal, TENANT_ADMITTED);
}

static void test_concurrency(void **state)
{
	struct tenant_terms shop = { .tenant.name = "shop",
				     .limits = { .rate = { 10, MINUTE_MS }, .concurrency = 2 } };
	struct tenant_admission admission;
	struct tenant_row *rows[3];

	for (size_t i = 0; i < COUNT(rows); i++) {
		rows[i] = tenant_table_enter(*state, &shop, false, START, &admission);
		assert_int_equal(admission.refusal, i < 2 ? TENANT_ADMITTED : TENANT_CONCURRENCY);
	}
	assert_int_equal(count_of(*state, "shop").active, 2);
	tenant_row_leave(rows[2], false);
	assert_int_equal(pass(*state, &shop, false, START).refusal, TENANT_CONCURRENCY);
	tenant_row_leave(rows[0], true);
	assert_int_equal(pass(*state, &shop, false, START).refusal, TENANT_ADMITTED);
	tenant_row_leave(rows[1], true);
	assert_int_equal(count_of(*state, "shop").active, 0);
	/* What was refused for another reason has not taken a token. */
	assert_int_equal(count_of(*state, "shop").left, 7);
}

static void count_outcome(struct tenant_row *row, enum delivery_action action)
{
	const struct delivery_status status = { .action = action };

	tenant_row_count_outcome(row, &status);
}

static void test_counts(void **state)
{
	struct tenant_terms shop = { .tenant.name = "shop", .is_foreign_sender = true };
	struct tenant_admission admission;
	struct tenant_row *row;
	struct tenant_count count;

	assert_int_equal(pass(*state, &shop, false, START).refusal, TENANT_SENDER);
	shop.is_foreign_sender = false;
	row = tenant_table_enter(*state, &shop, false, START, &admission);
	count_outcome(row, DELIVERY_RELAYED);
	count_outcome(row, DELIVERY_RELAYED);
	count_outcome(row, DELIVERY_DELAYED);
	count_outcome(row, DELIVERY_FAILED);
	tenant_row_count_refusal(row, TENANT_RECIPIENTS, 5);
	tenant_row_leave(row, true);
	tenant_row_leave(NULL, true);
	count = count_of(*state, "shop");
	assert_int_equal(count.transactions, 1);
	assert_int_equal(count.relayed, 2);
	assert_int_equal(count.delayed, 1);
	assert_int_equal(count.failed, 1);
	assert_int_equal(count.refused[TENANT_SENDER], 1);
	assert_int_equal(count.refused[TENANT_RECIPIENTS], 5);
	assert_true(count.last_use > 0);
}

/* Memory has an end: who was not seen for long goes, who has a transaction open does not. */
static void test_many(void **state)
{
	struct tenant_terms terms = { .tenant.name = "open" };
	struct tenant_admission admission;
	struct tenant_row *row = tenant_table_enter(*state, &terms, false, START, &admission);
	size_t count;

	for (int i = 0; i < TENANT_ROWS_MAX + 100; i++) {
		snprintf(terms.tenant.name, sizeof(terms.tenant.name), "t%d", i);
		pass(*state, &terms, false, START);
		if (i % 1000 == 0) {
			strcpy(terms.tenant.name, "t0");
			pass(*state, &terms, false, START);
		}
	}
	free(tenant_table_copy(*state, START, &count));
	assert_int_equal(count, TENANT_ROWS_MAX);
	assert_string_equal(count_of(*state, "open").name, "open");
	assert_string_equal(count_of(*state, "t0").name, "t0");
	assert_string_equal(count_of(*state, "t1").name, "");
	tenant_row_leave(row, true);
}

/* Also when all of those that were not seen for longest have one open. */
static void test_many_open(void **state)
{
	struct tenant_terms terms = { .tenant.name = "" };
	struct tenant_admission admission;
	struct tenant_row *open[40];

	for (size_t i = 0; i < COUNT(open); i++) {
		snprintf(terms.tenant.name, sizeof(terms.tenant.name), "open%zu", i);
		open[i] = tenant_table_enter(*state, &terms, false, START, &admission);
	}
	for (int i = 0; i < TENANT_ROWS_MAX + 100; i++) {
		snprintf(terms.tenant.name, sizeof(terms.tenant.name), "t%d", i);
		pass(*state, &terms, false, START);
	}
	for (size_t i = 0; i < COUNT(open); i++) {
		snprintf(terms.tenant.name, sizeof(terms.tenant.name), "open%zu", i);
		assert_int_equal(count_of(*state, terms.tenant.name).active, 1);
		tenant_row_leave(open[i], true);
	}
}

/* A client's limit is never wider than the edge's. */
static void test_narrower_limit(void **state)
{
	(void)state;
	assert_int_equal(tenant_limit(100, 0), 100);
	assert_int_equal(tenant_limit(100, 99), 99);
	assert_int_equal(tenant_limit(100, 101), 100);
}

static void test_addresses(void **state)
{
	static const struct {
		const char *source4, *source6;
		enum mx_family found;
		bool is_off;
		enum mx_family expected;
	} rows[] = {
		{ NULL, NULL, MX_FAMILY_BOTH, false, MX_FAMILY_BOTH },
		{ NULL, NULL, MX_FAMILY_IPV4, false, MX_FAMILY_IPV4 },
		/* never with an IPv6 address that is the edge's own */
		{ "192.0.2.1", NULL, MX_FAMILY_BOTH, false, MX_FAMILY_IPV4 },
		{ "192.0.2.1", "2001:db8::1", MX_FAMILY_IPV4, false, MX_FAMILY_BOTH },
		{ NULL, "2001:db8::1", MX_FAMILY_IPV4, false, MX_FAMILY_BOTH },
		{ NULL, "2001:db8::1", MX_FAMILY_IPV4, true, MX_FAMILY_IPV4 },
	};
	struct sockaddr_storage out;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct tenant tenant = { .name = "shop" };

		if (rows[i].source4 != NULL)
			inet_pton(AF_INET, rows[i].source4, &tenant.source4);
		if (rows[i].source6 != NULL)
			inet_pton(AF_INET6, rows[i].source6, &tenant.source6);
		assert_int_equal(tenant_family(&tenant, rows[i].found, rows[i].is_off),
				 rows[i].expected);
		assert_int_equal(tenant_source(&tenant, AF_INET, &out) != NULL,
				 rows[i].source4 != NULL);
		assert_int_equal(tenant_source(&tenant, AF_INET6, &out) != NULL,
				 rows[i].source6 != NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rate, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_concurrency, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_open, set_up, tear_down),
		cmocka_unit_test(test_narrower_limit),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
