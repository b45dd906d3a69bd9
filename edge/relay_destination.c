/*
 *	destination = ( "[" host / address "]" / domain ) [ ":" port ]
 *	address     = IPv4 / [ "IPv6:" ] IPv6
 */
#include "relay_destination.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dns/dns_name.h"
#include "lib/ascii.h"

static const struct {
	const char *name;
	int port;
} services[] = {
	{ "smtp", SMTP_PORT },
	{ "submission", RELAY_SUBMISSION_PORT },
	{ "submissions", RELAY_SUBMISSIONS_PORT },
	{ "smtps", RELAY_SUBMISSIONS_PORT },
};

/* 0: no port. */
static int parse_port(const char *text)
{
	int port = 0;

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (strcasecmp(services[i].name, text) == 0)
			return services[i].port;
	for (const char *at = text; *at != '\0'; at++) {
		if (!ascii_is_digit(*at) || port > UINT16_MAX)
			return 0;
		port = port * 10 + (*at - '0');
	}
	return port <= UINT16_MAX ? port : 0;
}

/* An address becomes an address literal of RFC 5321 4.1.3. */
static bool take_address(struct relay_destination *destination, const char *text)
{
	char printed[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		inet_ntop(AF_INET, &v4, printed, sizeof(printed));
		snprintf(destination->host, sizeof(destination->host), "[%s]", printed);
		return true;
	}
	if (strncasecmp(text, "IPv6:", 5) == 0)
		text += 5;
	if (inet_pton(AF_INET6, text, &v6) != 1)
		return false;
	inet_ntop(AF_INET6, &v6, printed, sizeof(printed));
	snprintf(destination->host, sizeof(destination->host), "[IPv6:%s]", printed);
	return true;
}

static bool take_host(struct relay_destination *destination, const char *text)
{
	struct in_addr v4;

	if (destination->is_host && take_address(destination, text))
		return true;
	/* "192.0.2.1." is no way around the brackets. */
	return dns_name_copy(destination->host, text) &&
	       inet_pton(AF_INET, destination->host, &v4) != 1;
}

/* Divides "[host]:port" or "host:port", in place; *port "" if there is none. NULL: neither. */
static char *divide(char *text, bool *is_host, const char **port)
{
	char *end;

	*is_host = text[0] == '[';
	end = strchr(text, *is_host ? ']' : ':');
	*port = "";
	if (end == NULL)
		return *is_host ? NULL : text;
	if (*is_host) {
		text++;
		*end++ = '\0';
	}
	if (*end == '\0')
		return text;
	if (*end != ':' || end[1] == '\0')
		return NULL;
	*end = '\0';
	*port = end + 1;
	return text;
}

static int fail(const char *text, const char *reason, char *error, size_t error_size)
{
	snprintf(error, error_size, "\"%.200s\" %s", text, reason);
	return -1;
}

bool relay_destination_is_address(const struct relay_destination *destination)
{
	return destination->host[0] == '[';
}

int relay_destination_parse(struct relay_destination *destination, const char *text, char *error,
			    size_t error_size)
{
	char copy[SMTP_DOMAIN_MAX + 32], *host;
	bool is_bare;
	const char *port;
	int length;

	memset(destination, 0, sizeof(*destination));
	snprintf(copy, sizeof(copy), "%s", text);
	host = strlen(text) < sizeof(copy) ? divide(copy, &destination->is_host, &port) : NULL;
	if (host == NULL || !take_host(destination, host))
		return fail(text, "is no relay; write \"[smtp.example.com]:587\" for a host, "
				  "\"example.com:587\" for a domain's mail exchangers", error, error_size);
	destination->port = port[0] != '\0' ? parse_port(port) : SMTP_PORT;
	if (destination->port == 0)
		return fail(text, "has no port that is known; write a number", error, error_size);
	is_bare = !destination->is_host || relay_destination_is_address(destination);
	length = snprintf(destination->next_hop, sizeof(destination->next_hop),
			  is_bare ? "%s:%d" : "[%s]:%d", destination->host, destination->port);
	if (length >= (int)sizeof(destination->next_hop))
		return fail(text, "is too long", error, error_size);
	return 0;
}
