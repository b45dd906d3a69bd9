/*
 * DKIM's keys, with libcrypto. A public key in the DNS is the base64 of a SubjectPublicKeyInfo
 * (RSA; the bare RSAPublicKey of RFC 6376's text is accepted too), or of the 32 bytes of an Ed25519
 * key (RFC 8463 4.2).
 */
#include "dkim_key.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/text_file.h"
#include "tag_list.h"

#define KEY_BYTES_MAX 2048
#define FILE_BYTES_MAX 65536
#define ED25519_BYTES 32

/* Base64 with white space in it. The number of bytes, 0: it is none, or too much. */
static size_t decode(uint8_t out[KEY_BYTES_MAX], const char *text)
{
	char clean[KEY_BYTES_MAX / 3 * 4 + 1];
	size_t length = 0, padding = 0;
	int decoded;

	for (; *text != '\0'; text++) {
		if (strchr(" \t\r\n", *text) != NULL)
			continue;
		if (length + 1 >= sizeof(clean) - 3)
			return 0;
		clean[length++] = *text;
	}
	/* Some records lack the padding. */
	while (length % 4 != 0)
		clean[length++] = '=';
	clean[length] = '\0';
	while (padding < 2 && padding < length && clean[length - 1 - padding] == '=')
		padding++;
	decoded =
		length == 0 ? -1 : EVP_DecodeBlock(out, (const unsigned char *)clean, (int)length);
	return decoded > (int)padding ? (size_t)decoded - padding : 0;
}

static int take_key(struct dkim_key *key, EVP_PKEY *found, char *error, size_t error_size)
{
	ERR_clear_error();
	if (found == NULL) {
		snprintf(error, error_size, "it holds no key");
		return -1;
	}
	key->is_rsa = EVP_PKEY_is_a(found, "RSA");
	if (!key->is_rsa && !EVP_PKEY_is_a(found, "ED25519")) {
		snprintf(error, error_size, "the key is neither of RSA nor of Ed25519");
		EVP_PKEY_free(found);
		return -1;
	}
	key->key = found;
	key->bits = (unsigned)EVP_PKEY_get_bits(found);
	return 0;
}

static int parse_public_key(struct dkim_key *key, const char *type, const char *text, char *error,
			    size_t error_size)
{
	uint8_t bytes[KEY_BYTES_MAX];
	const unsigned char *at = bytes;
	size_t length = decode(bytes, text);
	EVP_PKEY *found;

	if (length == 0) {
		snprintf(error, error_size, "\"p\" is not base64");
		return -1;
	}
	if (strcmp(type, "ed25519") == 0) {
		found = length == ED25519_BYTES
				? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, length)
				: NULL;
	} else {
		found = d2i_PUBKEY(NULL, &at, (long)length);
		at = bytes;
		if (found == NULL)
			found = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)length);
	}
	if (found == NULL)
		ERR_clear_error();
	if (take_key(key, found, error, error_size) != 0) {
		snprintf(error, error_size, "\"p\" holds no key of the kind \"%.20s\"", type);
		return -1;
	}
	if (key->is_rsa != (strcmp(type, "rsa") == 0)) {
		snprintf(error, error_size, "\"p\" holds no key of the kind \"%.20s\"", type);
		dkim_key_wipe(key);
		return -1;
	}
	return 0;
}

/* Is the word in a list with colons, or "*"? */
static bool has_word(const char *text, const char *word, const char *any)
{
	while (*text != '\0') {
		size_t length = strcspn(text, ":"), start = strspn(text, " \t"), end = length;

		while (end > start && strchr(" \t", text[end - 1]) != NULL)
			end--;
		if (end > start && ((strlen(word) == end - start &&
				     strncasecmp(text + start, word, end - start) == 0) ||
				    (any != NULL && strlen(any) == end - start &&
				     strncmp(text + start, any, end - start) == 0)))
			return true;
		text += length + (text[length] == ':');
	}
	return false;
}

