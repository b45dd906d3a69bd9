/*
 * The pieces of Noise one by one: hash functions against published values, nonces at their end,
 * public keys of low order, calls out of turn. Whole handshakes are in test_noise_vectors.c.
 */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tunnel/noise.h"

static void hex(char *out, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
}

/* RFC 7693 appendix A, and HMAC-BLAKE2b as Python's hmac module computes it (RFC 2104). */
static void hash_functions(void **state)
{
	static const uint8_t long_key[200] = { 0 };
	uint8_t out[NOISE_HASHLEN];
	char text[2 * NOISE_HASHLEN + 1];

	(void)state;
	noise_hash(out, "a", 1, "bc", 2);
	hex(text, out, sizeof(out));
	assert_string_equal(text,
			    "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
			    "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
	noise_hmac(out, (const uint8_t *)"key", 3, "The quick brown fox", 19);
	hex(text, out, sizeof(out));
	assert_string_equal(text,
			    "5c169e8a18362381efbc0f688fa1d48e99f2bd5885a19c29943e28b43d566f33"
			    "0555d6c37a277cd4cbb1deca561f377c02f0d5388c6e1efd6e97de2bd8b2d678");
	noise_hmac(out, long_key, sizeof(long_key), "", 0);
	hex(text, out, sizeof(out));
	assert_string_equal(text,
			    "bb4598833c2306739633b1bea3e09e134230ff42b84b17d1976264c2c0c5380d"
			    "6e4ab1681851f28711cc47731497019d6c167d84ef3650c76bf8fcfbd5117410");
}

static void cipher_round_trip(void **state)
{
	static const uint8_t key[NOISE_KEYLEN] = { 1, 2, 3 };
	struct noise_cipher_state sending = { .has_key = false }, receiving = { .has_key = false };
	uint8_t bytes[64] = "in place";
	size_t length;

	(void)state;
	/* Without a key nothing happens [5.1]. */
	assert_int_equal(noise_cipher_encrypt_with_ad(&sending, "ad", 2, bytes, 8, bytes, &length),
			 0);
	assert_int_equal(length, 8);
	assert_memory_equal(bytes, "in place", 8);
	noise_cipher_initialize_key(&sending, key);
	noise_cipher_initialize_key(&receiving, key);
	assert_int_equal(noise_cipher_encrypt_with_ad(&sending, "ad", 2, bytes, 8, bytes, &length),
			 0);
	assert_int_equal(length, 8 + NOISE_TAGLEN);
	assert_int_equal(sending.n, 1);
	assert_int_equal(noise_cipher_decrypt_with_ad(&receiving, "AD", 2, bytes, length,
						      bytes + 32, &length),
			 -1);
	assert_int_equal(receiving.n, 0);
	assert_int_equal(
		noise_cipher_decrypt_with_ad(&receiving, "ad", 2, bytes, 24, bytes, &length), 0);
	assert_int_equal(length, 8);
	assert_memory_equal(bytes, "in place", 8);
	for (length = 0; length < NOISE_TAGLEN; length++)
		assert_int_equal(noise_cipher_decrypt_with_ad(&receiving, NULL, 0, bytes, length,
							      bytes, &length),
				 -1);
}

/* Case 100: the last nonce is used, the reserved one never, in neither direction. */
static void nonces_end(void **state)
{
	static const uint8_t key[NOISE_KEYLEN] = { 7 };
	struct noise_cipher_state sending, receiving;
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = { 0 };
	uint8_t bytes[32] = "x", sealed[32];
	size_t length;

	(void)state;
	noise_cipher_initialize_key(&sending, key);
	noise_cipher_initialize_key(&receiving, key);
	sending.n = receiving.n = UINT64_MAX - 1;
	assert_int_equal(noise_cipher_encrypt_with_ad(&sending, NULL, 0, bytes, 1, sealed, &length),
			 0);
	assert_int_equal(
		noise_cipher_decrypt_with_ad(&receiving, NULL, 0, sealed, length, bytes, &length),
		0);
	assert_true(sending.n == UINT64_MAX && receiving.n == UINT64_MAX);
	assert_int_equal(noise_cipher_encrypt_with_ad(&sending, NULL, 0, bytes, 1, sealed, &length),
			 -1);
	/* Even if the peer breaks the rule. */
	memset(nonce + 4, 0xff, 8);
	crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, bytes, 1, NULL, 0, NULL, nonce,
						  key);
	assert_int_equal(
		noise_cipher_decrypt_with_ad(&receiving, NULL, 0, sealed, 17, bytes, &length), -1);
	assert_true(sending.n == UINT64_MAX && receiving.n == UINT64_MAX);
}

