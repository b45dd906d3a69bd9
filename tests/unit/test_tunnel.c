/*
 * Making a tunnel: a client and a server in two threads over loopback, every way in which it can
 * fail. Strangers are in test_tunnel_strangers.c, what happens in an established tunnel is in
 * test_tunnel_records.c.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/preload/time_of_clock.h"
#include "tunnel/base64_key.h"
#include "tunnel_fixture.h"

#define YEARS_10_S (3653 * INT64_C(86400))

/* While it is not 0, the machine's clock is set back and forth by so much whenever it is looked at. */
static _Atomic int64_t clock_jump_s;

/* Instead of libc's, also for the archives. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = (int)syscall(SYS_clock_gettime, clock, now);

	if (clock == CLOCK_REALTIME)
		now->tv_sec += clock_jump_s = -clock_jump_s;
	return result;
}

static void *serve_one(void *context)
{
	struct server *server = context;
	struct frame info = { .type = FRAME_INFO };
	int fd = accept(server->listening, NULL, NULL);

	serve(server, fd);
	if (server->failure != TUNNEL_OK)
		return NULL;
	strcpy(info.u.info.edge_name, "relay.example.com");
	info.u.info.size_max = 1000;
	info.u.info.recipients_max = 10;
	tunnel_send_frame(&server->tunnel, &info, deadline_in_ms(PATIENCE_MS));
	tunnel_flush(&server->tunnel, deadline_in_ms(PATIENCE_MS));
	return NULL;
}

static int listen_on(struct endpoint *endpoint)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	memset(endpoint, 0, sizeof(*endpoint));
	strcpy(endpoint->host, "127.0.0.1");
	snprintf(endpoint->port, sizeof(endpoint->port), "%d", ntohs(address.sin_port));
	return fd;
}

static struct tunnel_client_params client_params(void)
{
	struct tunnel_client_params params = { .own = noise_keypair_static_key(&client_key) };

	memcpy(params.edge_public_key, edge_key.public_key, NOISE_DHLEN);
	params.deadline = deadline_in_ms(PATIENCE_MS);
	return params;
}

/* Both ends, to their end. */
static enum tunnel_failure connect_both(struct tunnel *tunnel, struct tunnel_client_params *params,
					struct server *server, struct frame_info *info)
{
	enum tunnel_failure failure;

	server->listening = listen_on(&params->edge);
	assert_int_equal(pthread_create(&server->thread, NULL, serve_one, server), 0);
	failure = tunnel_connect(tunnel, params, info);
	assert_int_equal(pthread_join(server->thread, NULL), 0);
	close(server->listening);
	return failure;
}

/* ---- a tunnel that comes to be ---- */
static void established(const uint8_t *shared)
{
	struct tunnel_client_params params = client_params();
	struct server server = new_server();
	struct frame_info info = { .size_max = 0 };
	struct tunnel tunnel;

	server.psk = shared;
	server.measures_heap = true;
	memcpy(params.psk, shared, NOISE_KEYLEN);
	assert_int_equal(connect_both(&tunnel, &params, &server, &info), TUNNEL_OK);
	assert_int_equal(server.failure, TUNNEL_OK);
	assert_string_equal(info.edge_name, "relay.example.com");
	assert_int_equal(info.size_max, 1000);
	assert_int_equal(info.recipients_max, 10);
	assert_memory_equal(tunnel.handshake_hash, server.tunnel.handshake_hash, NOISE_HASHLEN);
	assert_memory_equal(server.tunnel.remote_static, client_key.public_key, NOISE_DHLEN);
	assert_memory_equal(tunnel.remote_static, edge_key.public_key, NOISE_DHLEN);
	assert_memory_not_equal(tunnel.sending.k, tunnel.receiving.k, NOISE_KEYLEN);
	/* Case 91: nothing but a few KiB before the peer is authorised. */
	assert_true(server.heap_at_authorize <= server.heap_before + 4096);
	tunnel_close(&tunnel, CLOSE_IDLE, "bye");
	assert_true(sodium_is_zero(tunnel.sending.k, NOISE_KEYLEN));
	assert_true(sodium_is_zero(tunnel.receiving.k, NOISE_KEYLEN));
	assert_null(tunnel.record);
	tunnel_close(&tunnel, CLOSE_IDLE, "again");
	tunnel_close(&server.tunnel, 0, NULL);
}

