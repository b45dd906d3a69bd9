/*
 * Keys of `limits` in one form.
 *
 *	key     = "login:" (name / "*") / "local" / "client:" (network / "*") / "domain:" (domain / "*")
 *	network = (IPv4 / IPv6) ["/" length]
 *
 * A network with bits beyond its length is refused, as Postfix refuses it in cidr_table(5): one of
 * the two is a mistake. Domains are A-labels (RFC 5890), for so they are compared.
 */
#include "rate_key.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lib/ascii.h"
#include "lib/quantity.h"

#define IPV4_BITS 32
#define IPV6_BITS 128
#define MAPPED_BITS 96

static const uint8_t mapped_prefix[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static unsigned bits_of(int family)
{
	return family == AF_INET ? IPV4_BITS : IPV6_BITS;
}

static void set_text(struct rate_key *key, const char *kind, const char *name)
{
	snprintf(key->text, sizeof(key->text), "%s%s", kind, name);
	for (char *at = key->text; *at != '\0'; at++)
		*at = ascii_lower(*at);
}

void rate_key_of_login(struct rate_key *key, const char *login)
{
	set_text(key, "login:", login);
}

void rate_key_of_domain(struct rate_key *key, const char *domain)
{
	set_text(key, "domain:", domain);
}

/* Clears what is beyond the length; true if there was something. */
static bool cut(struct rate_network *network)
{
	bool had_bits = false;

	for (unsigned i = 0; i < sizeof(network->bytes); i++) {
		unsigned kept = network->length > 8 * i ? network->length - 8 * i : 0;
		uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00 >> kept);

		had_bits = had_bits || (network->bytes[i] & ~mask) != 0;
		network->bytes[i] &= mask;
	}
	return had_bits;
}

void rate_key_of_network(struct rate_key *key, const struct rate_network *network)
{
	struct rate_network whole = *network;
	char address[INET6_ADDRSTRLEN] = "", text[INET6_ADDRSTRLEN + 8];

	cut(&whole);
	inet_ntop(whole.family, whole.bytes, address, sizeof(address));
	if (whole.length == bits_of(whole.family))
		snprintf(text, sizeof(text), "%s", address);
	else
		snprintf(text, sizeof(text), "%s/%u", address, whole.length);
	set_text(key, "client:", text);
}

/* IPv4-mapped IPv6 (RFC 4291 2.5.5.2) to IPv4. */
static void unmap(struct rate_network *network)
{
	if (network->family != AF_INET6 || network->length < MAPPED_BITS ||
	    memcmp(network->bytes, mapped_prefix, sizeof(mapped_prefix)) != 0)
		return;
	network->family = AF_INET;
	network->length -= MAPPED_BITS;
	memmove(network->bytes, network->bytes + sizeof(mapped_prefix), 4);
	memset(network->bytes + 4, 0, sizeof(network->bytes) - 4);
}

bool rate_network_of_address(struct rate_network *network, const struct sockaddr_storage *address)
{
	memset(network, 0, sizeof(*network));
	network->family = address->ss_family;
	if (address->ss_family == AF_INET)
		memcpy(network->bytes, &((const struct sockaddr_in *)address)->sin_addr, 4);
	else if (address->ss_family == AF_INET6)
		memcpy(network->bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
	else
		return false;
	network->length = bits_of(network->family);
	unmap(network);
	return true;
}

/* 0, or -1: `text` is no network. Bits beyond the length stay. */
static int parse_network(struct rate_network *network, const char *text)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	int64_t length;

	memset(network, 0, sizeof(*network));
	if (snprintf(address, sizeof(address), "%.*s", (int)strcspn(text, "/"), text) >= (int)sizeof(address))
		return -1;
	network->family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
	if (inet_pton(network->family, address, network->bytes) != 1)
		return -1;
	network->length = bits_of(network->family);
	if (slash != NULL) {
		if (quantity_parse(QUANTITY_PLAIN, slash + 1, &length) != QUANTITY_OK || length > network->length)
			return -1;
		network->length = (unsigned)length;
	}
	unmap(network);
	return 0;
}

static int parse_client(struct rate_key *key, struct rate_network *network, const char *text, char *reason, size_t reason_size)
{
	if (strcmp(text, "*") == 0) {
		set_text(key, "client:", text);
		return 0;
	}
	if (parse_network(network, text) < 0) {
		network->family = AF_UNSPEC;
		snprintf(reason, reason_size, "\"client:%.100s\" is neither an address, a network as 192.0.2.0/24 nor \"*\"", text);
		return -1;
	}
	rate_key_of_network(key, network);
	if (!cut(network))
		return 0;
	snprintf(reason, reason_size, "\"client:%.100s\" has bits beyond its length; write %s", text, key->text);
	return -1;
}

static int parse_domain(struct rate_key *key, const char *text, char *reason, size_t reason_size)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length && strcmp(text, "*") != 0; i++) {
		if ((unsigned char)text[i] > '~') {
			snprintf(reason, reason_size, "\"domain:...\": a name beyond ASCII is written as A-labels, as xn--mnchen-3ya.example");
			return -1;
		}
		if (!ascii_is_alnum(text[i]) && strchr("-_.[]:", text[i]) == NULL)
			length = 0;
	}
	if (length == 0 || length > SMTP_DOMAIN_MAX || text[0] == '.') {
		snprintf(reason, reason_size, "\"domain:%.100s\" is neither a domain nor \"*\"", text);
		return -1;
	}
	rate_key_of_domain(key, text);
	return 0;
}

static int parse_login(struct rate_key *key, const char *text, char *reason, size_t reason_size)
{
	if (text[0] == '\0' || strlen(text) > CLIENT_LOGIN_MAX) {
		snprintf(reason, reason_size, "\"login:\" is followed by a name of 1 to %d bytes, or by \"*\"", CLIENT_LOGIN_MAX);
		return -1;
	}
	rate_key_of_login(key, text);
	return 0;
}

/* What follows the prefix, or NULL. */
static const char *after(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);

	return strlen(text) >= length && ascii_is_word(text, length, prefix) ? text + length : NULL;
}

int rate_key_parse(struct rate_key *key, struct rate_network *network, const char *text, char *reason, size_t reason_size)
{
	const char *name;

	memset(network, 0, sizeof(*network));
	network->family = AF_UNSPEC;
	if (ascii_is_word(text, strlen(text), "local")) {
		set_text(key, "local", "");
		return 0;
	}
	if ((name = after(text, "login:")) != NULL)
		return parse_login(key, name, reason, reason_size);
	if ((name = after(text, "client:")) != NULL)
		return parse_client(key, network, name, reason, reason_size);
	if ((name = after(text, "domain:")) != NULL)
		return parse_domain(key, name, reason, reason_size);
	snprintf(reason, reason_size, "\"%.100s\" is none of login:NAME, client:ADDRESS, domain:NAME and local", text);
	return -1;
}
