/* A keeper in a thread, with files of its own, and a socket to ask it. Needs cmocka.h. */
#ifndef KEEPER_FIXTURE_H
#define KEEPER_FIXTURE_H

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge/keeper.h"
#include "edge/keeper_protocol.h"
#include "tunnel/base64_key.h"
#include "tunnel/keyfile.h"

enum { ALICE, BOB, MALLORY, EDGE, KEYS };

struct keeper_fixture {
	char directory[64], key_path[96], list_path[96], psk_path[96], other_path[96], passwords_path[96], enrolled_path[96];
	struct noise_keypair keys[KEYS];
	uint8_t psk[NOISE_KEYLEN];
	struct keeper_settings settings;
	struct keeper keeper;
	pthread_t thread;
	int fd, keeper_fd; /* ours, the keeper's */
	int served;	   /* what keeper_serve() returned */
};

static inline void write_file(const char *path, const char *text)
{
	char fresh[128];
	FILE *file;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	file = fopen(fresh, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(rename(fresh, path), 0);
}

/* alice has a psk, bob none; each digit of `who` is one of them. */
static inline void authorize(struct keeper_fixture *fixture, const char *who)
{
	char text[1000] = "# list\n", key[BASE64_KEY_TEXT + 1];

	for (; *who != '\0'; who++) {
		size_t used = strlen(text);

		base64_key_encode(key, fixture->keys[*who - '0'].public_key);
		if (*who - '0' == ALICE)
			snprintf(text + used, sizeof(text) - used, "%s alice psk=%s\n", key,
				 fixture->psk_path);
		else
			snprintf(text + used, sizeof(text) - used, "%s client-%c\n", key, *who);
	}
	write_file(fixture->list_path, text);
}

static inline void write_passwords(struct keeper_fixture *fixture, const char *text)
{
	mode_t mask = umask(0077);

	write_file(fixture->passwords_path, text);
	umask(mask);
}

static inline void *serve_in_thread(void *argument)
{
	struct keeper_fixture *fixture = argument;

	fixture->served = keeper_serve(&fixture->keeper, fixture->keeper_fd);
	close(fixture->keeper_fd);
	return NULL;
}

static inline void make_files(struct keeper_fixture *fixture)
{
	char error[512];

	assert_true(sodium_init() >= 0);
	strcpy(fixture->directory, "/tmp/test_keeper.XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->key_path, sizeof(fixture->key_path), "%s/key", fixture->directory);
	snprintf(fixture->list_path, sizeof(fixture->list_path), "%s/clients", fixture->directory);
	snprintf(fixture->psk_path, sizeof(fixture->psk_path), "%s/psk", fixture->directory);
	snprintf(fixture->other_path, sizeof(fixture->other_path), "%s/other", fixture->directory);
	snprintf(fixture->passwords_path, sizeof(fixture->passwords_path), "%s/passwords",
		 fixture->directory);
	snprintf(fixture->enrolled_path, sizeof(fixture->enrolled_path), "%s/enrolled", fixture->directory);
	for (int i = 0; i < KEYS; i++)
		noise_keypair_generate(&fixture->keys[i]);
	randombytes_buf(fixture->psk, sizeof(fixture->psk));
	assert_int_equal(keyfile_create(fixture->key_path, fixture->keys[EDGE].secret_key, error,
					sizeof(error)),
			 0);
	assert_int_equal(keyfile_create(fixture->psk_path, fixture->psk, error, sizeof(error)), 0);
	write_file(fixture->other_path, "something else\n");
	write_passwords(fixture, "[relay.example]:587 user@example.org:not for the log\n");
	authorize(fixture, "01");
	fixture->settings = (struct keeper_settings){
		.key_file = fixture->key_path,
		.authorized_clients = fixture->list_path,
		.relay_passwords = fixture->passwords_path,
		.enrolled_clients = fixture->enrolled_path,
	};
}

static inline void remove_files(struct keeper_fixture *fixture)
{
	unlink(fixture->key_path);
	unlink(fixture->list_path);
	unlink(fixture->psk_path);
	unlink(fixture->other_path);
	unlink(fixture->passwords_path);
	unlink(fixture->enrolled_path);
	rmdir(fixture->directory);
}

static inline int set_up(void **state)
{
	struct keeper_fixture *fixture = calloc(1, sizeof(*fixture));

	make_files(fixture);
	*state = fixture;
	return 0;
}

static inline int tear_down(void **state)
{
	remove_files(*state);
	free(*state);
	return 0;
}

/* The greeting is still to be read. */
static inline void start_serving(struct keeper_fixture *fixture)
{
	char error[512];
	int ends[2];

	if (keeper_open(&fixture->keeper, &fixture->settings, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	fixture->fd = ends[0];
	fixture->keeper_fd = ends[1];
	assert_int_equal(keeper_greet(&fixture->keeper, ends[1], NULL), 0);
	assert_int_equal(pthread_create(&fixture->thread, NULL, serve_in_thread, fixture), 0);
}

/* What keeper_serve() returned. Whoever has taken fd has closed it. */
static inline int join_keeper(struct keeper_fixture *fixture)
{
	pthread_join(fixture->thread, NULL);
	keeper_close(&fixture->keeper);
	return fixture->served;
}

#endif
