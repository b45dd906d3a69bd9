/*
 * Landlock first: the filter of system calls then need not allow the keeper to change it.
 *
 * A build with sanitizers has no filter: their runtimes make calls of their own, and end by tracing
 * themselves. They write reports, too, and read /proc; the worker may do that, in such a build.
 */
#include "sandbox.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZERS 1
#else
#define HAS_SANITIZERS 0
#endif

static int fail(const char *what, char *error, size_t error_size)
{
	snprintf(error, error_size, "cannot confine this process: %s: %s", what, strerror(errno));
	return -1;
}

static int restrict_calls(enum sandbox_process process, const struct endpoint *server, char *error, size_t error_size)
{
	if (HAS_SANITIZERS || sandbox_calls_restrict(process, server) == 0)
		return 0;
	return fail("seccomp", error, error_size);
}

/* The directory of their option log_path; not by asking them, since that would make a report. */
static int allow_reports(struct landlock *landlock, const char *options)
{
	const char *found = options != NULL ? strstr(options, "log_path=/") : NULL;
	char path[PATH_MAX];

	if (found == NULL)
		return 0;
	found += strlen("log_path=");
	snprintf(path, sizeof(path), "%.*s", (int)strcspn(found, ":"), found);
	return landlock_allow_path(landlock, dirname(path), LANDLOCK_STATE);
}

static int allow_sanitizers(struct landlock *landlock)
{
	if (!HAS_SANITIZERS)
		return 0;
	return landlock_allow_path(landlock, "/proc", LANDLOCK_READ) < 0 ||
			       landlock_allow_path(landlock, "/sys", LANDLOCK_READ) < 0 ||
			       allow_reports(landlock, getenv("ASAN_OPTIONS")) < 0 ||
			       allow_reports(landlock, getenv("TSAN_OPTIONS")) < 0
		       ? -1
		       : 0;
}

int sandbox_enter_worker(const struct sandbox_grants *grants, char *error, size_t error_size)
{
	struct landlock landlock;

	/* It connects to resolvers at any port, and to systemd's socket, which may be abstract. */
	if (landlock_begin(&landlock, LANDLOCK_NO_BIND | LANDLOCK_NO_SIGNAL) < 0)
		return fail("landlock_create_ruleset", error, error_size);
	for (size_t i = 0; i < grants->count; i++)
		if (landlock_allow_path(&landlock, grants->items[i].path, grants->items[i].access) <
		    0)
			return fail(grants->items[i].path, error, error_size);
	/* source4= and source6= of tenants; to listen is a call that it may not make. */
	if (landlock_allow_source(&landlock) < 0)
		return fail("landlock_add_rule", error, error_size);
	if (allow_sanitizers(&landlock) < 0)
		return fail("sanitizers", error, error_size);
	if (landlock_enforce(&landlock) < 0)
		return fail("landlock_restrict_self", error, error_size);
	return restrict_calls(SANDBOX_WORKER, NULL, error, error_size);
}

int sandbox_enter_keeper(const struct endpoint *server, char *error, size_t error_size)
{
	struct landlock landlock;

	if (landlock_begin(&landlock, LANDLOCK_NO_BIND | LANDLOCK_NO_CONNECT | LANDLOCK_NO_SIGNAL |
					      LANDLOCK_NO_ABSTRACT) < 0)
		return fail("landlock_create_ruleset", error, error_size);
	if (landlock_allow_path(&landlock, "/", LANDLOCK_READ) < 0 ||
	    (server != NULL && !server->is_unix &&
	     landlock_allow_connect(&landlock, (uint16_t)strtoul(server->port, NULL, 10)) < 0))
		return fail("landlock_add_rule", error, error_size);
	if (allow_sanitizers(&landlock) < 0)
		return fail("sanitizers", error, error_size);
	if (landlock_enforce(&landlock) < 0)
		return fail("landlock_restrict_self", error, error_size);
	return restrict_calls(SANDBOX_KEEPER, server, error, error_size);
}

void sandbox_warn(void)
{
	if (landlock_version() == 0)
		log_warning("this kernel has no Landlock: the process that talks to the network is "
			    "kept from the key "
			    "file only by who it runs as, which is the key's owner");
	if (!HAS_SANITIZERS && !sandbox_calls_are_available())
		log_warning("this kernel has no seccomp: whoever takes a process over may make any "
			    "system call");
}
