/*
 * Certificates of an MX in files as Postfix has them, and which TLSA records fit: made with an authority of our own, the records by
 * OpenSSL's digests, so that one byte less does not fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "doctor/own_mx.h"
#include "tests/unit/file_place.h"
#include "tests/unit/identity_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOST "mx.example.net"
#define DOMAIN "example.net"

struct zoo {
	struct identity authority, leaf, expired, elsewhere, by_domain;
	struct file_place place;
};

static int set_up(void **state)
{
	struct zoo *zoo = calloc(1, sizeof(*zoo));

	zoo->authority = make_identity("Authority", NULL, NULL, true, 86400);
	zoo->leaf = make_identity(HOST, "DNS:" HOST, &zoo->authority, false, 86400);
	zoo->expired = make_identity(HOST, "DNS:" HOST, &zoo->authority, false, -3600);
	zoo->elsewhere = make_identity("other.example", "DNS:other.example", &zoo->authority, false, 86400);
	zoo->by_domain = make_identity(DOMAIN, "DNS:" DOMAIN, &zoo->authority, false, 86400);
	*state = zoo;
	return file_place_init(&zoo->place, "chain.pem");
}

static int tear_down(void **state)
{
	struct zoo *zoo = *state;

	wipe_identity(&zoo->authority);
	wipe_identity(&zoo->leaf);
	wipe_identity(&zoo->expired);
	wipe_identity(&zoo->elsewhere);
	wipe_identity(&zoo->by_domain);
	file_place_wipe(&zoo->place);
	free(zoo);
	return 0;
}

static const struct identity *find(const struct zoo *zoo, char letter)
{
	switch (letter) {
	case 'A':
		return &zoo->authority;
	case 'x':
		return &zoo->expired;
	case 'e':
		return &zoo->elsewhere;
	case 'd':
		return &zoo->by_domain;
	default:
		return &zoo->leaf;
	}
}

/* A letter is a certificate, "k" a key, "#" a line of text, "!" a certificate that is none, "?" one that is not base64; returns the path. */
static const char *write_file(const struct zoo *zoo, const char *name, const char *content, char path[200])
{
	FILE *file;

	snprintf(path, 200, "%s/%s", zoo->place.directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	for (; *content != '\0'; content++)
		if (*content == 'k')
			PEM_write_PrivateKey(file, zoo->leaf.key, NULL, NULL, 0, NULL, NULL);
		else if (*content == '#')
			fputs("Bag Attributes: none\n", file);
		else if (*content == '!')
			fputs("-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n", file);
		else if (*content == '?')
			fputs("-----BEGIN CERTIFICATE-----\n****\n-----END CERTIFICATE-----\n", file);
		else
			PEM_write_X509(file, find(zoo, *content)->certificate);
	fclose(file);
	return path;
}

/* Of this selector and matching type; length 0 stays. */
static struct dns_tlsa make_record(X509 *certificate, uint8_t usage, uint8_t selector, uint8_t matching_type)
{
	struct dns_tlsa record = { .usage = usage, .selector = selector, .matching_type = matching_type };
	unsigned char *bytes = NULL;
	int length = selector == 0 ? i2d_X509(certificate, &bytes) : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes);

	assert_true(length > 0);
	record.data = malloc((size_t)length + EVP_MAX_MD_SIZE);
	record.length = (size_t)length;
	if (matching_type == 0)
		memcpy(record.data, bytes, record.length);
	else
		assert_int_equal(EVP_Q_digest(NULL, matching_type == 1 ? "SHA256" : "SHA512", NULL, bytes, (size_t)length, record.data,
					      &record.length),
				 1);
	OPENSSL_free(bytes);
	return record;
}

struct fit {
	const char *label, *file; /* as for write_file() */
	const char *records;	  /* "311 l": usage, selector and matching type, of this certificate; ", " between */
	bool fits;
	bool is_completed; /* the authority's file is there for the server */
};

