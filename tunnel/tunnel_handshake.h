/* What tunnel_client.c and tunnel_server.c share with tunnel.c. Not for anybody else. */
#ifndef TUNNEL_HANDSHAKE_H
#define TUNNEL_HANDSHAKE_H

#include "tunnel.h"

/* Notes the first final failure and its sentence. Returns it. */
enum tunnel_failure tunnel_fail(struct tunnel *tunnel, enum tunnel_failure failure,
				const char *format, ...) __attribute__((format(printf, 3, 4)));

/* HANDSHAKE_COMPLETE -> session keys, remote_static, handshake_hash. Wipes the handshake. */
void tunnel_take_keys(struct tunnel *tunnel, struct noise_handshake_state *handshake);

/* The memory of an established tunnel over tunnel->stream. */
enum tunnel_failure tunnel_allocate(struct tunnel *tunnel);

/* Wipes keys and memory, closes the stream; peer, failed and error stay. */
void tunnel_wipe(struct tunnel *tunnel);

#endif
