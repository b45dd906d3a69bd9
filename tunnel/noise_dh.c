/*
 * Noise's Diffie-Hellman functions [4.1] for Curve25519 (RFC 7748): GENERATE_KEYPAIR and DH, and
 * the ready-made noise_static_key for a process that holds its own secret.
 *
 * A public key of low order makes the shared secret a constant that anybody knows. The
 * specification leaves the check to the application; here a handshake with such a key always fails.
 */
#include <sodium.h>
#include <string.h>

#include "noise.h"

bool noise_key_looks_secret(const uint8_t key[NOISE_DHLEN])
{
	return (key[0] & 7) == 0 && (key[31] & 0xc0) == 0x40;
}

/* One public key in sixteen looks clamped (RFC 7748 5) by chance; such a pair is drawn again. */
void noise_keypair_generate(struct noise_keypair *keypair)
{
	do {
		randombytes_buf(keypair->secret_key, sizeof(keypair->secret_key));
		keypair->secret_key[0] &= 248;
		keypair->secret_key[31] = (keypair->secret_key[31] & 127) | 64;
		crypto_scalarmult_base(keypair->public_key, keypair->secret_key);
	} while (noise_key_looks_secret(keypair->public_key));
}

int noise_keypair_from_secret(struct noise_keypair *keypair, const uint8_t secret_key[NOISE_DHLEN])
{
	/* Clamping makes a scalar even of zeros; but that key was never generated, only wiped. */
	if (sodium_is_zero(secret_key, NOISE_DHLEN))
		return -1;
	memmove(keypair->secret_key, secret_key, NOISE_DHLEN);
	return crypto_scalarmult_base(keypair->public_key, keypair->secret_key);
}

void noise_keypair_wipe(struct noise_keypair *keypair)
{
	sodium_memzero(keypair, sizeof(*keypair));
}

int noise_dh(uint8_t out[NOISE_DHLEN], const uint8_t secret_key[NOISE_DHLEN],
	     const uint8_t public_key[NOISE_DHLEN])
{
	if (crypto_scalarmult(out, secret_key, public_key) == 0 &&
	    !sodium_is_zero(out, NOISE_DHLEN))
		return 0;
	sodium_memzero(out, NOISE_DHLEN);
	return -1;
}

static int keypair_dh(void *context, uint8_t out[NOISE_DHLEN],
		      const uint8_t their_public[NOISE_DHLEN])
{
	const struct noise_keypair *keypair = context;

	return noise_dh(out, keypair->secret_key, their_public);
}

struct noise_static_key noise_keypair_static_key(struct noise_keypair *keypair)
{
	struct noise_static_key s = { .dh = keypair_dh, .context = keypair };

	memcpy(s.public_key, keypair->public_key, NOISE_DHLEN);
	return s;
}