static const struct fit fits[] = {
	{ "key, SHA-256", "l", "311 l", true, false },
	{ "key, SHA-512", "l", "312 l", true, false },
	{ "whole key", "l", "310 l", true, false },
	{ "certificate, SHA-256", "l", "301 l", true, false },
	{ "whole certificate", "l", "300 l", true, false },
	{ "another key", "l", "311 e", false, false },
	{ "another, and this", "l", "311 e, 311 l", true, false },
	{ "the authority's key with usage 3", "lA", "311 A", false, false },
	{ "usage 1 of the right key", "l", "111 l", false, false },
	{ "matching type 3", "l", "313 l", false, false },
	/* Usage 3 asks for nothing but the key (RFC 7672 3.1.1). */
	{ "expired, usage 3", "x", "311 x", true, false },
	{ "another name, usage 3", "e", "311 e", true, false },
	/* Usage 2: the chain as it is sent, names and dates. */
	{ "authority's key", "lA", "211 A", true, false },
	{ "authority's certificate", "lA", "201 A", true, false },
	{ "authority is not sent", "l", "211 A", false, false },
	{ "authority is found by the server", "l", "211 A", true, true },
	{ "whole authority in the DNS", "l", "200 A", true, false },
	{ "another authority", "lA", "211 e", false, false },
	{ "expired, usage 2", "xA", "211 A", false, false },
	{ "another name, usage 2", "eA", "211 A", false, false },
	{ "name of the domain, usage 2", "dA", "211 A", true, false },
};

static size_t make_records(const struct zoo *zoo, const char *text, struct dns_tlsa *records)
{
	size_t count = 0;

	for (; *text != '\0'; text += strcspn(text, ","), text += strspn(text, ", "))
		records[count++] = make_record(find(zoo, text[4])->certificate, (uint8_t)(text[0] - '0'), (uint8_t)(text[1] - '0'),
					       (uint8_t)(text[2] - '0'));
	return count;
}

static void test_fits(void **state)
{
	struct zoo *zoo = *state;
	char path[200], authority[200], error[300], reason[200];

	write_file(zoo, "authority.pem", "A", authority);
	for (size_t i = 0; i < COUNT(fits); i++) {
		struct served_chains chains = { .count = 0 };
		struct dns_tlsa records[4];
		size_t count = make_records(zoo, fits[i].records, records);

		write_file(zoo, "chain.pem", fits[i].file, path);
		assert_int_equal(served_chains_add(&chains, path, SERVED_CHAIN_FILE, error, sizeof(error)), 0);
		if (fits[i].is_completed)
			served_chains_complete(&chains, authority, "");
		assert_int_equal(chains.count, 1);
		assert_int_equal(sk_X509_num(chains.items[0].issuers), fits[i].is_completed ? 1 : (int)strlen(fits[i].file) - 1);
		if (served_chain_fits(&chains.items[0], HOST, DOMAIN, records, count, reason, sizeof(reason)) != fits[i].fits)
			fail_msg("%s: %s", fits[i].label, reason);
		assert_int_equal(strcmp(reason, "ok") == 0, fits[i].fits);
		for (size_t j = 0; j < count; j++)
			free(records[j].data);
		served_chains_wipe(&chains);
	}
}

/* What is said to publish fits. */
static void test_record(void **state)
{
	struct zoo *zoo = *state;
	struct served_chains chains = { .count = 0 };
	struct dns_tlsa record = make_record(zoo->leaf.certificate, 3, 1, 1);
	char path[200], error[300], text[SERVED_CHAIN_RECORD_MAX], wanted[SERVED_CHAIN_RECORD_MAX] = "3 1 1 ";

	write_file(zoo, "chain.pem", "lA", path);
	assert_int_equal(served_chains_add(&chains, path, SERVED_CHAIN_FILE, error, sizeof(error)), 0);
	served_chain_print_record(&chains.items[0], text);
	assert_int_equal(record.length, 32);
	for (size_t i = 0; i < record.length; i++)
		sprintf(wanted + strlen(wanted), "%02x", record.data[i]);
	assert_string_equal(text, wanted);
	free(record.data);
	served_chains_wipe(&chains);
}

