/*
 * The digest of END_OF_CONTENT: BLAKE2b-256 (RFC 7693, unkeyed) over the content as carried in
 * CONTENT frames. It names the content in the tunnel; the records themselves are already
 * authenticated.
 */
#ifndef CONTENT_DIGEST_H
#define CONTENT_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "frame.h"

struct content_digest {
	_Alignas(64) uint8_t
		state[384]; /* libsodium's crypto_generichash_state, which only tunnel/ sees */
	uint64_t length; /* bytes fed so far */
};

void content_digest_init(struct content_digest *digest);
void content_digest_update(struct content_digest *digest, const void *bytes, size_t length);
void content_digest_final(struct content_digest *digest, uint8_t out[CONTENT_DIGEST_SIZE]);

#endif
