/*
 * Every digest is keyed BLAKE2b with a word of its own in front, so that none of them can stand for
 * another. Texts are hashed with their terminating NUL: no two subjects give the same bytes.
 */
#include "journal_seal.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/ascii.h"
#include "tunnel/keyfile.h"

_Static_assert(JOURNAL_SEAL_OVERHEAD == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES +
						crypto_aead_xchacha20poly1305_ietf_ABYTES,
	       "nonce and tag");
_Static_assert(JOURNAL_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "one size of key");
_Static_assert(JOURNAL_NAME_BYTES == JOURNAL_CHECKSUM_BYTES, "one size of short digest");

int journal_seal_key(uint8_t key[JOURNAL_KEY_BYTES], const char *path, char *error, size_t error_size)
{
	if (sodium_init() < 0) {
		snprintf(error, error_size, "libsodium does not start");
		return -1;
	}
	if (access(path, F_OK) != 0 && errno == ENOENT) {
		randombytes_buf(key, JOURNAL_KEY_BYTES);
		return keyfile_create(path, key, error, error_size);
	}
	return keyfile_read(key, path, error, error_size);
}

static void begin(crypto_generichash_state *state, const uint8_t key[JOURNAL_KEY_BYTES], size_t size,
		  const char *purpose)
{
	crypto_generichash_init(state, key, JOURNAL_KEY_BYTES, size);
	crypto_generichash_update(state, (const uint8_t *)purpose, strlen(purpose) + 1);
}

static void add_text(crypto_generichash_state *state, const char *text)
{
	crypto_generichash_update(state, (const uint8_t *)text, strlen(text) + 1);
}

static void add_subject(crypto_generichash_state *state, const struct journal_subject *subject)
{
	char domain[SMTP_DOMAIN_MAX + 1];

	/* A domain is the same in capital letters (RFC 5321 2.4). */
	snprintf(domain, sizeof(domain), "%s", subject->recipient->domain);
	for (char *at = domain; *at != '\0'; at++)
		*at = ascii_lower(*at);
	add_text(state, subject->client);
	add_text(state, subject->queue_id);
	add_text(state, subject->recipient->local_part);
	add_text(state, domain);
	crypto_generichash_update(state, subject->content_digest, CONTENT_DIGEST_SIZE);
}

void journal_seal_name(struct journal_name *name, const uint8_t key[JOURNAL_KEY_BYTES],
		       const struct journal_subject *subject)
{
	crypto_generichash_state state;

	begin(&state, key, JOURNAL_NAME_BYTES, "postern journal name");
	add_subject(&state, subject);
	crypto_generichash_final(&state, name->bytes, JOURNAL_NAME_BYTES);
	begin(&state, key, JOURNAL_KEY_BYTES, "postern journal record key");
	add_subject(&state, subject);
	crypto_generichash_final(&state, name->record_key, JOURNAL_KEY_BYTES);
}

void journal_seal_checksum(uint8_t out[JOURNAL_CHECKSUM_BYTES], const uint8_t key[JOURNAL_KEY_BYTES],
			   const uint8_t *bytes, size_t length, uint32_t slot)
{
	crypto_generichash_state state;

	begin(&state, key, JOURNAL_CHECKSUM_BYTES, "postern journal record");
	crypto_generichash_update(&state, (const uint8_t *)&slot, sizeof(slot));
	crypto_generichash_update(&state, bytes, length);
	crypto_generichash_final(&state, out, JOURNAL_CHECKSUM_BYTES);
}

bool journal_seal_is_same(const uint8_t *a, const uint8_t *b, size_t length)
{
	return sodium_memcmp(a, b, length) == 0;
}

void journal_seal_close(uint8_t *out, const struct journal_name *name, const uint8_t *plain,
			size_t length)
{
	randombytes_buf(out, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
						   NULL, plain, length, name->bytes,
						   JOURNAL_NAME_BYTES, NULL, out, name->record_key);
}

bool journal_seal_open(uint8_t *plain, const struct journal_name *name, const uint8_t *sealed,
		       size_t length)
{
	return crypto_aead_xchacha20poly1305_ietf_decrypt(
		       plain, NULL, NULL, sealed + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
		       length + crypto_aead_xchacha20poly1305_ietf_ABYTES, name->bytes,
		       JOURNAL_NAME_BYTES, sealed, name->record_key) == 0;
}
