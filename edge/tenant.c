/* Decisions about a tenant's connections, pure. */
#include "tenant.h"

#include <stdio.h>
#include <string.h>

void tenant_terms_set(struct tenant_terms *terms, const struct authorized_client *client,
		      const char *sender_domain)
{
	const struct client_options *options = &client->options;

	memset(terms, 0, sizeof(*terms));
	snprintf(terms->tenant.name, sizeof(terms->tenant.name), "%s", client->name);
	terms->tenant.source4 = options->source4;
	terms->tenant.source6 = options->source6;
	if (options->hello != NULL)
		snprintf(terms->tenant.hello, sizeof(terms->tenant.hello), "%s", options->hello);
	terms->limits = (struct tenant_limits){ options->rate, options->bounces,
						options->concurrency, options->size,
						options->recipients };
	terms->has_domains = options->domains != NULL;
	terms->is_foreign_sender = sender_domain[0] != '\0' &&
				   !client_options_allow_sender(options, sender_domain);
}

int64_t tenant_limit(int64_t edges, int64_t own)
{
	return own != 0 && own < edges ? own : edges;
}

enum mx_family tenant_family(const struct tenant *tenant, enum mx_family found, bool is_off)
{
	if (is_off)
		return found;
	if (!IN6_IS_ADDR_UNSPECIFIED(&tenant->source6))
		return MX_FAMILY_BOTH;
	return tenant->source4.s_addr != INADDR_ANY ? MX_FAMILY_IPV4 : found;
}

const struct sockaddr_storage *tenant_source(const struct tenant *tenant, int family,
					     struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	out->ss_family = (sa_family_t)family;
	if (family == AF_INET && tenant->source4.s_addr != INADDR_ANY)
		((struct sockaddr_in *)(void *)out)->sin_addr = tenant->source4;
	else if (family == AF_INET6 && !IN6_IS_ADDR_UNSPECIFIED(&tenant->source6))
		((struct sockaddr_in6 *)(void *)out)->sin6_addr = tenant->source6;
	else
		return NULL;
	return out;
}

const char *tenant_hello(const struct tenant *tenant, const char *ehlo_name)
{
	return tenant->hello[0] != '\0' ? tenant->hello : ehlo_name;
}
