/*
 * Which TLSA records are to be asked for, and which of them can be used: RFC 7672 2.1 and 2.2, RFC
 * 7671 4 and 5; the questions in the order in which Postfix asks them.
 *
 * A failure is never taken for absence: whoever can break a lookup could else switch DANE off
 * (2.1.2). A host whose addresses are insecure is not asked for records at all: nothing under an
 * unsigned name can be signed, and some such servers fail on the question (2.2.2).
 *
 * An insecure answer, be it records or a denial, means `no records' (2.1.1), even where the address
 * is signed. The resolver says so only where it has proof that the answer may be unsigned: an
 * unsigned delegation below the host, an opt-out span, or more NSEC3 iterations than it is willing
 * to count. What ought to be signed and is not is bogus, hence a failure. To fail here too would
 * make all hosts of such zones unreachable, and protect only those with too many iterations.
 *
 * All this holds only if AD can be believed whoever answers (2.1.3): where one of several servers
 * is not trusted, it could deny what another has vouched for. There DANE does not exist.
 *
 * No names, digests or chains are compared here; that is OpenSSL's part, with what is left.
 */
#include "dane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/dns_record.h"
#include "tls_tlsa.h"

#define USAGE_DANE_TA 2
#define USAGE_DANE_EE 3
#define SELECTOR_CERTIFICATE 0
#define SELECTOR_PUBLIC_KEY 1
#define MATCHING_FULL 0
#define MATCHING_SHA2_256 1
#define MATCHING_SHA2_512 2

/* "_65535._tcp." and a host name; one that grows too long by it is refused by dns_lookup(). */
#define TLSA_NAME_MAX (DNS_NAME_MAX + 16)
#define FAULT_MAX 96

struct search {
	struct dane_records *records;
	struct dns_resolver *resolver;
	int port;
	struct deadline deadline;
};

static void fail(struct dane_records *records, const struct dns_answer *answer)
{
	records->state = DANE_FAILED;
	records->is_bogus = answer->trust == DNS_BOGUS;
	snprintf(records->reason, sizeof(records->reason), "%s", answer->error);
}

static const char *data_fault(const struct dns_tlsa *tlsa)
{
	switch (tlsa->matching_type) {
	case MATCHING_SHA2_256:
		return tlsa->length == 32 ? NULL : "no SHA2-256 digest";
	case MATCHING_SHA2_512:
		return tlsa->length == 64 ? NULL : "no SHA2-512 digest";
	case MATCHING_FULL:
		break;
	}
	if (tlsa->selector == SELECTOR_CERTIFICATE)
		return tls_tlsa_is_certificate(tlsa->data, tlsa->length) ? NULL : "no certificate";
	return tls_tlsa_is_public_key(tlsa->data, tlsa->length) ? NULL : "no public key";
}

/* What is wrong with this record; false if nothing is. */
static bool find_fault(const struct dns_tlsa *tlsa, char fault[FAULT_MAX])
{
	const char *of_data;

	fault[0] = '\0';
	if (tlsa->usage < USAGE_DANE_TA)
		snprintf(fault, FAULT_MAX, "usage %u is not for SMTP (RFC 7672 3.1.3)",
			 tlsa->usage);
	else if (tlsa->usage > USAGE_DANE_EE)
		snprintf(fault, FAULT_MAX, "usage %u is unknown", tlsa->usage);
	else if (tlsa->selector > SELECTOR_PUBLIC_KEY)
		snprintf(fault, FAULT_MAX, "selector %u is unknown", tlsa->selector);
	else if (tlsa->matching_type > MATCHING_SHA2_512)
		snprintf(fault, FAULT_MAX, "matching type %u is unknown", tlsa->matching_type);
	else if ((of_data = data_fault(tlsa)) != NULL)
		snprintf(fault, FAULT_MAX, "its %zu bytes are %s", tlsa->length, of_data);
	return fault[0] != '\0';
}

static bool has_record(const struct dane_records *records, const struct dns_tlsa *tlsa)
{
	for (size_t i = 0; i < records->count; i++) {
		const struct dns_tlsa *other = &records->tlsa[i];

		if (other->usage == tlsa->usage && other->selector == tlsa->selector &&
		    other->matching_type == tlsa->matching_type && other->length == tlsa->length &&
		    memcmp(other->data, tlsa->data, tlsa->length) == 0)
			return true;
	}
	return false;
}

