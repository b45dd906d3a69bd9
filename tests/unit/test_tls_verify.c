/*
 * What a certificate is worth under the terms of a connection: a small authority, leaves of it with
 * one flaw each, and every kind of check over a real handshake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/tls_context.h"
#include "eventually.h"
#include "tests/unit/identity_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SOON_MS PATIENCE_MS
#define NAME "mx.example.net"

struct zoo {
	char ca_file[64];
	struct identity authority, good, expired, elsewhere, self, common_name;
};

static int setup(void **state)
{
	struct zoo *zoo = calloc(1, sizeof(*zoo));
	FILE *file;

	strcpy(zoo->ca_file, "/tmp/postern-ca-XXXXXX");
	file = fdopen(mkstemp(zoo->ca_file), "w");
	zoo->authority = make_identity("Authority", NULL, NULL, true, 86400);
	PEM_write_X509(file, zoo->authority.certificate);
	fclose(file);
	zoo->good = make_identity(NAME, "DNS:" NAME ",DNS:*.wild.example", &zoo->authority, false, 86400);
	zoo->expired = make_identity(NAME, "DNS:" NAME, &zoo->authority, false, -3600);
	zoo->elsewhere = make_identity("other.example", "DNS:other.example", &zoo->authority, false, 86400);
	zoo->self = make_identity(NAME, "DNS:" NAME, NULL, false, 86400);
	zoo->common_name = make_identity(NAME, NULL, &zoo->authority, false, 86400);
	*state = zoo;
	return 0;
}

static int teardown(void **state)
{
	struct zoo *zoo = *state;

	unlink(zoo->ca_file);
	wipe_identity(&zoo->authority);
	wipe_identity(&zoo->good);
	wipe_identity(&zoo->expired);
	wipe_identity(&zoo->elsewhere);
	wipe_identity(&zoo->self);
	wipe_identity(&zoo->common_name);
	free(zoo);
	return 0;
}

struct server {
	const struct identity *identity;
	X509 *chain;		/* sent too, or NULL */
	int version;		/* the only one; 0 = any */
	int fd;
};

static void *serve(void *argument)
{
	struct server *server = argument;
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());
	SSL *ssl;

	SSL_CTX_set_cipher_list(ssl_ctx, "ALL:@SECLEVEL=0");
	SSL_CTX_set_min_proto_version(ssl_ctx, server->version != 0 ? server->version : TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ssl_ctx, server->version);
	SSL_CTX_use_certificate(ssl_ctx, server->identity->certificate);
	SSL_CTX_use_PrivateKey(ssl_ctx, server->identity->key);
	if (server->chain != NULL)
		SSL_CTX_add1_chain_cert(ssl_ctx, server->chain);
	ssl = SSL_new(ssl_ctx);
	SSL_set_fd(ssl, server->fd);
	if (SSL_accept(ssl) == 1)
		SSL_shutdown(ssl);
	SSL_free(ssl);
	SSL_CTX_free(ssl_ctx);
	close(server->fd);
	return NULL;
}

static struct tls_terms names_terms(const char *name)
{
	struct tls_terms terms = {
		.level = TLS_VERIFY, .check = TLS_CHECK_NAMES, .label = "verify", .note = "",
		.sni = NAME, .name_count = 1, .protocols = TLS_V1_2 | TLS_V1_3,
	};

	snprintf(terms.names[0], sizeof(terms.names[0]), "%s", name);
	return terms;
}

static int shake(const struct zoo *zoo, struct server *server, const struct tls_terms *terms,
		 struct tls_outcome *outcome)
{
	struct tls_context *context;
	struct stream stream;
	pthread_t thread;
	char error[300];
	int fds[2], result;

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	server->fd = fds[1];
	assert_int_equal(pthread_create(&thread, NULL, serve, server), 0);
	context = tls_context_create(zoo->ca_file, error, sizeof(error));
	if (context == NULL)
		fail_msg("%s", error);
	stream_init(&stream, fds[0], fds[0]);
	result = tls_stream_start(&stream, context, terms, NULL, deadline_in_ms(SOON_MS), outcome);
	stream_wipe(&stream);
	pthread_join(thread, NULL);
	tls_context_destroy(context);
	return result;
}

static void expect(const struct zoo *zoo, const struct identity *identity,
		   const struct tls_terms *terms, enum tls_fault fault, const char *words)
{
	struct server server = { .identity = identity };
	struct tls_outcome outcome;
	int result = shake(zoo, &server, terms, &outcome);

	if (result != (fault == TLS_FAULT_NONE ? 0 : -1) || outcome.fault != fault ||
	    strstr(outcome.error, words) == NULL)
		fail_msg("%d, fault %d, \"%s\" \"%s\"; wanted \"%s\"", result, outcome.fault,
			 outcome.description, outcome.error, words);
}

