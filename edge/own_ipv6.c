/*
 * Watches the PTR record of this host's own IPv6 address. Until it is known to be confirmed, IPv4
 * is used: mail that waits for an IPv6-only destination is better than mail refused everywhere. DNS
 * trouble changes nothing.
 */
#include "own_ipv6.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/endpoint.h"
#include "lib/log.h"
#include "lib/thread.h"

/* How often a setup is looked at for being new, and how often the records are asked for again. */
#define LOOK_MS 1000
#define RECHECK_MS 300000
#define LOOKUP_MS 20000

/*
 * The address the kernel would send from to the global internet; -1: there is none. Nothing is
 * sent: connecting a datagram socket only consults the routing table. The target is a root name
 * server's, any global address would do.
 */
static int own_address(struct sockaddr_in6 *own)
{
	struct sockaddr_in6 target = { .sin6_family = AF_INET6, .sin6_port = htons(25) };
	socklen_t length = sizeof(*own);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), result = -1;

	inet_pton(AF_INET6, "2001:500:2::c", &target.sin6_addr);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&target, sizeof(target)) == 0 &&
	    getsockname(fd, (struct sockaddr *)own, &length) == 0)
		result = 0;
	if (fd >= 0)
		close(fd);
	return result;
}

/* "1.0.0.0.….ip6.arpa" (RFC 3596 2.5). */
static void reverse_name(const struct in6_addr *address, char *out, size_t size)
{
	size_t used = 0;

	for (int i = 15; i >= 0 && used < size; i--)
		used += (size_t)snprintf(out + used, size - used, "%x.%x.",
					 address->s6_addr[i] & 15, address->s6_addr[i] >> 4);
	if (used < size)
		snprintf(out + used, size - used, "ip6.arpa");
}

/* Does this name lead back to the address? */
static enum own_ipv6 check_forward(struct dns_resolver *resolver, struct deadline deadline,
				   const char *name, const struct sockaddr_in6 *own)
{
	enum own_ipv6 result = OWN_IPV6_UNCONFIRMED;
	struct dns_answer answer;

	dns_lookup(resolver, name, DNS_TYPE_AAAA, deadline, &answer);
	if (answer.result == DNS_ERROR)
		result = OWN_IPV6_UNKNOWN;
	for (size_t i = 0; i < answer.count; i++) {
		const struct sockaddr_in6 *found =
			(const struct sockaddr_in6 *)(const void *)&answer.addresses[i];

		if (memcmp(&found->sin6_addr, &own->sin6_addr, sizeof(own->sin6_addr)) == 0)
			result = OWN_IPV6_CONFIRMED;
	}
	dns_answer_wipe(&answer);
	return result;
}

enum own_ipv6 own_ipv6_look(struct dns_resolver *resolver, struct deadline deadline, char *address_out,
			    size_t size)
{
	enum own_ipv6 result = OWN_IPV6_UNCONFIRMED;
	struct sockaddr_in6 own;
	struct dns_answer answer;
	char name[80];

	address_out[0] = '\0';
	if (own_address(&own) < 0)
		return OWN_IPV6_NONE;
	endpoint_print_address((struct sockaddr *)&own, address_out, size);
	reverse_name(&own.sin6_addr, name, sizeof(name));
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
