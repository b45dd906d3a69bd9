/*
 * The DNS servers that are asked.
 *
 *	server = address [ "@" port ]
 *
 * resolv.conf(5) is read for its nameserver lines only: `search', `ndots' and the rest are for
 * people who type short names, and mail domains are complete. A line that is not understood is
 * skipped, as the C library does; a bad server in our own configuration is an error. The file is
 * looked at before each lookup (one stat(2)), so that a machine whose network changes needs no
 * restart.
 */
#include "dns_servers.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/table.h"
#include "lib/text_file.h"

#define DNS_PORT "53"
#define FALLBACK_SERVER "127.0.0.1"
#define RESOLV_CONF_LINE_MAX 512

static bool is_loopback(const struct sockaddr *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

	if (address->sa_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
}

static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits > 0 && digits <= 5 && text[digits] == '\0' && atoi(text) >= 1 &&
	       atoi(text) <= 65535;
}

int dns_server_parse(struct dns_server *server, const char *text, char *error, size_t error_size)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_DGRAM };
	char host[SOCKADDR_TEXT_MAX], printable[SOCKADDR_TEXT_MAX];
	struct addrinfo *found = NULL;
	const char *at = strchr(text, '@');
	size_t host_length = at != NULL ? (size_t)(at - text) : strlen(text);

	memset(server, 0, sizeof(*server));
	snprintf(host, sizeof(host), "%.*s", (int)(host_length < sizeof(host) ? host_length : 0),
		 text);
	if ((at != NULL && !is_port(at + 1)) || host[0] == '\0' ||
	    getaddrinfo(host, at != NULL ? at + 1 : DNS_PORT, &hints, &found) != 0) {
		snprintf(error, error_size,
			 "\"%s\" is not the address of a DNS server; write 192.0.2.1, 2001:db8::1 "
			 "or "
			 "127.0.0.1@5353",
			 log_printable(printable, sizeof(printable), text, strlen(text)));
		return -1;
	}
	memcpy(&server->address, found->ai_addr, found->ai_addrlen);
	server->length = found->ai_addrlen;
	freeaddrinfo(found);
	server->is_loopback = is_loopback((const struct sockaddr *)&server->address);
	snprintf(server->text, sizeof(server->text), "%s%s", host, at != NULL ? at : "");
	return 0;
}

/* The address on a "nameserver ADDRESS" line (cut in place), or NULL. */
static char *nameserver_of(char *line)
{
	char *rest = NULL;
	char *word = strtok_r(line, " \t\r\n", &rest);

	return word != NULL && strcmp(word, "nameserver") == 0 ? strtok_r(NULL, " \t\r\n", &rest)
							       : NULL;
}

/* Caller holds the lock, or is the only one yet. */
static void read_resolv_conf(struct dns_servers *servers)
{
	char line[RESOLV_CONF_LINE_MAX], why[160];
	int fd = text_file_open(servers->path);
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;

	servers->count = 0;
	memset(&servers->status, 0, sizeof(servers->status));
	if (file != NULL) {
		if (fstat(fileno(file), &servers->status) == 0 && S_ISREG(servers->status.st_mode))
			while (servers->count < DNS_SERVERS_MAX &&
			       fgets(line, sizeof(line), file) != NULL) {
				const char *address = nameserver_of(line);

				if (address != NULL &&
				    dns_server_parse(&servers->list[servers->count], address, why,
						     sizeof(why)) == 0)
					servers->count++;
			}
		fclose(file);
	} else if (fd >= 0) {
		close(fd);
	}
	if (servers->count == 0 &&
	    dns_server_parse(&servers->list[0], FALLBACK_SERVER, why, sizeof(why)) == 0)
		servers->count = 1;
}

int dns_servers_init(struct dns_servers *servers, const struct conf_list *configured,
		     const char *resolv_conf, char *error, size_t error_size)
{
	memset(servers, 0, sizeof(*servers));
	pthread_mutex_init(&servers->lock, NULL);
	if (configured == NULL || configured->count == 0) {
		servers->path = resolv_conf;
		read_resolv_conf(servers);
		return 0;
	}
	if (configured->count > DNS_SERVERS_MAX) {
		snprintf(error, error_size, "%zu DNS servers; at most %d are asked",
			 configured->count, DNS_SERVERS_MAX);
		goto bad;
	}
	for (; servers->count < configured->count; servers->count++)
		if (dns_server_parse(&servers->list[servers->count],
				     configured->items[servers->count], error, error_size) != 0)
			goto bad;
	return 0;
bad:
	dns_servers_wipe(servers);
	return -1;
}

void dns_servers_wipe(struct dns_servers *servers)
{
	pthread_mutex_destroy(&servers->lock);
	memset(servers, 0, sizeof(*servers));
}

size_t dns_servers_copy(struct dns_servers *servers, struct dns_server copy[DNS_SERVERS_MAX])
{
	size_t count;

	pthread_mutex_lock(&servers->lock);
	if (servers->path != NULL && table_has_changed(servers->path, &servers->status))
		read_resolv_conf(servers);
	count = servers->count;
	memcpy(copy, servers->list, count * sizeof(*copy));
	pthread_mutex_unlock(&servers->lock);
	return count;
}
