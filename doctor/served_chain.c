/* Certificate chains in PEM files, and DANE's verdict about them: OpenSSL's verification, without a connection. */
#include "served_chain.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "lib/text_file.h"

#define FILE_BYTES_MAX 4000000

/* ---- files ---- */

/* The leaf of a new chain, or one more issuer of the last one. Takes the certificate. -1: no room, no memory. */
static int add_certificate(struct served_chains *chains, const char *path, bool is_leaf, X509 *certificate)
{
	struct served_chain *chain = &chains->items[chains->count];

	if (!is_leaf && chains->count > 0 && sk_X509_push(chain[-1].issuers, certificate) > 0)
		return 0;
	if (is_leaf && chains->count < SERVED_CHAINS_MAX && (chain->issuers = sk_X509_new_null()) != NULL) {
		snprintf(chain->path, sizeof(chain->path), "%s", path);
		chain->leaf = certificate;
		chains->count++;
		return 0;
	}
	X509_free(certificate);
	return -1;
}

/* One block of the file. A key tells that the next certificate is a server's own. -1 with a reason. */
static int add_block(struct served_chains *chains, const char *path, enum served_chain_file kind, const char *name,
		     const unsigned char *data, long length, char *error, size_t error_size)
{
	X509 *certificate;

	if (strstr(name, "PRIVATE KEY") != NULL && kind == SERVED_CHAINS_FILE)
		chains->has_key = true;
	if (strcmp(name, PEM_STRING_X509) != 0 && strcmp(name, PEM_STRING_X509_OLD) != 0)
		return 0;
	certificate = d2i_X509(NULL, &data, length);
	if (certificate == NULL) {
		snprintf(error, error_size, "%s: a certificate in it is damaged", path);
		return -1;
	}
	if (add_certificate(chains, path, chains->has_key, certificate) != 0) {
		snprintf(error, error_size,
			 chains->has_key ? "%s: more than %d chains" : "%s: a certificate without a private key before it", path,
			 SERVED_CHAINS_MAX);
		return -1;
	}
	chains->has_key = false;
	return 0;
}

static int add_blocks(struct served_chains *chains, const char *path, enum served_chain_file kind, BIO *blocks, char *error,
		      size_t error_size)
{
	char *name, *header;
	unsigned char *data;
	long length;
	int result = 0;

	while (result == 0 && PEM_read_bio(blocks, &name, &header, &data, &length) == 1) {
		result = add_block(chains, path, kind, name, data, length, error, error_size);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)length);
	}
	if (result == 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		snprintf(error, error_size, "%s: it is not PEM: %s", path, ERR_reason_error_string(ERR_peek_last_error()));
		result = -1;
	}
	ERR_clear_error();
	return result;
}

int served_chains_add(struct served_chains *chains, const char *path, enum served_chain_file kind, char *error,
		      size_t error_size)
{
	size_t before = chains->count;
	struct text_file file;
	BIO *blocks;
	int result;

	if (text_file_read(&file, path, FILE_BYTES_MAX, NULL, error, error_size) != 0)
		return -1;
	/* The first certificate of this kind of file needs no key before it. */
	chains->has_key |= kind == SERVED_CHAIN_FILE;
	blocks = BIO_new_mem_buf(file.text, (int)file.length);
	if (blocks == NULL)
		snprintf(error, error_size, "out of memory");
	result = blocks != NULL ? add_blocks(chains, path, kind, blocks, error, error_size) : -1;
	BIO_free(blocks);
	text_file_wipe(&file);
	if (result == 0 && kind == SERVED_CHAIN_FILE && chains->count == before) {
		snprintf(error, error_size, "%s: there is no certificate in it", path);
		result = -1;
	}
	return result;
}

/* What the verification found on its way, whether or not it came to an end. */
static void complete(struct served_chain *chain, X509_STORE *authorities)
{
	X509_STORE_CTX *way = X509_STORE_CTX_new();
	STACK_OF(X509) *found = NULL;

	if (way != NULL && X509_STORE_CTX_init(way, authorities, chain->leaf, NULL) == 1) {
		X509_verify_cert(way);
		found = X509_STORE_CTX_get1_chain(way);
	}
	X509_STORE_CTX_free(way);
	if (found == NULL)
		return;
	X509_free(sk_X509_shift(found)); /* the leaf */
	sk_X509_pop_free(chain->issuers, X509_free);
	chain->issuers = found;
}

