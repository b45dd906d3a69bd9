/*
 * The same checks as SSL_dane_tlsa_add() makes. A DER object ends where its first length says, so
 * what stands behind it must be looked for.
 */
#include "tls_tlsa.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509.h>

bool tls_tlsa_is_certificate(const uint8_t *data, size_t length)
{
	const uint8_t *at = data;
	X509 *certificate = length <= LONG_MAX ? d2i_X509(NULL, &at, (long)length) : NULL;
	bool is_good =
		certificate != NULL && at == data + length && X509_get0_pubkey(certificate) != NULL;

	X509_free(certificate);
	/* The queue is the thread's: a handshake must not find our errors in it. */
	ERR_clear_error();
	return is_good;
}

bool tls_tlsa_is_public_key(const uint8_t *data, size_t length)
{
	const uint8_t *at = data;
	EVP_PKEY *key = length <= LONG_MAX ? d2i_PUBKEY(NULL, &at, (long)length) : NULL;
	bool is_good = key != NULL && at == data + length;

	EVP_PKEY_free(key);
	ERR_clear_error();
	return is_good;
}
