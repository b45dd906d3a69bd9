/* Of Postfix's settings, those of the smtpd(8) that answers on port 25; it may stand behind postscreen(8). */
#include "own_mx.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

#include "dns/dns_name.h"
#include "lib/endpoint.h"

/* ---- addresses ---- */

static void add_address(struct own_mx *own, const void *address, size_t size)
{
	if (own->address_count < OWN_MX_ADDRESSES_MAX)
		memcpy(&own->addresses[own->address_count++], address, size);
}

static void add_interfaces(struct own_mx *own)
{
	struct ifaddrs *interfaces;

	if (getifaddrs(&interfaces) != 0)
		return;
	for (const struct ifaddrs *i = interfaces; i != NULL; i = i->ifa_next) {
		const struct sockaddr *address = i->ifa_addr;

		if (address != NULL && address->sa_family == AF_INET &&
		    ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
			add_address(own, address, sizeof(struct sockaddr_in));
		else if (address != NULL && address->sa_family == AF_INET6 &&
			 !IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr))
			add_address(own, address, sizeof(struct sockaddr_in6));
	}
	freeifaddrs(interfaces);
}

/* "192.0.2.1", "[2001:db8::1]", "2001:db8::1" */
static void add_proxies(struct own_mx *own, const char *value)
{
	char word[INET6_ADDRSTRLEN + 2];

	while (postfix_view_next_word(&value, "[]", word, sizeof(word))) {
		struct sockaddr_in ipv4 = { .sin_family = AF_INET };
		struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6 };

		if (inet_pton(AF_INET, word, &ipv4.sin_addr) == 1)
			add_address(own, &ipv4, sizeof(ipv4));
		else if (inet_pton(AF_INET6, word, &ipv6.sin6_addr) == 1)
			add_address(own, &ipv6, sizeof(ipv6));
	}
}

bool own_mx_has_address(const struct own_mx *own, const struct sockaddr_storage *address)
{
	for (size_t i = 0; i < own->address_count; i++)
		if (endpoint_is_same_address(&own->addresses[i], address))
			return true;
	return false;
}

/* ---- settings ---- */

/* "smtp", "25", "192.0.2.1:smtp", "[2001:db8::1]:25" */
static bool is_port_25(const struct postfix_service *service)
{
	const char *colon = strrchr(service->name, ':'), *port = colon != NULL ? colon + 1 : service->name;

	return strcmp(service->type, "inet") == 0 && (strcmp(port, "smtp") == 0 || strcmp(port, "25") == 0);
}

static const struct postfix_service *find_smtpd(const struct postfix_view *postfix)
{
	for (size_t i = 0; i < postfix->service_count; i++) {
		const struct postfix_service *service = &postfix->services[i];

		if (is_port_25(service) && strcmp(service->program, "smtpd") == 0)
			return service;
		if (is_port_25(service) && strcmp(service->program, "postscreen") == 0)
			return postfix_view_find(postfix, "smtpd", "pass");
	}
	return NULL;
}

static bool offers_tls(const struct postfix_view *postfix, const struct postfix_service *smtpd)
{
	const char *level = postfix_view_get_for(postfix, smtpd, "smtpd_tls_security_level");

	if (level[0] != '\0')
		return strcmp(level, "none") != 0;
	return strcmp(postfix_view_get_for(postfix, smtpd, "smtpd_use_tls"), "yes") == 0 ||
	       strcmp(postfix_view_get_for(postfix, smtpd, "smtpd_enforce_tls"), "yes") == 0;
}

static void add_files(struct own_mx *own, const char *value, enum served_chain_file kind)
{
	char path[PATH_MAX];

	while (own->error[0] == '\0' && postfix_view_next_word(&value, "", path, sizeof(path)))
		if (strcmp(path, "none") != 0)
			served_chains_add(&own->chains, path, kind, own->error, sizeof(own->error));
}

/* What smtpd_tls_chain_files has, or else the older settings. */
static void add_chains(struct own_mx *own, const struct postfix_view *postfix, const struct postfix_service *smtpd)
{
	static const char *const settings[] = { "smtpd_tls_cert_file", "smtpd_tls_dcert_file", "smtpd_tls_eccert_file" };
	const char *files = postfix_view_get_for(postfix, smtpd, "smtpd_tls_chain_files");

	add_files(own, files, SERVED_CHAINS_FILE);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]) && files[0] == '\0'; i++)
		add_files(own, postfix_view_get_for(postfix, smtpd, settings[i]), SERVED_CHAIN_FILE);
	served_chains_complete(&own->chains, postfix_view_get_for(postfix, smtpd, "smtpd_tls_CAfile"),
			       postfix_view_get_for(postfix, smtpd, "smtpd_tls_CApath"));
}

void own_mx_read(struct own_mx *own, const struct postfix_view *postfix)
{
	const struct postfix_service *smtpd = find_smtpd(postfix);

	memset(own, 0, sizeof(*own));
	if (smtpd == NULL)
		return;
	own->is_there = true;
	if (!dns_name_copy(own->name, postfix_view_get(postfix, "myhostname")))
		own->name[0] = '\0';
	add_interfaces(own);
	add_proxies(own, postfix_view_get(postfix, "proxy_interfaces"));
	own->has_tls = offers_tls(postfix, smtpd);
	own->has_more_chains = postfix_view_get_for(postfix, smtpd, "tls_server_sni_maps")[0] != '\0';
	if (own->has_tls)
		add_chains(own, postfix, smtpd);
}

void own_mx_wipe(struct own_mx *own)
{
	served_chains_wipe(&own->chains);
}
