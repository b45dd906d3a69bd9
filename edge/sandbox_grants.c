/*
 * What the worker opens while it serves: its state; programs and libraries, for postern-sts-fetch
 * and what OpenSSL and the C library load late; the system's certificates, which OpenSSL looks up
 * one by one. What it reads of /etc/postern and /etc/resolv.conf the keeper opens for it
 * (keeper.h).
 */
#include "sandbox_grants.h"

#include <stdlib.h>
#include <string.h>

static const struct sandbox_grant of_the_system[] = {
	{ "/usr", LANDLOCK_RUN },
	{ "/lib", LANDLOCK_RUN },
	{ "/lib64", LANDLOCK_RUN },
	{ POSTERN_LIBEXECDIR, LANDLOCK_RUN },
	{ "/etc/ld.so.cache", LANDLOCK_READ },
	{ "/etc/ssl", LANDLOCK_READ },
	{ "/dev/null", LANDLOCK_DEVICE },
	{ "/dev/urandom", LANDLOCK_READ },
};

static void add(struct sandbox_grants *grants, const char *path, enum landlock_access access)
{
	if (grants->count < SANDBOX_GRANTS_MAX)
		grants->items[grants->count++] = (struct sandbox_grant){ path, access };
}

void sandbox_grants_init(struct sandbox_grants *grants, const char *state_directory)
{
	/* OpenSSL's own way to name other certificates of the system: they are no secret either. */
	const char *others[] = { getenv("SSL_CERT_FILE"), getenv("SSL_CERT_DIR") };

	grants->count = 0;
	for (size_t i = 0; i < sizeof(of_the_system) / sizeof(of_the_system[0]); i++)
		add(grants, of_the_system[i].path, of_the_system[i].access);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (others[i] != NULL)
			add(grants, others[i], LANDLOCK_READ);
	add(grants, state_directory, LANDLOCK_STATE);
}

static int is_at_or_below(const char *file, const char *directory)
{
	size_t length = strlen(directory);

	if (strcmp(directory, "/") == 0)
		return 1;
	return strncmp(file, directory, length) == 0 &&
	       (file[length] == '/' || file[length] == '\0');
}

const char *sandbox_grants_reach(const struct sandbox_grants *grants, const char *file)
{
	char *real = realpath(file, NULL), *granted;
	const char *found = NULL;

	for (size_t i = 0; real != NULL && found == NULL && i < grants->count; i++) {
		granted = realpath(grants->items[i].path, NULL);
		if (granted != NULL && is_at_or_below(real, granted))
			found = grants->items[i].path;
		free(granted);
	}
	free(real);
	return found;
}
