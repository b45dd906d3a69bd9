/* Makes the objects that edge.conf describes, all or nothing. */
#include "edge_setup.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"

/* The last id given; any thread. */
static _Atomic uint64_t last_id;

static void destroy(struct edge_setup *setup)
{
	relay_table_destroy(setup->relays);
	reply_rules_destroy(setup->reply_rules);
	tls_policy_table_destroy(setup->tls_policies);
	tls_context_destroy(setup->tls);
	dns_resolver_destroy(setup->resolver);
	address_guard_destroy(setup->guard);
	conf_wipe(&setup->conf, edge_conf_settings);
	free(setup);
}

/* The texts were checked when they were read. */
static void set_tls_defaults(struct edge_setup *setup)
{
	struct tls_defaults *defaults = &setup->tls_defaults;
	char ignored[200];

	tls_protocols_parse(&defaults->protocols, setup->conf.tls_protocols, ignored, sizeof(ignored));
	tls_protocols_parse(&defaults->mandatory_protocols, setup->conf.tls_mandatory_protocols,
			    ignored, sizeof(ignored));
	defaults->ciphers = (enum tls_ciphers)setup->conf.tls_ciphers;
	defaults->mandatory_ciphers = (enum tls_ciphers)setup->conf.tls_mandatory_ciphers;
}

struct edge_setup *edge_setup_create(const char *conf_path, char *error, size_t error_size)
{
	struct edge_setup *setup = calloc(1, sizeof(*setup));

	if (setup == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	atomic_init(&setup->references, 1);
	setup->id = atomic_fetch_add(&last_id, 1) + 1;
	if (edge_conf_read(&setup->conf, conf_path, error, error_size) < 0)
		goto fail;
	atomic_init(&setup->family, setup->conf.ipv6 == EDGE_IPV6_ON ? MX_FAMILY_BOTH : MX_FAMILY_IPV4);
	setup->guard = address_guard_create(&setup->conf.allow_destinations, error, error_size);
	if (setup->guard == NULL)
		goto fail;
	setup->resolver = dns_resolver_create(&setup->conf.resolvers, setup->conf.resolvers_trusted, error, error_size);
	if (setup->resolver == NULL)
		goto fail;
	if (dns_resolver_keep_answers(setup->resolver, setup->conf.dns_cache_time_limit) < 0) {
		snprintf(error, error_size, "out of memory");
		goto fail;
	}
	setup->tls = tls_context_create(setup->conf.tls_ca_file, error, error_size);
	if (setup->tls == NULL)
		goto fail;
	setup->tls_policies = tls_policy_table_create(setup->conf.tls_policy, error, error_size);
	if (setup->tls_policies == NULL)
		goto fail;
	setup->relays = relay_table_create(setup->conf.relay, error, error_size);
	if (setup->relays == NULL)
		goto fail;
	setup->reply_rules = reply_rules_create(setup->conf.reply_rules, error, error_size);
	if (setup->reply_rules == NULL)
		goto fail;
	set_tls_defaults(setup);
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

void edge_setup_warn(const struct edge_setup *setup, const char *conf_path)
{
	if (!dns_resolver_is_trusted(setup->resolver))
		log_warning("DANE is off: a DNS resolver is not on this host, so what it says of DNSSEC is not "
			    "believed; install unbound and set resolvers = [ \"127.0.0.1\" ]; in %s",
			    conf_path);
}
