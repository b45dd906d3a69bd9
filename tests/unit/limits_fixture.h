/* A directory with a table and a state file, and clients of every kind. */
#ifndef LIMITS_FIXTURE_H
#define LIMITS_FIXTURE_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "milter/client.h"

struct limits_fixture {
	char directory[64], table[96], state[96];
};

static inline void limits_fixture_create(struct limits_fixture *fixture)
{
	strcpy(fixture->directory, "/tmp/postern-limits.XXXXXX");
	if (mkdtemp(fixture->directory) == NULL)
		abort();
	snprintf(fixture->table, sizeof(fixture->table), "%s/limits", fixture->directory);
	snprintf(fixture->state, sizeof(fixture->state), "%s/limits.state", fixture->directory);
}

static inline void limits_fixture_destroy(const struct limits_fixture *fixture)
{
	unlink(fixture->table);
	unlink(fixture->state);
	rmdir(fixture->directory);
}

static inline void limits_fixture_write(const char *path, const char *text, size_t length)
{
	FILE *file = fopen(path, "w");

	if (file == NULL || fwrite(text, 1, length, file) != length || fclose(file) != 0)
		abort();
}

/* "alice", "192.0.2.1", "2001:db8::1", "local", or "alice@192.0.2.1". */
static inline struct client limits_fixture_client(const char *text)
{
	const char *at = strchr(text, '@'), *address = at != NULL ? at + 1 : text;
	struct client client = { .address.ss_family = AF_UNSPEC };
	struct sockaddr_in ipv4 = { .sin_family = AF_INET };
	struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6 };

	if (strcmp(text, "local") == 0)
		client.is_local = true;
	else if (inet_pton(AF_INET, address, &ipv4.sin_addr) == 1)
		memcpy(&client.address, &ipv4, sizeof(ipv4));
	else if (inet_pton(AF_INET6, address, &ipv6.sin6_addr) == 1)
		memcpy(&client.address, &ipv6, sizeof(ipv6));
	else
		snprintf(client.login, sizeof(client.login), "%s", text);
	if (at != NULL)
		snprintf(client.login, sizeof(client.login), "%.*s", (int)(at - text), text);
	return client;
}

#endif
