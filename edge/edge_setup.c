/* Makes the objects that edge.conf describes, all or nothing. */
#include "edge_setup.h"

#include <stdio.h>
#include <stdlib.h>

static void destroy(struct edge_setup *setup)
{
	tls_context_destroy(setup->tls);
	dns_resolver_destroy(setup->resolver);
	address_guard_destroy(setup->guard);
	conf_wipe(&setup->conf, edge_conf_settings);
	free(setup);
}

struct edge_setup *edge_setup_create(const char *conf_path, char *error, size_t error_size)
{
	struct edge_setup *setup = calloc(1, sizeof(*setup));

	if (setup == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	atomic_init(&setup->references, 1);
	if (edge_conf_read(&setup->conf, conf_path, error, error_size) < 0)
		goto fail;
	atomic_init(&setup->family, setup->conf.ipv6 == EDGE_IPV6_ON ? MX_FAMILY_BOTH : MX_FAMILY_IPV4);
	setup->guard = address_guard_create(&setup->conf.allow_destinations, error, error_size);
	if (setup->guard == NULL)
		goto fail;
	setup->resolver = dns_resolver_create(&setup->conf.resolvers, setup->conf.resolvers_trusted, error, error_size);
	if (setup->resolver == NULL)
		goto fail;
	setup->tls = tls_context_create(error, error_size);
	if (setup->tls == NULL)
		goto fail;
	return setup;
fail:
	destroy(setup);
	return NULL;
}

struct edge_setup *edge_setup_acquire(struct edge_setup *setup)
{
	atomic_fetch_add(&setup->references, 1);
	return setup;
}

void edge_setup_release(struct edge_setup *setup)
{
	if (setup != NULL && atomic_fetch_sub(&setup->references, 1) == 1)
		destroy(setup);
}
