/*
 * This host as an MX: by which name and addresses it is one, and which certificates its Postfix has for
 * those who deliver to it on port 25.
 */
#ifndef OWN_MX_H
#define OWN_MX_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "postfix_view.h"
#include "served_chain.h"

#define OWN_MX_ADDRESSES_MAX 64

struct own_mx {
	bool is_there;		    /* a service of master.cf answers on port 25 */
	char name[DNS_NAME_MAX + 1]; /* myhostname */
	/* Of this host, and proxy_interfaces; no loopback. More than fit are left out. */
	struct sockaddr_storage addresses[OWN_MX_ADDRESSES_MAX];
	size_t address_count;
	bool has_tls;	      /* it offers STARTTLS */
	bool has_more_chains; /* tls_server_sni_maps chooses among others, which are not here */
	struct served_chains chains;
	char error[400]; /* why they could not all be read, "PATH: reason"; "" */
};

/* Always fills *own; wipe it. */
void own_mx_read(struct own_mx *own, const struct postfix_view *postfix);
void own_mx_wipe(struct own_mx *own);

bool own_mx_has_address(const struct own_mx *own, const struct sockaddr_storage *address);

#endif
