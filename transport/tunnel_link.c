/* Thin adapters from struct edge_link_ops to tunnel/. */
#include "tunnel_link.h"

#include <string.h>

static enum tunnel_failure open_tunnel(void *context, const struct edge *edge,
				       struct deadline deadline, struct frame_info *info)
{
	struct tunnel_link *link = context;
	struct tunnel_client_params params = { .edge = edge->endpoint,
					       .own = *link->own,
					       .deadline = deadline };
	enum tunnel_failure failure;

	memcpy(params.edge_public_key, edge->public_key, sizeof(params.edge_public_key));
	memcpy(params.psk, edge->psk, sizeof(params.psk));
	memcpy(link->opened_as, link->own->public_key, sizeof(link->opened_as));
	failure = tunnel_connect(&link->tunnel, &params, info);
	/* It may not have the new key yet. */
	if (failure == TUNNEL_NO_ANSWER && edge->has_former_key) {
		memcpy(params.edge_public_key, edge->former_key, sizeof(params.edge_public_key));
		failure = tunnel_connect(&link->tunnel, &params, info);
	}
	explicit_bzero(params.psk, sizeof(params.psk));
	return failure;
}

static enum tunnel_failure send_frame(void *context, const struct frame *frame,
				      struct deadline deadline)
{
	return tunnel_send_frame(&((struct tunnel_link *)context)->tunnel, frame, deadline);
}

static enum tunnel_failure flush(void *context, struct deadline deadline)
{
	return tunnel_flush(&((struct tunnel_link *)context)->tunnel, deadline);
}

static enum tunnel_failure receive(void *context, struct frame *frame, struct deadline deadline)
{
	return tunnel_receive_frame(&((struct tunnel_link *)context)->tunnel, frame, deadline);
}

static bool has_input(void *context)
{
	return tunnel_has_input(&((struct tunnel_link *)context)->tunnel);
}

/* The own key was replaced: the edge may soon know the new one only. */
static bool is_outdated(void *context)
{
	const struct tunnel_link *link = context;

	return memcmp(link->opened_as, link->own->public_key, sizeof(link->opened_as)) != 0;
}

static void close_tunnel(void *context, enum close_reason reason, const char *text)
{
	tunnel_close(&((struct tunnel_link *)context)->tunnel, reason, text);
}

static const char *error(void *context)
{
	return ((struct tunnel_link *)context)->tunnel.error;
}

static const struct edge_link_ops tunnel_link_ops = {
	.open = open_tunnel,
	.send = send_frame,
	.flush = flush,
	.receive = receive,
	.has_input = has_input,
	.is_outdated = is_outdated,
	.close = close_tunnel,
	.error = error,
};

struct edge_link tunnel_link_init(struct tunnel_link *link, const struct noise_static_key *own)
{
	memset(link, 0, sizeof(*link));
	link->own = own;
	return (struct edge_link){ &tunnel_link_ops, link };
}
