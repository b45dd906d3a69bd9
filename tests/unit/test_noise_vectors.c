/*
 * Published Noise test vectors, and what must fail, derived from each of them.
 *
 * Reads tests/vectors/noise-*.json (ours, made by tests/python/make_vectors.py) and every vector of
 * the directory POSTERN_VECTORS (default ../shared/vectors) with 25519_ChaChaPoly_BLAKE2b.
 * Run from the top of the source tree.
 */
#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "noise_vectors.h"
#include "tunnel/tunnel.h"

#define SUFFIX "_25519_ChaChaPoly_BLAKE2b"

/* Both ends of one handshake, forced to the vector's keys. */
struct pair {
	struct noise_keypair init_s, init_e, resp_s, resp_e;
	struct noise_handshake_state initiator, responder;
};

static void load_key(struct noise_keypair *keypair, const struct vector_bytes *secret)
{
	assert_int_equal(secret->length, NOISE_DHLEN);
	assert_int_equal(noise_keypair_from_secret(keypair, secret->bytes), 0);
}

static struct noise_handshake_params params_for(const struct vector *vector, enum noise_role role,
						struct noise_keypair *s,
						const uint8_t *remote_static,
						const struct noise_keypair *e)
{
	const struct vector_bytes *psk =
		role == NOISE_INITIATOR ? &vector->init_psk : &vector->resp_psk;
	const struct vector_bytes *prologue =
		role == NOISE_INITIATOR ? &vector->init_prologue : &vector->resp_prologue;
	struct noise_handshake_params params = {
		.pattern = strstr(vector->name, "psk2") != NULL ? NOISE_IKPSK2 : NOISE_IK,
		.role = role,
		.prologue = prologue->bytes,
		.prologue_length = prologue->length,
		.s = noise_keypair_static_key(s),
		.remote_static = remote_static,
		.fixed_ephemeral = e,
	};

	if (params.pattern == NOISE_IKPSK2) {
		assert_int_equal(psk->length, NOISE_KEYLEN);
		memcpy(params.psk, psk->bytes, NOISE_KEYLEN);
	}
	return params;
}

static void pair_init(struct pair *pair, const struct vector *vector)
{
	struct noise_handshake_params params;

	load_key(&pair->init_s, &vector->init_static);
	load_key(&pair->init_e, &vector->init_ephemeral);
	load_key(&pair->resp_s, &vector->resp_static);
	load_key(&pair->resp_e, &vector->resp_ephemeral);
	if (vector->init_remote_static.is_given)
		assert_memory_equal(pair->resp_s.public_key, vector->init_remote_static.bytes,
				    NOISE_DHLEN);
	params = params_for(vector, NOISE_INITIATOR, &pair->init_s, pair->resp_s.public_key,
			    &pair->init_e);
	noise_handshake_init(&pair->initiator, &params);
	params = params_for(vector, NOISE_RESPONDER, &pair->resp_s, NULL, &pair->resp_e);
	noise_handshake_init(&pair->responder, &params);
}

/* Writes message `i` of the vector and compares. */
static void write_step(struct noise_handshake_state *from, const struct vector_message *message)
{
	uint8_t out[VECTOR_BYTES_MAX];
	size_t length;

	assert_int_equal(noise_handshake_write_message(from, message->payload.bytes,
						       message->payload.length, out, &length),
			 0);
	assert_int_equal(length, message->ciphertext.length);
	assert_memory_equal(out, message->ciphertext.bytes, length);
}

static void read_step(struct noise_handshake_state *to, const struct vector_message *message)
{
	uint8_t out[VECTOR_BYTES_MAX];
	size_t length;

	assert_int_equal(noise_handshake_read_message(to, message->ciphertext.bytes,
						      message->ciphertext.length, out, &length),
			 0);
	assert_int_equal(length, message->payload.length);
	assert_memory_equal(out, message->payload.bytes, length);
}

static void assert_unusable(struct noise_handshake_state *state)
{
	struct noise_cipher_state a, b;
	uint8_t out[VECTOR_BYTES_MAX], hash[NOISE_HASHLEN];
	size_t length;

	assert_int_equal(state->progress, HANDSHAKE_FAILED);
	assert_int_equal(noise_handshake_write_message(state, NULL, 0, out, &length), -1);
	assert_int_equal(noise_handshake_read_message(state, out, 112, out, &length), -1);
	assert_int_equal(noise_handshake_finish(state, &a, &b, hash), -1);
}

/* The read must fail, and the state must be of no further use. */
static void assert_read_fails(struct noise_handshake_state *state, const uint8_t *bytes,
			      size_t length)
{
	uint8_t out[VECTOR_BYTES_MAX];
	size_t out_length;

	assert_int_equal(noise_handshake_read_message(state, bytes, length, out, &out_length), -1);
	assert_unusable(state);
}

static void handshake(struct pair *pair, const struct vector *vector)
{
	pair_init(pair, vector);
	write_step(&pair->initiator, &vector->messages[0]);
	read_step(&pair->responder, &vector->messages[0]);
	assert_memory_equal(pair->responder.rs, pair->init_s.public_key, NOISE_DHLEN);
	write_step(&pair->responder, &vector->messages[1]);
	read_step(&pair->initiator, &vector->messages[1]);
}

