/* Keys and certificates made on the spot: authorities, and leaves of theirs with one flaw or none. Needs cmocka.h. */
#ifndef IDENTITY_FIXTURE_H
#define IDENTITY_FIXTURE_H

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

struct identity {
	EVP_PKEY *key;
	X509 *certificate;
};

static inline void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

/* issuer NULL: signed by itself. valid_s: seconds from now, may be negative. */
static inline struct identity make_identity(const char *name, const char *alt, const struct identity *issuer,
					    bool is_authority, long valid_s)
{
	struct identity made = { EVP_EC_gen("P-256"), X509_new() };
	X509 *by = issuer != NULL ? issuer->certificate : made.certificate;

	X509_set_version(made.certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), is_authority ? 1 : 2);
	X509_gmtime_adj(X509_getm_notBefore(made.certificate), -86400);
	X509_gmtime_adj(X509_getm_notAfter(made.certificate), valid_s);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(made.certificate), "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(made.certificate, X509_get_subject_name(by));
	X509_set_pubkey(made.certificate, made.key);
	add_extension(made.certificate, by, NID_basic_constraints,
		      is_authority ? "critical,CA:TRUE" : "CA:FALSE");
	if (alt != NULL)
		add_extension(made.certificate, by, NID_subject_alt_name, alt);
	X509_sign(made.certificate, issuer != NULL ? issuer->key : made.key, EVP_sha256());
	return made;
}

static inline void wipe_identity(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->certificate);
}

#endif
