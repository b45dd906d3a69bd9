/*
 * Secret keys on disk: one line of base64, mode 0600 or 0400, a regular file owned by its reader or
 * root, not a symbolic link, not in a directory that others may write to (unless sticky). Root may
 * also read the key of a service: file and directory then have the same owner, or the directory is
 * root's, sticky, and not everybody's to write to. Keys are never printed, logged or in argv.
 */
#ifndef KEYFILE_H
#define KEYFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "noise.h"

/* Beside a key that is being replaced lies the next one (postern rotate). */
#define KEYFILE_NEXT_SUFFIX ".next"

/*
 * 0, or -1 with path, reason and remedy in error ("PATH: mode 0644 lets others read this key; chmod
 * 600 PATH").
 */
int keyfile_read(uint8_t key[32], const char *path, char *error, size_t error_size);
int keyfile_read_static(struct noise_keypair *keypair, const char *path, char *error,
			size_t error_size);
/* Does the file hold a key, and nothing else? Whoever owns it, whatever its mode. */
bool keyfile_is_key(int fd);
/* Creates PATH (O_EXCL, 0600, fsync'ed); an existing file is never touched. */
int keyfile_create(const char *path, const uint8_t key[32], char *error, size_t error_size);

#endif
