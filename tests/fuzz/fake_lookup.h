/*
 * A resolver in the place of dns/dns_lookup.c that answers whatever the input says: by its own
 * bytes, not by DNS messages (those are fuzz_dns_answer's), so that every byte matters to who asks.
 * An answer is a byte
 *
 *   bits 0-1  found, no such name, no such records, error
 *   bit 2     insecure, or an error of DNSSEC
 *   bit 3     behind an alias
 *
 * and, when found, a byte with the number of records less one, and the records. Where the input
 * ends there are no records.
 */
#ifndef FAKE_LOOKUP_H
#define FAKE_LOOKUP_H

#include <arpa/inet.h>

#include "dns/dns_lookup.h"
#include "dns/dns_name.h"
#include "dns/dns_record.h"
#include "fuzz_target.h"

#define FAKE_ALIAS "target.example"

struct dns_resolver {
	const uint8_t *at;
	size_t left;
	bool is_trusted;
	size_t errors; /* answers that were one */
	/* The last secure TLSA records, in DNS's order; owned. */
	struct dns_tlsa *tlsa;
	size_t tlsa_count;
};

static inline uint8_t fake_byte(struct dns_resolver *resolver)
{
	if (resolver->left == 0)
		return 0;
	resolver->left--;
	return *resolver->at++;
}

static inline void fake_exchange(struct dns_resolver *resolver, char out[DNS_NAME_MAX + 1])
{
	static const char *const names[] = { "",          "mx1.example.com", "mx2.example.com",
					     "192.0.2.1", "mx.example.net",  "bad?name",
					     FAKE_ALIAS };
	uint8_t which = fake_byte(resolver);

	if (which < 0x40)
		snprintf(out, DNS_NAME_MAX + 1, "mx%u.example.org", which);
	else
		snprintf(out, DNS_NAME_MAX + 1, "%s",
			 names[which % (sizeof(names) / sizeof(names[0]))]);
}

static inline void fake_address(struct dns_resolver *resolver, struct sockaddr_storage *out,
				int family)
{
	uint8_t bytes[16] = { 0x20, 0x01, 0x0d, 0xb8 };

	bytes[2] = fake_byte(resolver);
	bytes[15] = bytes[3] = fake_byte(resolver);
	out->ss_family = (sa_family_t)family;
	if (family == AF_INET)
		memcpy(&((struct sockaddr_in *)(void *)out)->sin_addr, bytes, 4);
	else
		memcpy(&((struct sockaddr_in6 *)(void *)out)->sin6_addr, bytes, 16);
}

static inline void fake_tlsa(struct dns_resolver *resolver, struct dns_tlsa *out)
{
	out->usage = fake_byte(resolver);
	out->selector = fake_byte(resolver);
	out->matching_type = fake_byte(resolver);
	out->length = (size_t)fake_byte(resolver) << 8;
	out->length |= fake_byte(resolver);
	if (out->length > resolver->left)
		out->length = resolver->left;
	out->data = malloc(out->length > 0 ? out->length : 1);
	require(out->data != NULL);
	for (size_t i = 0; i < out->length; i++)
		out->data[i] = fake_byte(resolver);
}

static inline void fake_keep(struct dns_resolver *resolver, const struct dns_answer *answer)
{
	dns_tlsa_free(resolver->tlsa, resolver->tlsa_count);
	resolver->tlsa = calloc(answer->count, sizeof(*resolver->tlsa));
	resolver->tlsa_count = answer->count;
	for (size_t i = 0; i < answer->count; i++) {
		resolver->tlsa[i] = answer->tlsa[i];
		resolver->tlsa[i].data =
			malloc(answer->tlsa[i].length > 0 ? answer->tlsa[i].length : 1);
		memcpy(resolver->tlsa[i].data, answer->tlsa[i].data, answer->tlsa[i].length);
	}
}

static inline void fake_records(struct dns_resolver *resolver, enum dns_type type,
				struct dns_answer *answer)
{
	answer->count = 1 + (size_t)fake_byte(resolver);
	if (type == DNS_TYPE_TLSA)
		answer->tlsa = calloc(answer->count, sizeof(*answer->tlsa));
	else if (type == DNS_TYPE_A || type == DNS_TYPE_AAAA)
		answer->addresses = calloc(answer->count, sizeof(*answer->addresses));
	else
		answer->mx = calloc(answer->count, sizeof(*answer->mx));
	for (size_t i = 0; i < answer->count; i++) {
		if (type == DNS_TYPE_TLSA) {
			fake_tlsa(resolver, &answer->tlsa[i]);
		} else if (type == DNS_TYPE_A || type == DNS_TYPE_AAAA) {
			fake_address(resolver, &answer->addresses[i],
				     type == DNS_TYPE_A ? AF_INET : AF_INET6);
		} else {
			answer->mx[i].preference = fake_byte(resolver);
			fake_exchange(resolver, answer->mx[i].exchange);
		}
	}
	if (type == DNS_TYPE_TLSA && answer->trust == DNS_SECURE)
		fake_keep(resolver, answer);
}

void dns_lookup(struct dns_resolver *resolver, const char *name, enum dns_type type,
		struct deadline deadline, struct dns_answer *answer)
{
	static const enum dns_result results[] = { DNS_FOUND, DNS_NXDOMAIN, DNS_NODATA, DNS_ERROR };
	uint8_t word = resolver->left > 0 ? fake_byte(resolver) : 2;

	(void)deadline;
	memset(answer, 0, sizeof(*answer));
	if (!dns_name_copy(answer->name, name)) {
		answer->result = DNS_NXDOMAIN;
		answer->trust = DNS_INSECURE;
		return;
	}
	answer->result = results[word & 3];
	answer->trust = word & 4 ? DNS_INSECURE : DNS_SECURE;
	if (answer->result == DNS_ERROR) {
		answer->trust = word & 4 ? DNS_BOGUS : DNS_FAILED;
		snprintf(answer->error, sizeof(answer->error), "SERVFAIL for %s", name);
		resolver->errors++;
		return;
	}
	if (word & 8)
		snprintf(answer->name, sizeof(answer->name), FAKE_ALIAS);
	if (answer->result == DNS_FOUND)
		fake_records(resolver, type, answer);
}

void dns_answer_wipe(struct dns_answer *answer)
{
	dns_tlsa_free(answer->tlsa, answer->tlsa != NULL ? answer->count : 0);
	free(answer->addresses);
	free(answer->mx);
	memset(answer, 0, sizeof(*answer));
}

bool dns_resolver_is_trusted(struct dns_resolver *resolver)
{
	return resolver->is_trusted;
}

#endif
