/*
 * Noise's hash functions [4.3] for BLAKE2b: HASH, HMAC-HASH and HKDF.
 *
 * HMAC is RFC 2104 with BLAKE2b's block of 128 bytes around the plain hash. It is not keyed BLAKE2b
 * (RFC 7693 2.9): that would be a sound MAC too, but not the one the Noise specification names, and
 * no other implementation would understand us.
 *
 *   HKDF(ck, ikm, n):  temp = HMAC(ck, ikm)
 *                      out1 = HMAC(temp, 0x01)
 *                      out2 = HMAC(temp, out1 || 0x02)
 *                      out3 = HMAC(temp, out2 || 0x03)
 */
#include <sodium.h>
#include <string.h>

#include "noise.h"

void noise_hash(uint8_t out[NOISE_HASHLEN], const void *a, size_t a_length, const void *b,
		size_t b_length)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, NOISE_HASHLEN);
	if (a_length > 0)
		crypto_generichash_update(&state, a, a_length);
	if (b_length > 0)
		crypto_generichash_update(&state, b, b_length);
	crypto_generichash_final(&state, out, NOISE_HASHLEN);
	sodium_memzero(&state, sizeof(state));
}

void noise_hmac(uint8_t out[NOISE_HASHLEN], const uint8_t *key, size_t key_length, const void *data,
		size_t length)
{
	uint8_t block[NOISE_BLOCKLEN] = { 0 };
	uint8_t inner[NOISE_HASHLEN];
	size_t i;

	if (key_length > NOISE_BLOCKLEN)
		noise_hash(block, key, key_length, NULL, 0);
	else if (key_length > 0)
		memcpy(block, key, key_length);
	for (i = 0; i < NOISE_BLOCKLEN; i++)
		block[i] ^= 0x36; /* ipad */
	noise_hash(inner, block, NOISE_BLOCKLEN, data, length);
	for (i = 0; i < NOISE_BLOCKLEN; i++)
		block[i] ^= 0x36 ^ 0x5c; /* opad */
	noise_hash(out, block, NOISE_BLOCKLEN, inner, NOISE_HASHLEN);
	sodium_memzero(block, sizeof(block));
	sodium_memzero(inner, sizeof(inner));
}

/* HMAC(temp, previous || number): each output after the first chains on the one before it. */
static void expand(uint8_t out[NOISE_HASHLEN], const uint8_t temp[NOISE_HASHLEN],
		   const uint8_t previous[NOISE_HASHLEN], uint8_t number)
{
	uint8_t input[NOISE_HASHLEN + 1];

	memcpy(input, previous, NOISE_HASHLEN);
	input[NOISE_HASHLEN] = number;
	noise_hmac(out, temp, NOISE_HASHLEN, input, sizeof(input));
	sodium_memzero(input, sizeof(input));
}

void noise_hkdf(const uint8_t chaining_key[NOISE_HASHLEN], const uint8_t *ikm, size_t ikm_length,
		uint8_t out1[NOISE_HASHLEN], uint8_t out2[NOISE_HASHLEN], uint8_t *out3)
{
	const uint8_t one = 1;
	uint8_t temp[NOISE_HASHLEN];

	noise_hmac(temp, chaining_key, NOISE_HASHLEN, ikm, ikm_length);
	noise_hmac(out1, temp, NOISE_HASHLEN, &one, 1);
	expand(out2, temp, out1, 2);
	if (out3 != NULL)
		expand(out3, temp, out2, 3);
	sodium_memzero(temp, sizeof(temp));
}
