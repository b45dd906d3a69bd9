/*
 * The server's half of test_tunnel.c and test_tunnel_strangers.c: keys, and tunnel_accept() as an
 * edge calls it.
 */
#ifndef TUNNEL_FIXTURE_H
#define TUNNEL_FIXTURE_H

#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "eventually.h"
#include "tunnel/tunnel.h"

static struct noise_keypair client_key, edge_key, other_key;
static uint8_t psk[NOISE_KEYLEN], no_psk[NOISE_KEYLEN];

static int make_keys(void **state)
{
	(void)state;
	assert_true(sodium_init() >= 0);
	noise_keypair_generate(&client_key);
	noise_keypair_generate(&edge_key);
	noise_keypair_generate(&other_key);
	randombytes_buf(psk, sizeof(psk));
	return 0;
}

struct server {
	const uint8_t *psk;
	bool authorizes;
	int64_t patience_ms;
	int authorize_calls;
	bool measures_heap;
	size_t heap_before, heap_at_authorize;
	struct tunnel tunnel;
	enum tunnel_failure failure;
	int listening;
	pthread_t thread;
};

static bool authorize(void *context, const uint8_t public_key[NOISE_DHLEN],
		      uint8_t psk_out[NOISE_KEYLEN])
{
	struct server *server = context;

	server->authorize_calls++;
	server->heap_at_authorize = mallinfo2().uordblks;
	memcpy(psk_out, server->psk, NOISE_KEYLEN);
	return server->authorizes && memcmp(public_key, client_key.public_key, NOISE_DHLEN) == 0;
}

/* The heap is that of both threads: wait until the client, the main thread, has said its part and only listens. */
static void wait_for_client(int fd)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	char path[64], state = 'R';
	FILE *file;

	assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)getpid());
	while (state != 'S') {
		file = fopen(path, "r");
		assert_non_null(file);
		assert_int_equal(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
		fclose(file);
	}
}

static void serve(struct server *server, int fd)
{
	struct tunnel_server_params params = {
		.own = noise_keypair_static_key(&edge_key),
		.authorize = authorize,
		.authorize_context = server,
		.deadline = deadline_in_ms(server->patience_ms),
	};

	if (server->measures_heap)
		wait_for_client(fd);
	server->heap_before = mallinfo2().uordblks;
	server->failure = tunnel_accept(&server->tunnel, fd, &params);
}

static struct server new_server(void)
{
	return (struct server){ .psk = no_psk, .authorizes = true, .patience_ms = PATIENCE_MS };
}

static void assert_says(const char *error, const char *words)
{
	if (strstr(error, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error, words);
}

#endif
