/* What join says to the edge that made the invite. */
#ifndef JOIN_EDGE_H
#define JOIN_EDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/endpoint.h"
#include "lib/smtp_limits.h"
#include "tunnel/invite.h"

/* The clocks of both hosts may differ by so much. */
#define JOIN_EDGE_CLOCK_MAX_S 300

struct join_edge {
	const struct invite *invite;
	struct endpoint endpoint;
	char ehlo_name[SMTP_DOMAIN_MAX + 1]; /* as it calls itself; "" before it was asked */
	int64_t clock_difference_s;	     /* its time less ours */
	bool is_used;			     /* the invite, as join_edge_probe() found it */
	bool is_checked;		     /* it has said what it thinks of itself */
};

void join_edge_init(struct join_edge *edge, const struct invite *invite);

/*
 * Resolves, connects, shakes hands as the holder of the invite, which proves that the edge has the
 * key that is in it, and asks how the invite is; nothing is enrolled. With `has_key` the invite may
 * have been used: by that very key, as enrolling will show. 0, or an exit code of join_exit.h with
 * `error`.
 */
int join_edge_probe(struct join_edge *edge, bool has_key, char *error, size_t error_size);
/*
 * Enrols the key; that of an earlier run is enrolled already, and that is as good. *is_certain: the
 * edge did not enrol it; otherwise, after a failure, nobody knows.
 */
int join_edge_enrol(struct join_edge *edge, const uint8_t public_key[NOISE_DHLEN], bool *is_certain,
		    char *error, size_t error_size);
/*
 * Has the edge look at itself, which takes up to 40 s: without a way out to port 25 it is of no use
 * (JOIN_NO_PORT_25). Prints what else it finds wrong. 0, or an exit code with `error`. As the holder
 * of the invite, if that is not used; of an edge that was not asked so join_edge_verify() asks.
 */
int join_edge_check(struct join_edge *edge, char *error, size_t error_size);
/* Shakes hands with the enrolled key. As join_edge_check(), if that has no answer yet. */
int join_edge_verify(struct join_edge *edge, const struct noise_static_key *own, char *error,
		     size_t error_size);

#endif
