/*
 * Which addresses mail may be sent to. The tables below are the special-purpose registries of IANA
 * (RFC 6890) as far as they matter to a mail server: everything that a DNS answer could use to aim
 * the edge at its own machine, its own network or nobody in particular. Judged is the sockaddr that
 * connect(2) gets, so no second lookup can change it.
 *
 * IPv6 addresses that are an IPv4 address in another form are judged as that: mapped and compatible
 * (RFC 4291 2.5.5), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056). Where the form leaves open which
 * bytes hold the address, all readings must be fit. A mapped address makes the kernel speak IPv4,
 * so only IPv4 networks exempt it.
 *
 * Not refused: the documentation networks. Nobody routes them, and test networks are built of them.
 */
#include "address_guard.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

#define CIDR_TEXT_MAX 64

struct network {
	int family;
	uint8_t bytes[16];
	unsigned prefix;
};

struct address_guard {
	struct network *allowed;
	size_t allowed_count;
	struct network *own; /* prefix: the whole address */
	size_t own_count;
};

struct refusal {
	uint8_t bytes[16];
	unsigned prefix;
	const char *words;
};

static const struct refusal refused_ipv4[] = {
	{ { 0 }, 8, "\"this network\" (RFC 1122)" },
	{ { 127 }, 8, "a loopback address" },
	{ { 10 }, 8, "a private address (RFC 1918)" },
	{ { 172, 16 }, 12, "a private address (RFC 1918)" },
	{ { 192, 168 }, 16, "a private address (RFC 1918)" },
	{ { 100, 64 }, 10, "a carrier-grade NAT address (RFC 6598)" },
	{ { 169, 254 }, 16, "a link-local address" },
	{ { 192, 0, 0 }, 24, "a protocol assignment (RFC 6890)" },
	{ { 198, 18 }, 15, "a benchmarking address (RFC 2544)" },
	{ { 224 }, 4, "a multicast address" },
	{ { 255, 255, 255, 255 }, 32, "the broadcast address" },
	{ { 240 }, 4, "a reserved address (RFC 1112)" },
};

static const struct refusal refused_ipv6[] = {
	{ { 0 }, 128, "the unspecified address" },
	{ { [15] = 1 }, 128, "a loopback address" },
	{ { 0xfc }, 7, "a private address (RFC 4193)" },
	{ { 0xfe, 0x80 }, 10, "a link-local address" },
	{ { 0xfe, 0xc0 }, 10, "a site-local address (RFC 3879)" },
	{ { 0xff }, 8, "a multicast address" },
};

static const uint8_t mapped_prefix[16] = { [10] = 0xff, [11] = 0xff };
#define MAPPED_BITS 96

/* IPv4 inside IPv6: where its four bytes stand. */
#define READINGS_MAX 4
static const struct embedding {
	uint8_t bytes[16];
	unsigned prefix;
	size_t readings;
	uint8_t places[READINGS_MAX][4];
} embeddings[] = {
	{ { 0 }, 96, 1, { { 12, 13, 14, 15 } } },
	{ { 0x00, 0x64, 0xff, 0x9b }, 96, 1, { { 12, 13, 14, 15 } } },
	/* RFC 6052 2.2 with prefixes of 48, 56, 64 and 96 bits; byte 8 is skipped. */
	{ { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 },
	  48,
	  4,
	  { { 6, 7, 9, 10 }, { 7, 9, 10, 11 }, { 9, 10, 11, 12 }, { 12, 13, 14, 15 } } },
	{ { 0x20, 0x02 }, 16, 1, { { 2, 3, 4, 5 } } },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool has_prefix(const uint8_t *bytes, const uint8_t *network, unsigned prefix)
{
	unsigned whole = prefix / 8, rest = prefix % 8;

	return memcmp(bytes, network, whole) == 0 &&
	       (rest == 0 || (bytes[whole] ^ network[whole]) >> (8 - rest) == 0);
}

static bool is_in(const struct network *networks, size_t count, int family, const uint8_t *bytes)
{
	for (size_t i = 0; i < count; i++)
		if (networks[i].family == family &&
		    has_prefix(bytes, networks[i].bytes, networks[i].prefix))
			return true;
	return false;
}

static const char *find_refusal(const struct refusal *refusals, size_t count, const uint8_t *bytes)
{
	for (size_t i = 0; i < count; i++)
		if (has_prefix(bytes, refusals[i].bytes, refusals[i].prefix))
			return refusals[i].words;
	return NULL;
}

static const char *refuses_ipv4(const struct address_guard *guard, const uint8_t *bytes)
{
	if (is_in(guard->allowed, guard->allowed_count, AF_INET, bytes))
		return NULL;
	if (is_in(guard->own, guard->own_count, AF_INET, bytes))
		return "an address of this machine";
	return find_refusal(refused_ipv4, COUNT(refused_ipv4), bytes);
}

/*
 * All readings that could be an address (none begins with 0) must be fit; if there is none, it is
 * "this network", which is refused like any other.
 */
static const char *refuses_embedded(const struct address_guard *guard,
				    const struct embedding *embedding, const uint8_t *bytes)
{
	const uint8_t zero[4] = { 0 };
	bool has_reading = false;

	for (size_t i = 0; i < embedding->readings; i++) {
		uint8_t ipv4[4];
		const char *words;

		for (size_t j = 0; j < sizeof(ipv4); j++)
			ipv4[j] = bytes[embedding->places[i][j]];
		if (ipv4[0] == 0)
			continue;
		has_reading = true;
		words = refuses_ipv4(guard, ipv4);
		if (words != NULL)
			return words;
	}
	return has_reading ? NULL : refuses_ipv4(guard, zero);
}

static const char *refuses_ipv6(const struct address_guard *guard, const uint8_t *bytes)
{
	const char *words;

	if (has_prefix(bytes, mapped_prefix, MAPPED_BITS))
		return refuses_ipv4(guard, bytes + MAPPED_BITS / 8);
	if (is_in(guard->allowed, guard->allowed_count, AF_INET6, bytes))
		return NULL;
	if (is_in(guard->own, guard->own_count, AF_INET6, bytes))
		return "an address of this machine";
	words = find_refusal(refused_ipv6, COUNT(refused_ipv6), bytes);
	if (words != NULL)
		return words;
	for (size_t i = 0; i < COUNT(embeddings); i++)
		if (has_prefix(bytes, embeddings[i].bytes, embeddings[i].prefix))
			return refuses_embedded(guard, &embeddings[i], bytes);
	return NULL;
}

const char *address_guard_refuses(const struct address_guard *guard, const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return refuses_ipv4(
			guard, (const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr);
	if (address->sa_family == AF_INET6)
		return refuses_ipv6(guard,
				    ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr);
	return "not an IP address";
}

static int fail_network(const char *text, const char *why, char *error, size_t error_size)
{
	char printable[CIDR_TEXT_MAX];

	snprintf(error, error_size, "\"%s\": %s",
		 log_printable(printable, sizeof(printable), text, strlen(text)), why);
	return -1;
}

/* Decimal, at most `maximum`; -1 otherwise. */
static int parse_prefix(const char *text, int maximum)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 3 || text[digits] != '\0' || atoi(text) > maximum)
		return -1;
	return atoi(text);
}