static void established_without_psk(void **state)
{
	(void)state;
	established(no_psk);
}

static void established_with_psk(void **state)
{
	(void)state;
	established(psk);
}

/* Case 106: no clock that can be set has a part in it. */
static void established_while_the_clock_jumps(void **state)
{
	(void)state;
	clock_jump_s = YEARS_10_S;
	established(no_psk);
	established(psk);
	assert_true(time(NULL) - time(NULL) != 0);	/* it did jump */
	clock_jump_s = 0;
}

/* ---- what the client can meet ---- */
static void wrong_edge_key(void **state)
{
	struct tunnel_client_params params = client_params();
	struct server server = new_server();
	struct frame_info info;
	struct tunnel tunnel;
	char own[BASE64_KEY_TEXT + 1], words[128];

	(void)state;
	memcpy(params.edge_public_key, other_key.public_key, NOISE_DHLEN);
	assert_int_equal(connect_both(&tunnel, &params, &server, &info), TUNNEL_NO_ANSWER);
	base64_key_encode(own, client_key.public_key);
	snprintf(words, sizeof(words), "postern authorize %s NAME", own);
	assert_says(tunnel.error, words);
	assert_says(tunnel.error, "/edges is not this edge's");
	assert_says(tunnel.error, "its log says which");
	assert_int_equal(server.failure, TUNNEL_NO_ANSWER);
	assert_says(server.tunnel.error, "not for this edge");
	assert_int_equal(server.authorize_calls, 0);
}

/* Case 92: the client sees the same as with a wrong key; the edge's log has no full key. */
static void not_authorized(void **state)
{
	struct tunnel_client_params params = client_params();
	struct server server = new_server();
	struct frame_info info;
	struct tunnel tunnel;
	char own[BASE64_KEY_TEXT + 1];

	(void)state;
	server.authorizes = false;
	assert_int_equal(connect_both(&tunnel, &params, &server, &info), TUNNEL_NO_ANSWER);
	assert_says(tunnel.error, "closed the connection during the handshake");
	assert_int_equal(server.failure, TUNNEL_NO_ANSWER);
	base64_key_encode(own, client_key.public_key);
	assert_null(strstr(server.tunnel.error, own));
	own[8] = '\0';
	assert_says(server.tunnel.error, own);
	assert_says(server.tunnel.error, "not authorised");
	assert_int_equal(server.authorize_calls, 1);
}

/* Case 93, in its three forms. The edge must not hang, either. */
static void wrong_psk(void **state)
{
	static const uint8_t other_psk[NOISE_KEYLEN] = { 9 };
	const uint8_t *rows[3][2] = { { psk, other_psk }, { psk, no_psk }, { no_psk, psk } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct tunnel_client_params params = client_params();
		struct server server = new_server();
		struct frame_info info;
		struct tunnel tunnel;

		memcpy(params.psk, rows[i][0], NOISE_KEYLEN);
		server.psk = rows[i][1];
		assert_int_equal(connect_both(&tunnel, &params, &server, &info), TUNNEL_WRONG_PSK);
		assert_says(tunnel.error, "psk=");
		assert_int_equal(server.failure, TUNNEL_LOST);
		assert_says(server.tunnel.error, "psk=");
	}
}

static void unreachable(void **state)
{
	struct tunnel_client_params params = client_params();
	struct frame_info info;
	struct tunnel tunnel;

	(void)state;
	close(listen_on(&params.edge));
	assert_int_equal(tunnel_connect(&tunnel, &params, &info), TUNNEL_UNREACHABLE);
	assert_says(tunnel.error, "edge 127.0.0.1:");
	assert_says(tunnel.error, "refused");
	strcpy(params.edge.host, "no-such-host.invalid");
	assert_int_equal(tunnel_connect(&tunnel, &params, &info), TUNNEL_UNREACHABLE);
	assert_says(tunnel.error, "no-such-host.invalid");
	tunnel_close(&tunnel, 0, NULL);
}

/* Something listens but never speaks: the kernel's backlog. */
static void silent_edge(void **state)
{
	struct tunnel_client_params params = client_params();
	struct frame_info info;
	struct tunnel tunnel;
	int listening = listen_on(&params.edge);

	(void)state;
	params.deadline = deadline_in_ms(200);
	assert_int_equal(tunnel_connect(&tunnel, &params, &info), TUNNEL_TIMED_OUT);
	assert_says(tunnel.error, "stage: handshake");
	close(listening);
}