/* "1+0 1+1": for each chain that comes out of the files its leaf and how many issuers; or a part of the reason. */
static void test_files(void **state)
{
	static const struct {
		const char *file, *other; /* other: the second file; NULL: there is none */
		enum served_chain_file kind;
		const char *found;
	} cases[] = {
		{ "l", NULL, SERVED_CHAIN_FILE, "1+0" },
		{ "lA", NULL, SERVED_CHAIN_FILE, "1+1" },
		{ "#k#lA#", NULL, SERVED_CHAIN_FILE, "1+1" },
		{ "lAk", NULL, SERVED_CHAIN_FILE, "1+1" },
		{ "l", "eA", SERVED_CHAIN_FILE, "1+0 1+1" },
		{ "k", NULL, SERVED_CHAIN_FILE, "no certificate in it" },
		{ "#", NULL, SERVED_CHAIN_FILE, "no certificate in it" },
		{ "!", NULL, SERVED_CHAIN_FILE, "damaged" },
		{ "l?", NULL, SERVED_CHAIN_FILE, "it is not PEM: " },
		{ "klA", NULL, SERVED_CHAINS_FILE, "1+1" },
		{ "klAkeA", NULL, SERVED_CHAINS_FILE, "1+1 1+1" },
		{ "k", "lA", SERVED_CHAINS_FILE, "1+1" },
		{ "kl", "A", SERVED_CHAINS_FILE, "1+1" },
		{ "l", NULL, SERVED_CHAINS_FILE, "without a private key" },
		{ "klklklklklklklklkl", NULL, SERVED_CHAINS_FILE, "more than 8" },
	};
	struct zoo *zoo = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct served_chains chains = { .count = 0 };
		char path[200], error[300] = "", found[300] = "";

		if (served_chains_add(&chains, write_file(zoo, "a.pem", cases[i].file, path), cases[i].kind, error, sizeof(error)) == 0 &&
		    cases[i].other != NULL)
			served_chains_add(&chains, write_file(zoo, "b.pem", cases[i].other, path), cases[i].kind, error, sizeof(error));
		for (size_t j = 0; j < chains.count && error[0] == '\0'; j++)
			snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s1+%d", j > 0 ? " " : "",
				 sk_X509_num(chains.items[j].issuers));
		if (error[0] != '\0' && strstr(error, path) == NULL)
			fail_msg("%zu: no path in \"%s\"", i, error);
		if (strstr(error[0] != '\0' ? error : found, cases[i].found) == NULL)
			fail_msg("%zu: %s%s", i, error, found);
		served_chains_wipe(&chains);
	}
}

