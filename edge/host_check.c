/*
 * See host_check.h. Each finding says what is wrong in the words of the setting or the path that it
 * is about. A "warning" is what mail flows in spite of.
 */
#include "host_check.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "client_map.h"
#include "journal_file.h"
#include "lib/endpoint.h"
#include "lib/socketmap.h"
#include "own_ipv6.h"
#include "tcp_connect.h"
#include "tunnel/tunnel_limits.h"

#define LOOKUP_MS 5000
#define CONNECT_MS 3000
/* For one family, all domains together. */
#define EGRESS_MS 10000
/* Of one domain: more would say no more. */
#define ADDRESSES_PER_DOMAIN 2

static char *const known_domains[] = { "gmail.com", "outlook.com", "yahoo.com", NULL };

#define GOOD(...) say(true, "good: " __VA_ARGS__)
#define WARNING(...) say(true, "warning: " __VA_ARGS__)
#define WRONG(...) say(false, "wrong: " __VA_ARGS__)

/* At once: the next finding may take a while. Returns whether that is good. */
static bool __attribute__((format(printf, 2, 3))) say(bool is_good, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
	return is_good;
}

/* ---- the port ---- */

static bool check_port(const struct edge_conf *conf, const char *listen)
{
	char journal[PATH_MAX], error[512];
	struct endpoint endpoint;

	if (endpoint_parse(&endpoint, listen, TUNNEL_DEFAULT_PORT, error, sizeof(error)) == 0 &&
	    endpoint_try_listen(&endpoint, error, sizeof(error)) == 0)
		return GOOD("listen \"%s\": free", listen);
	snprintf(journal, sizeof(journal), "%s/journal", conf->state_directory);
	if (!journal_file_is_used(journal))
		return WRONG("listen \"%s\": %s", listen, error);
	return GOOD("listen \"%s\": in use, and a postern-edge is running", listen);
}

bool host_check_ports(const struct edge_conf *conf)
{
	bool is_good = true;

	for (size_t i = 0; i < conf->listen.count; i++)
		is_good &= check_port(conf, conf->listen.items[i]);
	return is_good;
}

/* ---- the disk ---- */

/* Of the space that the journal will take at start, how much is not its own yet? -1: it cannot be written. */
static int64_t journal_lacks(const char *path, int64_t size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	int64_t has = -1;

	if (fd < 0)
		return errno == ENOENT ? size : -1;
	if (fstat(fd, &status) == 0)
		has = (int64_t)status.st_blocks * 512;
	close(fd);
	return has < 0 ? -1 : has < size ? size - has : 0;
}

static bool check_disk(const struct edge_conf *conf)
{
	const char *directory = conf->state_directory;
	struct statvfs disk;
	char path[PATH_MAX], place[PATH_MAX];
	int64_t lacks, left;

	snprintf(place, sizeof(place), "%s", directory);
	/* The edge makes it at its first start, if it may. */
	if (access(place, F_OK) != 0 && errno == ENOENT)
		directory = dirname(place);
	if (access(directory, W_OK | X_OK) != 0 || statvfs(directory, &disk) != 0)
		return WRONG("state_directory %s: %s: %s", conf->state_directory, directory, strerror(errno));
	snprintf(path, sizeof(path), "%s/journal", conf->state_directory);
	lacks = journal_lacks(path, conf->journal_size);
	if (lacks < 0)
		return WRONG("%s: %s", path, strerror(errno));
	left = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
	if (left < lacks)
		return WRONG("state_directory %s: %lld MB are free, the journal needs %lld MB more (journal_size)",
			     conf->state_directory, (long long)(left >> 20), (long long)(lacks >> 20));
	return GOOD("state_directory %s: can be written", conf->state_directory);
}

/* ---- the DNS ---- */

