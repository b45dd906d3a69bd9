/*
 * A static key in memory that is neither swapped nor dumped (sodium_malloc). The secret half never
 * leaves this file: the handshake asks for a Diffie-Hellman result.
 */
#include "static_key.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "keyfile.h"

int static_key_read(struct noise_static_key *key, const char *path, char *error, size_t error_size)
{
	struct noise_keypair *held;

	memset(key, 0, sizeof(*key));
	if (sodium_init() < 0 || (held = sodium_malloc(sizeof(*held))) == NULL) {
		snprintf(error, error_size,
			 "%s: no locked memory for the key; raise the memlock limit", path);
		return -1;
	}
	if (keyfile_read_static(held, path, error, error_size) < 0) {
		sodium_free(held);
		return -1;
	}
	*key = noise_keypair_static_key(held);
	return 0;
}

void static_key_wipe(struct noise_static_key *key)
{
	if (key->context != NULL)
		sodium_free(key->context);
	memset(key, 0, sizeof(*key));
}
