/*
 * dane: which questions are asked for which host (CATALOGUE B3), and which records can be used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "edge/dane.h"
#include "tests/fake/fake_dns.h"
#include "tests/fake/fake_tls.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define BYTES_16 "000102030405060708090a0b0c0d0e0f"
#define SHA256 BYTES_16 BYTES_16
#define SHA512 SHA256 SHA256

static struct dns_resolver *resolver_for(const char *const *addresses, size_t count, bool trust_ad)
{
	struct conf_list list = { .items = (char **)(uintptr_t)addresses, .count = count };
	char error[200] = "";
	struct dns_resolver *resolver = dns_resolver_create(&list, trust_ad, error, sizeof(error));

	if (resolver == NULL)
		fail_msg("%s", error);
	return resolver;
}

/* "_25._tcp.mx.example TLSA, mx.example CNAME": what was asked so far, in order. */
static char *print_questions(struct fake_dns *dns, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	pthread_mutex_lock(&dns->lock);
	for (const char *line = dns->log; *line != '\0'; line = fake_dns_next_line(line)) {
		size_t words = strcspn(line, " ") + 1;

		words += strcspn(line + words, " ");
		used += (size_t)snprintf(out + used, size - used, "%s%.*s", used > 0 ? ", " : "",
					 (int)words, line);
	}
	pthread_mutex_unlock(&dns->lock);
	return out;
}

/* "3 1 1, 2 0 1" */
static char *print_records(const struct dane_records *records, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < records->count && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%u %u %u", i > 0 ? ", " : "",
					 records->tlsa[i].usage, records->tlsa[i].selector,
					 records->tlsa[i].matching_type);
	return out;
}

static struct mx_host host_of(const char *exchange, const char *expanded, enum dns_trust trust)
{
	struct mx_host host = { .trust = trust };

	snprintf(host.exchange, sizeof(host.exchange), "%s", exchange);
	snprintf(host.expanded, sizeof(host.expanded), "%s", expanded);
	return host;
}

static const char replay[] =
	"query _25._tcp.mx.example TLSA\nad\n"
	"answer @ 300 IN TLSA 3 1 1 " SHA256
	"\n"
	"query _465._tcp.mx.example TLSA\nad\n"
	"answer @ 300 IN TLSA 2 0 2 " SHA512
	"\n"
	"query _25._tcp.unusable.example TLSA\nad\n"
	"answer @ 300 IN TLSA 1 0 1 " SHA256
	"\n"
	"answer @ 300 IN TLSA 0 0 1 " SHA256
	"\n"
	"query _25._tcp.insecure.example TLSA\n"
	"answer @ 300 IN TLSA 3 1 1 " SHA256
	"\n"
	"query _25._tcp.nodata.example TLSA\nad\n"
	"query _25._tcp.nxdomain.example TLSA\nad\nrcode NXDOMAIN\n"
	"query _25._tcp.weak-nodata.example TLSA\n"
	"query _25._tcp.weak-nxdomain.example TLSA\nrcode NXDOMAIN\n"
	"query _25._tcp.broken.example TLSA\nrcode SERVFAIL\n"
	"query _25._tcp.refused.example TLSA\nrcode REFUSED\n"
	"query _25._tcp.bogus.example TLSA cd\n"
	"answer @ 300 IN TLSA 3 1 1 " SHA256
	"\n"
	"query _25._tcp.bogus.example TLSA\nrcode SERVFAIL\n"
	"query _25._tcp.malformed.example TLSA\nad\n"
	"hex 81a0 0001 0001 0000 0000 03 5f3235 04 5f746370 09 6d616c666f726d6564 07 "
	"6578616d706c65 "
	"00 0034 0001 c00c 0034 0001 0000012c 0002 0301\n"
	/* Aliases at the TLSA name. */
	"query _25._tcp.tlsa-alias.example TLSA\nad\n"
	"answer @ 300 IN CNAME _25._tcp.mx.example.\n"
	"query _25._tcp.tlsa-weak-alias.example TLSA\nad\n"
	"answer @ 300 IN CNAME _25._tcp.insecure.example.\n"
	"query _25._tcp.tlsa-alias-broken.example TLSA\nad\n"
	"answer @ 300 IN CNAME _25._tcp.refused.example.\n"
	/* The first step of an alias that leads out of what is signed. */
	"query mx.example CNAME\nad\n"
	"answer @ 300 IN CNAME target.example.\n"
	"query weak-alias.example CNAME\n"
	"answer @ 300 IN CNAME target.example.\n"
	"query no-alias.example CNAME\n"
	"query nodata.example CNAME\nad\n"
	"answer @ 300 IN CNAME target.example.\n"
	"query bogus-alias.example CNAME cd\n"
	"answer @ 300 IN CNAME target.example.\n"
	"query bogus-alias.example CNAME\nrcode SERVFAIL\n"
	"query refused-alias.example CNAME\nrcode REFUSED\n"
	"query broken.example CNAME\nad\n"
	"answer @ 300 IN CNAME target.example.\n";

