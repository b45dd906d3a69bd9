/*
 * The secret of the journal: what keeps a stolen disk from telling who got which mail. Names are
 * keyed digests; a recorded reply is encrypted under a key that only the same message brings back
 * (XChaCha20-Poly1305, RFC 8439's construction with a random 24-byte nonce); records carry a keyed
 * checksum, so nothing but this journal's own writing is believed.
 */
#ifndef JOURNAL_SEAL_H
#define JOURNAL_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/mail_address.h"
#include "tunnel/content_digest.h"

#define JOURNAL_KEY_BYTES 32
#define JOURNAL_NAME_BYTES 16
#define JOURNAL_CHECKSUM_BYTES 16
/* What sealing adds: nonce and authentication tag. */
#define JOURNAL_SEAL_OVERHEAD 40

/* A recipient of a message of a client. */
struct journal_subject {
	const char *client;	/* its name in the allow-list, which outlives a change of keys */
	const char *queue_id;
	const uint8_t *content_digest;	/* CONTENT_DIGEST_SIZE */
	const struct mailbox *recipient;
};

/* How a subject is found and its record read. */
struct journal_name {
	uint8_t bytes[JOURNAL_NAME_BYTES];
	uint8_t record_key[JOURNAL_KEY_BYTES];	/* never on disk */
};

/* A fresh one, or the one in the file (tunnel/keyfile.h). 0, or -1 with error. */
int journal_seal_key(uint8_t key[JOURNAL_KEY_BYTES], const char *path, char *error, size_t error_size);
void journal_seal_name(struct journal_name *name, const uint8_t key[JOURNAL_KEY_BYTES],
		      const struct journal_subject *subject);
void journal_seal_checksum(uint8_t out[JOURNAL_CHECKSUM_BYTES], const uint8_t key[JOURNAL_KEY_BYTES],
			   const uint8_t *bytes, size_t length, uint32_t slot);
bool journal_seal_is_same(const uint8_t *a, const uint8_t *b, size_t length);
/* `out` takes length + JOURNAL_SEAL_OVERHEAD bytes. */
void journal_seal_close(uint8_t *out, const struct journal_name *name, const uint8_t *plain,
			size_t length);
/* The other way round; `length` is that of `plain`. false: not sealed under this name. */
bool journal_seal_open(uint8_t *plain, const struct journal_name *name, const uint8_t *sealed,
		       size_t length);

#endif