void served_chains_complete(struct served_chains *chains, const char *file, const char *directory)
{
	X509_STORE *authorities = X509_STORE_new();

	if (authorities == NULL)
		return;
	if (file[0] != '\0')
		X509_STORE_load_file(authorities, file);
	if (directory[0] != '\0')
		X509_STORE_load_path(authorities, directory);
	for (size_t i = 0; i < chains->count; i++)
		if (sk_X509_num(chains->items[i].issuers) == 0)
			complete(&chains->items[i], authorities);
	X509_STORE_free(authorities);
	ERR_clear_error();
}

void served_chains_wipe(struct served_chains *chains)
{
	for (size_t i = 0; i < chains->count; i++) {
		X509_free(chains->items[i].leaf);
		sk_X509_pop_free(chains->items[i].issuers, X509_free);
	}
	memset(chains, 0, sizeof(*chains));
}

/* ---- DANE ---- */

/* The records are a connection's in OpenSSL; this one is never made. NULL: no memory. */
static SSL *create_dane(const char *host, const struct dns_tlsa *tlsa, size_t count)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = context != NULL && SSL_CTX_dane_enable(context) == 1 ? SSL_new(context) : NULL;

	SSL_CTX_free(context);
	if (ssl != NULL && SSL_dane_enable(ssl, host) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	/* Those it does not know match nothing. Usages 0 and 1, which are not for SMTP (RFC 7672 3.1.3), need authorities, of whom there are none. */
	for (size_t i = 0; i < count && ssl != NULL; i++)
		SSL_dane_tlsa_add(ssl, tlsa[i].usage, tlsa[i].selector, tlsa[i].matching_type, tlsa[i].data, tlsa[i].length);
	return ssl;
}

/* Names count for usage 2 alone (RFC 7672 3.1.1, 3.2.3). */
static bool set_names(X509_STORE_CTX *check, const char *host, const char *domain)
{
	X509_VERIFY_PARAM *terms = X509_STORE_CTX_get0_param(check);

	X509_VERIFY_PARAM_set_hostflags(terms, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_STORE_CTX_set_default(check, "ssl_server") == 1 && X509_VERIFY_PARAM_set1_host(terms, host, 0) == 1 &&
	       X509_VERIFY_PARAM_add1_host(terms, domain, 0) == 1;
}

/* X509_V_OK, or why not. */
static int verify(const struct served_chain *chain, SSL *ssl, X509_STORE *nobody, const char *host, const char *domain)
{
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	int verdict = X509_V_ERR_OUT_OF_MEM;

	SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	if (check != NULL && X509_STORE_CTX_init(check, nobody, chain->leaf, chain->issuers) == 1 &&
	    set_names(check, host, domain)) {
		X509_STORE_CTX_set0_dane(check, SSL_get0_dane(ssl));
		verdict = X509_verify_cert(check) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(check);
	}
	X509_STORE_CTX_free(check);
	return verdict;
}

bool served_chain_fits(const struct served_chain *chain, const char *host, const char *domain, const struct dns_tlsa *tlsa,
		       size_t count, char *reason, size_t size)
{
	SSL *ssl = create_dane(host, tlsa, count);
	X509_STORE *nobody = X509_STORE_new();
	int verdict = ssl != NULL && nobody != NULL ? verify(chain, ssl, nobody, host, domain) : X509_V_ERR_OUT_OF_MEM;

	snprintf(reason, size, "%s", X509_verify_cert_error_string(verdict));
	X509_STORE_free(nobody);
	SSL_free(ssl);
	ERR_clear_error();
	return verdict == X509_V_OK;
}

void served_chain_print_record(const struct served_chain *chain, char out[SERVED_CHAIN_RECORD_MAX])
{
	unsigned char *key = NULL, digest[EVP_MAX_MD_SIZE];
	int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(chain->leaf), &key);
	size_t used = 0, digest_length = 0;

	out[0] = '\0';
	if (length > 0 && EVP_Q_digest(NULL, "SHA256", NULL, key, (size_t)length, digest, &digest_length) == 1)
		used = (size_t)snprintf(out, SERVED_CHAIN_RECORD_MAX, "3 1 1 ");
	for (size_t i = 0; i < digest_length && used > 0; i++)
		used += (size_t)snprintf(out + used, SERVED_CHAIN_RECORD_MAX - used, "%02x", digest[i]);
	OPENSSL_free(key);
}
