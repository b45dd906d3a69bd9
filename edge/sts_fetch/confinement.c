/*
 * What postern-sts-fetch gives up. It runs as the edge's user and inside what the edge's worker may
 * do (edge/sandbox.h), which is not enough for a program that reads what a stranger's web server
 * sends: a fault in libcurl or OpenSSL shall not reach the edge's state either.
 */
#include "confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge/landlock.h"

/* Shadow memory of the sanitizers is terabytes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_MAX RLIM_INFINITY
#else
#define MEMORY_MAX (512 * 1024 * 1024)
#endif
#define CPU_SECONDS_MAX 20
#define OUTPUT_MAX (1024 * 1024)
#define DESCRIPTORS_MAX 32

static int fail(const char *what, char *error, size_t error_size)
{
	snprintf(error, error_size, "%s: %m", what);
	return -1;
}

/* So that no socket ever gets one of these numbers. */
static int open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -1;
	closefrom(STDERR_FILENO + 1);
	return 0;
}

/* Somebody at a shell wants the output in a file; the edge gives us pipes. */
static bool writes_to_file(void)
{
	struct stat status;

	return (fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode)) ||
	       (fstat(STDERR_FILENO, &status) == 0 && S_ISREG(status.st_mode));
}

static int set_limits(void)
{
	const struct {
		int resource;
		rlim_t maximum;
	} limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_FSIZE, writes_to_file() ? OUTPUT_MAX : 0 },
		{ RLIMIT_NPROC, 0 },
		{ RLIMIT_AS, MEMORY_MAX },
		{ RLIMIT_CPU, CPU_SECONDS_MAX },
		{ RLIMIT_NOFILE, DESCRIPTORS_MAX },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit limit = { limits[i].maximum, limits[i].maximum }, now;

		/* A lower one that is in force already stays. */
		if (getrlimit((__rlimit_resource_t)limits[i].resource, &now) != 0)
			return -1;
		if (now.rlim_max < limit.rlim_max)
			limit.rlim_cur = limit.rlim_max = now.rlim_max;
		if (setrlimit((__rlimit_resource_t)limits[i].resource, &limit) != 0)
			return -1;
	}
	return 0;
}

int confinement_begin(char *error, size_t error_size)
{
	/* A starter that died before this line leaves us until our own time is up. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		return fail("PR_SET_PDEATHSIG", error, error_size);
	if (open_standard_descriptors() < 0)
		return fail("/dev/null", error, error_size);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return fail("PR_SET_NO_NEW_PRIVS", error, error_size);
	if (prctl(PR_SET_DUMPABLE, 0) != 0)
		return fail("PR_SET_DUMPABLE", error, error_size);
	/* Writing beyond a limit or to nobody is an error to report, not the end. */
	if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return fail("signal", error, error_size);
	return set_limits() == 0 ? 0 : fail("setrlimit", error, error_size);
}

int confinement_seal(uint16_t port, char *error, size_t error_size)
{
	struct landlock landlock;

	if (landlock_begin(&landlock, LANDLOCK_NO_CONNECT | LANDLOCK_NO_BIND | LANDLOCK_NO_SIGNAL |
				      LANDLOCK_NO_ABSTRACT) < 0)
		return fail("landlock_create_ruleset", error, error_size);
	if (landlock_allow_connect(&landlock, port) < 0)
		return fail("landlock_add_rule", error, error_size);
	if (landlock_enforce(&landlock) < 0)
		return fail("landlock_restrict_self", error, error_size);
	return 0;
}
