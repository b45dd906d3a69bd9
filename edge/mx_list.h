/*
 * Mail exchangers of a domain (RFC 5321 5.1, null MX RFC 7505) and their addresses, in the order in
 * which they are to be tried: preference, shuffled inside one preference, both families
 * interleaved, at most MX_ADDRESSES_MAX addresses.
 */
#ifndef MX_LIST_H
#define MX_LIST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "dns/dns_lookup.h"
#include "lib/delivery_status.h"

#define MX_ADDRESSES_MAX 20
/* Of one host, so that a host with very many leaves room for its backup. */
#define MX_HOST_ADDRESSES_MAX 10
/* Hosts whose addresses are looked up. */
#define MX_HOSTS_MAX 20

struct mx_host {
	char exchange[DNS_NAME_MAX + 1]; /* as in the MX record; the domain itself for an implicit
					    MX; "[192.0.2.1]" for a literal */
	uint16_t preference;
	char expanded[DNS_NAME_MAX + 1]; /* exchange after CNAMEs; the same without any */
	enum dns_trust trust; /* of its address records, all CNAMEs on the way included; a lookup that
				 failed, or found none, beside one that found some is left out */
};

struct mx_address {
	size_t host;			 /* index into hosts */
	struct sockaddr_storage address; /* port filled in */
};

struct mx_list {
	char domain[DNS_NAME_MAX + 1]; /* that was asked for, in A-labels; a literal as it is */
	struct mx_host *hosts; /* those looked up, in order, at most MX_HOSTS_MAX; some may have no
				  address */
	size_t host_count;
	struct mx_address addresses[MX_ADDRESSES_MAX];
	size_t address_count;
	bool is_implicit;
	bool is_null_mx;
	enum dns_trust trust; /* of the MX answer; of a host that was asked for: SECURE, as nobody else
				 chose it */
	/*
	 * A host without any address because a lookup failed (SERVFAIL, time-out): when everything
	 * else fails for good, this makes the outcome temporary.
	 */
	bool has_failed_host;
	char failed_host[DNS_ERROR_MAX]; /* the resolver's words about the first such host, which
					    name it */
};

enum mx_family { MX_FAMILY_BOTH, MX_FAMILY_IPV4, MX_FAMILY_IPV6 };

struct mx_request {
	const char *domain; /* as in the envelope: U-labels are converted (IDNA 2008), "[...]" needs
			       no DNS */
	bool is_host;	    /* the domain is a mail server itself: its addresses are asked for, no MX */
	int port;
	enum mx_family family;
	struct dns_resolver *resolver;
	struct deadline deadline; /* all lookups together end after a minute anyway */
};

/*
 * 0: *list has at least one address. -1: *status says why there is none, stage DNS. The list must
 * be wiped in both cases.
 *
 *	5.1.2	the domain does not exist, or is no domain name
 *	5.1.10	null MX (RFC 7505)
 *	5.4.4	neither MX nor address records; or no mail exchanger has an address, which
 *		includes an MX record with an IP address in place of a name: skipped, not used
 *	4.4.3	a lookup failed
 *	4.7.0	a lookup failed because DNSSEC validation did
 */
int mx_list_resolve(struct mx_list *list, const struct mx_request *request,
		    struct delivery_status *status);
void mx_list_wipe(struct mx_list *list);
/*
 * A domain of an envelope in A-labels and lower case; a literal in lower case, unchecked. 0, or -1
 * if it is no domain name.
 */
int mx_list_a_labels(char out[DNS_NAME_MAX + 1], const char *domain);
/*
 * Pure ordering part, for tests: sorts by preference and shuffles equals with the given random
 * function.
 */
void mx_list_order(struct dns_mx *mx, size_t count, uint32_t (*random_below)(uint32_t bound));

#endif
