/*
 * In which order the edges of a route are tried, for select=hash and select=weighted. Pure.
 *
 * Both are weighted rendezvous hashing: each edge draws a number out of the seed and its own name,
 * and the lowest is first. For hash the seed is a domain, so that the order is the same everywhere
 * and at any time, and an edge that comes or goes moves only what it takes or leaves. For weighted
 * the seed is chance.
 */
#ifndef EDGE_ORDER_H
#define EDGE_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "edge_table.h"

/* Edges that can be put in order at a time. */
#define EDGE_ORDER_MAX 256

/*
 * What this edge draws: -log2(u) / weight, u uniform in (0, 1]; the edge is first among others in
 * proportion to its weight. The name counts, not the key, so that a new key moves nobody.
 */
uint64_t edge_order_draw(const void *seed, size_t seed_length, const struct edge *edge);
/* Sorts `edges`, at most EDGE_ORDER_MAX, by what they draw. */
void edge_order_sort(const struct edge **edges, size_t count, const void *seed, size_t seed_length);

#endif