struct session {
	struct noise_cipher_state init_send, init_receive, resp_send, resp_receive;
};

static void session_open(struct session *session, const struct vector *vector)
{
	uint8_t init_hash[NOISE_HASHLEN], resp_hash[NOISE_HASHLEN];
	struct pair pair;

	handshake(&pair, vector);
	assert_int_equal(noise_handshake_finish(&pair.initiator, &session->init_send,
						&session->init_receive, init_hash),
			 0);
	assert_int_equal(noise_handshake_finish(&pair.responder, &session->resp_send,
						&session->resp_receive, resp_hash),
			 0);
	assert_memory_equal(init_hash, resp_hash, NOISE_HASHLEN);
	if (vector->handshake_hash.is_given)
		assert_memory_equal(init_hash, vector->handshake_hash.bytes, NOISE_HASHLEN);
	assert_unusable(&pair.initiator);
}

static int decrypt(struct noise_cipher_state *cipher, const struct vector_bytes *ciphertext)
{
	uint8_t out[VECTOR_BYTES_MAX];
	size_t length;

	return noise_cipher_decrypt_with_ad(cipher, NULL, 0, ciphertext->bytes, ciphertext->length,
					    out, &length);
}

/* ---- what must work ---- */
static void check_as_published(const struct vector *vector)
{
	struct session session;
	uint8_t out[VECTOR_BYTES_MAX], mac1[TUNNEL_MAC1_SIZE];
	struct noise_keypair resp;
	size_t i, length;

	session_open(&session, vector);
	for (i = 2; i < vector->message_count; i++) {
		const struct vector_message *message = &vector->messages[i];
		struct noise_cipher_state *from =
			i % 2 == 0 ? &session.init_send : &session.resp_send;
		struct noise_cipher_state *to =
			i % 2 == 0 ? &session.resp_receive : &session.init_receive;

		memcpy(out, message->payload.bytes, message->payload.length);
		assert_int_equal(noise_cipher_encrypt_with_ad(
					 from, NULL, 0, out, message->payload.length, out, &length),
				 0);
		assert_int_equal(length, message->ciphertext.length);
		assert_memory_equal(out, message->ciphertext.bytes, length);
		assert_int_equal(
			noise_cipher_decrypt_with_ad(to, NULL, 0, out, length, out, &length), 0);
		assert_int_equal(length, message->payload.length);
		assert_memory_equal(out, message->payload.bytes, length);
	}
	if (vector->mac1.is_given) {
		load_key(&resp, &vector->resp_static);
		tunnel_mac1(mac1, resp.public_key, vector->messages[0].ciphertext.bytes,
			    vector->messages[0].ciphertext.length);
		assert_memory_equal(mac1, vector->mac1.bytes, TUNNEL_MAC1_SIZE);
	}
}

/* ---- what must fail ---- */

