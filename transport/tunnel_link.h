/* An edge_link over a real tunnel. */
#ifndef TUNNEL_LINK_H
#define TUNNEL_LINK_H

#include "edge_link.h"

struct tunnel_link {
	struct tunnel tunnel;
	const struct noise_static_key *own;
	uint8_t opened_as[NOISE_DHLEN];	/* own->public_key at that time */
};

/* `own` must outlive the link. Closing is relay.c's duty. */
struct edge_link tunnel_link_init(struct tunnel_link *link, const struct noise_static_key *own);

#endif
