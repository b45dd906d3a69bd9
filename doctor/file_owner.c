/* stat(2), from the file up to the root. */
#include "file_owner.h"

#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool is_in_strange_hands(const struct stat *status, uid_t user)
{
	bool is_shared = S_ISDIR(status->st_mode) && (status->st_mode & S_ISVTX) != 0;

	if (status->st_uid != 0 && status->st_uid != user)
		return true;
	if (is_shared)
		return false;
	return (status->st_mode & S_IWOTH) != 0 || ((status->st_mode & S_IWGRP) != 0 && status->st_gid != 0);
}

const char *file_owner_stranger(const char *path, const char *user, char *where, size_t size)
{
	const struct passwd *entry = user != NULL ? getpwnam(user) : NULL;
	char place[PATH_MAX], *next = place;
	struct stat status;

	snprintf(place, sizeof(place), "%s", path);
	for (;;) {
		if (stat(next, &status) == 0 && is_in_strange_hands(&status, entry != NULL ? entry->pw_uid : 0)) {
			snprintf(where, size, "%s", next);
			return where;
		}
		if (strcmp(next, "/") == 0 || strcmp(next, ".") == 0)
			return NULL;
		next = dirname(next);
	}
}
