/* Integers throughout: the same order on every machine, and no library of mathematics to load. */
#include "edge_order.h"

#include <string.h>

#include "tunnel/content_digest.h"

#define FRACTION_BITS 32

/* 64 - log2(u) in fixed point, for u > 0: the whole bits, then one more for each squaring. */
static uint64_t negative_log2(uint64_t u)
{
	unsigned whole = 63 - (unsigned)__builtin_clzll(u);
	uint64_t mantissa = whole >= 31 ? u >> (whole - 31) : u << (31 - whole); /* [1, 2) * 2^31 */
	uint64_t log = (uint64_t)whole << FRACTION_BITS;

	for (uint64_t bit = UINT64_C(1) << (FRACTION_BITS - 1); bit != 0; bit >>= 1) {
		mantissa = mantissa * mantissa >> 31;
		if (mantissa >> 32 != 0) {
			mantissa >>= 1;
			log |= bit;
		}
	}
	return (UINT64_C(64) << FRACTION_BITS) - log;
}

uint64_t edge_order_draw(const void *seed, size_t seed_length, const struct edge *edge)
{
	uint8_t bytes[CONTENT_DIGEST_SIZE];
	struct content_digest digest;
	uint64_t u = 0;

	content_digest_init(&digest);
	content_digest_update(&digest, edge->name, strlen(edge->name) + 1);
	content_digest_update(&digest, seed, seed_length);
	content_digest_final(&digest, bytes);
	for (size_t i = 0; i < sizeof(u); i++)
		u = u << 8 | bytes[i];
	/* Shifted, so that the division by the weight keeps the last bits. */
	return (negative_log2(u | 1) << 20) / edge->weight;
}

void edge_order_sort(const struct edge **edges, size_t count, const void *seed, size_t seed_length)
{
	uint64_t draws[EDGE_ORDER_MAX];

	for (size_t i = 0; i < count; i++) {
		const struct edge *edge = edges[i];
		uint64_t draw = edge_order_draw(seed, seed_length, edge);
		size_t at = i;

		for (; at > 0 && draws[at - 1] > draw; at--) {
			draws[at] = draws[at - 1];
			edges[at] = edges[at - 1];
		}
		draws[at] = draw;
		edges[at] = edge;
	}
}
