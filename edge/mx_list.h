/*
 * Mail exchangers of a domain (RFC 5321 5.1, null MX RFC 7505) and their addresses, in the order in which they are
 * to be tried: preference, shuffled inside one preference, both families interleaved, at most MX_ADDRESSES_MAX addresses.
 */
#ifndef MX_LIST_H
#define MX_LIST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "dns_lookup.h"
#include "lib/delivery_status.h"

#define MX_ADDRESSES_MAX 20

struct mx_host {
	char exchange[DNS_NAME_MAX + 1];	/* as in the MX record; the domain itself for an implicit MX; "[192.0.2.1]" for a literal */
	uint16_t preference;
	enum dns_trust trust;			/* of its address records */
};

struct mx_address {
	size_t host;				/* index into hosts */
	struct sockaddr_storage address;	/* port filled in */
};

struct mx_list {
	struct mx_host *hosts;
	size_t host_count;
	struct mx_address addresses[MX_ADDRESSES_MAX];
	size_t address_count;
	bool is_implicit;
	bool is_null_mx;
	enum dns_trust trust;			/* of the MX answer */
	/*
	 * A host whose addresses could not be looked up (SERVFAIL, time-out): when everything else fails for good, this makes
	 * the outcome temporary.
	 */
	bool has_failed_host;
	char failed_host[DNS_NAME_MAX + 160];	/* first such host with the resolver's words */
};

enum mx_family { MX_FAMILY_BOTH, MX_FAMILY_IPV4, MX_FAMILY_IPV6 };

struct mx_request {
	const char *domain;			/* as in the envelope: U-labels are converted (IDNA 2008), literals need no DNS */
	int port;
	enum mx_family family;
	struct dns_resolver *resolver;
	struct deadline deadline;
};

/*
 * 0: *list has at least one address. -1: *status says why there is none (CATALOGUE of outcomes: null MX 5.1.10,
 * NXDOMAIN 5.1.2, no addresses 5.4.4, lookup failure 4.4.3), stage DNS. The list must be wiped in both cases.
 */
int mx_list_resolve(struct mx_list *list, const struct mx_request *request, struct delivery_status *status);
void mx_list_wipe(struct mx_list *list);
/* Pure ordering part, for tests: sorts by preference and shuffles equals with the given random function. */
void mx_list_order(struct dns_mx *mx, size_t count, uint32_t (*random_below)(uint32_t bound));

#endif
