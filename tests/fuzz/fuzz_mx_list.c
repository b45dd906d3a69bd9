/*
 * Any domain of an envelope (up to the first NUL) and any answers to the questions that follow (the
 * first byte: which families). The list is within its bounds and in order, each address once and
 * with a host of the list; where there is none the status says why, and never for good while some
 * answer was a failure.
 *
 * feeds: a domain and the answers to MX, A and AAAA questions
 * covers: edge/mx_list.c dns/dns_name.c:dns_name_copy
 */
#include "edge/mx_list.h"
#include "fake_lookup.h"

static void check_list(const struct mx_list *list, const struct mx_request *request)
{
	require(list->address_count > 0 && list->address_count <= MX_ADDRESSES_MAX);
	require(list->host_count > 0 && list->host_count <= MX_HOSTS_MAX);
	require_printable(list->domain);
	for (size_t i = 0; i < list->host_count; i++) {
		require(list->hosts[i].exchange[0] != '\0' && list->hosts[i].expanded[0] != '\0');
		require(i == 0 || list->hosts[i - 1].preference <= list->hosts[i].preference);
	}
	for (size_t i = 0; i < list->address_count; i++) {
		const struct mx_address *address = &list->addresses[i];

		require(address->host < list->host_count &&
			(i == 0 || list->addresses[i - 1].host <= address->host));
		require(((const struct sockaddr_in *)(const void *)&address->address)->sin_port ==
			htons(25));
		require(request->family != MX_FAMILY_IPV4 || address->address.ss_family == AF_INET);
		require(request->family != MX_FAMILY_IPV6 ||
			address->address.ss_family == AF_INET6);
		for (size_t j = 0; j < i; j++)
			require(memcmp(&list->addresses[j].address, &address->address,
				       sizeof(address->address)) != 0);
	}
}

static void check_refusal(const struct mx_list *list, const struct dns_resolver *resolver,
			  const struct delivery_status *status)
{
	require(list->address_count == 0 && status->stage == STAGE_DNS &&
		status->reason[0] != '\0');
	require_printable(status->reason);
	require(status->action == (resolver->errors > 0 ? DELIVERY_DELAYED : DELIVERY_FAILED));
	require(status->status.class == (resolver->errors > 0 ? 4 : 5));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const uint8_t *end = length > 1 ? memchr(bytes + 1, '\0', length - 1) : NULL;
	struct delivery_status status = { 0 };
	struct dns_resolver resolver = { .is_trusted = true };
	struct mx_request request = { .port = 25,
				      .resolver = &resolver,
				      .deadline = DEADLINE_NEVER };
	struct mx_list list;

	if (end == NULL || end - bytes - 1 > SMTP_DOMAIN_MAX)
		return 0;
	request.domain = (const char *)bytes + 1;
	request.family = (enum mx_family)(bytes[0] % 3);
	resolver.at = end + 1;
	resolver.left = length - (size_t)(end + 1 - bytes);
	if (mx_list_resolve(&list, &request, &status) == 0)
		check_list(&list, &request);
	else
		check_refusal(&list, &resolver, &status);
	mx_list_wipe(&list);
	dns_tlsa_free(resolver.tlsa, resolver.tlsa_count);
	return 0;
}
