/*
 * What makes two sessions with mail servers interchangeable: the same place, the same name of ours, the same terms for TLS. As bytes, so
 * that they can be compared and looked up; equal bytes, equal rights.
 */
#ifndef CONNECTION_KEY_H
#define CONNECTION_KEY_H

#include <stdint.h>
#include <sys/socket.h>

#include "lib/buffer.h"
#include "tls_terms.h"

/* Most of it are TLSA records. A longer one makes no key, and such a session is not kept. */
#define CONNECTION_KEY_MAX 16384

struct connection_identity {
	const struct sockaddr_storage *address;	/* of the server, with its port */
	const struct sockaddr_storage *source;	/* bound to; NULL: the kernel's choice */
	const char *ehlo_name;
	const char *relay;			/* relay_hop_print(); "" = an MX host */
	const struct tls_terms *terms;
	uint64_t setup;				/* edge_setup's id: with another, other authorities may be trusted */
};

/*
 * Appends the key. 0, or -1: no memory, or too long. The order in which a resolver gives TLSA records does not matter. Left out of the
 * terms is only what no handshake looks at (rule, reproduce).
 */
int connection_key_print(struct buffer *out, const struct connection_identity *identity);

#endif
