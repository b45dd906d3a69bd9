/*
 * ipv6 = "auto": may this host send mail over IPv6? Only if the address it would send from has a
 * PTR record whose name leads back to it (forward-confirmed); large receivers refuse IPv6 mail from
 * hosts without (RFC 8501 discusses why many have none).
 */
#ifndef OWN_IPV6_H
#define OWN_IPV6_H

#include "edge.h"

/*
 * Decides at once, in the background, and again every few minutes and after a reload, for setups
 * with `ipv6 = "auto"`.
 */
void own_ipv6_start(struct edge *edge);

#endif