static bool check_dns(const struct edge_setup *setup)
{
	const char *name = setup->conf.ehlo_name;
	struct dns_answer v4, v6 = { 0 };
	bool is_good = true;

	dns_lookup(setup->resolver, name, DNS_TYPE_A, deadline_in_ms(LOOKUP_MS), &v4);
	if (v4.result != DNS_ERROR)
		dns_lookup(setup->resolver, name, DNS_TYPE_AAAA, deadline_in_ms(LOOKUP_MS), &v6);
	if (v4.result == DNS_ERROR)
		is_good = WRONG("DNS: %s", v4.error);
	else if (v4.count + v6.count > 0)
		GOOD("DNS: %s has an address", name);
	else
		WARNING("DNS: ehlo_name %s has no address; many servers refuse mail from such a host", name);
	if (!dns_resolver_is_trusted(setup->resolver))
		WARNING("DNS: DANE is off, as a resolver is not on this host; see resolvers");
	dns_answer_wipe(&v4);
	dns_answer_wipe(&v6);
	return is_good;
}

/* ---- the way out ---- */

struct egress {
	const struct edge_setup *setup;
	enum mx_family family;
	const char *family_name;
	struct deadline deadline;
	bool has_tried;			/* to connect */
	char last[600];			/* what was tried last, and what came of it */
};

static bool try_address(struct egress *egress, const struct mx_list *list, const struct mx_address *address)
{
	const char *host = list->hosts[address->host].exchange, *refusal;
	char text[SOCKADDR_TEXT_MAX], reason[200];
	int fd;

	endpoint_print_address((const struct sockaddr *)&address->address, text, sizeof(text));
	refusal = address_guard_refuses(egress->setup->guard, (const struct sockaddr *)&address->address);
	if (refusal != NULL) {
		snprintf(egress->last, sizeof(egress->last), "%s[%s]: %s", host, text, refusal);
		return false;
	}
	egress->has_tried = true;
	fd = tcp_connect(&address->address, NULL, deadline_earlier(egress->deadline, deadline_in_ms(CONNECT_MS)), -1,
			 reason, sizeof(reason));
	if (fd < 0) {
		snprintf(egress->last, sizeof(egress->last), "%s[%s]: %s", host, text, reason);
		return false;
	}
	close(fd);	/* whoever speaks before the greeting is taken for a spammer */
	return GOOD("port 25 over %s: %s[%s] can be connected to", egress->family_name, host, text);
}

static bool try_domain(struct egress *egress, const char *domain)
{
	struct delivery_status status;
	struct mx_list list;
	bool is_open = false;

	if (mx_list_resolve(&list, &(struct mx_request){
			.domain = domain,
			.port = 25,
			.family = egress->family,
			.resolver = egress->setup->resolver,
			.deadline = deadline_earlier(egress->deadline, deadline_in_ms(LOOKUP_MS)),
		}, &status) < 0)
		snprintf(egress->last, sizeof(egress->last), "%s", status.reason);
	for (size_t i = 0; i < list.address_count && i < ADDRESSES_PER_DOMAIN && !is_open; i++)
		is_open = try_address(egress, &list, &list.addresses[i]);
	mx_list_wipe(&list);
	return is_open;
}

static bool check_egress(const struct edge_setup *setup, enum mx_family family, char *const *domains)
{
	struct egress egress = { .setup = setup, .family = family,
				 .family_name = family == MX_FAMILY_IPV4 ? "IPv4" : "IPv6",
				 .deadline = deadline_in_ms(EGRESS_MS) };

	for (; *domains != NULL; domains++)
		if (try_domain(&egress, *domains))
			return true;
	if (!egress.has_tried)
		return WRONG("port 25 over %s: no mail server to try: %s", egress.family_name, egress.last);
	return WRONG("port 25 over %s: no mail server can be connected to; the last was %s; many providers block the port until they are asked",
		     egress.family_name, egress.last);
}

