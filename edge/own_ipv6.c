/*
 * Watches the PTR record of this host's own IPv6 address. Until it is known to be confirmed, IPv4
 * is used: mail that waits for an IPv6-only destination is better than mail refused everywhere. DNS
 * trouble changes nothing.
 */
#include "own_ipv6.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns/dns_reverse.h"
#include "lib/endpoint.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "own_address.h"

/* How often a setup is looked at for being new, and how often the records are asked for again. */
#define LOOK_MS 1000
#define RECHECK_MS 300000
#define LOOKUP_MS 20000

/* Does this name lead back to the address? */
static enum own_ipv6 check_forward(struct dns_resolver *resolver, struct deadline deadline,
				   const char *name, const struct sockaddr_storage *own)
{
	enum own_ipv6 result = OWN_IPV6_UNCONFIRMED;
	struct dns_answer answer;

	dns_lookup(resolver, name, DNS_TYPE_AAAA, deadline, &answer);
	if (answer.result == DNS_ERROR)
		result = OWN_IPV6_UNKNOWN;
	for (size_t i = 0; i < answer.count; i++)
		if (endpoint_is_same_address(&answer.addresses[i], own))
			result = OWN_IPV6_CONFIRMED;
	dns_answer_wipe(&answer);
	return result;
}

enum own_ipv6 own_ipv6_look(struct dns_resolver *resolver, struct deadline deadline, char *address_out,
			    size_t size)
{
	enum own_ipv6 result = OWN_IPV6_UNCONFIRMED;
	struct sockaddr_storage own;
	struct dns_answer answer;
	char name[DNS_REVERSE_MAX];

	address_out[0] = '\0';
	if (own_address_find(AF_INET6, &own) < 0)
		return OWN_IPV6_NONE;
	endpoint_print_address((struct sockaddr *)&own, address_out, size);
	dns_reverse_name(name, sizeof(name), &own, NULL);
	dns_lookup(resolver, name, DNS_TYPE_PTR, deadline, &answer);
	if (answer.result == DNS_ERROR)
		result = OWN_IPV6_UNKNOWN;
	for (size_t i = 0; i < answer.count && result != OWN_IPV6_CONFIRMED; i++)
		result = check_forward(resolver, deadline, answer.mx[i].exchange, &own);
	dns_answer_wipe(&answer);
	return result;
}

static void decide(struct edge_setup *setup)
{
	char address[SOCKADDR_TEXT_MAX];
	enum mx_family before = (enum mx_family)atomic_load(&setup->family), now = before;

	switch (own_ipv6_look(setup->resolver, deadline_in_ms(LOOKUP_MS), address, sizeof(address))) {
	case OWN_IPV6_CONFIRMED:
		now = MX_FAMILY_BOTH;
		break;
	case OWN_IPV6_NONE:
		now = MX_FAMILY_IPV4;
		break;
	case OWN_IPV6_UNCONFIRMED:
		now = MX_FAMILY_IPV4;
		if (!atomic_exchange(&setup->has_told_ipv6, 1))
			log_warning("IPv6 is not used for delivery: %s has no PTR record that "
				    "leads back to it; set it to %s in your "
				    "provider's panel, or set ipv6 = \"off\"",
				    address, setup->conf.ehlo_name);
		break;
	case OWN_IPV6_UNKNOWN:
		return;
	}
	atomic_store(&setup->family, now);
	if (now == MX_FAMILY_BOTH && before != now)
		log_info("IPv6 is used for delivery: the PTR record of %s is forward-confirmed",
			 address);
}

static void *watch(void *argument)
{
	struct edge *edge = argument;
	struct deadline recheck = deadline_in_ms(0);

	while (atomic_load(&edge->end.phase) == EDGE_RUNNING) {
		struct edge_setup *setup = edge_acquire_setup(edge);

		if (setup->conf.ipv6 == EDGE_IPV6_AUTO &&
		    (!atomic_exchange(&setup->is_ipv6_decided, 1) ||
		     deadline_has_passed(recheck))) {
			decide(setup);
			recheck = deadline_in_ms(RECHECK_MS);
		}
		edge_setup_release(setup);
		usleep(LOOK_MS * 1000);
	}
	return NULL;
}

void own_ipv6_start(struct edge *edge)
{
	if (thread_start_detached(watch, edge) < 0)
		log_error("no thread for watching this host's IPv6 address: IPv6 is not used");
}
