/*
 * What postern-sts-fetch gives up. It runs as the edge's user, so without this a fault in libcurl
 * or OpenSSL, which read what a stranger's web server sends, would lie next to the edge's key.
 *
 * landlock(7) has no wrapper in the C library. Its structures are declared here because headers
 * that know network and scopes are newer than Debian 12; the kernel takes the longer one as long as
 * the part that it does not know is zero.
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
#include <sys/syscall.h>
#include <unistd.h>

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

/* ---- landlock(7) ---- */

struct ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* since version 4 */
	uint64_t scoped;	     /* since version 6 */
};

struct net_port_rule {
	uint64_t allowed_access;
	uint64_t port;
};

#define CREATE_RULESET_VERSION 1U
#define RULE_NET_PORT 2
#define NET_BIND_TCP 1U
#define NET_CONNECT_TCP 2U
#define SCOPE_ABSTRACT_UNIX_SOCKET 1U
#define SCOPE_SIGNAL 2U

/* Every right over files that this version knows: one bit each. */
static uint64_t all_file_rights(long version)
{
	static const unsigned bits[] = { 13, 14, 15, 15, 16 };
	size_t known = sizeof(bits) / sizeof(bits[0]);

	return (UINT64_C(1) << bits[(size_t)version < known ? (size_t)version - 1 : known - 1]) - 1;
}

static int restrict_self(int ruleset_fd, uint16_t port, bool has_net)
{
	struct net_port_rule rule = { .allowed_access = NET_CONNECT_TCP, .port = port };

	if (has_net && syscall(SYS_landlock_add_rule, ruleset_fd, RULE_NET_PORT, &rule, 0) != 0)
		return -1;
	return syscall(SYS_landlock_restrict_self, ruleset_fd, 0) == 0 ? 0 : -1;
}

int confinement_seal(uint16_t port, char *error, size_t error_size)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	struct ruleset ruleset = { 0 };
	int fd, result;

	if (version < 1)
		return 0;
	ruleset.handled_access_fs = all_file_rights(version);
	if (version >= 4)
		ruleset.handled_access_net = NET_BIND_TCP | NET_CONNECT_TCP;
	if (version >= 6)
		ruleset.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
	fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	if (fd < 0)
		return fail("landlock_create_ruleset", error, error_size);
	result = restrict_self(fd, port, version >= 4);
	if (result < 0)
		fail("landlock_restrict_self", error, error_size);
	close(fd);
	return result;
}
