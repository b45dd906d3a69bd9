/*
 * Noise's HandshakeState [5.3] for the patterns IK [7.5] and IKpsk2 [9.4], token by token:
 *
 *     IK(s, rs):                    IKpsk2(s, rs):
 *       <- s                          <- s
 *       ...                           ...
 *       -> e, es, s, ss               -> e, es, s, ss
 *       <- e, ee, se                  <- e, ee, se, psk
 *
 * In psk patterns the e token also mixes the ephemeral public key into the chaining key [9.2].
 * Message 1 can be replayed by anybody who saw it (its es and ss involve no fresh responder key):
 * a responder must not act on it before the first transport message verified.
 *
 * Every failure is final: the state is wiped and each further call fails.
 */
#include <sodium.h>
#include <string.h>

#include "noise.h"

static const char *const protocol_names[] = {
	[NOISE_IK] = "Noise_IK_25519_ChaChaPoly_BLAKE2b",
	[NOISE_IKPSK2] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b",
};

void noise_handshake_init(struct noise_handshake_state *handshake,
			  const struct noise_handshake_params *params)
{
	const uint8_t *responder_static;

	memset(handshake, 0, sizeof(*handshake));
	handshake->pattern = params->pattern;
	handshake->role = params->role;
	handshake->progress = HANDSHAKE_READY;
	handshake->s = params->s;
	memcpy(handshake->psk, params->psk, NOISE_KEYLEN);
	if (params->role == NOISE_INITIATOR)
		memcpy(handshake->rs, params->remote_static, NOISE_DHLEN);
	if (params->fixed_ephemeral != NULL) {
		handshake->e = *params->fixed_ephemeral;
		handshake->has_fixed_ephemeral = true;
	}
	noise_symmetric_initialize(&handshake->symmetric, protocol_names[params->pattern]);
	noise_symmetric_mix_hash(&handshake->symmetric, params->prologue, params->prologue_length);
	/* <- s */
	responder_static =
		params->role == NOISE_INITIATOR ? handshake->rs : handshake->s.public_key;
	noise_symmetric_mix_hash(&handshake->symmetric, responder_static, NOISE_DHLEN);
}

void noise_handshake_wipe(struct noise_handshake_state *handshake)
{
	sodium_memzero(handshake, sizeof(*handshake));
	handshake->progress = HANDSHAKE_FAILED;
}

/* MixHash(e.public_key), and MixKey(e.public_key) too when the pattern has a psk [9.2]. */
static void mix_ephemeral(struct noise_handshake_state *handshake,
			  const uint8_t public_key[NOISE_DHLEN])
{
	noise_symmetric_mix_hash(&handshake->symmetric, public_key, NOISE_DHLEN);
	if (handshake->pattern == NOISE_IKPSK2)
		noise_symmetric_mix_key(&handshake->symmetric, public_key, NOISE_DHLEN);
}

static void write_e(struct noise_handshake_state *handshake, uint8_t **out)
{
	if (!handshake->has_fixed_ephemeral)
		noise_keypair_generate(&handshake->e);
	memcpy(*out, handshake->e.public_key, NOISE_DHLEN);
	*out += NOISE_DHLEN;
	mix_ephemeral(handshake, handshake->e.public_key);
}

static void read_e(struct noise_handshake_state *handshake, const uint8_t **message, size_t *length)
{
	memcpy(handshake->re, *message, NOISE_DHLEN);
	*message += NOISE_DHLEN;
	*length -= NOISE_DHLEN;
	mix_ephemeral(handshake, handshake->re);
}

/* MixKey(DH(e, their_public)) */
static int mix_dh_ephemeral(struct noise_handshake_state *handshake,
			    const uint8_t their_public[NOISE_DHLEN])
{
	uint8_t shared[NOISE_DHLEN];
	int result = noise_dh(shared, handshake->e.secret_key, their_public);

	if (result == 0)
		noise_symmetric_mix_key(&handshake->symmetric, shared, NOISE_DHLEN);
	sodium_memzero(shared, sizeof(shared));
	return result;
}

/* MixKey(DH(s, their_public)), through whoever keeps s */
static int mix_dh_static(struct noise_handshake_state *handshake,
			 const uint8_t their_public[NOISE_DHLEN])
{
	uint8_t shared[NOISE_DHLEN];
	int result = handshake->s.dh(handshake->s.context, shared, their_public);

	/* The callback may be another process: the low-order check is not left to it alone. */
	if (result == 0 && sodium_is_zero(shared, NOISE_DHLEN))
		result = -1;
	if (result == 0)
		noise_symmetric_mix_key(&handshake->symmetric, shared, NOISE_DHLEN);
	sodium_memzero(shared, sizeof(shared));
	return result;
}

static void mix_psk(struct noise_handshake_state *handshake)
{
	if (handshake->pattern == NOISE_IKPSK2)
		noise_symmetric_mix_key_and_hash(&handshake->symmetric, handshake->psk,
						 NOISE_KEYLEN);
}

/* Initiator: -> e, es, s, ss, payload */
static int write_initiation(struct noise_handshake_state *handshake, const uint8_t *payload,
			    size_t payload_length, uint8_t *out, size_t *out_length)
{
	uint8_t *cursor = out;
	size_t made;

	/* e */
	write_e(handshake, &cursor);
	/* es */
	if (mix_dh_ephemeral(handshake, handshake->rs) < 0)
		return -1;
	/* s */
	if (noise_symmetric_encrypt_and_hash(&handshake->symmetric, handshake->s.public_key,
					     NOISE_DHLEN, cursor, &made) < 0)
		return -1;
	cursor += made;
	/* ss */
	if (mix_dh_static(handshake, handshake->rs) < 0)
		return -1;
	if (noise_symmetric_encrypt_and_hash(&handshake->symmetric, payload, payload_length, cursor,
					     &made) < 0)
		return -1;
	*out_length = (size_t)(cursor - out) + made;
	handshake->progress = HANDSHAKE_WROTE_INITIATION;
	return 0;
}

