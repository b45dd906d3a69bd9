/*
 * Any bytes as the table `limits`: no crash, no leak; what is accepted keeps the bounds, and a
 * mistake is told by its line.
 *
 * feeds: the table limits
 * covers: milter/limits_table.c
 */
#include "milter/limits_table.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_matches(const struct limits_table *table, const struct client *client, const char *domain)
{
	struct limits_match matches[LIMITS_MATCHES_MAX];
	size_t count = limits_table_match(table, client, domain, matches);

	require(count <= LIMITS_MATCHES_MAX && count <= limits_table_count(table));
	for (size_t i = 0; i < count; i++) {
		struct rate_network network;
		struct rate_key again;
		char reason[300];

		require(matches[i].number > 0);
		require(matches[i].line.size <= INT64_MAX &&
			(matches[i].line.size == 0 || limits_table_has_sizes(table)));
		for (int k = 0; k < LIMIT_RATES; k++)
			require(matches[i].line.rates[k].tokens == 0 || token_rate_is_valid(matches[i].line.rates[k]));
		/* The owner is in the one form. */
		require(rate_key_parse(&again, &network, matches[i].owner.text, reason, sizeof(reason)) == 0 &&
			strcmp(again.text, matches[i].owner.text) == 0);
	}
}

static void check_clients(const struct limits_table *table)
{
	struct client client = { .login = "alice", .address.ss_family = AF_INET };
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)&client.address;
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&client.address;

	ipv4->sin_addr.s_addr = htonl(0xc0000201);
	check_matches(table, &client, "example.com");
	client.login[0] = '\0';
	client.address.ss_family = AF_INET6;
	memcpy(&ipv6->sin6_addr, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	check_matches(table, &client, "");
	client.is_local = true;
	check_matches(table, &client, "example.net");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char path[64], error[512] = "";
	struct limits_table *table;
	struct stat status;
	int fd = memfd_create("limits", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	table = limits_table_read(path, &status, error, sizeof(error));
	if (table == NULL)
		require(strncmp(error, path, strlen(path)) == 0 && error[strlen(path)] == ':');
	else
		check_clients(table);
	limits_table_destroy(table);
	close(fd);
	return 0;
}
