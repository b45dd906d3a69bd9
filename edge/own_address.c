/*
 * Connecting a datagram socket only consults the routing table. The targets are a root name
 * server's addresses; any global ones would do.
 */
#include "own_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

static socklen_t make_target(int family, struct sockaddr_storage *target)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)target;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)target;

	memset(target, 0, sizeof(*target));
	target->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		v4->sin_port = htons(25);
		inet_pton(AF_INET, "192.33.4.12", &v4->sin_addr);
		return sizeof(*v4);
	}
	v6->sin6_port = htons(25);
	inet_pton(AF_INET6, "2001:500:2::c", &v6->sin6_addr);
	return sizeof(*v6);
}

int own_address_find(int family, struct sockaddr_storage *out)
{
	struct sockaddr_storage target;
	socklen_t target_length = make_target(family, &target), length = sizeof(*out);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), result = -1;

	memset(out, 0, sizeof(*out));
	if (fd >= 0 && connect(fd, (struct sockaddr *)&target, target_length) == 0 &&
	    getsockname(fd, (struct sockaddr *)out, &length) == 0)
		result = 0;
	if (fd >= 0)
		close(fd);
	/* The port that the socket had. */
	if (family == AF_INET)
		((struct sockaddr_in *)(void *)out)->sin_port = 0;
	else
		((struct sockaddr_in6 *)(void *)out)->sin6_port = 0;
	return result;
}

static bool is_private4(uint32_t address)
{
	return address >> 24 == 10 || address >> 24 == 127 || address >> 20 == (172 << 4 | 1) ||
	       address >> 16 == (192 << 8 | 168) || address >> 16 == (169 << 8 | 254) ||
	       address >> 22 == (100 << 2 | 1);
}

bool own_address_is_private(const struct sockaddr_storage *address)
{
	const struct in6_addr *v6;

	if (address->ss_family == AF_INET)
		return is_private4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
	v6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	return (v6->s6_addr[0] & 0xfe) == 0xfc || IN6_IS_ADDR_LINKLOCAL(v6) || IN6_IS_ADDR_LOOPBACK(v6);
}
