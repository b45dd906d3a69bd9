/*
 * The order of edges by hash and by chance: each has its share, and one that comes or goes moves
 * nobody else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "transport/edge_order.h"

#define DOMAINS 20000
#define EDGES 6

static struct edge edges[EDGES];

/* Edges e0, e1, ... with these weights. */
static void make_edges(const unsigned weights[EDGES])
{
	memset(edges, 0, sizeof(edges));
	for (size_t i = 0; i < EDGES; i++) {
		snprintf(edges[i].name, sizeof(edges[i].name), "e%zu", i);
		edges[i].weight = weights[i];
	}
}

/* The order of those in `mask` for the domain of this number; returns their count. */
static size_t order(unsigned mask, int number, const struct edge *out[EDGES])
{
	char domain[40];
	size_t count = 0;

	for (size_t i = 0; i < EDGES; i++)
		if ((mask >> i & 1) != 0)
			out[count++] = &edges[i];
	snprintf(domain, sizeof(domain), "tenant%d.example", number);
	edge_order_sort(out, count, domain, strlen(domain));
	return count;
}

static size_t first(unsigned mask, int number)
{
	const struct edge *out[EDGES];

	order(mask, number, out);
	return (size_t)(out[0] - edges);
}

/*
 * Pearson's chi-square of the first places against the weights. 20.5 is the 99.9th percentile with
 * five degrees of freedom; the seeds are fixed, so that it either holds or does not.
 */
static void test_shares(void **state)
{
	static const unsigned rows[][EDGES] = {
		{ 1, 1, 1, 1, 1, 1 },
		{ 1, 2, 3, 4, 5, 6 },
		{ 1000, 1000, 1000, 1000, 1000, 1000 },
		{ 1000, 100, 100, 100, 100, 100 },
		{ 7, 7, 7, 7, 7, 70 },
	};

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		double seen[EDGES] = { 0 }, total = 0, chi_square = 0;

		make_edges(rows[row]);
		for (int i = 0; i < DOMAINS; i++)
			seen[first(63, i)]++;
		for (size_t i = 0; i < EDGES; i++)
			total += rows[row][i];
		for (size_t i = 0; i < EDGES; i++) {
			double expected = DOMAINS * rows[row][i] / total;

			chi_square += (seen[i] - expected) * (seen[i] - expected) / expected;
		}
		if (chi_square > 20.5)
			fail_msg("row %zu: chi-square %f", row, chi_square);
	}
}

/* The places behind the first are shared like the first ones of the others. */
static void test_second_places(void **state)
{
	static const unsigned weights[EDGES] = { 1, 1, 1, 1, 1, 1 };
	const struct edge *out[EDGES];
	size_t seen[EDGES] = { 0 };

	(void)state;
	make_edges(weights);
	for (int i = 0; i < DOMAINS; i++) {
		order(63, i, out);
		if (out[0] == &edges[2])
			seen[out[1] - edges]++;
	}
	for (size_t i = 0; i < EDGES; i++)
		if (i != 2)
			assert_in_range(seen[i], DOMAINS / 30 * 8 / 10, DOMAINS / 30 * 12 / 10);
}

/* An edge that goes leaves its own share to others; all other domains stay, in their whole order. */
static void test_stable(void **state)
{
	static const unsigned weights[EDGES] = { 3, 1, 4, 1, 5, 9 };
	int moved = 0;

	(void)state;
	make_edges(weights);
	for (int i = 0; i < DOMAINS; i++) {
		const struct edge *with[EDGES], *without[EDGES];
		size_t count = order(63, i, with), at = 0;

		assert_int_equal(order(63 & ~(1u << 4), i, without), count - 1);
		moved += with[0] == &edges[4];
		for (size_t j = 0; j < count; j++)
			if (with[j] != &edges[4])
				assert_ptr_equal(with[j], without[at++]);
	}
	assert_in_range(moved, DOMAINS * 5 / 23 * 9 / 10, DOMAINS * 5 / 23 * 11 / 10);
}

/* A heavier edge only gains; nobody moves between two others. */
static void test_weight_changes(void **state)
{
	static const unsigned before[EDGES] = { 1, 1, 1, 1, 1, 1 }, after[EDGES] = { 1, 1, 3, 1, 1, 1 };
	static uint8_t places[DOMAINS];

	(void)state;
	make_edges(before);
	for (int i = 0; i < DOMAINS; i++)
		places[i] = (uint8_t)first(63, i);
	make_edges(after);
	for (int i = 0; i < DOMAINS; i++)
		assert_true(first(63, i) == places[i] || first(63, i) == 2);
}

/*
 * The order outlives a version: what is drawn is pinned. In other words, by Python's hashlib and math,
 * -log2((BLAKE2b-256("e0\\0tenant.example")[:8] | 1) / 2^64) * 2^52 = 2485190676961613.
 */
static void test_pinned(void **state)
{
	static const unsigned weights[EDGES] = { 1, 1, 1, 1, 1, 1 };
	uint64_t draw;

	(void)state;
	make_edges(weights);
	draw = edge_order_draw("tenant.example", 14, &edges[0]);
	assert_true(draw == UINT64_C(2485190678020096));
	assert_true(draw - UINT64_C(2485190676961613) < UINT64_C(1) << 22);
	edges[0].weight = 10;
	assert_true(edge_order_draw("tenant.example", 14, &edges[0]) == draw / 10);
	edges[0].public_key[0] = 1;
	assert_true(edge_order_draw("tenant.example", 14, &edges[0]) == draw / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),	       cmocka_unit_test(test_second_places),
		cmocka_unit_test(test_stable),	       cmocka_unit_test(test_weight_changes),
		cmocka_unit_test(test_pinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