/* Responder: -> e, es, s, ss, payload */
static int read_initiation(struct noise_handshake_state *handshake, const uint8_t *message,
			   size_t length, uint8_t *payload_out, size_t *payload_length_out)
{
	size_t got;

	if (length < NOISE_IK_INITIATION_OVERHEAD)
		return -1;
	/* e */
	read_e(handshake, &message, &length);
	/* es */
	if (mix_dh_static(handshake, handshake->re) < 0)
		return -1;
	/* s */
	if (noise_symmetric_decrypt_and_hash(&handshake->symmetric, message,
					     NOISE_DHLEN + NOISE_TAGLEN, handshake->rs, &got) < 0)
		return -1;
	message += NOISE_DHLEN + NOISE_TAGLEN;
	length -= NOISE_DHLEN + NOISE_TAGLEN;
	/* ss */
	if (mix_dh_static(handshake, handshake->rs) < 0)
		return -1;
	if (noise_symmetric_decrypt_and_hash(&handshake->symmetric, message, length, payload_out,
					     payload_length_out) < 0)
		return -1;
	handshake->progress = HANDSHAKE_READ_INITIATION;
	return 0;
}

/* Responder: <- e, ee, se, psk, payload */
static int write_response(struct noise_handshake_state *handshake, const uint8_t *payload,
			  size_t payload_length, uint8_t *out, size_t *out_length)
{
	uint8_t *cursor = out;
	size_t made;

	/* e */
	write_e(handshake, &cursor);
	/* ee */
	if (mix_dh_ephemeral(handshake, handshake->re) < 0)
		return -1;
	/* se */
	if (mix_dh_ephemeral(handshake, handshake->rs) < 0)
		return -1;
	/* psk */
	mix_psk(handshake);
	if (noise_symmetric_encrypt_and_hash(&handshake->symmetric, payload, payload_length, cursor,
					     &made) < 0)
		return -1;
	*out_length = (size_t)(cursor - out) + made;
	handshake->progress = HANDSHAKE_COMPLETE;
	return 0;
}

/* Initiator: <- e, ee, se, psk, payload */
static int read_response(struct noise_handshake_state *handshake, const uint8_t *message,
			 size_t length, uint8_t *payload_out, size_t *payload_length_out)
{
	if (length < NOISE_IK_RESPONSE_OVERHEAD)
		return -1;
	/* e */
	read_e(handshake, &message, &length);
	/* ee */
	if (mix_dh_ephemeral(handshake, handshake->re) < 0)
		return -1;
	/* se */
	if (mix_dh_static(handshake, handshake->re) < 0)
		return -1;
	/* psk */
	mix_psk(handshake);
	if (noise_symmetric_decrypt_and_hash(&handshake->symmetric, message, length, payload_out,
					     payload_length_out) < 0)
		return -1;
	handshake->progress = HANDSHAKE_COMPLETE;
	return 0;
}

int noise_handshake_write_message(struct noise_handshake_state *handshake, const uint8_t *payload,
				  size_t payload_length, uint8_t *out, size_t *out_length)
{
	bool fits = payload_length <= NOISE_MAX_MESSAGE - NOISE_IK_INITIATION_OVERHEAD;
	bool is_initiator = handshake->role == NOISE_INITIATOR;
	int result = -1;

	if (fits && is_initiator && handshake->progress == HANDSHAKE_READY)
		result = write_initiation(handshake, payload, payload_length, out, out_length);
	else if (fits && !is_initiator && handshake->progress == HANDSHAKE_READ_INITIATION)
		result = write_response(handshake, payload, payload_length, out, out_length);
	if (result < 0)
		noise_handshake_wipe(handshake);
	return result;
}

int noise_handshake_read_message(struct noise_handshake_state *handshake, const uint8_t *message,
				 size_t length, uint8_t *payload_out, size_t *payload_length_out)
{
	bool fits = length <= NOISE_MAX_MESSAGE;
	bool is_initiator = handshake->role == NOISE_INITIATOR;
	int result = -1;

	if (fits && !is_initiator && handshake->progress == HANDSHAKE_READY)
		result = read_initiation(handshake, message, length, payload_out,
					 payload_length_out);
	else if (fits && is_initiator && handshake->progress == HANDSHAKE_WROTE_INITIATION)
		result = read_response(handshake, message, length, payload_out, payload_length_out);
	if (result < 0)
		noise_handshake_wipe(handshake);
	return result;
}

void noise_handshake_set_psk(struct noise_handshake_state *handshake,
			     const uint8_t psk[NOISE_KEYLEN])
{
	memcpy(handshake->psk, psk, NOISE_KEYLEN);
}

int noise_handshake_finish(struct noise_handshake_state *handshake,
			   struct noise_cipher_state *sending, struct noise_cipher_state *receiving,
			   uint8_t handshake_hash[NOISE_HASHLEN])
{
	if (handshake->progress != HANDSHAKE_COMPLETE)
		return -1;
	/* c1 is for the initiator's messages, c2 for the responder's [5.3]. */
	if (handshake->role == NOISE_INITIATOR)
		noise_symmetric_split(&handshake->symmetric, sending, receiving);
	else
		noise_symmetric_split(&handshake->symmetric, receiving, sending);
	memcpy(handshake_hash, handshake->symmetric.h, NOISE_HASHLEN);
	noise_handshake_wipe(handshake);
	return 0;
}
