/*
 * A disk that fails when told to, and that knows what would be left of a file if the power went;
 * a clock that can be moved; and who waits for a condition. These stand in for functions of libc: a
 * program's own definitions come before it, also for the archives that it is linked with.
 */
#ifndef FAKE_DISK_H
#define FAKE_DISK_H

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/preload/time_of_clock.h"

#define FAKE_DISK_MAX (64 * 1024)

static struct {
	_Atomic int write_error, sync_error;	/* errno; 0: it works */
	_Atomic unsigned writes, syncs;				/* that were asked for */
	_Atomic bool holds_syncs;				/* they do not end */
	_Atomic unsigned sync_errors_left;			/* 0: no end */
	_Atomic int64_t clock_ahead_s;				/* of all clocks: time has passed */
	_Atomic int64_t wall_ahead_s;				/* somebody has set the clock */
	_Atomic unsigned waiting;				/* threads, in pthread_cond_timedwait(3) */
	/* Of the file that was synced last, what is safe; for programs with one thread. */
	uint8_t durable[FAKE_DISK_MAX];
	bool is_recording;
} fake_disk;

static inline void fake_disk_reset(void)
{
	fake_disk.write_error = fake_disk.sync_error = 0;
	fake_disk.writes = fake_disk.syncs = fake_disk.waiting = 0;
	fake_disk.clock_ahead_s = fake_disk.wall_ahead_s = 0;
	fake_disk.holds_syncs = false;
	fake_disk.sync_errors_left = 0;
	fake_disk.is_recording = false;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at)
{
	fake_disk.writes++;
	if (fake_disk.write_error != 0) {
		errno = fake_disk.write_error;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, bytes, length, at);
}

int fdatasync(int fd)
{
	fake_disk.syncs++;
	while (fake_disk.holds_syncs)
		sched_yield();
	if (fake_disk.sync_error != 0) {
		errno = fake_disk.sync_error;
		if (fake_disk.sync_errors_left == 1)
			fake_disk.sync_error = 0;
		return -1;
	}
	if (fake_disk.is_recording &&
	    syscall(SYS_pread64, fd, fake_disk.durable, sizeof(fake_disk.durable), (off_t)0) < 0)
		return -1;
	return fake_disk.is_recording ? 0 : (int)syscall(SYS_fdatasync, fd);
}

/* Only files that were made just now: they need not outlive anything. */
int fsync(int fd)
{
	(void)fd;
	return 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = (int)syscall(SYS_clock_gettime, clock, now);

	now->tv_sec += fake_disk.clock_ahead_s;
	if (clock == CLOCK_REALTIME)
		now->tv_sec += fake_disk.wall_ahead_s;
	return result;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock,
			   const struct timespec *until)
{
	int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *) =
		(int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))(uintptr_t)dlsym(
			RTLD_NEXT, "pthread_cond_timedwait");
	int result;

	fake_disk.waiting++;
	result = wait(condition, lock, until);
	fake_disk.waiting--;
	return result;
}

#endif