static bool has_host_bits(const struct network *network, size_t size)
{
	for (unsigned bit = network->prefix; bit < size * 8; bit++)
		if (network->bytes[bit / 8] & 0x80 >> bit % 8)
			return true;
	return false;
}

/* network = address [ "/" prefix ] */
static int parse_network(struct network *network, const char *text, char *error, size_t error_size)
{
	const char *slash = strchr(text, '/');
	size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];
	size_t size;
	int prefix;

	memset(network, 0, sizeof(*network));
	network->family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	size = network->family == AF_INET6 ? 16 : 4;
	snprintf(address, sizeof(address), "%.*s", (int)(length < sizeof(address) ? length : 0),
		 text);
	if (inet_pton(network->family, address, network->bytes) != 1)
		return fail_network(text, "not a network; write 192.0.2.0/24 or 2001:db8::/32",
				    error, error_size);
	prefix = slash != NULL ? parse_prefix(slash + 1, (int)size * 8) : (int)size * 8;
	if (prefix < 0)
		return fail_network(text,
				    size == 4 ? "the prefix length must be 0..32"
					      : "the prefix length must be 0..128",
				    error, error_size);
	network->prefix = (unsigned)prefix;
	if (has_host_bits(network, size))
		return fail_network(text, "has bits set beyond the prefix length", error,
				    error_size);
	if (size == 16 && network->prefix >= MAPPED_BITS &&
	    has_prefix(network->bytes, mapped_prefix, MAPPED_BITS))
		return fail_network(text, "write this as an IPv4 network", error, error_size);
	return 0;
}

static int add_allowed(struct address_guard *guard, const struct conf_list *allow, char *error,
		       size_t error_size)
{
	if (allow == NULL || allow->count == 0)
		return 0;
	guard->allowed = calloc(allow->count, sizeof(*guard->allowed));
	if (guard->allowed == NULL) {
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	for (; guard->allowed_count < allow->count; guard->allowed_count++)
		if (parse_network(&guard->allowed[guard->allowed_count],
				  allow->items[guard->allowed_count], error, error_size) != 0)
			return -1;
	return 0;
}

static void own_from_interface(struct address_guard *guard, const struct sockaddr *address)
{
	struct network *own = &guard->own[guard->own_count];

	if (address == NULL || (address->sa_family != AF_INET && address->sa_family != AF_INET6))
		return;
	own->family = address->sa_family;
	own->prefix = own->family == AF_INET ? 32 : 128;
	if (own->family == AF_INET)
		memcpy(own->bytes, &((const struct sockaddr_in *)address)->sin_addr, 4);
	else
		memcpy(own->bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
	guard->own_count++;
}

static int add_own(struct address_guard *guard, char *error, size_t error_size)
{
	struct ifaddrs *interfaces;
	size_t count = 0;

	if (getifaddrs(&interfaces) != 0) {
		snprintf(error, error_size, "cannot list the addresses of this machine: %m");
		return -1;
	}
	for (const struct ifaddrs *i = interfaces; i != NULL; i = i->ifa_next)
		count++;
	guard->own = calloc(count + 1, sizeof(*guard->own));
	if (guard->own != NULL)
		for (const struct ifaddrs *i = interfaces; i != NULL; i = i->ifa_next)
			own_from_interface(guard, i->ifa_addr);
	else
		snprintf(error, error_size, "out of memory");
	freeifaddrs(interfaces);
	return guard->own != NULL ? 0 : -1;
}

struct address_guard *address_guard_create(const struct conf_list *allow, char *error,
					   size_t error_size)
{
	struct address_guard *guard = calloc(1, sizeof(*guard));

	if (guard == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	if (add_allowed(guard, allow, error, error_size) != 0 ||
	    add_own(guard, error, error_size) != 0) {
		address_guard_destroy(guard);
		return NULL;
	}
	return guard;
}

void address_guard_destroy(struct address_guard *guard)
{
	if (guard == NULL)
		return;
	free(guard->allowed);
	free(guard->own);
	free(guard);
}
