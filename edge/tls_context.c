/*
 * The SSL_CTX that every TLS connection of the edge is made of: the widest choice there is; what a
 * destination must have is narrowed per connection (tls_verify.c).
 *
 * Without a policy the alternative to a weak handshake is no encryption at all (RFC 7435). So the
 * choice is wide, as Postfix's is for level `may' (smtp_tls_protocols = >=TLSv1, cipher grade
 * medium): TLS 1.0 upwards, and OpenSSL's security level 0, because Debian's level 2 refuses TLS
 * 1.0, TLS 1.1, SHA-1 and small keys. Null and export ciphers stay out; anonymous ones stay out
 * because a server that has only those is not found any more.
 *
 * Sessions to be resumed are kept by us (tls_sessions.c), as OpenSSL's own cache knows nothing of terms. Not done here: client certificates.
 */
#include "tls_context.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text_file.h"
#include "tls_sessions.h"

#define CIPHERS "HIGH:MEDIUM:!aNULL:!eNULL:!EXPORT:!LOW:@STRENGTH:@SECLEVEL=0"
/*
 * Bytes of a Certificate message. Real chains have less than 20 KiB; OpenSSL's own bound is about
 * the same.
 */
#define CERTIFICATES_MAX (100 * 1024)
#define AUTHORITIES_BYTES_MAX (8 * 1024 * 1024)

struct tls_context {
	SSL_CTX *ssl_ctx;	/* OpenSSL counts references with locks of its own */
	struct tls_sessions *sessions;	/* has its own lock */
};

static void configure(SSL_CTX *ssl_ctx)
{
	/*
	 * Servers without RFC 5746 exist; what that protects, renegotiation and authentication, we
	 * do not have.
	 */
	SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					     SSL_OP_LEGACY_SERVER_CONNECT);
	SSL_CTX_clear_options(ssl_ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ssl_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					  SSL_MODE_RELEASE_BUFFERS);
	/*
	 * One record per call, so that a flood of records without payload cannot keep SSL_read()
	 * from returning.
	 */
	SSL_CTX_clear_mode(ssl_ctx, SSL_MODE_AUTO_RETRY);
	/*
	 * The chain is verified all the same, and the result judged after the handshake, when the
	 * certificate can be named in the reason.
	 */
	SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ssl_ctx, tls_stream_on_session);
	SSL_CTX_set_max_cert_list(ssl_ctx, CERTIFICATES_MAX);
}

/* 0, or -1 with OpenSSL's error queued. */
static int add_authorities(X509_STORE *store, const struct text_file *file)
{
	BIO *bio = BIO_new_mem_buf(file->text, (int)file->length);
	STACK_OF(X509_INFO) *found =
		bio != NULL ? PEM_X509_INFO_read_bio(bio, NULL, NULL, "") : NULL;
	int added = 0;

	for (int i = 0; i < sk_X509_INFO_num(found) && added >= 0; i++) {
		const X509_INFO *info = sk_X509_INFO_value(found, i);

		if ((info->x509 != NULL && X509_STORE_add_cert(store, info->x509) != 1) ||
		    (info->crl != NULL && X509_STORE_add_crl(store, info->crl) != 1))
			added = -1;
		else
			added += info->x509 != NULL || info->crl != NULL;
	}
	if (found != NULL && added == 0)
		ERR_raise(ERR_LIB_X509, X509_R_NO_CERTIFICATE_OR_CRL_FOUND);
	sk_X509_INFO_pop_free(found, X509_INFO_free);
	BIO_free(bio);
	return added > 0 ? 0 : -1;
}

/* Not by OpenSSL's own hands: this process may not be allowed to open the file, see text_file.h. */
static int load_authorities(SSL_CTX *ssl_ctx, const char *ca_file, char *reason, size_t size)
{
	struct text_file file;
	int result;

	if (ca_file == NULL)
		return SSL_CTX_set_default_verify_paths(ssl_ctx) == 1 ? 0 : -1;
	if (text_file_read(&file, ca_file, AUTHORITIES_BYTES_MAX, NULL, reason, size) < 0)
		return -1;
	result = add_authorities(SSL_CTX_get_cert_store(ssl_ctx), &file);
	text_file_wipe(&file);
	return result;
}

static void print_error(const char *what, char *error, size_t error_size)
{
	/* The first of the queue is the cause; those behind it say who passed it on. */
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_SYSTEM_ERROR(code) ? strerrordesc_np(ERR_GET_REASON(code))
						    : ERR_reason_error_string(code);

	snprintf(error, error_size, "%s: %s", what, reason != NULL ? reason : "out of memory");
	ERR_clear_error();
}

struct tls_context *tls_context_create(const char *ca_file, char *error, size_t error_size)
{
	struct tls_context *context = calloc(1, sizeof(*context));
	char what[300], reason[PATH_MAX + 200] = "";

	ERR_clear_error();
	snprintf(what, sizeof(what), "cannot set up TLS");
	if (context != NULL) {
		context->ssl_ctx = SSL_CTX_new(TLS_client_method());
		context->sessions = tls_sessions_create();
	}
	if (context == NULL || context->ssl_ctx == NULL || context->sessions == NULL ||
	    SSL_CTX_set_min_proto_version(context->ssl_ctx, TLS1_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(context->ssl_ctx, 0) != 1 ||
	    SSL_CTX_set_cipher_list(context->ssl_ctx, CIPHERS) != 1 ||
	    SSL_CTX_dane_enable(context->ssl_ctx) != 1)
		goto fail;
	SSL_CTX_dane_set_flags(context->ssl_ctx, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	snprintf(what, sizeof(what), "tls_ca_file \"%s\"", ca_file != NULL ? ca_file : "");
	if (load_authorities(context->ssl_ctx, ca_file, reason, sizeof(reason)) < 0)
		goto fail;
	configure(context->ssl_ctx);
	return context;
fail:
	/* What cannot be read begins with its name. */
	if (reason[0] != '\0')
		snprintf(error, error_size, "%s%s", what, strchr(reason + strlen(ca_file), ':'));
	else
		print_error(what, error, error_size);
	tls_context_destroy(context);
	return NULL;
}

void tls_context_destroy(struct tls_context *context)
{
	if (context == NULL)
		return;
	SSL_CTX_free(context->ssl_ctx);
	tls_sessions_release(context->sessions);
	free(context);
}

struct ssl_ctx_st *tls_context_ssl_ctx(const struct tls_context *context)
{
	return context->ssl_ctx;
}

struct tls_sessions *tls_context_sessions(const struct tls_context *context)
{
	return context->sessions;
}

void tls_context_thread_end(void)
{
	OPENSSL_thread_stop();
}