#define LABEL_60 "a23456789012345678901234567890123456789012345678901234567890"
#define NAME_250 LABEL_60 "." LABEL_60 "." LABEL_60 "." LABEL_60 ".mx.xyz"

static const struct row {
	const char *label, *exchange, *expanded;
	enum dns_trust trust;
	int port;
	enum dane_state state;
	const char *base_domain, *records;
	const char *questions;
	const char *reason; /* part of it; "": none at all */
	bool is_bogus;
} rows[] = {
	{ "secure records", "mx.example", "mx.example", DNS_SECURE, 25, DANE_USABLE, "mx.example",
	  "3 1 1", "_25._tcp.mx.example TLSA", "", false },
	{ "another port", "mx.example", "mx.example", DNS_SECURE, 465, DANE_USABLE, "mx.example",
	  "2 0 2", "_465._tcp.mx.example TLSA", "", false },
	{ "case 62: insecure address", "mx.example", "mx.example", DNS_INSECURE, 25, DANE_NONE, "",
	  "", "", "", false },
	{ "case 76: literal", "[192.0.2.1]", "[192.0.2.1]", DNS_INSECURE, 25, DANE_NONE, "", "", "",
	  "", false },
	{ "case 76: literal, whatever is said of it", "[192.0.2.1]", "[192.0.2.1]", DNS_FAILED, 25,
	  DANE_NONE, "", "", "", "", false },
	{ "failed address", "mx.example", "mx.example", DNS_FAILED, 25, DANE_FAILED, "", "", "",
	  "failure for the address of mx.example", false },
	{ "bogus address", "mx.example", "mx.example", DNS_BOGUS, 25, DANE_FAILED, "", "", "",
	  "DNSSEC validation failure for the address of mx.example", true },
	{ "case 64: unusable", "unusable.example", "unusable.example", DNS_SECURE, 25,
	  DANE_UNUSABLE, "unusable.example", "", "_25._tcp.unusable.example TLSA",
	  "TLSA 1 0 1 at _25._tcp.unusable.example: usage 1 is not for SMTP (RFC 7672 3.1.3)",
	  false },
	{ "insecure records", "insecure.example", "insecure.example", DNS_SECURE, 25, DANE_NONE, "",
	  "", "_25._tcp.insecure.example TLSA", "", false },
	{ "case 46: NODATA", "nodata.example", "nodata.example", DNS_SECURE, 25, DANE_NONE, "", "",
	  "_25._tcp.nodata.example TLSA", "", false },
	{ "case 46: NXDOMAIN", "nxdomain.example", "nxdomain.example", DNS_SECURE, 25, DANE_NONE,
	  "", "", "_25._tcp.nxdomain.example TLSA", "", false },
	{ "case 46: insecure NODATA", "weak-nodata.example", "weak-nodata.example", DNS_SECURE, 25,
	  DANE_NONE, "", "", "_25._tcp.weak-nodata.example TLSA", "", false },
	{ "case 46: insecure NXDOMAIN", "weak-nxdomain.example", "weak-nxdomain.example",
	  DNS_SECURE, 25, DANE_NONE, "", "", "_25._tcp.weak-nxdomain.example TLSA", "", false },
	{ "case 60: REFUSED", "refused.example", "refused.example", DNS_SECURE, 25, DANE_FAILED, "",
	  "", "_25._tcp.refused.example TLSA", "for _25._tcp.refused.example TLSA", false },
	{ "case 60: SERVFAIL", "broken.example", "broken.example", DNS_SECURE, 25, DANE_FAILED, "",
	  "", "_25._tcp.broken.example TLSA, _25._tcp.broken.example TLSA",
	  "for _25._tcp.broken.example TLSA", false },
	{ "case 60: bogus", "bogus.example", "bogus.example", DNS_SECURE, 25, DANE_FAILED, "", "",
	  "_25._tcp.bogus.example TLSA, _25._tcp.bogus.example TLSA",
	  "for _25._tcp.bogus.example TLSA", true },
	{ "case 51: malformed", "malformed.example", "malformed.example", DNS_SECURE, 25,
	  DANE_FAILED, "", "", "_25._tcp.malformed.example TLSA", "malformed record", false },
	{ "name too long for a TLSA name", NAME_250, NAME_250, DNS_SECURE, 25, DANE_NONE, "", "",
	  "", "", false },

	{ "case 66: alias, records at its end", "alias.example", "mx.example", DNS_SECURE, 25,
	  DANE_USABLE, "mx.example", "3 1 1", "_25._tcp.mx.example TLSA", "", false },
	{ "case 66: alias, records at its beginning", "mx.example", "nodata.example", DNS_SECURE,
	  25, DANE_USABLE, "mx.example", "3 1 1",
	  "_25._tcp.nodata.example TLSA, _25._tcp.mx.example TLSA", "", false },
	{ "case 66: alias, insecure records at its end", "mx.example", "insecure.example",
	  DNS_SECURE, 25, DANE_USABLE, "mx.example", "3 1 1",
	  "_25._tcp.insecure.example TLSA, _25._tcp.mx.example TLSA", "", false },
	{ "case 66: alias, insecure denial at its end", "mx.example", "weak-nxdomain.example",
	  DNS_SECURE, 25, DANE_USABLE, "mx.example", "3 1 1",
	  "_25._tcp.weak-nxdomain.example TLSA, _25._tcp.mx.example TLSA", "", false },
	{ "case 66: alias, unusable records at its end", "mx.example", "unusable.example",
	  DNS_SECURE, 25, DANE_UNUSABLE, "unusable.example", "", "_25._tcp.unusable.example TLSA",
	  "TLSA 1 0 1 at _25._tcp.unusable.example", false },
	{ "case 66: alias, error at its end", "mx.example", "refused.example", DNS_SECURE, 25,
	  DANE_FAILED, "", "", "_25._tcp.refused.example TLSA", "_25._tcp.refused.example TLSA",
	  false },
	{ "case 66: alias, bogus at its end", "mx.example", "bogus.example", DNS_SECURE, 25,
	  DANE_FAILED, "", "", "_25._tcp.bogus.example TLSA, _25._tcp.bogus.example TLSA",
	  "DNSSEC validation failure", true },
	{ "case 66: alias, error at its beginning", "refused.example", "nodata.example", DNS_SECURE,
	  25, DANE_FAILED, "", "", "_25._tcp.nodata.example TLSA, _25._tcp.refused.example TLSA",
	  "_25._tcp.refused.example TLSA", false },
	{ "case 66: alias, nothing at all", "nxdomain.example", "nodata.example", DNS_SECURE, 25,
	  DANE_NONE, "", "", "_25._tcp.nodata.example TLSA, _25._tcp.nxdomain.example TLSA", "",
	  false },

	{ "case 66: signed alias to an unsigned host", "mx.example", "target.example", DNS_INSECURE,
	  25, DANE_USABLE, "mx.example", "3 1 1", "mx.example CNAME, _25._tcp.mx.example TLSA", "",
	  false },
	{ "case 66: the same, no records", "nodata.example", "target.example", DNS_INSECURE, 25,
	  DANE_NONE, "", "", "nodata.example CNAME, _25._tcp.nodata.example TLSA", "", false },
	{ "case 66: the same, error", "broken.example", "target.example", DNS_INSECURE, 25,
	  DANE_FAILED, "", "",
	  "broken.example CNAME, _25._tcp.broken.example TLSA, _25._tcp.broken.example TLSA",
	  "_25._tcp.broken.example TLSA", false },
	{ "case 66: unsigned alias", "weak-alias.example", "target.example", DNS_INSECURE, 25,
	  DANE_NONE, "", "", "weak-alias.example CNAME", "", false },
	{ "case 66: no alias any more", "no-alias.example", "target.example", DNS_INSECURE, 25,
	  DANE_NONE, "", "", "no-alias.example CNAME", "", false },
	{ "case 66: bogus alias", "bogus-alias.example", "target.example", DNS_INSECURE, 25,
	  DANE_FAILED, "", "", "bogus-alias.example CNAME, bogus-alias.example CNAME",
	  "for bogus-alias.example CNAME", true },
	{ "case 66: alias, error", "refused-alias.example", "target.example", DNS_INSECURE, 25,
	  DANE_FAILED, "", "", "refused-alias.example CNAME", "for refused-alias.example CNAME",
	  false },

	{ "case 66: alias at the TLSA name", "tlsa-alias.example", "tlsa-alias.example", DNS_SECURE,
	  25, DANE_USABLE, "tlsa-alias.example", "3 1 1",
	  "_25._tcp.tlsa-alias.example TLSA, _25._tcp.mx.example TLSA", "", false },
	{ "case 66: the same, one step insecure", "tlsa-weak-alias.example",
	  "tlsa-weak-alias.example", DNS_SECURE, 25, DANE_NONE, "", "",
	  "_25._tcp.tlsa-weak-alias.example TLSA, _25._tcp.insecure.example TLSA", "", false },
	{ "case 66: the same, error", "tlsa-alias-broken.example", "tlsa-alias-broken.example",
	  DNS_SECURE, 25, DANE_FAILED, "", "",
	  "_25._tcp.tlsa-alias-broken.example TLSA, _25._tcp.refused.example TLSA",
	  "_25._tcp.refused.example TLSA", false },
};

