/*
 * OpenSSL does the verifying (RFC 7671 by its own DANE code, RFC 5280 and 6125 by X509_verify_cert);
 * here the terms are translated for it, and what it found is put into words for who has to mend it:
 * which certificate, which record, which name.
 */
#include "tls_verify.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* Postfix's grades. @STRENGTH sorts. */
static const char *const cipher_lists[] = {
	[TLS_CIPHERS_MEDIUM] = "HIGH:MEDIUM:!aNULL:!eNULL:!EXPORT:!LOW:@STRENGTH",
	[TLS_CIPHERS_HIGH] = "HIGH:!aNULL:!eNULL:@STRENGTH",
};

static void set_versions(SSL *ssl, unsigned protocols)
{
	static const struct {
		unsigned bit;
		uint64_t option;
	} options[] = {
		{ TLS_V1_0, SSL_OP_NO_TLSv1 },
		{ TLS_V1_1, SSL_OP_NO_TLSv1_1 },
		{ TLS_V1_2, SSL_OP_NO_TLSv1_2 },
		{ TLS_V1_3, SSL_OP_NO_TLSv1_3 },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (!(protocols & options[i].bit))
			SSL_set_options(ssl, options[i].option);
}

static int set_names(SSL *ssl, const struct tls_terms *terms)
{
	unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;

	if (terms->is_san_only)
		flags |= X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
	SSL_set_hostflags(ssl, flags);
	for (size_t i = 0; i < terms->name_count; i++)
		if (SSL_add1_host(ssl, terms->names[i]) != 1)
			return -1;
	return 0;
}

/*
 * A record that OpenSSL does not take was looked at by dane.c already; should they ever differ, a
 * connection without any record is not one that DANE has authenticated (tls_verify_judge).
 */
static int set_dane(SSL *ssl, const struct tls_terms *terms)
{
	const struct dane_records *dane = terms->dane;

	if (SSL_dane_enable(ssl, dane->base_domain) != 1)
		return -1;
	for (size_t i = 0; i < dane->count; i++)
		SSL_dane_tlsa_add(ssl, dane->tlsa[i].usage, dane->tlsa[i].selector,
				  dane->tlsa[i].matching_type, dane->tlsa[i].data,
				  dane->tlsa[i].length);
	return set_names(ssl, terms);
}

int tls_verify_prepare(SSL *ssl, const struct tls_terms *terms)
{
	/* See tls_context.c for level 0; whoever wants a certificate to hold wants more. */
	int security = terms->check == TLS_CHECK_NOTHING || terms->is_test ? 0 : 1;
	int result = 0;

	ERR_clear_error();
	set_versions(ssl, terms->protocols);
	if (SSL_set_cipher_list(ssl, cipher_lists[terms->ciphers]) != 1)
		return -1;
	SSL_set_security_level(ssl, security);
	if (terms->sni[0] != '\0' && SSL_set_tlsext_host_name(ssl, terms->sni) != 1)
		return -1;
	if (terms->check == TLS_CHECK_DANE)
		result = set_dane(ssl, terms);
	else if (terms->check == TLS_CHECK_NAMES)
		result = set_names(ssl, terms);
	return result;
}

/* ---- sentences ---- */

#define NAME_TEXT_MAX 100

static void print_name(const X509_NAME *name, char *out, size_t size)
{
	char text[NAME_TEXT_MAX] = "";

	if (X509_NAME_get_text_by_NID((X509_NAME *)name, NID_commonName, text, sizeof(text)) < 0)
		X509_NAME_oneline(name, text, sizeof(text));
	snprintf(out, size, "%s", text[0] != '\0' ? text : "nobody");
}

/* The first DNS name of the certificate, else its subject. */
static void print_subject(const X509 *certificate, char *out, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS)
			continue;
		snprintf(out, size, "%.*s", ASN1_STRING_length(name->d.dNSName),
			 (const char *)ASN1_STRING_get0_data(name->d.dNSName));
		found = true;
	}
	GENERAL_NAMES_free(names);
	if (!found)
		print_name(X509_get_subject_name(certificate), out, size);
}

static void print_hex(const uint8_t *bytes, size_t length, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < length && used + 3 <= size; i++)
		used += (size_t)snprintf(out + used, size - used, "%02x", bytes[i]);
}

/* "_25._tcp.mx.example.com TLSA 3 1 1 0123456789abcdef..." */
static void print_tlsa(const struct dane_records *dane, char *out, size_t size)
{
	char data[2 * 8 + 1];

	print_hex(dane->tlsa[0].data, dane->tlsa[0].length < 8 ? dane->tlsa[0].length : 8, data,
		  sizeof(data));
	snprintf(out, size, "_25._tcp.%s TLSA %d %d %d %s...", dane->base_domain,
		 dane->tlsa[0].usage, dane->tlsa[0].selector, dane->tlsa[0].matching_type, data);
}

