/*
 * Strangers at the server's door (cases 90, 91, 97, 98, 103): whatever they send, not a byte comes
 * back and nobody is looked up, unless message 1 is a good one; and then only message 2.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tunnel_fixture.h"

#define INITIATION_AND_PING (TUNNEL_INITIATION_SIZE + 24)

/* Lets the server read `bytes`, then FIN. Returns how many bytes came back. */
static size_t knock(struct server *server, const void *bytes, size_t length)
{
	uint8_t answer[256];
	ssize_t got;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	if (length > 0)
		assert_int_equal(write(fds[0], bytes, length), length);
	shutdown(fds[0], SHUT_WR);
	serve(server, fds[1]);
	got = recv(fds[0], answer, sizeof(answer), MSG_DONTWAIT);
	close(fds[0]);
	assert_true(got >= 0 || errno == ECONNRESET); /* the server has closed */
	return got > 0 ? (size_t)got : 0;
}

/* Case 90. */
static void strangers(void **state)
{
	static const char *const rows[] = {
		"",
		("GET / HTTP/1.1\r\nHost: relay.example.com\r\nUser-Agent: x\r\nAccept: */*\r\n"
		 "Accept-Language: en\r\nConnection: close\r\n\r\n"),
		"\x16\x03\x01\x02",
		"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
		"HELO relay.example.com\r\n",
	};
	struct server server = new_server();
	uint8_t random[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(knock(&server, rows[i], strlen(rows[i])), 0);
		assert_int_not_equal(server.failure, TUNNEL_OK);
		assert_true(strlen(server.tunnel.error) > 0);
	}
	for (size_t length = TUNNEL_INITIATION_SIZE; length < sizeof(random); length *= 2) {
		randombytes_buf(random, sizeof(random));
		assert_int_equal(knock(&server, random, length), 0);
		assert_int_equal(server.failure, TUNNEL_NO_ANSWER);
	}
	assert_int_equal(server.authorize_calls, 0);
}

/* A well-formed first message, with the state to go on. */
static void make_initiation(uint8_t out[TUNNEL_INITIATION_SIZE],
			    struct noise_handshake_state *handshake, const char *prologue)
{
	struct noise_handshake_params params = {
		.pattern = NOISE_IKPSK2,
		.role = NOISE_INITIATOR,
		.prologue = prologue,
		.prologue_length = strlen(prologue),
		.s = noise_keypair_static_key(&client_key),
		.remote_static = edge_key.public_key,
	};
	size_t length;

	noise_handshake_init(handshake, &params);
	assert_int_equal(noise_handshake_write_message(handshake, NULL, 0, out + 16, &length), 0);
	tunnel_mac1(out, edge_key.public_key, out + 16, length);
}

