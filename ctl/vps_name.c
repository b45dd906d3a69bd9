/*
 * Names are looked up as every program of this machine looks them up, getaddrinfo(3) and getnameinfo(3); what the mail host's
 * resolver says it says itself, when it joins.
 */
#include "vps.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"
#include "lib/host_name.h"

#define TARGET4 "192.33.4.12" /* a root name server; nothing is sent to it */

static bool is_address(const char *name)
{
	uint8_t ignored[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, ignored) == 1 || inet_pton(AF_INET6, name, ignored) == 1;
}

/* The address that the kernel would send from. "": none. */
static void find_own_address(char text[SOCKADDR_TEXT_MAX], struct sockaddr_in *own)
{
	struct sockaddr_in target = { .sin_family = AF_INET, .sin_port = htons(25) };
	socklen_t length = sizeof(*own);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	text[0] = '\0';
	inet_pton(AF_INET, TARGET4, &target.sin_addr);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&target, sizeof(target)) == 0 &&
	    getsockname(fd, (struct sockaddr *)own, &length) == 0)
		endpoint_print_address((struct sockaddr *)own, text, SOCKADDR_TEXT_MAX);
	if (fd >= 0)
		close(fd);
}

static bool take(const char *name, char out[INVITE_HOST_MAX + 1])
{
	if (!host_name_is_full(name) || strlen(name) > INVITE_HOST_MAX)
		return false;
	strcpy(out, name);
	return true;
}

/* By the PTR record, then by what this machine calls itself. *seen: what was found on the way. */
static bool guess(char out[INVITE_HOST_MAX + 1], char *seen, size_t size)
{
	char host[NI_MAXHOST] = "", address[SOCKADDR_TEXT_MAX];
	struct addrinfo hints = { .ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM },
			*found = NULL;
	struct sockaddr_in own = { .sin_family = AF_INET };
	bool is_found;

	find_own_address(address, &own);
	if (address[0] != '\0' &&
	    getnameinfo((struct sockaddr *)&own, sizeof(own), host, sizeof(host), NULL, 0,
			NI_NAMEREQD) == 0 &&
	    take(host, out))
		return true;
	host[0] = '\0';
	gethostname(host, sizeof(host) - 1);
	snprintf(seen, size, "its address %s has no PTR record, and it calls itself \"%.200s\"",
		 address[0] != '\0' ? address : "(none)", host);
	if (take(host, out))
		return true;
	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return false;
	is_found = found->ai_canonname != NULL && take(found->ai_canonname, out);
	freeaddrinfo(found);
	return is_found;
}

/* Can this machine send from it? Behind NAT it cannot, and all is well. */
static bool is_own(const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool result = fd >= 0 && bind(fd, address->ai_addr, address->ai_addrlen) == 0;

	if (fd >= 0)
		close(fd);
	return result;
}

static int check_that_it_leads_here(const char *name)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *found = NULL;
	char text[SOCKADDR_TEXT_MAX], address[SOCKADDR_TEXT_MAX];
	struct sockaddr_in own;
	int result = getaddrinfo(name, NULL, &hints, &found);
	bool is_here = false;

	find_own_address(address, &own);
	if (result == EAI_AGAIN)
		return command_fail(
			EX_TEMPFAIL,
			"name: %s cannot be looked up now: %s; look at /etc/resolv.conf and try "
			"again",
			name, gai_strerror(result));
	if (result != 0)
		return command_fail(EX_NOHOST,
				    "name: %s has no A or AAAA record (%s): no mail host could "
				    "find it; in the DNS:\n"
				    "    %s. A %s\nor name another with --host",
				    name, gai_strerror(result), name,
				    address[0] != '\0' ? address : "ADDRESS");
	for (const struct addrinfo *one = found; one != NULL && !is_here; one = one->ai_next)
		is_here = is_own(one);
	if (!is_here)
		command_fail(0,
			     "warning: %s leads to %s, which is no address of this machine (%s); "
			     "that is right behind NAT alone",
			     name, endpoint_print_address(found->ai_addr, text, sizeof(text)),
			     address);
	freeaddrinfo(found);
	return EX_OK;
}

int vps_name_find(const struct vps *vps, const char *wanted, char name_out[INVITE_HOST_MAX + 1])
{
	char seen[512] = "";

	if (wanted != NULL && is_address(wanted)) {
		strcpy(name_out, wanted);
		return EX_OK;
	}
	if (wanted != NULL && !take(wanted, name_out))
		return command_fail(EX_USAGE,
				    "name: --host \"%.300s\" is neither a full host name, as "
				    "relay.example.com, nor an "
				    "address",
				    wanted);
	if (wanted == NULL && !take(vps->ehlo_name, name_out) &&
	    !guess(name_out, seen, sizeof(seen)))
		return command_fail(EX_NOHOST,
				    "name: this machine has no full name: %s; set the PTR record "
				    "at the provider, or "
				    "say postern invite --host relay.example.com",
				    seen);
	return check_that_it_leads_here(name_out);
}

int vps_name_find_hello(const char *name, char hello_out[INVITE_HOST_MAX + 1])
{
	char seen[512] = "";

	if (take(name, hello_out) || guess(hello_out, seen, sizeof(seen)))
		return EX_OK;
	return command_fail(EX_NOHOST,
			    "name: there is no name to say in EHLO: %s; set the PTR record at the "
			    "provider, or write "
			    "ehlo_name = \"relay.example.com\"; into " VPS_CONF,
			    seen);
}
