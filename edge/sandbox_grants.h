/* The files that the worker may open by itself, by name: the table behind its Landlock rules. */
#ifndef SANDBOX_GRANTS_H
#define SANDBOX_GRANTS_H

#include <stddef.h>

#include "landlock.h"

#define SANDBOX_GRANTS_MAX 24

struct sandbox_grant {
	const char *path; /* a file, or a directory and all below it */
	enum landlock_access access;
};

struct sandbox_grants {
	struct sandbox_grant items[SANDBOX_GRANTS_MAX];
	size_t count;
};

/* state_directory must live as long. */
void sandbox_grants_init(struct sandbox_grants *grants, const char *state_directory);
/* The granted path that `file` is or lies below, links resolved; NULL: none, or no such file. */
const char *sandbox_grants_reach(const struct sandbox_grants *grants, const char *file);

#endif