static void test_names(void **state)
{
	const struct zoo *zoo = *state;
	struct tls_terms terms = names_terms(NAME);

	expect(zoo, &zoo->good, &terms, TLS_FAULT_NONE, "");
	expect(zoo, &zoo->expired, &terms, TLS_FAULT_EXPIRED, "expired: the certificate for " NAME);
	expect(zoo, &zoo->self, &terms, TLS_FAULT_UNTRUSTED, "issued by " NAME);
	expect(zoo, &zoo->elsewhere, &terms, TLS_FAULT_NAME, "is for other.example, not for " NAME);
	expect(zoo, &zoo->common_name, &terms, TLS_FAULT_NONE, "");
	terms.is_san_only = true;
	expect(zoo, &zoo->good, &terms, TLS_FAULT_NONE, "");
	expect(zoo, &zoo->common_name, &terms, TLS_FAULT_NAME, "not for " NAME);
	terms = names_terms(".example.net");
	expect(zoo, &zoo->good, &terms, TLS_FAULT_NONE, "");
	terms = names_terms("example.net");
	expect(zoo, &zoo->good, &terms, TLS_FAULT_NAME, "not for example.net");
	terms = names_terms("mail.wild.example");
	expect(zoo, &zoo->good, &terms, TLS_FAULT_NONE, "");
	terms = names_terms("a.b.wild.example");
	expect(zoo, &zoo->good, &terms, TLS_FAULT_NAME, "");
	terms = names_terms("no.example");
	terms.name_count = 2;
	strcpy(terms.names[1], NAME);
	expect(zoo, &zoo->good, &terms, TLS_FAULT_NONE, "");
	terms.name_count = 0;	/* a literal without match= */
	expect(zoo, &zoo->good, &terms, TLS_FAULT_NAME, "not for any name");
}

/* MTA-STS testing: told, and goes on. */
static void test_testing(void **state)
{
	const struct zoo *zoo = *state;
	struct tls_terms terms = names_terms(NAME);
	struct server server = { .identity = &zoo->elsewhere };
	struct tls_outcome outcome;

	terms.level = TLS_MAY;
	terms.label = "may";
	terms.is_test = true;
	assert_int_equal(shake(zoo, &server, &terms, &outcome), 0);
	assert_int_equal(outcome.fault, TLS_FAULT_NAME);
	assert_non_null(strstr(outcome.error, "other.example"));
	assert_non_null(strstr(outcome.description, "(MTA-STS testing: would fail)"));
	server.identity = &zoo->good;
	assert_int_equal(shake(zoo, &server, &terms, &outcome), 0);
	assert_int_equal(outcome.fault, TLS_FAULT_NONE);
	assert_non_null(strstr(outcome.description, "(MTA-STS testing: holds)"));
}

static void test_fingerprint(void **state)
{
	const struct zoo *zoo = *state;
	struct tls_terms terms = {
		.level = TLS_FINGERPRINT, .check = TLS_CHECK_FINGERPRINT, .label = "fingerprint",
		.note = "", .fingerprint_count = 2, .protocols = TLS_V1_2 | TLS_V1_3,
	};
	unsigned char *spki = NULL;
	int length;

	expect(zoo, &zoo->self, &terms, TLS_FAULT_FINGERPRINT, "SHA-256 fingerprint is ");
	X509_digest(zoo->self.certificate, EVP_sha256(), terms.fingerprints[1], NULL);
	expect(zoo, &zoo->self, &terms, TLS_FAULT_NONE, "");
	terms.fingerprint_count = 1;
	expect(zoo, &zoo->self, &terms, TLS_FAULT_FINGERPRINT, "");
	length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(zoo->expired.certificate), &spki);
	EVP_Digest(spki, (size_t)length, terms.fingerprints[0], NULL, EVP_sha256(), NULL);
	OPENSSL_free(spki);
	expect(zoo, &zoo->expired, &terms, TLS_FAULT_NONE, "");
}

/* A record for the certificate or its key, by SHA-256. */
static void set_tlsa(struct dns_tlsa *tlsa, int usage, int selector, X509 *certificate)
{
	unsigned char *bytes = NULL;
	int length = selector == 1 ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes)
				   : i2d_X509(certificate, &bytes);

	tlsa->usage = (uint8_t)usage;
	tlsa->selector = (uint8_t)selector;
	tlsa->matching_type = 1;
	tlsa->length = 32;
	EVP_Digest(bytes, (size_t)length, tlsa->data, NULL, EVP_sha256(), NULL);
	OPENSSL_free(bytes);
}

