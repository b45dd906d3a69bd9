/*
 * Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b (and plain IK for its published vectors), after the Noise
 * Protocol Framework, revision 34, on libsodium's primitives. Names are the specification's:
 * section numbers in brackets.
 */
#ifndef NOISE_H
#define NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOISE_DHLEN 32
#define NOISE_HASHLEN 64
#define NOISE_BLOCKLEN 128
#define NOISE_KEYLEN 32
#define NOISE_TAGLEN 16
#define NOISE_MAX_MESSAGE 65535
#define NOISE_IK_INITIATION_OVERHEAD 96
#define NOISE_IK_RESPONSE_OVERHEAD 48

/* noise_hash.c [4.3] */
void noise_hash(uint8_t out[NOISE_HASHLEN], const void *a, size_t a_length, const void *b,
		size_t b_length);
void noise_hmac(uint8_t out[NOISE_HASHLEN], const uint8_t *key, size_t key_length, const void *data,
		size_t length);
/* num_outputs 2 or 3; out3 may be NULL for 2. */
void noise_hkdf(const uint8_t chaining_key[NOISE_HASHLEN], const uint8_t *ikm, size_t ikm_length,
		uint8_t out1[NOISE_HASHLEN], uint8_t out2[NOISE_HASHLEN], uint8_t *out3);

/* noise_cipher.c: CipherState [5.1] */
struct noise_cipher_state {
	uint8_t k[NOISE_KEYLEN];
	uint64_t n;
	bool has_key;
};
void noise_cipher_initialize_key(struct noise_cipher_state *cipher,
				 const uint8_t key[NOISE_KEYLEN]);
/*
 * -1 when the nonce is used up (2^64-1 is reserved). out has length + 16 bytes (length if there is
 * no key yet); may be == plaintext.
 */
int noise_cipher_encrypt_with_ad(struct noise_cipher_state *cipher, const void *ad,
				 size_t ad_length, const uint8_t *plaintext, size_t length,
				 uint8_t *out, size_t *out_length);
/* -1 on a bad tag; n is then not advanced [5.1]. */
int noise_cipher_decrypt_with_ad(struct noise_cipher_state *cipher, const void *ad,
				 size_t ad_length, const uint8_t *ciphertext, size_t length,
				 uint8_t *out, size_t *out_length);
void noise_cipher_wipe(struct noise_cipher_state *cipher);

/* noise_symmetric.c: SymmetricState [5.2] */
struct noise_symmetric_state {
	uint8_t ck[NOISE_HASHLEN];
	uint8_t h[NOISE_HASHLEN];
	struct noise_cipher_state cipher;
};
void noise_symmetric_initialize(struct noise_symmetric_state *symmetric, const char *protocol_name);
void noise_symmetric_mix_key(struct noise_symmetric_state *symmetric, const uint8_t *ikm,
			     size_t length);
void noise_symmetric_mix_hash(struct noise_symmetric_state *symmetric, const void *data,
			      size_t length);
void noise_symmetric_mix_key_and_hash(struct noise_symmetric_state *symmetric, const uint8_t *ikm,
				      size_t length);
int noise_symmetric_encrypt_and_hash(struct noise_symmetric_state *symmetric,
				     const uint8_t *plaintext, size_t length, uint8_t *out,
				     size_t *out_length);
int noise_symmetric_decrypt_and_hash(struct noise_symmetric_state *symmetric,
				     const uint8_t *ciphertext, size_t length, uint8_t *out,
				     size_t *out_length);
void noise_symmetric_split(struct noise_symmetric_state *symmetric, struct noise_cipher_state *c1,
			   struct noise_cipher_state *c2);

/* noise_dh.c: DH functions [4.1] */
struct noise_keypair {
	uint8_t public_key[NOISE_DHLEN];
	uint8_t secret_key[NOISE_DHLEN];
};
/*
 * A secret made here is clamped, and its public key never looks clamped: so a secret pasted where a
 * public key belongs is recognised, see noise_key_looks_secret().
 */