static bool check_ipv6(const struct edge_setup *setup, char *const *domains)
{
	bool is_on = setup->conf.ipv6 == EDGE_IPV6_ON;
	char address[SOCKADDR_TEXT_MAX];
	enum own_ipv6 own;

	if (setup->conf.ipv6 == EDGE_IPV6_OFF)
		return true;
	own = own_ipv6_look(setup->resolver, deadline_in_ms(LOOKUP_MS), address, sizeof(address));
	if (own == OWN_IPV6_NONE && is_on)
		return WRONG("IPv6: this host has no address to send from, but ipv6 = \"on\"");
	if (own == OWN_IPV6_NONE)
		WARNING("IPv6: this host has no address to send from; mail goes over IPv4 alone");
	else if (own == OWN_IPV6_CONFIRMED)
		GOOD("IPv6: the PTR record of %s leads back to it", address);
	else
		WARNING("IPv6: %s %s; %s", address,
			own == OWN_IPV6_UNKNOWN ? "cannot be looked up in the DNS" : "has no PTR record that leads back to it",
			is_on ? "large receivers refuse mail from it" : "mail goes over IPv4 alone");
	return own == OWN_IPV6_CONFIRMED || is_on ? check_egress(setup, MX_FAMILY_IPV6, domains) : true;
}

/* ---- the tenants' addresses ---- */

static bool check_source(const struct authorized_client *client, int family)
{
	const struct tenant tenant = { .source4 = client->options.source4,
				       .source6 = client->options.source6 };
	struct sockaddr_storage address;
	const struct sockaddr_storage *source = tenant_source(&tenant, family, &address);
	char text[SOCKADDR_TEXT_MAX];
	bool is_good;
	int fd;

	if (source == NULL)
		return true;
	endpoint_print_address((const struct sockaddr *)source, text, sizeof(text));
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	is_good = fd >= 0 && bind(fd, (const struct sockaddr *)source, family == AF_INET ? sizeof(struct sockaddr_in)
								 : sizeof(struct sockaddr_in6)) == 0;
	if (!is_good)
		WRONG("%s of client %s: %s: %s", family == AF_INET ? "source4" : "source6", client->name, text,
		      strerror(errno));
	if (fd >= 0)
		close(fd);
	return is_good;
}

/* The list was read before, by the keeper, which has said what is wrong in it. */
static bool check_sources(const struct edge_conf *conf)
{
	struct authorized_clients list;
	bool is_good = true;
	char error[512];

	if (authorized_clients_read(&list, conf->authorized_clients, NULL, NULL, NULL, error, sizeof(error)) < 0)
		return WRONG("%s", error);
	for (size_t i = 0; i < list.count; i++) {
		is_good &= check_source(&list.clients[i], AF_INET);
		is_good &= check_source(&list.clients[i], AF_INET6);
	}
	authorized_clients_wipe(&list);
	return is_good;
}

/* A question with a known answer: the edge is not its own client. */
static bool check_socketmap(const char *setting, const uint8_t own_public_key[32])
{
	char error[512];

	switch (client_map_probe(setting, own_public_key, error, sizeof(error))) {
	case CLIENT_NOT_AUTHORIZED:
		return GOOD("authorized_clients \"%s\": answers", setting);
	case CLIENT_AUTHORIZED:
		return WRONG("authorized_clients \"%s\": knows this edge's own key as a client; does it say so of "
			     "every key?", setting);
	case CLIENT_UNKNOWN:
		break;
	}
	return WRONG("authorized_clients: %s", error);
}

bool host_check_rest(const struct edge_setup *setup, const uint8_t own_public_key[32], char *const *domains)
{
	bool is_good = check_disk(&setup->conf);

	if (*domains == NULL)
		domains = known_domains;
	is_good &= check_dns(setup);
	if (socketmap_spec(setup->conf.authorized_clients) != NULL)
		is_good &= check_socketmap(setup->conf.authorized_clients, own_public_key);
	else
		is_good &= check_sources(&setup->conf);
	is_good &= check_egress(setup, MX_FAMILY_IPV4, domains);
	is_good &= check_ipv6(setup, domains);
	return is_good;
}