static void test_dane(void **state)
{
	const struct zoo *zoo = *state;
	uint8_t data[32];
	struct dns_tlsa tlsa = { .data = data };
	struct dane_records dane = { .state = DANE_USABLE, .base_domain = NAME, .tlsa = &tlsa, .count = 1 };
	struct tls_terms terms = {
		.level = TLS_DANE, .check = TLS_CHECK_DANE, .label = "dane", .note = "", .sni = NAME,
		.dane = &dane, .protocols = TLS_V1_2 | TLS_V1_3,
	};
	struct server server = { .identity = &zoo->good, .chain = zoo->authority.certificate };
	struct tls_outcome outcome;

	set_tlsa(&tlsa, 3, 1, zoo->self.certificate);
	expect(zoo, &zoo->self, &terms, TLS_FAULT_NONE, "");
	/* A known authority's certificate is no help where a record says otherwise. */
	expect(zoo, &zoo->good, &terms, TLS_FAULT_TLSA, "matches none of 1 TLSA records (_25._tcp." NAME " TLSA 3 1 1 ");
	/* case 67: neither name nor date matter for usage 3 */
	set_tlsa(&tlsa, 3, 0, zoo->expired.certificate);
	expect(zoo, &zoo->expired, &terms, TLS_FAULT_NONE, "");
	set_tlsa(&tlsa, 3, 1, zoo->elsewhere.certificate);
	expect(zoo, &zoo->elsewhere, &terms, TLS_FAULT_NONE, "");
	/* case 69: for usage 2 they do, and the authority must be sent */
	set_tlsa(&tlsa, 2, 0, zoo->authority.certificate);
	expect(zoo, &zoo->good, &terms, TLS_FAULT_TLSA, "");
	assert_int_equal(shake(zoo, &server, &terms, &outcome), 0);
	assert_int_equal(strncmp(outcome.description, "dane TLSv1.3 ", 13), 0);
	server.identity = &zoo->elsewhere;
	assert_int_equal(shake(zoo, &server, &terms, &outcome), -1);
	assert_int_equal(outcome.fault, TLS_FAULT_NAME);
	terms.name_count = 1;
	strcpy(terms.names[0], "other.example");	/* the next-hop domain (RFC 7672 3.2.2) */
	assert_int_equal(shake(zoo, &server, &terms, &outcome), 0);
	server.identity = &zoo->expired;
	assert_int_equal(shake(zoo, &server, &terms, &outcome), -1);
	assert_int_equal(outcome.fault, TLS_FAULT_EXPIRED);
	/* Not one record that OpenSSL takes: not authenticated by a known authority instead. */
	tlsa.length = 31;
	server.identity = &zoo->good;
	assert_int_equal(shake(zoo, &server, &terms, &outcome), -1);
	assert_int_equal(outcome.fault, TLS_FAULT_TLSA);
}

/* ---- resumption: one server and one context for several connections ---- */

struct one {
	int fd;
	SSL_CTX *ssl_ctx;
};

static void *serve_one(void *argument)
{
	const struct one *one = argument;
	int fd = one->fd;
	SSL *ssl = SSL_new(one->ssl_ctx);

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1 && SSL_write(ssl, "220 hello\r\n", 11) == 11)
		SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
	return NULL;
}

static SSL_CTX *make_server(const struct identity *identity, int version)
{
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());

	SSL_CTX_set_min_proto_version(ssl_ctx, version);
	SSL_CTX_set_max_proto_version(ssl_ctx, version);
	SSL_CTX_use_certificate(ssl_ctx, identity->certificate);
	SSL_CTX_use_PrivateKey(ssl_ctx, identity->key);
	return ssl_ctx;
}

/* 1: good, 2: good and resumed, 0: not good. */
static int connect_again(struct tls_context *context, SSL_CTX *server, const struct tls_terms *terms, const char *key_text)
{
	struct one one = { .ssl_ctx = server };
	struct tls_outcome outcome;
	struct stream stream;
	struct buffer key;
	pthread_t thread;
	char line[40] = "";
	int fds[2], result;

	buffer_init(&key, 100);
	buffer_put(&key, key_text, strlen(key_text));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	one.fd = fds[1];
	assert_int_equal(pthread_create(&thread, NULL, serve_one, &one), 0);
	stream_init(&stream, fds[0], fds[0]);
	result = tls_stream_start(&stream, context, terms, &key, deadline_in_ms(SOON_MS), &outcome);
	if (result == 0) {
		/* With TLS 1.3 the tickets come before it. */
		assert_int_equal(stream_read_line(&stream, line, sizeof(line), NULL, deadline_in_ms(SOON_MS)), STREAM_OK);
		assert_string_equal(line, "220 hello");
	}
	stream_wipe(&stream);
	pthread_join(thread, NULL);
	buffer_wipe(&key);
	if (result != 0)
		assert_false(outcome.is_resumed);
	return result != 0 ? 0 : outcome.is_resumed ? 2 : 1;
}

