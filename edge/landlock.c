/*
 * landlock(7) has no wrapper in the C library. Its structures are declared here because headers
 * that know network and scopes are newer than Debian 12; the kernel takes the longer one as long as
 * the part that it does not know is zero.
 *
 * A rule is tied to what the path leads to now, not to the path: a file that is replaced later is
 * not allowed any more, a file that comes into an allowed directory is.
 */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* since version 4 */
	uint64_t scoped;	     /* since version 6 */
};

struct path_rule {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

struct net_port_rule {
	uint64_t allowed_access;
	uint64_t port;
};

#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH 1
#define RULE_NET_PORT 2
#define NET_BIND_TCP 1U
#define NET_CONNECT_TCP 2U
#define SCOPE_ABSTRACT_UNIX_SOCKET 1U
#define SCOPE_SIGNAL 2U

#define FS_EXECUTE (1U << 0)
#define FS_WRITE_FILE (1U << 1)
#define FS_READ_FILE (1U << 2)
#define FS_READ_DIR (1U << 3)
#define FS_REMOVE_DIR (1U << 4)
#define FS_REMOVE_FILE (1U << 5)
#define FS_MAKE_DIR (1U << 7)
#define FS_MAKE_REG (1U << 8)
#define FS_TRUNCATE (1U << 14) /* since version 3 */
/* Those that are about a file; the others are about what is in a directory. */
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)

/* Every right over files that this version knows: one bit each. */
static uint64_t all_file_rights(long version)
{
	static const unsigned bits[] = { 13, 14, 15, 15, 16 };
	size_t known = sizeof(bits) / sizeof(bits[0]);

	return (UINT64_C(1) << bits[(size_t)version < known ? (size_t)version - 1 : known - 1]) - 1;
}

static uint64_t rights(enum landlock_access access)
{
	switch (access) {
	case LANDLOCK_READ:
		return FS_READ_FILE | FS_READ_DIR;
	case LANDLOCK_RUN:
		return FS_READ_FILE | FS_READ_DIR | FS_EXECUTE;
	case LANDLOCK_DEVICE:
		return FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE;
	case LANDLOCK_STATE:
		return FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG |
		       FS_MAKE_DIR | FS_REMOVE_FILE | FS_REMOVE_DIR;
	}
	return 0;
}

long landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

	return version > 0 ? version : 0;
}

int landlock_begin(struct landlock *landlock, unsigned denied)
{
	struct ruleset ruleset = { 0 };

	*landlock = (struct landlock){ .fd = -1, .version = landlock_version() };
	if (landlock->version == 0)
		return 0;
	ruleset.handled_access_fs = all_file_rights(landlock->version);
	if (landlock->version >= 4)
		ruleset.handled_access_net =
			((denied & LANDLOCK_NO_BIND) != 0 ? NET_BIND_TCP : 0) |
			((denied & LANDLOCK_NO_CONNECT) != 0 ? NET_CONNECT_TCP : 0);
	if (landlock->version >= 6)
		ruleset.scoped =
			((denied & LANDLOCK_NO_ABSTRACT) != 0 ? SCOPE_ABSTRACT_UNIX_SOCKET : 0) |
			((denied & LANDLOCK_NO_SIGNAL) != 0 ? SCOPE_SIGNAL : 0);
	landlock->fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	return landlock->fd >= 0 ? 0 : -1;
}

static int add_path(struct landlock *landlock, int path_fd, enum landlock_access access)
{
	struct path_rule rule = { rights(access) & all_file_rights(landlock->version), path_fd };
	struct stat status;

	if (fstat(path_fd, &status) != 0)
		return -1;
	if (!S_ISDIR(status.st_mode))
		rule.allowed_access &= FS_OF_FILES;
	return (int)syscall(SYS_landlock_add_rule, landlock->fd, RULE_PATH_BENEATH, &rule, 0);
}

int landlock_allow_path(struct landlock *landlock, const char *path, enum landlock_access access)
{
	int path_fd, result;

	if (landlock->fd < 0)
		return 0;
	path_fd = open(path, O_PATH | O_CLOEXEC);
	if (path_fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	result = add_path(landlock, path_fd, access);
	close(path_fd);
	return result;
}

static int allow_port(struct landlock *landlock, uint64_t access, uint16_t port)
{
	struct net_port_rule rule = { .allowed_access = access, .port = port };

	if (landlock->version < 4)
		return 0;
	return (int)syscall(SYS_landlock_add_rule, landlock->fd, RULE_NET_PORT, &rule, 0);
}

int landlock_allow_connect(struct landlock *landlock, uint16_t port)
{
	return allow_port(landlock, NET_CONNECT_TCP, port);
}

int landlock_allow_source(struct landlock *landlock)
{
	return allow_port(landlock, NET_BIND_TCP, 0);
}

int landlock_enforce(struct landlock *landlock)
{
	int result, saved_errno;

	if (landlock->fd < 0)
		return 0;
	result = (int)syscall(SYS_landlock_restrict_self, landlock->fd, 0);
	saved_errno = errno;
	close(landlock->fd);
	landlock->fd = -1;
	errno = saved_errno;
	return result;
}
