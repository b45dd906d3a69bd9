/*
 * The edge's static keys, in the keeper's memory: that of key_file, and while it is being replaced
 * (postern rotate) that of key_file.next beside it. Both are answered to for as long as both files
 * are there.
 */
#ifndef OWN_KEYS_H
#define OWN_KEYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "tunnel/noise.h"

#define OWN_KEYS_MAX 2

struct own_keys {
	const char *path;	/* the caller's */
	char *next_path;
	struct noise_static_key keys[OWN_KEYS_MAX];	/* the second has a context only if it is there */
	struct stat seen[OWN_KEYS_MAX];	/* the files as they were looked at */
};

/* 0, or -1 with the reason; a second key that cannot be read is one, too. Wipe it in any case. */
int own_keys_open(struct own_keys *keys, const char *path, char *error, size_t error_size);
/*
 * Reads files that have changed. One that cannot be read leaves the key read before in force, and
 * the log says so once; a second file that is gone ends the second key.
 */
void own_keys_refresh(struct own_keys *keys);
size_t own_keys_count(const struct own_keys *keys);
/* NULL: none of them. */
const struct noise_static_key *own_keys_find(const struct own_keys *keys,
					     const uint8_t public_key[NOISE_DHLEN]);
void own_keys_wipe(struct own_keys *keys);

#endif
