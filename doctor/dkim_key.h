/*
 * DKIM's keys (RFC 6376 3.6.1, RFC 8463): the public one as it stands in the DNS, the private one
 * that signs, and whether they belong together.
 */
#ifndef DKIM_KEY_H
#define DKIM_KEY_H

#include <stdbool.h>
#include <stddef.h>

/* What DKIM wants (RFC 8301 3.2): less is not accepted; signers shall have this. */
#define DKIM_RSA_BITS_MIN 1024
#define DKIM_RSA_BITS_GOOD 2048
/* RSA of 8192 bits fits. */
#define DKIM_KEY_TEXT_MAX 1500

struct evp_pkey_st; /* EVP_PKEY */
struct dkim_key {
	struct evp_pkey_st *key;
	bool is_rsa; /* else Ed25519 */
	unsigned bits;
};

struct dkim_record {
	struct dkim_key key; /* of "p"; none if it is_revoked */
	bool is_revoked;     /* "p" is empty */
	bool is_testing;     /* t=y: receivers shall treat the mail as if it were not signed */
};

/* The text of the TXT record. 0, or -1 with the reason why no receiver can use it and nothing to
 * wipe. */
int dkim_record_parse(struct dkim_record *record, const char *text, char *error, size_t error_size);
void dkim_record_wipe(struct dkim_record *record);

/* The private key in a file (PEM, or the base64 of it alone as rspamd has it). 0, or -1 with "PATH:
 * reason". */
int dkim_key_read(struct dkim_key *key, const char *path, char *error, size_t error_size);
void dkim_key_wipe(struct dkim_key *key);
/* Is it the same public key? */
bool dkim_key_is_same(const struct dkim_key *left, const struct dkim_key *right);
/* The record to publish: "v=DKIM1; k=rsa; p=...". false: it does not fit. */
bool dkim_key_print_record(const struct dkim_key *key, char out[DKIM_KEY_TEXT_MAX]);

#endif