static int judge_tags(struct dkim_record *record, const struct tag_list *tags, char *error,
		      size_t error_size)
{
	const char *version = tag_list_find(tags, "v"), *type = tag_list_find(tags, "k"),
		   *key = tag_list_find(tags, "p");
	const char *hashes = tag_list_find(tags, "h"), *services = tag_list_find(tags, "s"),
		   *flags = tag_list_find(tags, "t");

	type = type != NULL ? type : "rsa";
	if (version != NULL &&
	    (strcmp(version, "DKIM1") != 0 || strcmp(tags->tags[0].name, "v") != 0)) {
		snprintf(error, error_size, "\"v\" must be first, and DKIM1");
		return -1;
	}
	if (key == NULL) {
		snprintf(error, error_size, "there is no \"p\", the key");
		return -1;
	}
	if (strcmp(type, "rsa") != 0 && strcmp(type, "ed25519") != 0) {
		snprintf(error, error_size, "the kind of key \"%.20s\" is not known", type);
		return -1;
	}
	if (hashes != NULL && !has_word(hashes, "sha256", NULL)) {
		snprintf(error, error_size, "\"h=%.40s\" does not allow sha256", hashes);
		return -1;
	}
	if (services != NULL && !has_word(services, "email", "*")) {
		snprintf(error, error_size, "\"s=%.40s\" does not allow email", services);
		return -1;
	}
	record->is_testing = flags != NULL && has_word(flags, "y", NULL);
	record->is_revoked = key[0] == '\0';
	return record->is_revoked ? 0
				  : parse_public_key(&record->key, type, key, error, error_size);
}

int dkim_record_parse(struct dkim_record *record, const char *text, char *error, size_t error_size)
{
	struct tag_list tags;
	int result;

	memset(record, 0, sizeof(*record));
	if (tag_list_parse(&tags, text, error, error_size) != 0)
		return -1;
	result = judge_tags(record, &tags, error, error_size);
	tag_list_wipe(&tags);
	return result;
}

void dkim_record_wipe(struct dkim_record *record)
{
	dkim_key_wipe(&record->key);
}

static EVP_PKEY *read_private_key(const struct text_file *file)
{
	BIO *memory = BIO_new_mem_buf(file->text, (int)file->length);
	uint8_t bytes[KEY_BYTES_MAX * 2];
	const unsigned char *at = bytes;
	EVP_PKEY *found;
	size_t length;

	/* "": no passphrase is asked for. */
	found = memory != NULL ? PEM_read_bio_PrivateKey(memory, NULL, NULL, (void *)(uintptr_t) "")
			       : NULL;
	BIO_free(memory);
	if (found != NULL || strstr(file->text, "-----") != NULL)
		return found;
	length = decode(bytes, file->text);
	return length > 0 ? d2i_AutoPrivateKey(NULL, &at, (long)length) : NULL;
}

int dkim_key_read(struct dkim_key *key, const char *path, char *error, size_t error_size)
{
	struct text_file file;
	char reason[200];

	memset(key, 0, sizeof(*key));
	if (text_file_read(&file, path, FILE_BYTES_MAX, NULL, error, error_size) != 0)
		return -1;
	if (take_key(key, read_private_key(&file), reason, sizeof(reason)) != 0) {
		snprintf(error, error_size, "%s: %s", path, reason);
		text_file_wipe(&file);
		return -1;
	}
	text_file_wipe(&file);
	return 0;
}

void dkim_key_wipe(struct dkim_key *key)
{
	EVP_PKEY_free(key->key);
	memset(key, 0, sizeof(*key));
}

bool dkim_key_is_same(const struct dkim_key *left, const struct dkim_key *right)
{
	return left->key != NULL && right->key != NULL && EVP_PKEY_eq(left->key, right->key) == 1;
}

bool dkim_key_print_record(const struct dkim_key *key, char out[DKIM_KEY_TEXT_MAX])
{
	uint8_t raw[ED25519_BYTES], *der = NULL;
	size_t length = sizeof(raw);
	int used, der_length;

	used = snprintf(out, DKIM_KEY_TEXT_MAX,
			"v=DKIM1; k=%s; p=", key->is_rsa ? "rsa" : "ed25519");
	if (!key->is_rsa) {
		if (EVP_PKEY_get_raw_public_key(key->key, raw, &length) != 1)
			return false;
		EVP_EncodeBlock((unsigned char *)out + used, raw, (int)length);
		return true;
	}
	der_length = i2d_PUBKEY(key->key, &der);
	if (der_length <= 0 || (der_length + 2) / 3 * 4 + used + 1 > DKIM_KEY_TEXT_MAX) {
		OPENSSL_free(der);
		return false;
	}
	EVP_EncodeBlock((unsigned char *)out + used, der, der_length);
	OPENSSL_free(der);
	return true;
}
