/* BLAKE2b-256 over content. See content_digest.h. */
#include "content_digest.h"

#include <sodium.h>

_Static_assert(sizeof(((struct content_digest *)NULL)->state) >= sizeof(crypto_generichash_state),
	       "room for libsodium's state");

static crypto_generichash_state *state_of(struct content_digest *digest)
{
	return (crypto_generichash_state *)(void *)digest->state;
}

void content_digest_init(struct content_digest *digest)
{
	crypto_generichash_init(state_of(digest), NULL, 0, CONTENT_DIGEST_SIZE);
	digest->length = 0;
}

void content_digest_update(struct content_digest *digest, const void *bytes, size_t length)
{
	crypto_generichash_update(state_of(digest), bytes, length);
	digest->length += length;
}

void content_digest_final(struct content_digest *digest, uint8_t out[CONTENT_DIGEST_SIZE])
{
	crypto_generichash_final(state_of(digest), out, CONTENT_DIGEST_SIZE);
}