/* Which smtpd(8) it is, what holds for it, which addresses are ours. */
static void test_own(void **state)
{
#define PLAIN_SMTPD "smtp inet n - y - - smtpd\n"
	static const struct {
		const char *label, *settings, *overrides, *services, *found;
	} cases[] = {
		{ "plain", "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = @\n", "", PLAIN_SMTPD, "tls 1" },
		{ "no level", "smtpd_tls_cert_file = @\nsmtpd_tls_security_level =\n", "", PLAIN_SMTPD, "no tls 0" },
		{ "none", "smtpd_tls_security_level = none\nsmtpd_use_tls = yes\nsmtpd_tls_cert_file = @\n", "", PLAIN_SMTPD, "no tls 0" },
		{ "before Postfix 2.3", "smtpd_use_tls = yes\nsmtpd_tls_cert_file = @\n", "", PLAIN_SMTPD, "tls 1" },
		{ "no certificate", "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = none\n", "", PLAIN_SMTPD, "tls 0" },
		{ "both kinds", "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = @\nsmtpd_tls_eccert_file = @\n", "", PLAIN_SMTPD, "tls 2" },
		{ "chain files go first", "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = @\nsmtpd_tls_eccert_file = @\n"
		  "smtpd_tls_chain_files = @\n", "", PLAIN_SMTPD, "tls 1" },
		{ "SNI", "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = @\ntls_server_sni_maps = hash:/x\n", "", PLAIN_SMTPD, "tls 1 sni" },
		{ "for this service alone", "smtpd_tls_security_level = may\n", "25/inet/smtpd_tls_cert_file = @\n", "25 inet n - y - - smtpd\n",
		  "tls 1" },
		{ "for another service", "smtpd_tls_cert_file = @\n", "587/inet/smtpd_tls_security_level = may\n",
		  "587 inet n - y - - smtpd\n" PLAIN_SMTPD, "no tls 0" },
		{ "one address", "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = @\n", "", "192.0.2.1:smtp inet n - y - - smtpd\n", "tls 1" },
		{ "postscreen", "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = @\n", "smtpd/pass/smtpd_tls_cert_file =\n",
		  "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n", "tls 0" },
		{ "no service", "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = @\n", "", "smtp unix - - y - - smtp\n25 unix - - y - - smtpd\n", "nowhere" },
	};
	struct zoo *zoo = *state;
	char path[200];

	write_file(zoo, "own.pem", "klA", path);
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *texts[2] = { calloc(1, 2000), calloc(1, 2000) }, found[100];
		struct postfix_view view;
		struct own_mx own;

		for (size_t j = 0; j < 2; j++)
			for (const char *at = j == 0 ? cases[i].settings : cases[i].overrides; *at != '\0'; at++)
				sprintf(texts[j] + strlen(texts[j]), *at == '@' ? "%s" : "%.1s", *at == '@' ? path : at);
		postfix_view_parse(&view, texts[0], texts[1], strdup(cases[i].services));
		own_mx_read(&own, &view);
		snprintf(found, sizeof(found), own.is_there ? "%stls %zu%s" : "nowhere", own.has_tls ? "" : "no ", own.chains.count,
			 own.has_more_chains ? " sni" : "");
		if (strcmp(found, cases[i].found) != 0 || own.error[0] != '\0')
			fail_msg("%s: %s %s", cases[i].label, found, own.error);
		own_mx_wipe(&own);
		postfix_view_wipe(&view);
	}
}

static struct sockaddr_storage parse(const char *text)
{
	struct sockaddr_storage address = { .ss_family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET };

	assert_int_equal(inet_pton(address.ss_family, text,
				   address.ss_family == AF_INET ? (void *)&((struct sockaddr_in *)&address)->sin_addr
								: (void *)&((struct sockaddr_in6 *)&address)->sin6_addr),
			 1);
	return address;
}

static void test_own_addresses(void **state)
{
	static const char *const ours[] = { "192.0.2.77", "2001:db8::77", "2001:db8::78" }, *const others[] = { "192.0.2.78", "2001:db8::79", "127.0.0.1", "::1" };
	struct postfix_view view;
	struct own_mx own;

	(void)state;
	postfix_view_parse(&view, strdup("myhostname = Mail.Example.NET\nproxy_interfaces = 192.0.2.77, [2001:db8::77] 2001:db8::78 x\n"),
			   strdup(""), strdup(PLAIN_SMTPD));
	own_mx_read(&own, &view);
	assert_string_equal(own.name, "mail.example.net");
	for (size_t i = 0; i < COUNT(ours); i++) {
		struct sockaddr_storage address = parse(ours[i]);

		assert_true(own_mx_has_address(&own, &address));
	}
	for (size_t i = 0; i < COUNT(others); i++) {
		struct sockaddr_storage address = parse(others[i]);

		assert_false(own_mx_has_address(&own, &address));
	}
	own_mx_wipe(&own);
	postfix_view_wipe(&view);
}

/* A file that cannot be read is said, and no chain is made up. */
static void test_unreadable(void **state)
{
	struct postfix_view view;
	struct own_mx own;

	(void)state;
	postfix_view_parse(&view, strdup("smtpd_tls_security_level = may\nsmtpd_tls_cert_file = /nonexistent/x.pem\n"), strdup(""),
			   strdup(PLAIN_SMTPD));
	own_mx_read(&own, &view);
	assert_string_equal(own.error, "/nonexistent/x.pem: No such file or directory");
	assert_int_equal(own.chains.count, 0);
	own_mx_wipe(&own);
	postfix_view_wipe(&view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fits),	      cmocka_unit_test(test_record),	 cmocka_unit_test(test_files),
		cmocka_unit_test(test_own),	      cmocka_unit_test(test_own_addresses), cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests_name("served_chain", tests, set_up, tear_down);
}