/* Case 98: every single bit of both handshake messages. */
static void check_handshake_flips(const struct vector *vector)
{
	struct noise_handshake_state state;
	struct vector_bytes damaged;
	struct pair pair;
	size_t bit;

	pair_init(&pair, vector);
	damaged = vector->messages[0].ciphertext;
	for (bit = 0; bit < damaged.length * 8; bit++) {
		damaged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		state = pair.responder;
		assert_read_fails(&state, damaged.bytes, damaged.length);
		damaged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	write_step(&pair.initiator, &vector->messages[0]);
	damaged = vector->messages[1].ciphertext;
	for (bit = 0; bit < damaged.length * 8; bit++) {
		damaged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		state = pair.initiator;
		assert_read_fails(&state, damaged.bytes, damaged.length);
		damaged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	read_step(&pair.responder, &vector->messages[0]); /* the originals still work */
	read_step(&pair.initiator, &vector->messages[1]);
}

static void check_handshake_lengths(const struct vector *vector)
{
	struct noise_handshake_state state;
	struct vector_bytes longer;
	struct pair pair;
	size_t length;

	pair_init(&pair, vector);
	longer = vector->messages[0].ciphertext;
	for (length = 0; length <= longer.length + 1; length++) {
		state = pair.responder;
		if (length != longer.length)
			assert_read_fails(&state, longer.bytes, length);
	}
	write_step(&pair.initiator, &vector->messages[0]);
	longer = vector->messages[1].ciphertext;
	for (length = 0; length <= longer.length + 1; length++) {
		state = pair.initiator;
		if (length != longer.length)
			assert_read_fails(&state, longer.bytes, length);
	}
}

static void check_handshake_order(const struct vector *vector)
{
	const struct vector_bytes *first = &vector->messages[0].ciphertext;
	const struct vector_bytes *second = &vector->messages[1].ciphertext;
	struct pair pair;

	pair_init(&pair, vector);
	assert_read_fails(&pair.responder, second->bytes, second->length); /* swapped */
	pair_init(&pair, vector);
	write_step(&pair.initiator, &vector->messages[0]);
	assert_read_fails(&pair.initiator, first->bytes, first->length); /* reflected */
	pair_init(&pair, vector);
	assert_read_fails(&pair.initiator, second->bytes, second->length); /* before message 1 */
	pair_init(&pair, vector);
	read_step(&pair.responder, &vector->messages[0]);
	assert_read_fails(&pair.responder, first->bytes, first->length); /* the same once more */
}

/* Cases 98 and 99: transport messages flipped, truncated, replayed, dropped, reflected. */
static void check_transport(const struct vector *vector)
{
	const struct vector_bytes *first = &vector->messages[2].ciphertext;
	struct vector_bytes damaged = *first;
	struct session session;
	size_t bit;

	session_open(&session, vector);
	for (bit = 0; bit < damaged.length * 8; bit++) {
		damaged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(decrypt(&session.resp_receive, &damaged), -1);
		damaged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (damaged.length = 0; damaged.length < first->length; damaged.length++)
		assert_int_equal(decrypt(&session.resp_receive, &damaged), -1);
	assert_int_equal(decrypt(&session.init_receive, first), -1); /* reflected */
	assert_int_equal(session.resp_receive.n, 0);
	assert_int_equal(decrypt(&session.resp_receive, first), 0);
	assert_int_equal(decrypt(&session.resp_receive, first), -1); /* replayed */
	if (vector->message_count > 4) {
		session_open(&session, vector); /* message 2 dropped */
		assert_int_equal(decrypt(&session.resp_receive, &vector->messages[4].ciphertext),
				 -1);
	}
}

/* Case 93: the initiator finds out at message 2; message 1 does not depend on the psk. */
static void check_wrong_psk(const struct vector *vector)
{
	uint8_t out[VECTOR_BYTES_MAX], psk[NOISE_KEYLEN] = { 0 };
	struct pair pair;
	size_t length;

	if (strstr(vector->name, "psk2") == NULL)
		return;
	pair_init(&pair, vector);
	if (memcmp(psk, vector->resp_psk.bytes, NOISE_KEYLEN) == 0)
		psk[0] = 1;
	noise_handshake_set_psk(&pair.responder, psk);
	write_step(&pair.initiator, &vector->messages[0]);
	read_step(&pair.responder, &vector->messages[0]);
	assert_int_equal(noise_handshake_write_message(&pair.responder, NULL, 0, out, &length), 0);
	assert_read_fails(&pair.initiator, out, length);
}

static void check_wrong_keys(const struct vector *vector)
{
	static const uint8_t other_prologue[] = "another prologue";
	struct noise_handshake_params params;
	uint8_t out[VECTOR_BYTES_MAX];
	struct pair pair;
	size_t length;

	/* The initiator pinned another responder key. */
	pair_init(&pair, vector);
	params = params_for(vector, NOISE_INITIATOR, &pair.init_s, pair.init_s.public_key, NULL);
	noise_handshake_init(&pair.initiator, &params);
	assert_int_equal(noise_handshake_write_message(&pair.initiator, NULL, 0, out, &length), 0);
	assert_read_fails(&pair.responder, out, length);
	/* Different prologues. */
	pair_init(&pair, vector);
	params = params_for(vector, NOISE_RESPONDER, &pair.resp_s, NULL, &pair.resp_e);
	params.prologue = other_prologue;
	params.prologue_length = sizeof(other_prologue) - 1;
	noise_handshake_init(&pair.responder, &params);
	assert_read_fails(&pair.responder, vector->messages[0].ciphertext.bytes,
			  vector->messages[0].ciphertext.length);
}

static void check_vector(const char *path, const struct vector *vector)
{
	printf("%s: %s, %zu messages\n", path, vector->name, vector->message_count);
	assert_true(vector->message_count >= 3);
	check_as_published(vector);
	check_handshake_flips(vector);
	check_handshake_lengths(vector);
	check_handshake_order(vector);
	check_transport(vector);
	check_wrong_psk(vector);
	check_wrong_keys(vector);
}

/* Every .json file of the directory. The number of vectors; 0 if there is no such directory. */
static size_t check_directory(const char *directory, const char *prefix)
{
	DIR *listing = opendir(directory);
	char path[PATH_MAX];
	struct dirent *entry;
	size_t count = 0;

	if (listing == NULL)
		return 0;
	while ((entry = readdir(listing)) != NULL) {
		const char *dot = strrchr(entry->d_name, '.');

		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || dot == NULL ||
		    strcmp(dot, ".json") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		count += vectors_read(path, SUFFIX, check_vector);
	}
	closedir(listing);
	return count;
}

static void own_vectors(void **state)
{
	(void)state;
	assert_true(check_directory("tests/vectors", "noise-") > 0);
}

static void published_vectors(void **state)
{
	const char *directory = getenv("POSTERN_VECTORS");
	size_t count;

	(void)state;
	if (directory == NULL)
		directory = "../shared/vectors";
	count = check_directory(directory, "");
	if (count == 0) {
		fprintf(stderr, "SKIPPED: no published Noise vectors in %s (set POSTERN_VECTORS)\n",
			directory);
		skip();
	}
	printf("%zu published vectors\n", count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_vectors),
		cmocka_unit_test(published_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
