/*
 * Asking for a domain's MTA-STS policy: TXT, A and AAAA records by the edge's own resolvers, the
 * text by postern-sts-fetch. Neither needs DNSSEC: the policy host's certificate is what counts
 * (RFC 8461 10.2).
 */
#include "sts_lookup.h"

#include <stdio.h>
#include <string.h>

/* Longer ones are no names; dns_lookup() says so. */
#define NAME_SIZE (SMTP_DOMAIN_MAX + 16)
/* For each kind of record: a delivery waits for the TXT record of every new domain. */
#define DNS_MS 5000

enum sts_announcement sts_lookup_id(struct edge_setup *setup, const char *domain,
				    struct deadline deadline, char id[STS_ID_MAX + 1], char *reason,
				    size_t reason_size)
{
	enum sts_announcement announcement = STS_NOT_ANNOUNCED;
	struct dns_answer answer;
	char name[NAME_SIZE];

	id[0] = '\0';
	snprintf(name, sizeof(name), "_mta-sts.%s", domain);
	dns_lookup(setup->resolver, name, DNS_TYPE_TXT,
		   deadline_earlier(deadline, deadline_in_ms(DNS_MS)), &answer);
	switch (answer.result) {
	case DNS_FOUND:
		if (sts_record_parse(answer.txt, answer.count, id, reason, reason_size))
			announcement = STS_ANNOUNCED;
		break;
	case DNS_NXDOMAIN:
	case DNS_NODATA:
		snprintf(reason, reason_size, "no TXT record");
		break;
	case DNS_ERROR:
		snprintf(reason, reason_size, "%s", answer.error);
		announcement = STS_ANNOUNCEMENT_UNKNOWN;
		break;
	}
	dns_answer_wipe(&answer);
	return announcement;
}

struct addresses {
	struct sockaddr_storage items[STS_FETCH_ADDRESSES_MAX];
	size_t count;
};

/* Both families get a share, whichever has more. */
static void add_addresses(struct addresses *addresses, const struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count && i < STS_FETCH_ADDRESSES_MAX / 2; i++)
		addresses->items[addresses->count++] = answer->addresses[i];
}

/* 0, or -1 with a reason: none. */
static int look_up_addresses(struct edge_setup *setup, const char *domain, struct deadline deadline,
			     struct addresses *addresses, char *reason, size_t reason_size)
{
	static const enum dns_type types[] = { DNS_TYPE_A, DNS_TYPE_AAAA };
	char name[NAME_SIZE];

	addresses->count = 0;
	deadline = deadline_earlier(deadline, deadline_in_ms(DNS_MS));
	snprintf(name, sizeof(name), "mta-sts.%s", domain);
	snprintf(reason, reason_size, "%s has no address", name);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct dns_answer answer;

		dns_lookup(setup->resolver, name, types[i], deadline, &answer);
		if (answer.result == DNS_FOUND)
			add_addresses(addresses, &answer);
		else if (answer.result == DNS_ERROR)
			snprintf(reason, reason_size, "%s", answer.error);
		dns_answer_wipe(&answer);
	}
	return addresses->count > 0 ? 0 : -1;
}

static enum sts_finding finding_of(enum sts_fetch_status status)
{
	switch (status) {
	case STS_FETCH_STATUS_DONE:
		return STS_FOUND;
	case STS_FETCH_STATUS_NO_POLICY:
		return STS_INVALID;
	case STS_FETCH_STATUS_CERTIFICATE:
		return STS_WEBPKI_INVALID;
	case STS_FETCH_STATUS_USAGE:
	case STS_FETCH_STATUS_UNAVAILABLE:
	case STS_FETCH_STATUS_LOCAL:
	case STS_FETCH_STATUS_REFUSED:
	case STS_FETCH_STATUS_CONFIG:
		break;
	}
	return STS_FETCH_FAILED;
}

enum sts_finding sts_lookup_policy(struct sts_fetcher *fetcher, struct edge_setup *setup,
				   const char *domain, struct deadline deadline,
				   struct sts_policy *policy, char *reason, size_t reason_size)
{
	struct addresses addresses;
	struct sts_fetch_request request = { .domain = domain,
					     .addresses = addresses.items,
					     .allow = &setup->conf.allow_destinations,
					     .ca_file = setup->conf.tls_ca_file };
	struct sts_fetch_result result;
	enum sts_finding finding;

	*policy = (struct sts_policy){ 0 };
	if (look_up_addresses(setup, domain, deadline, &addresses, reason, reason_size) < 0)
		return STS_FETCH_FAILED;
	request.address_count = addresses.count;
	sts_fetcher_run(fetcher, &request, deadline, &result);
	finding = finding_of(result.status);
	if (finding != STS_FOUND)
		snprintf(reason, reason_size, "%s", result.reason);
	else if (sts_policy_parse(policy, result.bytes, result.length, reason, reason_size) < 0)
		finding = STS_INVALID;
	sts_fetch_result_wipe(&result);
	return finding;
}
