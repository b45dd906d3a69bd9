/* The octets of an IPv4 address, or the nibbles of an IPv6 address, backwards. */
#include "dns_reverse.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>

char *dns_reverse_name(char *out, size_t size, const struct sockaddr_storage *address, const char *zone)
{
	size_t used = 0;

	if (address->ss_family == AF_INET) {
		const uint8_t *octets =
			(const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;

		snprintf(out, size, "%u.%u.%u.%u.%s", octets[3], octets[2], octets[1], octets[0],
			 zone != NULL ? zone : "in-addr.arpa");
		return out;
	}
	const uint8_t *octets = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr;

	for (int i = 15; i >= 0 && used < size; i--)
		used += (size_t)snprintf(out + used, size - used, "%x.%x.", octets[i] & 15, octets[i] >> 4);
	if (used < size)
		snprintf(out + used, size - used, "%s", zone != NULL ? zone : "ip6.arpa");
	return out;
}