/* Moves the usable ones over, each once; the first of the others is the reason why none is. */
static void keep_usable(struct dane_records *records, struct dns_answer *answer, const char *name)
{
	for (size_t i = 0; i < answer->count && records->count < DANE_RECORDS_MAX; i++) {
		struct dns_tlsa *tlsa = &answer->tlsa[i];
		char fault[FAULT_MAX];

		if (!find_fault(tlsa, fault)) {
			if (has_record(records, tlsa))
				continue;
			records->tlsa[records->count++] = *tlsa;
			tlsa->data = NULL;
		} else if (records->reason[0] == '\0') {
			snprintf(records->reason, sizeof(records->reason),
				 "TLSA %u %u %u at %s: %s", tlsa->usage, tlsa->selector,
				 tlsa->matching_type, name, fault);
		}
	}
	records->state = records->count > 0 ? DANE_USABLE : DANE_UNUSABLE;
	if (records->state == DANE_USABLE)
		records->reason[0] = '\0';
}

static void use_records(struct dane_records *records, struct dns_answer *answer,
			const char *base_domain, const char *name)
{
	size_t count = answer->count < DANE_RECORDS_MAX ? answer->count : DANE_RECORDS_MAX;

	records->tlsa = calloc(count, sizeof(*records->tlsa));
	if (records->tlsa == NULL) {
		records->state = DANE_FAILED;
		snprintf(records->reason, sizeof(records->reason),
			 "out of memory for the TLSA records at %s", name);
		return;
	}
	snprintf(records->base_domain, sizeof(records->base_domain), "%s", base_domain);
	keep_usable(records, answer, name);
}

static void look_up_at(const struct search *search, const char *base_domain)
{
	char name[TLSA_NAME_MAX + 1];
	struct dns_answer answer;

	snprintf(name, sizeof(name), "_%d._tcp.%s", search->port, base_domain);
	dns_lookup(search->resolver, name, DNS_TYPE_TLSA, search->deadline, &answer);
	if (answer.result == DNS_ERROR)
		fail(search->records, &answer);
	else if (answer.result == DNS_FOUND && answer.trust == DNS_SECURE)
		use_records(search->records, &answer, base_domain, name);
	dns_answer_wipe(&answer);
}

/*
 * Of an alias that leads out of what is signed, is the first step signed? Then the name's owner may
 * have records for it, though not for the place where it leads to.
 */
static bool is_secure_alias(const struct search *search, const char *name)
{
	struct dns_answer answer;
	bool is_secure;

	dns_lookup(search->resolver, name, DNS_TYPE_CNAME, search->deadline, &answer);
	if (answer.result == DNS_ERROR)
		fail(search->records, &answer);
	is_secure = answer.result != DNS_ERROR && answer.trust == DNS_SECURE;
	dns_answer_wipe(&answer);
	return is_secure;
}

/* The host has no address that could be connected to; why, mx_list has told. */
static void fail_host(struct dane_records *records, const struct mx_host *host)
{
	records->state = DANE_FAILED;
	records->is_bogus = host->trust == DNS_BOGUS;
	snprintf(records->reason, sizeof(records->reason), "%s for the address of %s",
		 records->is_bogus ? "DNSSEC validation failure" : "DNS lookup failure",
		 host->exchange);
}

static void look_up_host(const struct search *search, const struct mx_host *host)
{
	bool is_alias = strcmp(host->expanded, host->exchange) != 0;

	if (host->trust == DNS_SECURE) {
		look_up_at(search, host->expanded);
		if (search->records->state == DANE_NONE && is_alias)
			look_up_at(search, host->exchange);
	} else if (is_alias && is_secure_alias(search, host->exchange)) {
		look_up_at(search, host->exchange);
	}
}

void dane_look_up(struct dane_records *records, struct dns_resolver *resolver,
		  const struct mx_host *host, int port, struct deadline deadline)
{
	const struct search search = {
		.records = records, .resolver = resolver, .port = port, .deadline = deadline
	};

	memset(records, 0, sizeof(*records));
	records->state = DANE_NONE;
	if (host->exchange[0] == '[')
		return;
	if (host->trust == DNS_BOGUS || host->trust == DNS_FAILED)
		fail_host(records, host);
	else if (dns_resolver_is_trusted(resolver))
		look_up_host(&search, host);
}

void dane_records_wipe(struct dane_records *records)
{
	dns_tlsa_free(records->tlsa, records->count);
	memset(records, 0, sizeof(*records));
}
