/*
 * Whom a limit is about, as text in one form, so that two spellings of the same are the same:
 * "login:alice", "local", "client:192.0.2.1", "client:192.0.2.0/24", "client:2001:db8::/64",
 * "domain:example.com", "login:*". Letters of ASCII in lower case; IPv4-mapped IPv6 is IPv4; the
 * length of a network is left out if it is all bits.
 */
#ifndef RATE_KEY_H
#define RATE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "client.h"
#include "lib/smtp_limits.h"

#define RATE_KEY_MAX (sizeof("domain:") + CLIENT_LOGIN_MAX)

struct rate_key {
	char text[RATE_KEY_MAX];
};

/* length: 0..32 of AF_INET, 0..128 of AF_INET6. */
struct rate_network {
	int family;
	uint8_t bytes[16];
	unsigned length;
};

/*
 * What stands in a table or in a command. 0, or -1 with a reason that quotes it. `network`: filled
 * in if it is a "client:" but not "*", otherwise its family is AF_UNSPEC.
 */
int rate_key_parse(struct rate_key *key, struct rate_network *network, const char *text, char *reason, size_t reason_size);

void rate_key_of_login(struct rate_key *key, const char *login);
void rate_key_of_domain(struct rate_key *key, const char *domain);
/* The network is cut to its length. */
void rate_key_of_network(struct rate_key *key, const struct rate_network *network);

/* The address as a network of all its bits. false: it is neither IPv4 nor IPv6. */
bool rate_network_of_address(struct rate_network *network, const struct sockaddr_storage *address);

#endif
