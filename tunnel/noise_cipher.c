/*
 * Noise's CipherState [5.1] with ChaChaPoly (RFC 8439): nonce = 32 zero bits, then the counter as
 * 64 bits little-endian [12.3].
 *
 * The counter never wraps: 2^64 - 1 is reserved by the specification and refused here, in both
 * directions. At that point the connection is at its end; there is no rekey.
 */
#include <sodium.h>
#include <string.h>

#include "noise.h"

#define NONCE_RESERVED UINT64_MAX

void noise_cipher_initialize_key(struct noise_cipher_state *cipher, const uint8_t key[NOISE_KEYLEN])
{
	memcpy(cipher->k, key, NOISE_KEYLEN);
	cipher->n = 0;
	cipher->has_key = true;
}

static void put_nonce(uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES], uint64_t n)
{
	size_t i;

	memset(nonce, 0, 4);
	for (i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(n >> (8 * i));
}

int noise_cipher_encrypt_with_ad(struct noise_cipher_state *cipher, const void *ad,
				 size_t ad_length, const uint8_t *plaintext, size_t length,
				 uint8_t *out, size_t *out_length)
{
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	if (!cipher->has_key) {
		if (length > 0)
			memmove(out, plaintext, length);
		*out_length = length;
		return 0;
	}
	if (cipher->n == NONCE_RESERVED)
		return -1;
	put_nonce(nonce, cipher->n);
	crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plaintext, length, ad, ad_length, NULL,
						  nonce, cipher->k);
	cipher->n++;
	*out_length = length + NOISE_TAGLEN;
	return 0;
}

int noise_cipher_decrypt_with_ad(struct noise_cipher_state *cipher, const void *ad,
				 size_t ad_length, const uint8_t *ciphertext, size_t length,
				 uint8_t *out, size_t *out_length)
{
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	if (!cipher->has_key) {
		if (length > 0)
			memmove(out, ciphertext, length);
		*out_length = length;
		return 0;
	}
	if (cipher->n == NONCE_RESERVED || length < NOISE_TAGLEN)
		return -1;
	put_nonce(nonce, cipher->n);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, ciphertext, length, ad,
						      ad_length, nonce, cipher->k) != 0)
		return -1;
	cipher->n++;
	*out_length = length - NOISE_TAGLEN;
	return 0;
}

void noise_cipher_wipe(struct noise_cipher_state *cipher)
{
	sodium_memzero(cipher, sizeof(*cipher));
}
