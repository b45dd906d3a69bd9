/*
 * A tenant: one name in the allow-list, whichever of its keys it uses. What the keeper says of it
 * before each transaction, as plain values: it travels between two processes.
 */
#ifndef TENANT_H
#define TENANT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/smtp_limits.h"
#include "lib/token_bucket.h"
#include "mx_list.h"
#include "tunnel/authorized_clients.h"

/* What a delivery needs of it. Connections of two tenants may be shared only if these are the same. */
struct tenant {
	char name[CLIENT_NAME_MAX + 1];
	struct in_addr source4;		/* INADDR_ANY: the kernel's choice */
	struct in6_addr source6;	/* unspecified: likewise */
	char hello[SMTP_DOMAIN_MAX + 1];	/* "": the edge's ehlo_name */
};

/* What it may do; 0: no limit of its own. */
struct tenant_limits {
	struct token_rate rate;		/* transactions */
	struct token_rate bounces;	/* of them those with the null reverse-path */
	int64_t concurrency;		/* transactions at once */
	int64_t size;			/* bytes of a message */
	int64_t recipients;		/* of a message */
};

struct tenant_terms {
	struct tenant tenant;
	struct tenant_limits limits;
	bool has_domains;		/* its senders are bound to domains */
	bool is_foreign_sender;		/* this one is not in them */
	bool is_unknown;		/* nobody can tell now; only the name is filled in */
};

/* The smaller one; own = 0: no limit of its own. */
int64_t tenant_limit(int64_t edges, int64_t own);
/* The line of the allow-list as terms; sender_domain: of this transaction, "" for the null reverse-path. */
void tenant_terms_set(struct tenant_terms *terms, const struct authorized_client *client,
		      const char *sender_domain);
/*
 * Which families mail of this tenant may leave by. Whoever has source4 alone shall not be seen with
 * an IPv6 address that it does not own; source6 is the administrator's word that the address will do,
 * without a look at its PTR record. `found`: what holds for others; `is_off`: ipv6 = "off".
 */
enum mx_family tenant_family(const struct tenant *tenant, enum mx_family found, bool is_off);
/* The address to send from in this family, with port 0; NULL: the kernel's choice. *out holds it. */
const struct sockaddr_storage *tenant_source(const struct tenant *tenant, int family,
					     struct sockaddr_storage *out);
/* The name in EHLO. */
const char *tenant_hello(const struct tenant *tenant, const char *ehlo_name);

#endif
