/*
 * Noise's SymmetricState [5.2]: the chaining key ck, the handshake hash h, and a CipherState once
 * there is a key. HASHLEN is 64 and cipher keys are 32 bytes, so keys are the first half of an HKDF
 * output, while ck and h keep all of it.
 */
#include <sodium.h>
#include <string.h>

#include "noise.h"

void noise_symmetric_initialize(struct noise_symmetric_state *symmetric, const char *protocol_name)
{
	size_t length = strlen(protocol_name);

	memset(symmetric, 0, sizeof(*symmetric));
	if (length <= NOISE_HASHLEN)
		memcpy(symmetric->h, protocol_name, length); /* the rest stays zero */
	else
		noise_hash(symmetric->h, protocol_name, length, NULL, 0);
	memcpy(symmetric->ck, symmetric->h, NOISE_HASHLEN);
}

void noise_symmetric_mix_key(struct noise_symmetric_state *symmetric, const uint8_t *ikm,
			     size_t length)
{
	uint8_t ck[NOISE_HASHLEN], temp_k[NOISE_HASHLEN];

	noise_hkdf(symmetric->ck, ikm, length, ck, temp_k, NULL);
	memcpy(symmetric->ck, ck, NOISE_HASHLEN);
	noise_cipher_initialize_key(&symmetric->cipher, temp_k);
	sodium_memzero(ck, sizeof(ck));
	sodium_memzero(temp_k, sizeof(temp_k));
}

void noise_symmetric_mix_hash(struct noise_symmetric_state *symmetric, const void *data,
			      size_t length)
{
	noise_hash(symmetric->h, symmetric->h, NOISE_HASHLEN, data, length);
}

void noise_symmetric_mix_key_and_hash(struct noise_symmetric_state *symmetric, const uint8_t *ikm,
				      size_t length)
{
	uint8_t ck[NOISE_HASHLEN], temp_h[NOISE_HASHLEN], temp_k[NOISE_HASHLEN];

	noise_hkdf(symmetric->ck, ikm, length, ck, temp_h, temp_k);
	memcpy(symmetric->ck, ck, NOISE_HASHLEN);
	noise_symmetric_mix_hash(symmetric, temp_h, NOISE_HASHLEN);
	noise_cipher_initialize_key(&symmetric->cipher, temp_k);
	sodium_memzero(ck, sizeof(ck));
	sodium_memzero(temp_h, sizeof(temp_h));
	sodium_memzero(temp_k, sizeof(temp_k));
}

int noise_symmetric_encrypt_and_hash(struct noise_symmetric_state *symmetric,
				     const uint8_t *plaintext, size_t length, uint8_t *out,
				     size_t *out_length)
{
	if (noise_cipher_encrypt_with_ad(&symmetric->cipher, symmetric->h, NOISE_HASHLEN, plaintext,
					 length, out, out_length) < 0)
		return -1;
	noise_symmetric_mix_hash(symmetric, out, *out_length);
	return 0;
}

int noise_symmetric_decrypt_and_hash(struct noise_symmetric_state *symmetric,
				     const uint8_t *ciphertext, size_t length, uint8_t *out,
				     size_t *out_length)
{
	uint8_t h[NOISE_HASHLEN];

	/* Hashed first, because out may be the ciphertext; committed only when the tag is right. */
	noise_hash(h, symmetric->h, NOISE_HASHLEN, ciphertext, length);
	if (noise_cipher_decrypt_with_ad(&symmetric->cipher, symmetric->h, NOISE_HASHLEN,
					 ciphertext, length, out, out_length) < 0)
		return -1;
	memcpy(symmetric->h, h, NOISE_HASHLEN);
	return 0;
}

void noise_symmetric_split(struct noise_symmetric_state *symmetric, struct noise_cipher_state *c1,
			   struct noise_cipher_state *c2)
{
	uint8_t temp_k1[NOISE_HASHLEN], temp_k2[NOISE_HASHLEN];

	noise_hkdf(symmetric->ck, NULL, 0, temp_k1, temp_k2, NULL);
	noise_cipher_initialize_key(c1, temp_k1);
	noise_cipher_initialize_key(c2, temp_k2);
	sodium_memzero(temp_k1, sizeof(temp_k1));
	sodium_memzero(temp_k2, sizeof(temp_k2));
}