static void test_resumption(void **state)
{
	const struct zoo *zoo = *state;
	uint8_t data[32];
	struct dns_tlsa tlsa = { .data = data };
	struct dane_records dane = { .state = DANE_USABLE, .base_domain = NAME, .tlsa = &tlsa, .count = 1 };
	struct tls_terms any = { .level = TLS_MAY, .label = "may", .note = "", .protocols = TLS_V1_2 | TLS_V1_3 };
	struct tls_terms names = names_terms(NAME), testing = names_terms(NAME);
	struct tls_terms by_dane = { .level = TLS_DANE, .check = TLS_CHECK_DANE, .label = "dane", .note = "", .sni = NAME,
				     .dane = &dane, .protocols = TLS_V1_2 | TLS_V1_3 };
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	char error[300];

	signal(SIGPIPE, SIG_IGN);
	testing.is_test = true;
	set_tlsa(&tlsa, 3, 1, zoo->good.certificate);
	for (size_t i = 0; i < 2; i++) {
		struct tls_context *context = tls_context_create(zoo->ca_file, error, sizeof(error));
		SSL_CTX *good = make_server(&zoo->good, versions[i]), *other = make_server(&zoo->elsewhere, versions[i]);
		const struct tls_terms *terms[] = { &any, &names, &by_dane };
		static const char *const keys[] = { "any", "names", "dane" };

		for (size_t j = 0; j < 3; j++) {
			assert_int_equal(connect_again(context, good, terms[j], keys[j]), 1);
			for (int times = 0; times < 4; times++)
				assert_int_equal(connect_again(context, good, terms[j], keys[j]), 2);
			/* Another key, whatever the terms; and no key. */
			assert_int_equal(connect_again(context, good, terms[j], "another"), j == 0 ? 1 : 2);
			assert_int_equal(connect_again(context, good, terms[j], ""), 1);
		}
		/* Nothing is kept of a connection that was refused, or that is used only because a policy is in testing. */
		assert_int_equal(connect_again(context, other, &names, "bad"), 0);
		assert_int_equal(connect_again(context, other, &any, "bad"), 1);
		assert_int_equal(connect_again(context, other, &testing, "testing"), 1);
		assert_int_equal(connect_again(context, other, &testing, "testing"), 1);
		/* A server that does not know the session: all of the handshake, and the certificate is judged. */
		assert_int_equal(connect_again(context, other, &names, "names"), 0);
		SSL_CTX_free(good);
		SSL_CTX_free(other);
		/* Another context, as after a reload: it knows nothing. */
		tls_context_destroy(context);
	}
}

static void test_versions(void **state)
{
	static const struct {
		int version;
		unsigned protocols;
		int result;
	} rows[] = {
		{ TLS1_1_VERSION, TLS_V1_2 | TLS_V1_3, -1 },
		{ TLS1_1_VERSION, TLS_V1_0 | TLS_V1_1 | TLS_V1_2 | TLS_V1_3, 0 },
		{ TLS1_2_VERSION, TLS_V1_3, -1 },
		{ TLS1_2_VERSION, TLS_V1_2, 0 },
		{ TLS1_3_VERSION, TLS_V1_2, -1 },
		{ TLS1_3_VERSION, TLS_V1_3, 0 },
	};
	const struct zoo *zoo = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct tls_terms terms = { .level = TLS_ENCRYPT, .label = "encrypt", .note = "",
					   .protocols = rows[i].protocols };
		struct server server = { .identity = &zoo->good, .version = rows[i].version };
		struct tls_outcome outcome;

		if (shake(zoo, &server, &terms, &outcome) != rows[i].result)
			fail_msg("row %zu: %s %s", i, outcome.description, outcome.error);
		if (rows[i].result < 0)
			assert_int_equal(outcome.fault, TLS_FAULT_HANDSHAKE);
	}
}

static void test_bad_ca_file(void **state)
{
	char error[300];

	(void)state;
	assert_null(tls_context_create("/no/such/file.pem", error, sizeof(error)));
	assert_non_null(strstr(error, "tls_ca_file \"/no/such/file.pem\": No such file or directory"));
	assert_null(tls_context_create("/dev/null", error, sizeof(error)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	cmocka_unit_test(test_testing),
		cmocka_unit_test(test_fingerprint), cmocka_unit_test(test_dane),
		cmocka_unit_test(test_resumption),
		cmocka_unit_test(test_versions),	cmocka_unit_test(test_bad_ca_file),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
