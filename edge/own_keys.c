/*
 * `postern rotate --finish` renames the second file over the first. Between the two looks of a
 * refresh that may happen, so the same key may be there twice for a second, and never none.
 */
#include "own_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/table.h"
#include "tunnel/keyfile.h"
#include "tunnel/static_key.h"

static const char *path_of(const struct own_keys *keys, size_t index)
{
	return index == 0 ? keys->path : keys->next_path;
}

static bool is_there(const char *path, struct stat *seen)
{
	memset(seen, 0, sizeof(*seen));
	return stat(path, seen) == 0 || errno != ENOENT;
}

int own_keys_open(struct own_keys *keys, const char *path, char *error, size_t error_size)
{
	memset(keys, 0, sizeof(*keys));
	keys->path = path;
	if (asprintf(&keys->next_path, "%s" KEYFILE_NEXT_SUFFIX, path) < 0) {
		keys->next_path = NULL;
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	is_there(path, &keys->seen[0]);
	if (static_key_read(&keys->keys[0], path, error, error_size) < 0)
		return -1;
	if (!is_there(keys->next_path, &keys->seen[1]))
		return 0;
	return static_key_read(&keys->keys[1], keys->next_path, error, error_size);
}

static void replace(struct own_keys *keys, size_t index, struct noise_static_key fresh)
{
	static_key_wipe(&keys->keys[index]);
	keys->keys[index] = fresh;
}

static void refresh_one(struct own_keys *keys, size_t index)
{
	const struct noise_static_key none = { .context = NULL };
	const char *path = path_of(keys, index);
	struct noise_static_key fresh;
	char error[512];

	if (!table_has_changed(path, &keys->seen[index]))
		return;
	if (!is_there(path, &keys->seen[index]) && index > 0) {
		log_info("%s is gone: the edge has one key again", path);
		replace(keys, index, none);
	} else if (static_key_read(&fresh, path, error, sizeof(error)) == 0) {
		log_info("%s was read", path);
		replace(keys, index, fresh);
	} else {
		log_error("%s; %s", error,
			  keys->keys[index].context != NULL ? "the key read before stays in force" :
							      "it is not answered to");
	}
}

void own_keys_refresh(struct own_keys *keys)
{
	for (size_t i = 0; i < OWN_KEYS_MAX; i++)
		refresh_one(keys, i);
}

size_t own_keys_count(const struct own_keys *keys)
{
	return keys->keys[1].context != NULL ? 2 : 1;
}

const struct noise_static_key *own_keys_find(const struct own_keys *keys,
					     const uint8_t public_key[NOISE_DHLEN])
{
	for (size_t i = 0; i < own_keys_count(keys); i++)
		if (memcmp(keys->keys[i].public_key, public_key, NOISE_DHLEN) == 0)
			return &keys->keys[i];
	return NULL;
}

void own_keys_wipe(struct own_keys *keys)
{
	for (size_t i = 0; i < OWN_KEYS_MAX; i++)
		static_key_wipe(&keys->keys[i]);
	free(keys->next_path);
	keys->next_path = NULL;
}
