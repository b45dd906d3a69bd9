/*
 * A static key pair held in this process: locked, guarded memory, used only through the handshake's
 * dh callback. (A key held by another process offers the same struct noise_static_key.)
 */
#ifndef STATIC_KEY_H
#define STATIC_KEY_H

#include <stddef.h>

#include "noise.h"

/* Reads the key file. 0, or -1 with the reason (keyfile_read's). Wipe it in any case when done. */
int static_key_read(struct noise_static_key *key, const char *path, char *error, size_t error_size);
void static_key_wipe(struct noise_static_key *key);

#endif
