/*
 * The server end of TLS for unit tests: a self-signed certificate made at run time, and blocking
 * calls on a socket.
 */
#ifndef FAKE_TLS_H
#define FAKE_TLS_H

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>

struct fake_tls_options {
	int version;			/* TLS1_2_VERSION ...; 0: any */
	int chain_length;		/* further certificates to send */
	int key_bits;			/* RSA; 0: an EC key */
};

static inline X509 *fake_tls_certificate(EVP_PKEY *key)
{
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), -1800); /* expired: nobody may care */
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				   (const unsigned char *)"somebody.else.example", -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	X509_set_pubkey(certificate, key);
	X509_sign(certificate, key, EVP_sha256());
	return certificate;
}

static inline SSL_CTX *fake_tls_server(const struct fake_tls_options *options)
{
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = options->key_bits > 0 ? EVP_RSA_gen((unsigned)options->key_bits)
					      : EVP_EC_gen("P-256");
	X509 *certificate = fake_tls_certificate(key);

	SSL_CTX_set_cipher_list(ssl_ctx, "ALL:@SECLEVEL=0");
	SSL_CTX_set_min_proto_version(ssl_ctx,
				      options->version != 0 ? options->version : TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ssl_ctx, options->version);
	SSL_CTX_use_certificate(ssl_ctx, certificate);
	SSL_CTX_use_PrivateKey(ssl_ctx, key);
	for (int i = 0; i < options->chain_length; i++)
		SSL_CTX_add1_chain_cert(ssl_ctx, certificate);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return ssl_ctx;
}

#endif
