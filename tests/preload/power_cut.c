/*
 * A disk that can lose its power. Preloaded into postern-edge, it tells a listener at $POWER_CUT_DISK, a Unix socket, when a
 * sync of a file begins and when it has ended, and waits for a byte each time: the listener (power.py) notes what is on the disk now.
 *
 * Everything is opened before the program's main(), so that its sandbox does not matter. A listener that goes away ends
 * the program: what it does then is not what is measured. It speaks by sendmmsg(2) and recvmmsg(2), which the program does not use,
 * and the explorer does not count: no point of a delivery is one of ours.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
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

static int disk = -1;	/* fixed before main(); a child has none */
static atomic_uint_fast64_t syncs;	/* so many have begun: the number of the next */
static pthread_mutex_t disk_lock = PTHREAD_MUTEX_INITIALIZER;	/* one question at a time */

static void fail(const char *what)
{
	perror(what);
	abort();
}

/* What the child would say there were answered to either of us. */
static void close_in_child(void)
{
	if (disk >= 0)
		close(disk);
	disk = -1;
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
	if (pthread_atfork(NULL, NULL, close_in_child) != 0)
		fail("power cut: pthread_atfork");
	unsetenv("POWER_CUT_DISK");
	unsetenv("LD_PRELOAD");
}

static struct mmsghdr message_of(struct iovec *part)
{
	return (struct mmsghdr){ .msg_hdr = { .msg_iov = part, .msg_iovlen = 1 } };
}

static void tell(uint64_t what, uint64_t inode, uint64_t number)
{
	uint64_t text[] = { what, inode, number };
	char answer;
	struct iovec question = { text, sizeof(text) }, room = { &answer, 1 };
	struct mmsghdr out = message_of(&question), in = message_of(&room);
	int got;

	pthread_mutex_lock(&disk_lock);
	if (sendmmsg(disk, &out, 1, MSG_NOSIGNAL) != 1 || out.msg_len != sizeof(text))
		fail("power cut: sendmmsg");
	while ((got = recvmmsg(disk, &in, 1, 0, NULL)) < 0 && errno == EINTR)
		;
	pthread_mutex_unlock(&disk_lock);
	if (got != 1 || in.msg_len != 1)
		fail("power cut: recvmmsg");
}

static int sync_and_tell(long call, int fd)
{
	uint64_t number = atomic_fetch_add(&syncs, 1);
	struct stat status;
	int result;

	if (disk < 0 || fstat(fd, &status) < 0)
		return (int)syscall(call, fd);
	tell(SYNC_BEGINS, status.st_ino, number);
	result = (int)syscall(call, fd);
	if (result == 0)
		tell(SYNC_HAS_ENDED, status.st_ino, number);
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
