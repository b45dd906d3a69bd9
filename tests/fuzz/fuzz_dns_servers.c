/*
 * Any bytes as resolv.conf, and each line of them as a server of the configuration: there is always
 * a server to ask, never more than the bound, each with a text that can be logged; and one that is
 * on loopback has an address that begins like it.
 *
 * feeds: resolv.conf, and the servers of the configuration
 * covers: dns/dns_servers.c
 */
#include <arpa/inet.h>

#include "dns/dns_servers.h"
#include "fuzz_target.h"

static void check_server(const struct dns_server *server)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&server->address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&server->address;
	bool is_v4 = server->address.ss_family == AF_INET;

	require_printable(server->text);
	require(server->text[0] != '\0' && server->length > 0);
	require(is_v4 || server->address.ss_family == AF_INET6);
	if (is_v4)
		require(server->is_loopback == (ntohl(v4->sin_addr.s_addr) >> 24 == 127));
	else if (server->is_loopback)
		require(IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
			IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr));
}

static void follow(const uint8_t *bytes, size_t length)
{
	struct dns_server copy[DNS_SERVERS_MAX];
	struct dns_servers servers;
	struct memory_file file;
	char error[300] = "";
	size_t count;

	memory_file_open(&file, bytes, length);
	require(dns_servers_init(&servers, NULL, file.path, error, sizeof(error)) == 0);
	count = dns_servers_copy(&servers, copy);
	require(count > 0 && count <= DNS_SERVERS_MAX);
	for (size_t i = 0; i < count; i++)
		check_server(&copy[i]);
	dns_servers_wipe(&servers);
	memory_file_close(&file);
}

/* Every line is an item of the list. */
static void configure(char *text)
{
	char *items[2 * DNS_SERVERS_MAX], *rest = NULL, error[300] = "";
	struct conf_list list = { .items = items, .count = 0 };
	struct dns_servers servers;

	for (char *line = strtok_r(text, "\n", &rest);
	     line != NULL && list.count < 2 * DNS_SERVERS_MAX; line = strtok_r(NULL, "\n", &rest))
		items[list.count++] = line;
	if (list.count == 0)
		return;
	if (dns_servers_init(&servers, &list, NULL, error, sizeof(error)) < 0) {
		require(error[0] != '\0');
		return;
	}
	require(list.count <= DNS_SERVERS_MAX && servers.count == list.count);
	for (size_t i = 0; i < servers.count; i++)
		check_server(&servers.list[i]);
	dns_servers_wipe(&servers);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char *text = malloc(length + 1);

	require(text != NULL);
	memcpy(text, bytes, length);
	text[length] = '\0';
	follow(bytes, length);
	configure(text);
	free(text);
	return 0;
}