/* Case 94: the points of order 1, 2, 4 and 8, and the same with the field prime added. */
static const uint8_t low_order_points[7][NOISE_DHLEN] = {
	{ 0 },
	{ 1 },
	{ 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
	  0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
	  0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
	{ 0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
	  0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
	  0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57 },
	{ 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
	{ 0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
	{ 0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
};

static struct noise_handshake_params params_for(enum noise_role role, struct noise_keypair *s,
						const uint8_t *remote_static)
{
	return (struct noise_handshake_params){
		.pattern = NOISE_IKPSK2,
		.role = role,
		.prologue = "p",
		.prologue_length = 1,
		.s = noise_keypair_static_key(s),
		.remote_static = remote_static,
	};
}

static void low_order_dh(void **state)
{
	struct noise_keypair keypair;
	uint8_t out[NOISE_DHLEN];

	(void)state;
	noise_keypair_generate(&keypair);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(noise_dh(out, keypair.secret_key, low_order_points[i]), -1);
}

/* As a peer's ephemeral key in either message, and as the responder key that was pinned. */
static void low_order_handshake(void **state)
{
	struct noise_keypair init_s, resp_s;
	struct noise_handshake_state initiator, responder;
	struct noise_handshake_params params;
	uint8_t message[128], response[128];
	size_t length, response_length, i;

	(void)state;
	noise_keypair_generate(&init_s);
	noise_keypair_generate(&resp_s);
	for (i = 0; i < 7; i++) {
		params = params_for(NOISE_INITIATOR, &init_s, resp_s.public_key);
		noise_handshake_init(&initiator, &params);
		params = params_for(NOISE_RESPONDER, &resp_s, NULL);
		noise_handshake_init(&responder, &params);
		assert_int_equal(
			noise_handshake_write_message(&initiator, NULL, 0, message, &length), 0);
		memcpy(response, message, length);
		memcpy(response, low_order_points[i], NOISE_DHLEN);
		assert_int_equal(noise_handshake_read_message(&responder, response, length,
							      response, &response_length),
				 -1);
		assert_int_equal(responder.progress, HANDSHAKE_FAILED);
		memset(response, 0, sizeof(response));
		memcpy(response, low_order_points[i], NOISE_DHLEN);
		assert_int_equal(noise_handshake_read_message(&initiator, response,
							      NOISE_IK_RESPONSE_OVERHEAD, response,
							      &response_length),
				 -1);
		assert_int_equal(initiator.progress, HANDSHAKE_FAILED);
		params = params_for(NOISE_INITIATOR, &init_s, low_order_points[i]);
		noise_handshake_init(&initiator, &params);
		assert_int_equal(
			noise_handshake_write_message(&initiator, NULL, 0, message, &length), -1);
	}
}

static int refuse_dh(void *context, uint8_t out[NOISE_DHLEN],
		     const uint8_t their_public[NOISE_DHLEN])
{
	(void)their_public;
	memset(out, 0, NOISE_DHLEN);
	return *(int *)context;
}

/* A keeper of the key that fails, or hands out zeros, gets nobody a handshake. */
static void static_dh_fails(void **state)
{
	struct noise_keypair init_s, resp_s;
	struct noise_handshake_state initiator;
	struct noise_handshake_params params;
	uint8_t message[128];
	size_t length;

	(void)state;
	noise_keypair_generate(&init_s);
	noise_keypair_generate(&resp_s);
	for (int result = -1; result <= 0; result++) {
		params = params_for(NOISE_INITIATOR, &init_s, resp_s.public_key);
		params.s.dh = refuse_dh;
		params.s.context = &result;
		noise_handshake_init(&initiator, &params);
		assert_int_equal(
			noise_handshake_write_message(&initiator, NULL, 0, message, &length), -1);
		assert_int_equal(initiator.progress, HANDSHAKE_FAILED);
	}
}

static void out_of_turn(void **state)
{
	static const uint8_t zeros[sizeof(struct noise_handshake_state)];
	struct noise_keypair init_s, resp_s;
	struct noise_handshake_state handshake;
	struct noise_handshake_params params;
	struct noise_cipher_state a, b;
	uint8_t message[128], hash[NOISE_HASHLEN];
	size_t length;

	(void)state;
	noise_keypair_generate(&init_s);
	noise_keypair_generate(&resp_s);
	params = params_for(NOISE_INITIATOR, &init_s, resp_s.public_key);
	noise_handshake_init(&handshake, &params);
	assert_int_equal(noise_handshake_finish(&handshake, &a, &b, hash), -1);
	assert_int_equal(noise_handshake_write_message(&handshake, NULL, 0, message, &length), 0);
	assert_int_equal(noise_handshake_finish(&handshake, &a, &b, hash), -1);
	assert_int_equal(noise_handshake_write_message(&handshake, NULL, 0, message, &length), -1);
	params = params_for(NOISE_RESPONDER, &resp_s, NULL);
	noise_handshake_init(&handshake, &params);
	assert_int_equal(noise_handshake_write_message(&handshake, NULL, 0, message, &length), -1);
	/* Wiped: no key is left, and it is not "ready" again. */
	assert_int_equal(handshake.progress, HANDSHAKE_FAILED);
	handshake.progress = 0;
	assert_memory_equal(&handshake, zeros, sizeof(handshake));
}

static void payload_too_long(void **state)
{
	static uint8_t payload[NOISE_MAX_MESSAGE], out[2 * NOISE_MAX_MESSAGE];
	struct noise_keypair init_s, resp_s;
	struct noise_handshake_state handshake;
	struct noise_handshake_params params;
	size_t length;

	(void)state;
	noise_keypair_generate(&init_s);
	noise_keypair_generate(&resp_s);
	params = params_for(NOISE_INITIATOR, &init_s, resp_s.public_key);
	noise_handshake_init(&handshake, &params);
	assert_int_equal(noise_handshake_write_message(&handshake, payload, NOISE_MAX_MESSAGE - 96,
						       out, &length),
			 0);
	assert_int_equal(length, NOISE_MAX_MESSAGE);
	noise_handshake_init(&handshake, &params);
	assert_int_equal(noise_handshake_write_message(&handshake, payload, NOISE_MAX_MESSAGE - 95,
						       out, &length),
			 -1);
}

/* Case 154: keys that were made here can be told apart. */
static void keypairs(void **state)
{
	struct noise_keypair keypair, again;
	static const uint8_t zeros[NOISE_DHLEN];

	(void)state;
	for (int i = 0; i < 200; i++) {
		noise_keypair_generate(&keypair);
		assert_true(noise_key_looks_secret(keypair.secret_key));
		assert_false(noise_key_looks_secret(keypair.public_key));
		assert_int_equal(noise_keypair_from_secret(&again, keypair.secret_key), 0);
		assert_memory_equal(again.public_key, keypair.public_key, NOISE_DHLEN);
	}
	assert_int_equal(noise_keypair_from_secret(&again, zeros), -1);
	noise_keypair_wipe(&keypair);
	assert_memory_equal(keypair.secret_key, zeros, NOISE_DHLEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_functions),
		cmocka_unit_test(cipher_round_trip),
		cmocka_unit_test(nonces_end),
		cmocka_unit_test(low_order_dh),
		cmocka_unit_test(low_order_handshake),
		cmocka_unit_test(static_dh_fails),
		cmocka_unit_test(out_of_turn),
		cmocka_unit_test(payload_too_long),
		cmocka_unit_test(keypairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