/* Digest of the whole certificate and of its key; false if it cannot be computed. */
static bool digest(const X509 *certificate, uint8_t whole[TLS_FINGERPRINT_SIZE],
		   uint8_t key[TLS_FINGERPRINT_SIZE])
{
	unsigned char *spki = NULL;
	int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
	bool is_done = length > 0 && X509_digest(certificate, EVP_sha256(), whole, NULL) == 1 &&
		       EVP_Digest(spki, (size_t)length, key, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(spki);
	return is_done;
}

static enum tls_fault judge_fingerprint(const X509 *certificate, const struct tls_terms *terms,
					char *reason, size_t size)
{
	uint8_t whole[TLS_FINGERPRINT_SIZE], key[TLS_FINGERPRINT_SIZE];
	char text[2 * TLS_FINGERPRINT_SIZE + 1];

	if (!digest(certificate, whole, key)) {
		snprintf(reason, size, "the certificate cannot be read");
		return TLS_FAULT_FINGERPRINT;
	}
	for (size_t i = 0; i < terms->fingerprint_count; i++)
		if (memcmp(terms->fingerprints[i], whole, sizeof(whole)) == 0 ||
		    memcmp(terms->fingerprints[i], key, sizeof(key)) == 0)
			return TLS_FAULT_NONE;
	print_hex(whole, sizeof(whole), text, sizeof(text));
	snprintf(reason, size, "the certificate's SHA-256 fingerprint is %s", text);
	return TLS_FAULT_FINGERPRINT;
}

/* What OpenSSL's verdict is about. */
static enum tls_fault fault_of(long verdict)
{
	switch (verdict) {
	case X509_V_OK:
		return TLS_FAULT_NONE;
	case X509_V_ERR_DANE_NO_MATCH:
		return TLS_FAULT_TLSA;
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return TLS_FAULT_NAME;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLS_FAULT_EXPIRED;
	default:
		return TLS_FAULT_UNTRUSTED;
	}
}

static void print_tlsa_mismatch(const X509 *certificate, const struct tls_terms *terms, char *reason,
				size_t size)
{
	char record[DNS_NAME_MAX + 64], subject[NAME_TEXT_MAX];

	print_tlsa(terms->dane, record, sizeof(record));
	print_subject(certificate, subject, sizeof(subject));
	snprintf(reason, size, "the certificate (for %s) matches none of %zu TLSA records (%s)", subject,
		 terms->dane->count, record);
}

static void print_verdict(const X509 *certificate, const struct tls_terms *terms, long verdict,
			  char *reason, size_t size)
{
	char subject[NAME_TEXT_MAX], issuer[NAME_TEXT_MAX];

	print_subject(certificate, subject, sizeof(subject));
	print_name(X509_get_issuer_name(certificate), issuer, sizeof(issuer));
	if (verdict == X509_V_ERR_HOSTNAME_MISMATCH)
		snprintf(reason, size, "the certificate is for %s, not for %s", subject,
			 terms->check == TLS_CHECK_DANE ? terms->dane->base_domain
			 : terms->name_count > 0	? terms->names[0]
							: "any name that is wanted");
	else
		snprintf(reason, size, "%s: the certificate for %s, issued by %s",
			 X509_verify_cert_error_string(verdict), subject, issuer);
}

static enum tls_fault judge_chain(SSL *ssl, const X509 *certificate, const struct tls_terms *terms,
				  char *reason, size_t size)
{
	long verdict = SSL_get_verify_result(ssl);
	enum tls_fault fault = fault_of(verdict);

	/* No verdict of OpenSSL's on names where there is no name to compare. */
	if (terms->check == TLS_CHECK_NAMES && terms->name_count == 0 && fault == TLS_FAULT_NONE) {
		verdict = X509_V_ERR_HOSTNAME_MISMATCH;
		fault = TLS_FAULT_NAME;
	}
	/* A resumed session has been judged on these terms when it was made; OpenSSL kept the verdict, but not the record. */
	if (terms->check == TLS_CHECK_DANE && fault == TLS_FAULT_NONE && SSL_session_reused(ssl) != 1 &&
	    SSL_get0_dane_authority(ssl, NULL, NULL) < 0)
		fault = TLS_FAULT_TLSA;
	if (fault == TLS_FAULT_TLSA)
		print_tlsa_mismatch(certificate, terms, reason, size);
	else if (fault != TLS_FAULT_NONE)
		print_verdict(certificate, terms, verdict, reason, size);
	return fault;
}

enum tls_fault tls_verify_judge(SSL *ssl, const struct tls_terms *terms, char *reason,
				size_t reason_size)
{
	const X509 *certificate = SSL_get0_peer_certificate(ssl);

	reason[0] = '\0';
	if (terms->check == TLS_CHECK_NOTHING)
		return TLS_FAULT_NONE;
	if (certificate == NULL) {
		snprintf(reason, reason_size, "the server has shown no certificate");
		return TLS_FAULT_UNTRUSTED;
	}
	if (terms->check == TLS_CHECK_FINGERPRINT)
		return judge_fingerprint(certificate, terms, reason, reason_size);
	return judge_chain(ssl, certificate, terms, reason, reason_size);
}
