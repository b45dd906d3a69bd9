/* BLAKE2b-256 over content. See content_digest.h. */
#include "content_digest.h"

void content_digest_init(struct content_digest *digest) {
	crypto_generichash_init(&digest->state, NULL, 0, CONTENT_DIGEST_SIZE);
	digest->length = 0;
}

void content_digest_update(struct content_digest *digest, const void *bytes, size_t length) {
	crypto_generichash_update(&digest->state, bytes, length);
	digest->length += length;
}

void content_digest_final(struct content_digest *digest, uint8_t out[CONTENT_DIGEST_SIZE]) {
	crypto_generichash_final(&digest->state, out, CONTENT_DIGEST_SIZE);
}
