/*
 * ipv6 = "auto": may this host send mail over IPv6? Only if the address it would send from has a
 * PTR record whose name leads back to it (forward-confirmed); large receivers refuse IPv6 mail from
 * hosts without (RFC 8501 discusses why many have none).
 */
#ifndef OWN_IPV6_H
#define OWN_IPV6_H

#include "edge.h"

enum own_ipv6 {
	OWN_IPV6_CONFIRMED,
	OWN_IPV6_NONE,		/* no address to send from */
	OWN_IPV6_UNCONFIRMED,	/* no PTR record that leads back */
	OWN_IPV6_UNKNOWN,	/* the DNS does not answer */
};

/* Looks now. address_out: the address that would be sent from, "" if there is none. */
enum own_ipv6 own_ipv6_look(struct dns_resolver *resolver, struct deadline deadline, char *address_out,
			    size_t size);
/*
 * Decides at once, in the background, and again every few minutes and after a reload, for setups
 * with `ipv6 = "auto"`.
 */
void own_ipv6_start(struct edge *edge);

#endif
