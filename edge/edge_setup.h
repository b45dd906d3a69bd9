/*
 * Everything that comes out of edge.conf and can be replaced while mail flows: settings, resolver, address guard, TLS. Immutable once
 * made; a transaction holds a reference, so a reload never changes the rules under a running delivery.
 */
#ifndef EDGE_SETUP_H
#define EDGE_SETUP_H

#include <stdatomic.h>
#include <stddef.h>

#include "address_guard.h"
#include "dns/dns_lookup.h"
#include "edge_conf.h"
#include "mx_list.h"
#include "reply_rules.h"
#include "relay_table.h"
#include "tls_context.h"
#include "tls_policy_table.h"

struct edge_setup {
	struct edge_conf conf;
	struct address_guard *guard;
	struct dns_resolver *resolver;
	struct tls_context *tls;
	struct reply_rules *reply_rules;
	struct tls_policy_table *tls_policies;	/* has its own lock: read again when the file changes */
	struct tls_defaults tls_defaults;
	struct relay_table *relays;	/* has its own lock: read again when the file changes */
	_Atomic int family;	/* enum mx_family; for `ipv6 = "auto"` own_ipv6.c's thread writes it */
	atomic_int is_ipv6_decided;	/* own_ipv6.c has looked once */
	atomic_int has_told_ipv6;	/* the warning about IPv6 was logged */
	uint64_t id;		/* of this setup alone, as long as the process lives */
	atomic_int references;
};

/* Reads and checks everything; NULL with error. The caller has one reference. */
struct edge_setup *edge_setup_create(const char *conf_path, char *error, size_t error_size);
struct edge_setup *edge_setup_acquire(struct edge_setup *setup);
void edge_setup_release(struct edge_setup *setup);
/* Tells the log what this setup cannot do, though it may be wanted. */
void edge_setup_warn(const struct edge_setup *setup, const char *conf_path);

#endif