/* Cases 97 and 98 for message 1: nothing comes back, and nobody is looked up. */
static void initiation_damaged(void **state)
{
	struct noise_handshake_state handshake;
	struct server server = new_server();
	uint8_t initiation[TUNNEL_INITIATION_SIZE];

	(void)state;
	make_initiation(initiation, &handshake, TUNNEL_PROLOGUE);
	for (size_t length = 0; length < sizeof(initiation); length++) {
		assert_int_equal(knock(&server, initiation, length), 0);
		assert_int_equal(server.failure, TUNNEL_LOST);
	}
	for (size_t bit = 0; bit < sizeof(initiation) * 8; bit++) {
		initiation[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(knock(&server, initiation, sizeof(initiation)), 0);
		assert_int_equal(server.failure, TUNNEL_NO_ANSWER);
		/* The same with the right mac1: now the AEAD tags must see it. */
		if (bit >= TUNNEL_MAC1_SIZE * 8) {
			uint8_t again[TUNNEL_INITIATION_SIZE];

			memcpy(again, initiation, sizeof(again));
			tunnel_mac1(again, edge_key.public_key, again + 16, 96);
			assert_int_equal(knock(&server, again, sizeof(again)), 0);
			assert_int_equal(server.failure, TUNNEL_NO_ANSWER);
			assert_says(server.tunnel.error, "does not verify");
		}
		initiation[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(server.authorize_calls, 0);
}

static void other_version(void **state)
{
	struct noise_handshake_state handshake;
	struct server server = new_server();
	uint8_t initiation[TUNNEL_INITIATION_SIZE];

	(void)state;
	make_initiation(initiation, &handshake, "postern/2");
	assert_int_equal(knock(&server, initiation, sizeof(initiation)), 0);
	assert_int_equal(server.failure, TUNNEL_NO_ANSWER);
	assert_says(server.tunnel.error, "another version");
}

/* Case 91: a replayed message 1 gets message 2, and then the tunnel never comes to be. */
static void replay(void **state)
{
	struct noise_handshake_state handshake;
	struct server server = new_server();
	uint8_t bytes[INITIATION_AND_PING] = { 0 };

	(void)state;
	make_initiation(bytes, &handshake, TUNNEL_PROLOGUE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(knock(&server, bytes, TUNNEL_INITIATION_SIZE),
				 TUNNEL_RESPONSE_SIZE);
		assert_int_equal(server.failure, TUNNEL_LOST);
		assert_says(server.tunnel.error, "replay");
		assert_null(server.tunnel.record);
	}
	/* The record of another session behind it. */
	bytes[TUNNEL_INITIATION_SIZE + 1] = 22;
	assert_int_equal(knock(&server, bytes, sizeof(bytes)), TUNNEL_RESPONSE_SIZE);
	assert_int_equal(server.failure, TUNNEL_BAD_RECORD);
	/* A record of another size than the PING's is not even waited for. */
	bytes[TUNNEL_INITIATION_SIZE] = 0xff;
	assert_int_equal(knock(&server, bytes, sizeof(bytes)), TUNNEL_RESPONSE_SIZE);
	assert_int_equal(server.failure, TUNNEL_BAD_RECORD);
}

/* An authorised client whose first record is not what it must be. */
struct odd_client {
	int fd;
	const char *plain; /* six bytes */
	uint8_t claimed_length;
};

static void *be_odd(void *context)
{
	struct odd_client *client = context;
	struct noise_cipher_state sending, receiving;
	struct noise_handshake_state handshake;
	uint8_t initiation[TUNNEL_INITIATION_SIZE], response[TUNNEL_RESPONSE_SIZE];
	uint8_t record[24], hash[NOISE_HASHLEN];
	size_t length;

	make_initiation(initiation, &handshake, TUNNEL_PROLOGUE);
	if (send(client->fd, initiation, sizeof(initiation), 0) != sizeof(initiation) ||
	    recv(client->fd, response, sizeof(response), MSG_WAITALL) != sizeof(response) ||
	    noise_handshake_read_message(&handshake, response, sizeof(response), response,
					 &length) < 0 ||
	    noise_handshake_finish(&handshake, &sending, &receiving, hash) < 0 ||
	    noise_cipher_encrypt_with_ad(&sending, NULL, 0, (const uint8_t *)client->plain, 6,
					 record + 2, &length) < 0)
		abort();
	record[0] = 0;
	record[1] = client->claimed_length;
	if (send(client->fd, record, sizeof(record), MSG_NOSIGNAL) < 0)
		abort();
	return NULL;
}

static void first_record(void **state)
{
	static const struct {
		const char *plain;
		uint8_t claimed_length;
		enum tunnel_failure failure;
	} rows[] = {
		{ "\x21\x01\0\0\0\0", 22, TUNNEL_OK },
		{ "\x21\x01\0\0\0\0", 21, TUNNEL_BAD_RECORD },
		{ "\x21\x01\0\0\0\0", 23, TUNNEL_BAD_RECORD },
		{ "\x05\x01\0\0\0\1", 22, TUNNEL_BAD_FRAME }, /* ABORT */
		{ "\x22\x01\0\0\0\0", 22, TUNNEL_BAD_FRAME }, /* PONG */
		{ "\x3f\x00\0\0\0\0", 22, TUNNEL_BAD_FRAME }, /* one that may be skipped */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct server server = new_server();
		struct odd_client client = { -1, rows[i].plain, rows[i].claimed_length };
		pthread_t thread;
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		client.fd = fds[0];
		assert_int_equal(pthread_create(&thread, NULL, be_odd, &client), 0);
		serve(&server, fds[1]);
		pthread_join(thread, NULL);
		assert_int_equal(server.failure, rows[i].failure);
		tunnel_close(&server.tunnel, 0, NULL);
		close(fds[0]);
	}
}

struct drip {
	int fd;
	uint8_t bytes[TUNNEL_INITIATION_SIZE];
};

static void *drip_bytes(void *context)
{
	struct drip *drip = context;

	for (size_t i = 0; i < sizeof(drip->bytes); i++) {
		if (send(drip->fd, drip->bytes + i, 1, MSG_NOSIGNAL) != 1)
			break;
		poll(NULL, 0, 20);
	}
	return NULL;
}

/* Case 103: the deadline is that of the whole handshake, not of each read, which would get this one as far as to be asked about. */
static void slow_stranger(void **state)
{
	struct noise_handshake_state handshake;
	struct server server = new_server();
	struct drip drip;
	pthread_t thread;
	int64_t start;
	int fds[2];

	(void)state;
	make_initiation(drip.bytes, &handshake, TUNNEL_PROLOGUE);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	drip.fd = fds[0];
	assert_int_equal(pthread_create(&thread, NULL, drip_bytes, &drip), 0);
	server.patience_ms = 200;
	start = deadline_now_ms();
	serve(&server, fds[1]);
	assert_int_equal(server.failure, TUNNEL_TIMED_OUT);
	assert_int_equal(server.authorize_calls, 0);
	assert_true(deadline_now_ms() - start >= 200);
	pthread_join(thread, NULL);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers),
		cmocka_unit_test(initiation_damaged),
		cmocka_unit_test(other_version),
		cmocka_unit_test(replay),
		cmocka_unit_test(first_record),
		cmocka_unit_test(slow_stranger),
	};

	return cmocka_run_group_tests(tests, make_keys, NULL);
}