void noise_keypair_generate(struct noise_keypair *keypair);
bool noise_key_looks_secret(const uint8_t key[NOISE_DHLEN]);
void noise_keypair_wipe(struct noise_keypair *keypair);
/* Computes the public half. 0, or -1 for an unusable secret. */
int noise_keypair_from_secret(struct noise_keypair *keypair, const uint8_t secret_key[NOISE_DHLEN]);
/* Plain DH [4.1] with the all-zero check: -1 for a low-order public key. */
int noise_dh(uint8_t out[NOISE_DHLEN], const uint8_t secret_key[NOISE_DHLEN],
	     const uint8_t public_key[NOISE_DHLEN]);

/*
 * The static private key is used only through this, so that it can live in another process: out =
 * DH(s, their_public). -1 for a low-order point or when the keeper of the key does not answer.
 */
typedef int noise_static_dh_fn(void *context, uint8_t out[NOISE_DHLEN],
			       const uint8_t their_public[NOISE_DHLEN]);

struct noise_static_key {
	uint8_t public_key[NOISE_DHLEN];
	noise_static_dh_fn *dh;
	void *context;
};
/* For a process that holds the secret itself. `keypair` must live as long as the result is used. */
struct noise_static_key noise_keypair_static_key(struct noise_keypair *keypair);

/* noise_handshake.c: HandshakeState [5.3] */
enum noise_role { NOISE_INITIATOR, NOISE_RESPONDER };
enum noise_pattern { NOISE_IK, NOISE_IKPSK2 };
enum noise_handshake_progress {
	HANDSHAKE_READY,
	HANDSHAKE_WROTE_INITIATION,
	HANDSHAKE_READ_INITIATION,
	HANDSHAKE_COMPLETE,
	HANDSHAKE_FAILED, /* for good: every further call fails */
};

struct noise_handshake_params {
	enum noise_pattern pattern;
	enum noise_role role;
	const void *prologue;
	size_t prologue_length;
	struct noise_static_key s;
	const uint8_t *remote_static; /* initiator: the responder's key; responder: NULL */
	uint8_t psk[NOISE_KEYLEN]; /* all zero = none (as WireGuard) */
	/* For tests with published vectors only; NULL = random. */
	const struct noise_keypair *fixed_ephemeral;
};

struct noise_handshake_state {
	struct noise_symmetric_state symmetric;
	enum noise_pattern pattern;
	enum noise_role role;
	enum noise_handshake_progress progress;
	struct noise_static_key s;
	struct noise_keypair e;
	bool has_fixed_ephemeral;
	uint8_t rs[NOISE_DHLEN];
	uint8_t re[NOISE_DHLEN];
	uint8_t psk[NOISE_KEYLEN];
};

void noise_handshake_init(struct noise_handshake_state *handshake,
			  const struct noise_handshake_params *params);
/*
 * Next message of the pattern. out has payload_length + overhead bytes. 0, or -1: the state is
 * HANDSHAKE_FAILED.
 */
int noise_handshake_write_message(struct noise_handshake_state *handshake, const uint8_t *payload,
				  size_t payload_length, uint8_t *out, size_t *out_length);
int noise_handshake_read_message(struct noise_handshake_state *handshake, const uint8_t *message,
				 size_t length, uint8_t *payload_out, size_t *payload_length_out);
/*
 * Responder, after reading message 1 and looking the initiator's key (handshake->rs) up: the key
 * shared with that peer.
 */
void noise_handshake_set_psk(struct noise_handshake_state *handshake,
			     const uint8_t psk[NOISE_KEYLEN]);
/*
 * After HANDSHAKE_COMPLETE: keys for our sending and receiving, channel binding; wipes the
 * handshake.
 */
int noise_handshake_finish(struct noise_handshake_state *handshake,
			   struct noise_cipher_state *sending, struct noise_cipher_state *receiving,
			   uint8_t handshake_hash[NOISE_HASHLEN]);
void noise_handshake_wipe(struct noise_handshake_state *handshake);

#endif