/* What a fake edge does after message 1. */
struct fake {
	int listening;
	size_t flip; /* this bit of message 2 */
	size_t bytes; /* so many bytes of message 2 */
	bool lingers; /* stays silent instead of closing */
};

static void *fake_edge(void *context)
{
	struct fake *fake = context;
	struct noise_handshake_params params = {
		.pattern = NOISE_IKPSK2,
		.role = NOISE_RESPONDER,
		.prologue = TUNNEL_PROLOGUE,
		.prologue_length = strlen(TUNNEL_PROLOGUE),
		.s = noise_keypair_static_key(&edge_key),
	};
	struct noise_handshake_state handshake;
	uint8_t bytes[TUNNEL_INITIATION_SIZE];
	int fd = accept(fake->listening, NULL, NULL);
	size_t length;

	noise_handshake_init(&handshake, &params);
	if (recv(fd, bytes, sizeof(bytes), MSG_WAITALL) != sizeof(bytes) ||
	    noise_handshake_read_message(&handshake, bytes + 16, 96, bytes, &length) < 0 ||
	    noise_handshake_write_message(&handshake, NULL, 0, bytes, &length) < 0)
		abort();
	if (fake->flip < length * 8)
		bytes[fake->flip / 8] ^= (uint8_t)(1 << fake->flip % 8);
	if (fake->bytes > 0)
		send(fd, bytes, fake->bytes, MSG_NOSIGNAL);
	while (fake->lingers && recv(fd, bytes, sizeof(bytes), 0) > 0)
		continue;
	close(fd);
	return NULL;
}

static enum tunnel_failure connect_to_fake(struct fake *fake, char *error, int64_t patience_ms)
{
	struct tunnel_client_params params = client_params();
	enum tunnel_failure failure;
	struct frame_info info;
	struct tunnel tunnel;
	pthread_t thread;

	params.deadline = deadline_in_ms(patience_ms);
	fake->listening = listen_on(&params.edge);
	assert_int_equal(pthread_create(&thread, NULL, fake_edge, fake), 0);
	failure = tunnel_connect(&tunnel, &params, &info);
	pthread_join(thread, NULL);
	close(fake->listening);
	strcpy(error, tunnel.error);
	return failure;
}

/* Case 98 for message 2. */
static void response_flips(void **state)
{
	char error[TUNNEL_ERROR_MAX];

	(void)state;
	for (size_t bit = 0; bit < TUNNEL_RESPONSE_SIZE * 8; bit++) {
		struct fake fake = { .flip = bit, .bytes = TUNNEL_RESPONSE_SIZE };

		assert_int_equal(connect_to_fake(&fake, error, PATIENCE_MS), TUNNEL_WRONG_PSK);
	}
}

/* Case 97 for message 2, and an edge that falls silent. */
static void response_cut(void **state)
{
	char error[TUNNEL_ERROR_MAX];
	struct fake silent = { .flip = SIZE_MAX, .bytes = TUNNEL_RESPONSE_SIZE, .lingers = true };
	struct fake half = { .flip = SIZE_MAX, .bytes = 20, .lingers = true };

	(void)state;
	for (size_t length = 0; length < TUNNEL_RESPONSE_SIZE; length++) {
		struct fake fake = { .flip = SIZE_MAX, .bytes = length };

		assert_int_equal(connect_to_fake(&fake, error, PATIENCE_MS), TUNNEL_NO_ANSWER);
	}
	assert_int_equal(connect_to_fake(&silent, error, 2000), TUNNEL_TIMED_OUT);
	assert_says(error, "stage: greeting");
	assert_int_equal(connect_to_fake(&half, error, 200), TUNNEL_TIMED_OUT);
	assert_says(error, "stage: handshake");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(established_without_psk),
		cmocka_unit_test(established_with_psk),
		cmocka_unit_test(established_while_the_clock_jumps),
		cmocka_unit_test(wrong_edge_key),
		cmocka_unit_test(not_authorized),
		cmocka_unit_test(wrong_psk),
		cmocka_unit_test(unreachable),
		cmocka_unit_test(silent_edge),
		cmocka_unit_test(response_flips),
		cmocka_unit_test(response_cut),
	};

	return cmocka_run_group_tests(tests, make_keys, NULL);
}