static void check_row(const struct row *row)
{
	struct mx_host host = host_of(row->exchange, row->expanded, row->trust);
	struct fake_dns *dns = fake_dns_start(replay);
	struct dns_resolver *resolver =
		resolver_for((const char *const[]){ dns->address }, 1, false);
	struct dane_records records;
	char text[1000];

	dane_look_up(&records, resolver, &host, row->port, deadline_in_ms(5000));
	if (records.state != row->state || records.is_bogus != row->is_bogus)
		fail_msg("%s: state %d, bogus %d, %s", row->label, (int)records.state,
			 records.is_bogus, records.reason);
	if (strcmp(records.base_domain, row->base_domain) != 0)
		fail_msg("%s: base domain %s", row->label, records.base_domain);
	if (strcmp(print_records(&records, text, sizeof(text)), row->records) != 0)
		fail_msg("%s: records %s", row->label, text);
	if (strcmp(print_questions(dns, text, sizeof(text)), row->questions) != 0)
		fail_msg("%s: questions %s", row->label, text);
	if (strstr(records.reason, row->reason) == NULL ||
	    (row->reason[0] == '\0') != (records.reason[0] == '\0'))
		fail_msg("%s: reason \"%s\"", row->label, records.reason);
	dane_records_wipe(&records);
	assert_null(records.tlsa);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

static void test_questions(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(&rows[i]);
}

/* case 60: one server that is not believed is enough, even if it is never asked. */
static void test_untrusted(void **state)
{
	struct mx_host host = host_of("mx.example", "mx.example", DNS_SECURE);
	struct fake_dns *dns = fake_dns_start(replay);
	const char *const servers[] = { dns->address, "192.0.2.1" };
	struct dns_resolver *resolver = resolver_for(servers, 2, false);
	struct dane_records records;

	(void)state;
	dane_look_up(&records, resolver, &host, 25, deadline_in_ms(5000));
	assert_int_equal(records.state, DANE_NONE);
	dane_records_wipe(&records);
	host = host_of("mx.example", "target.example", DNS_INSECURE);
	dane_look_up(&records, resolver, &host, 25, deadline_in_ms(5000));
	assert_int_equal(records.state, DANE_NONE);
	assert_int_equal(fake_dns_asked_count(dns), 0);
	dane_records_wipe(&records);
	host.trust = DNS_FAILED;
	dane_look_up(&records, resolver, &host, 25, deadline_in_ms(5000));
	assert_int_equal(records.state, DANE_FAILED);
	dane_records_wipe(&records);
	dns_resolver_destroy(resolver);

	resolver = resolver_for(servers, 2, true);
	host.trust = DNS_INSECURE;
	dane_look_up(&records, resolver, &host, 25, deadline_in_ms(5000));
	assert_int_equal(records.state, DANE_USABLE);
	dane_records_wipe(&records);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

/* case 48: no answer in time. */
static void test_silence(void **state)
{
	struct mx_host host = host_of("mx.example", "mx.example", DNS_SECURE);
	struct fake_dns *dns = fake_dns_start("query * TLSA\ndrop\n");
	struct dns_resolver *resolver =
		resolver_for((const char *const[]){ dns->address }, 1, false);
	struct dane_records records;

	(void)state;
	dane_look_up(&records, resolver, &host, 25, deadline_in_ms(200));
	assert_int_equal(records.state, DANE_FAILED);
	assert_false(records.is_bogus);
	assert_non_null(strstr(records.reason, "no answer from 127.0.0.1@"));
	assert_non_null(strstr(records.reason, "for _25._tcp.mx.example TLSA"));
	dane_records_wipe(&records);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

/* In DER, as hex. */
struct der {
	char certificate[2000], key[600]; /* of one another */
	char odd_certificate[2000]; /* the same, with a key of an algorithm that nobody knows */
};

static void to_hex(char *out, size_t size, const uint8_t *bytes, int length)
{
	assert_true(length > 0 && (size_t)length * 2 < size);
	for (int i = 0; i < length; i++)
		snprintf(out + 2 * i, size - 2 * (size_t)i, "%02x", bytes[i]);
}

static void make_der(struct der *der)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = fake_tls_certificate(key);
	uint8_t *bytes = NULL;
	int length = i2d_X509(certificate, &bytes);
	char *algorithm;

	to_hex(der->certificate, sizeof(der->certificate), bytes, length);
	OPENSSL_free(bytes);
	bytes = NULL;
	length = i2d_PUBKEY(key, &bytes);
	to_hex(der->key, sizeof(der->key), bytes, length);
	OPENSSL_free(bytes);
	X509_free(certificate);
	EVP_PKEY_free(key);
	memcpy(der->odd_certificate, der->certificate, sizeof(der->odd_certificate));
	/* id-ecPublicKey (RFC 5480 2.1.1) becomes something else. */
	algorithm = strstr(der->odd_certificate, "06072a8648ce3d0201");
	assert_non_null(algorithm);
	memcpy(algorithm, "06072a8648ce3d027f", 18);
}

/* Puts the data in the place of CERT, KEY and ODD; "<" takes its last byte away. */
static void write_record(char *out, size_t size, const char *record, const struct der *der)
{
	static const char *const words[] = { "CERT", "KEY", "ODD" };
	const char *const data[] = { der->certificate, der->key, der->odd_certificate };

	for (size_t i = 0; i < COUNT(words); i++) {
		const char *at = strstr(record, words[i]), *rest;
		bool is_cut;

		if (at == NULL)
			continue;
		rest = at + strlen(words[i]);
		is_cut = *rest == '<';
		snprintf(out, size, "answer @ 300 IN TLSA %.*s%.*s%s\n", (int)(at - record), record,
			 (int)strlen(data[i]) - (is_cut ? 2 : 0), data[i], rest + (is_cut ? 1 : 0));
		return;
	}
	snprintf(out, size, "answer @ 300 IN TLSA %s\n", record);
}

/* Each record alone, then all of them together. */
static const struct record_row {
	const char *record;
	const char *fault; /* NULL: usable */
} record_rows[] = {
	{ "3 1 1 " SHA256, NULL },
	{ "3 0 1 " SHA256, NULL },
	{ "3 1 2 " SHA512, NULL },
	{ "3 0 2 " SHA512, NULL },
	{ "2 0 1 " SHA256, NULL },
	{ "2 1 1 " SHA256, NULL },
	{ "2 0 2 " SHA512, NULL },
	{ "2 1 2 " SHA512, NULL },
	{ "3 0 0 CERT", NULL },
	{ "2 0 0 CERT", NULL },
	{ "3 1 0 KEY", NULL },
	{ "2 1 0 KEY", NULL },
	{ "0 0 1 " SHA256, "usage 0 is not for SMTP (RFC 7672 3.1.3)" },
	{ "1 1 1 " SHA256, "usage 1 is not for SMTP (RFC 7672 3.1.3)" },
	{ "1 0 0 CERT", "usage 1 is not for SMTP (RFC 7672 3.1.3)" },
	{ "4 1 1 " SHA256, "usage 4 is unknown" },
	{ "255 1 1 " SHA256, "usage 255 is unknown" },
	{ "3 2 1 " SHA256, "selector 2 is unknown" },
	{ "3 9 0 CERT", "selector 9 is unknown" },
	{ "3 255 1 " SHA256, "selector 255 is unknown" },
	{ "3 1 3 " SHA256, "matching type 3 is unknown" },
	{ "3 1 255 " SHA512, "matching type 255 is unknown" },
	{ "3 1 1 " BYTES_16, "its 16 bytes are no SHA2-256 digest" },
	{ "3 1 1 " SHA256 "00", "its 33 bytes are no SHA2-256 digest" },
	{ "3 1 1 " SHA512, "its 64 bytes are no SHA2-256 digest" },
	{ "3 1 2 " SHA256, "its 32 bytes are no SHA2-512 digest" },
	{ "2 0 2 " SHA512 "00", "its 65 bytes are no SHA2-512 digest" },
	{ "3 0 0 ODD", "bytes are no certificate" },
	{ "3 0 0 KEY", "bytes are no certificate" },
	{ "3 1 0 CERT", "bytes are no public key" },
	{ "3 0 0 CERT00", "bytes are no certificate" },
	{ "3 1 0 KEY00", "bytes are no public key" },
	{ "2 0 0 CERT<", "bytes are no certificate" },
	{ "2 1 0 KEY<", "bytes are no public key" },
	{ "3 0 0 " SHA256, "its 32 bytes are no certificate" },
	{ "3 1 0 30", "its 1 bytes are no public key" },
	{ "3 1 0 3003020101", "its 5 bytes are no public key" },
};

static void look_up_text(const char *text, struct dane_records *records)
{
	struct mx_host host = host_of("mx.example", "mx.example", DNS_SECURE);
	struct fake_dns *dns = fake_dns_start(text);
	struct dns_resolver *resolver =
		resolver_for((const char *const[]){ dns->address }, 1, false);

	dane_look_up(records, resolver, &host, 25, deadline_in_ms(5000));
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

static void check_record(const struct record_row *row, const struct der *der)
{
	char text[3000] = "query _25._tcp.mx.example TLSA\nad\n", expected[300];
	size_t used = strlen(text);
	struct dane_records records;

	write_record(text + used, sizeof(text) - used, row->record, der);
	look_up_text(text, &records);
	snprintf(expected, sizeof(expected), "TLSA %.*s at _25._tcp.mx.example: ",
		 (int)(strrchr(row->record, ' ') - row->record), row->record);
	if (records.state != (row->fault == NULL ? DANE_USABLE : DANE_UNUSABLE) ||
	    records.count != (row->fault == NULL) || strcmp(records.base_domain, "mx.example") != 0)
		fail_msg("%s: state %d, %s", row->record, (int)records.state, records.reason);
	if (row->fault == NULL)
		assert_string_equal(records.reason, "");
	else if (strncmp(records.reason, expected, strlen(expected)) != 0 ||
		 strstr(records.reason, row->fault) == NULL)
		fail_msg("%s: %s", row->record, records.reason);
	/* A later handshake of the thread must not find errors of ours. */
	assert_int_equal(ERR_peek_error(), 0);
	dane_records_wipe(&records);
}

/* cases 64 and 71 */
static void test_usable(void **state)
{
	struct der der;

	(void)state;
	make_der(&der);
	for (size_t i = 0; i < COUNT(record_rows); i++)
		check_record(&record_rows[i], &der);
}

/* What we call usable OpenSSL must take, or the handshake would fail for our mistake. */
static void check_openssl_takes(const struct dane_records *records)
{
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;

	assert_int_equal(SSL_CTX_dane_enable(ssl_ctx), 1);
	ssl = SSL_new(ssl_ctx);
	assert_int_equal(SSL_dane_enable(ssl, records->base_domain), 1);
	for (size_t i = 0; i < records->count; i++) {
		const struct dns_tlsa *tlsa = &records->tlsa[i];

		if (SSL_dane_tlsa_add(ssl, tlsa->usage, tlsa->selector, tlsa->matching_type,
				      tlsa->data, tlsa->length) != 1)
			fail_msg("%u %u %u is refused", tlsa->usage, tlsa->selector,
				 tlsa->matching_type);
	}
	SSL_free(ssl);
	SSL_CTX_free(ssl_ctx);
}

/* case 65: only the usable ones are kept, in order. */
static void test_mixed(void **state)
{
	size_t size = 40000, used, usable = 0;
	struct dane_records records;
	char *text = malloc(size);
	struct der der;

	(void)state;
	make_der(&der);
	used = (size_t)snprintf(text, size, "query _25._tcp.mx.example TLSA\nad\ntc\n");
	for (size_t i = COUNT(record_rows); i-- > 0;) {
		write_record(text + used, size - used, record_rows[i].record, &der);
		used += strlen(text + used);
		usable += record_rows[i].fault == NULL;
	}
	look_up_text(text, &records);
	assert_int_equal(records.state, DANE_USABLE);
	assert_int_equal(records.count, usable);
	assert_string_equal(records.reason, "");
	assert_int_equal(records.tlsa[0].usage, 2);
	assert_int_equal(records.tlsa[0].selector, 1);
	assert_int_equal(records.tlsa[0].matching_type, 0);
	assert_int_equal(records.tlsa[0].length, strlen(der.key) / 2);
	assert_int_equal(records.tlsa[usable - 1].usage, 3);
	assert_int_equal(records.tlsa[usable - 1].length, 32);
	assert_int_equal(records.tlsa[usable - 1].data[15], 15);
	check_openssl_takes(&records);
	dane_records_wipe(&records);
	free(text);
}

/* case 51: a record without data. */
static void test_empty(void **state)
{
	struct dane_records records;

	(void)state;
	look_up_text(
		"query _25._tcp.mx.example TLSA\nhex 81a0 0001 0002 0000 0000 03 5f3235 04 "
		"5f746370 02 6d78 07 6578616d706c65 00 0034 0001 "
		"c00c 0034 0001 0000012c 0003 030101 c00c 0034 0001 0000012c 0003 030100\n",
		&records);
	assert_int_equal(records.state, DANE_UNUSABLE);
	assert_string_equal(records.reason,
			    "TLSA 3 1 1 at _25._tcp.mx.example: its 0 bytes are no "
			    "SHA2-256 digest");
	dane_records_wipe(&records);
}

static void test_duplicates(void **state)
{
	struct dane_records records;

	(void)state;
	look_up_text(
		"query _25._tcp.mx.example TLSA\nad\n"
		"answer @ 300 IN TLSA 3 1 1 " SHA256
		"\n"
		"answer @ 300 IN TLSA 3 1 1 " SHA256
		"\n"
		"answer @ 300 IN TLSA 3 0 1 " SHA256
		"\n"
		"answer @ 300 IN TLSA 2 1 1 " SHA256
		"\n"
		"answer @ 300 IN TLSA 3 1 1 " BYTES_16
		"000102030405060708090a0b0c0d0e10\n"
		"answer @ 300 IN TLSA 3 1 1 " SHA256 "\n",
		&records);
	assert_int_equal(records.count, 4);
	dane_records_wipe(&records);
}

/* case 73: many records; behind unusable ones too. */
static void test_bounds(void **state)
{
	size_t size = 80000, used;
	struct dane_records records;
	char *text = malloc(size);

	(void)state;
	used = (size_t)snprintf(text, size, "query _25._tcp.mx.example TLSA\nad\ntc\n");
	for (int i = 0; i < 150; i++)
		used += (size_t)snprintf(text + used, size - used,
					 "answer @ 300 IN TLSA 1 1 1 " SHA256 "\n");
	for (int i = 0; i < 150; i++)
		used += (size_t)snprintf(text + used, size - used,
					 "answer @ 300 IN TLSA 3 1 1 " BYTES_16 "%032x\n", i);
	look_up_text(text, &records);
	assert_int_equal(records.state, DANE_USABLE);
	assert_int_equal(records.count, DANE_RECORDS_MAX);
	assert_int_equal(records.tlsa[DANE_RECORDS_MAX - 1].data[31], DANE_RECORDS_MAX - 1);
	dane_records_wipe(&records);
	free(text);
}

/* The whole way from the domain; its MX record is not signed (case 61). */
static void test_from_mx(void **state)
{
	struct fake_dns *dns = fake_dns_start(
		"query example.com MX\n"
		"answer @ 300 IN MX 10 MX.example.\n"
		"query mx.example A\nad\n"
		"answer @ 300 IN CNAME real.example.\n"
		"answer real.example. 300 IN A 192.0.2.1\n"
		"query mx.example AAAA\nad\n"
		"answer @ 300 IN CNAME real.example.\n"
		"query real.example AAAA\nad\n"
		"query _25._tcp.real.example TLSA\nad\n"
		"answer @ 300 IN TLSA 3 1 1 " SHA256 "\n");
	struct dns_resolver *resolver =
		resolver_for((const char *const[]){ dns->address }, 1, false);
	struct mx_request request = { .domain = "example.com",
				      .port = 25,
				      .resolver = resolver,
				      .deadline = deadline_in_ms(5000) };
	struct delivery_status status;
	struct dane_records records;
	struct mx_list list;

	(void)state;
	assert_int_equal(mx_list_resolve(&list, &request, &status), 0);
	dane_look_up(&records, resolver, &list.hosts[0], 25, deadline_in_ms(5000));
	assert_int_equal(records.state, DANE_USABLE);
	assert_string_equal(records.base_domain, "real.example");
	dane_records_wipe(&records);
	mx_list_wipe(&list);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions),  cmocka_unit_test(test_untrusted),
		cmocka_unit_test(test_silence),	   cmocka_unit_test(test_usable),
		cmocka_unit_test(test_mixed),	   cmocka_unit_test(test_empty),
		cmocka_unit_test(test_duplicates), cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_from_mx),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
