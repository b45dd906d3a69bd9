/*
 * A disk that can lose its power. Preloaded into postern-edge, it tells a listener at $POWER_CUT_DISK, a Unix socket, when a
 * sync of a file begins and when it has ended, and waits for a byte each time: the listener (power.py) notes what is on the disk now.
 *
 * Everything is opened before the program's main(), so that its sandbox does not matter. A listener that goes away ends
 * the program: what it does then is not what is measured.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { SYNC_BEGINS, SYNC_HAS_ENDED };

static int disk = -1;	/* fixed before main() */
static pthread_mutex_t disk_lock = PTHREAD_MUTEX_INITIALIZER;	/* one question at a time */

static void fail(const char *what)
{
	perror(what);
	abort();
}

__attribute__((constructor)) static void open_disk(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("POWER_CUT_DISK");

	if (path == NULL)
		return;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	disk = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (disk < 0 || connect(disk, (const struct sockaddr *)&address, sizeof(address)) < 0)
		fail(path);
	unsetenv("POWER_CUT_DISK");
	unsetenv("LD_PRELOAD");
}

static void tell(uint64_t what, int fd)
{
	struct stat status;
	uint64_t message[2] = { what };
	char answer;
	ssize_t got;

	if (disk < 0 || fstat(fd, &status) < 0)
		return;
	message[1] = status.st_ino;
	pthread_mutex_lock(&disk_lock);
	if (write(disk, message, sizeof(message)) != (ssize_t)sizeof(message))
		fail("power cut: write");
	while ((got = read(disk, &answer, 1)) < 0 && errno == EINTR)
		;
	pthread_mutex_unlock(&disk_lock);
	if (got != 1)
		fail("power cut: read");
}

static int sync_and_tell(long call, int fd)
{
	int result;

	tell(SYNC_BEGINS, fd);
	result = (int)syscall(call, fd);
	if (result == 0)
		tell(SYNC_HAS_ENDED, fd);
	return result;
}

int fsync(int fd)
{
	return sync_and_tell(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return sync_and_tell(SYS_fdatasync, fd);
}
