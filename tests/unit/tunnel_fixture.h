/*
 * The server's half of test_tunnel.c and test_tunnel_strangers.c: keys, and tunnel_accept() as an
 * edge calls it.
 */
#ifndef TUNNEL_FIXTURE_H
#define TUNNEL_FIXTURE_H

#include <malloc.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "tunnel/tunnel.h"

#define PATIENCE_MS 5000

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

static void serve(struct server *server, int fd)
{
	struct tunnel_server_params params = {
		.own = noise_keypair_static_key(&edge_key),
		.authorize = authorize,
		.authorize_context = server,
		.deadline = deadline_in_ms(server->patience_ms),
	};

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
