/*
 * Any answers to the questions for a host's TLSA records (first byte: what is known of the host). A
 * failed answer makes the host unusable and never open; records count only if they came signed from
 * a trusted resolver; and OpenSSL takes exactly those that are called usable.
 *
 * feeds: answers to TLSA questions, to the DANE rules (OpenSSL as a second opinion)
 * covers: edge/dane.c edge/tls_tlsa.c
 */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "edge/dane.h"
#include "fake_lookup.h"

#define DANE_TA 2
#define DANE_EE 3

static SSL_CTX *ssl_ctx;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	ssl_ctx = SSL_CTX_new(TLS_client_method());
	require(ssl_ctx != NULL && SSL_CTX_dane_enable(ssl_ctx) == 1);
	return 0;
}

static bool has_record(const struct dane_records *records, const struct dns_tlsa *tlsa)
{
	for (size_t i = 0; i < records->count; i++)
		if (records->tlsa[i].usage == tlsa->usage &&
		    records->tlsa[i].selector == tlsa->selector &&
		    records->tlsa[i].matching_type == tlsa->matching_type &&
		    records->tlsa[i].length == tlsa->length &&
		    memcmp(records->tlsa[i].data, tlsa->data, tlsa->length) == 0)
			return true;
	return false;
}

static void ask_openssl(const struct dane_records *records, const struct dns_resolver *resolver)
{
	SSL *ssl = SSL_new(ssl_ctx);

	require(ssl != NULL && SSL_dane_enable(ssl, "mx.example.com") == 1);
	for (size_t i = 0; i < resolver->tlsa_count && records->count < DANE_RECORDS_MAX; i++) {
		const struct dns_tlsa *tlsa = &resolver->tlsa[i];
		bool is_taken =
			SSL_dane_tlsa_add(ssl, tlsa->usage, tlsa->selector, tlsa->matching_type,
					  tlsa->data, tlsa->length) == 1;

		ERR_clear_error();
		require(has_record(records, tlsa) ==
			(is_taken && (tlsa->usage == DANE_TA || tlsa->usage == DANE_EE)));
	}
	SSL_free(ssl);
}

static void check(const struct dane_records *records, const struct dns_resolver *resolver,
		  const struct mx_host *host)
{
	bool is_host_lost = host->trust == DNS_BOGUS || host->trust == DNS_FAILED;

	require((records->state == DANE_FAILED) == (resolver->errors > 0 || is_host_lost));
	require((records->count > 0) == (records->state == DANE_USABLE) &&
		records->count <= DANE_RECORDS_MAX);
	require((records->reason[0] != '\0') ==
		(records->state == DANE_FAILED || records->state == DANE_UNUSABLE));
	if (records->state != DANE_USABLE && records->state != DANE_UNUSABLE)
		return;
	require(resolver->is_trusted && resolver->tlsa_count > 0);
	require(strcmp(records->base_domain, host->exchange) == 0 ||
		strcmp(records->base_domain, host->expanded) == 0);
	ask_openssl(records, resolver);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const enum dns_trust trusts[] = { DNS_SECURE, DNS_INSECURE, DNS_BOGUS, DNS_FAILED };
	struct dns_resolver resolver = { .at = bytes + 1, .left = length - 1 };
	struct mx_host host = { .exchange = "mx.example.com", .expanded = "mx.example.com" };
	struct dane_records records;

	if (length < 1)
		return 0;
	host.trust = trusts[bytes[0] & 3];
	resolver.is_trusted = (bytes[0] & 4) == 0;
	if (bytes[0] & 8)
		snprintf(host.expanded, sizeof(host.expanded), FAKE_ALIAS);
	dane_look_up(&records, &resolver, &host, 25, DEADLINE_NEVER);
	check(&records, &resolver, &host);
	dane_records_wipe(&records);
	dns_tlsa_free(resolver.tlsa, resolver.tlsa_count);
	return 0;
}
