/* Slots on a disk, and one fdatasync(2) for all who wait for one. See journal_file.h. */
#include "journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/durable_file.h"

static int fail(char *error, size_t error_size, const char *path, const char *what)
{
	snprintf(error, error_size, "%s: %s", path, what);
	return -1;
}

static int check(int fd, const char *path, char *error, size_t error_size)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return fail(error, error_size, path, strerrordesc_np(errno));
	if (!S_ISREG(status.st_mode))
		return fail(error, error_size, path, "is not a regular file");
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return fail(error, error_size, path,
			    errno == EWOULDBLOCK ? "another postern-edge is using this journal" :
						   strerrordesc_np(errno));
	return 0;
}

/* All of its space, now. A journal that is larger than wanted stays so: what it holds counts. */
static int take_space(struct journal_file *file, const char *path, uint32_t slots, char *error,
		      size_t error_size)
{
	struct stat status;
	uint64_t size = (uint64_t)slots * JOURNAL_RECORD_BYTES;
	int result;

	if (fstat(file->fd, &status) != 0)
		return fail(error, error_size, path, strerrordesc_np(errno));
	if ((uint64_t)status.st_size > size)
		size = (uint64_t)status.st_size / JOURNAL_RECORD_BYTES * JOURNAL_RECORD_BYTES;
	while ((result = posix_fallocate(file->fd, 0, (off_t)size)) == EINTR)
		;
	if (result == 0 && fsync(file->fd) != 0)
		result = errno;
	if (result != 0) {
		snprintf(error, error_size, "%s: no space for %llu bytes (journal_size): %s", path,
			 (unsigned long long)size, strerrordesc_np(result));
		return -1;
	}
	file->slots = (uint32_t)(size / JOURNAL_RECORD_BYTES);
	return 0;
}

int journal_file_open(struct journal_file *file, const char *path, uint32_t slots, char *error,
		      size_t error_size)
{
	*file = (struct journal_file){ .lock = PTHREAD_MUTEX_INITIALIZER };
	file->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	if (file->fd < 0)
		return fail(error, error_size, path, strerrordesc_np(errno));
	if (check(file->fd, path, error, error_size) < 0 ||
	    take_space(file, path, slots, error, error_size) < 0) {
		close(file->fd);
		return -1;
	}
	durable_file_sync_directory(path);
	return 0;
}

void journal_file_close(struct journal_file *file)
{
	close(file->fd);
	pthread_mutex_destroy(&file->lock);
}

bool journal_file_is_used(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	bool is_used = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return is_used;
}

static off_t offset_of(uint32_t slot)
{
	return (off_t)slot * JOURNAL_RECORD_BYTES;
}

int journal_file_read_many(const struct journal_file *file, uint32_t slot, uint32_t count,
			   uint8_t *records)
{
	size_t length = (size_t)count * JOURNAL_RECORD_BYTES, done = 0;

	while (done < length) {
		ssize_t got = pread(file->fd, records + done, length - done,
				    offset_of(slot) + (off_t)done);

		if (got == 0)
			errno = EIO;
		if (got == 0 || (got < 0 && errno != EINTR))
			return -1;
		if (got > 0)
			done += (size_t)got;
	}
	return 0;
}

int journal_file_read(const struct journal_file *file, uint32_t slot, uint8_t record[JOURNAL_RECORD_BYTES])
{
	return journal_file_read_many(file, slot, 1, record);
}

int journal_file_write(struct journal_file *file, uint32_t slot,
		       const uint8_t record[JOURNAL_RECORD_BYTES])
{
	size_t done = 0;

	while (done < JOURNAL_RECORD_BYTES) {
		ssize_t put = pwrite(file->fd, record + done, JOURNAL_RECORD_BYTES - done,
				     offset_of(slot) + (off_t)done);

		if (put < 0 && errno != EINTR)
			return -1;
		if (put > 0)
			done += (size_t)put;
	}
	return 0;
}

static int sync_disk(int fd)
{
	int result;

	while ((result = fdatasync(fd)) != 0 && errno == EINTR)
		;
	return result;
}

static void wake(struct journal_waiter *waiter)
{
	while (waiter != NULL) {
		/* The struct is on its thread's stack. */
		struct journal_waiter *next = waiter->next;

		sem_post(&waiter->woken);
		waiter = next;
	}
}

/* Caller holds the lock. Its turn, or none: nobody syncs any more. */
static struct journal_waiter *choose_leader(struct journal_file *file)
{
	struct journal_waiter *leader = file->waiting;

	file->is_syncing = leader != NULL;
	if (leader == NULL)
		return NULL;
	file->waiting = leader->next;
	leader->next = NULL;
	leader->leads = true;
	return leader;
}

/* Caller holds the lock; it is free while the disk works. Everybody who waits now gets the answer. 0, or an errno. */
static int lead(struct journal_file *file, uint64_t failures)
{
	struct journal_waiter *followers = file->waiting, *leader;
	int reason;

	file->waiting = NULL;
	pthread_mutex_unlock(&file->lock);
	reason = sync_disk(file->fd) == 0 ? 0 : errno;
	pthread_mutex_lock(&file->lock);
	if (reason != 0)
		file->failures++;
	for (struct journal_waiter *waiter = followers; waiter != NULL; waiter = waiter->next)
		waiter->reason = file->failures == waiter->failures ? 0 : EIO;
	if (reason == 0 && file->failures != failures)
		reason = EIO;
	leader = choose_leader(file);
	/* The disk shall not wait for those who have their answer. */
	wake(leader);
	wake(followers);
	return reason;
}

/* Caller holds the lock, which is free while it sleeps. Returns whether it is to lead. */
static bool sleep_as_waiter(struct journal_file *file, uint64_t failures, int *reason_out)
{
	struct journal_waiter waiter = { .failures = failures, .next = file->waiting };

	sem_init(&waiter.woken, 0, 0);
	file->waiting = &waiter;
	pthread_mutex_unlock(&file->lock);
	while (sem_wait(&waiter.woken) != 0)
		;
	sem_destroy(&waiter.woken);
	*reason_out = waiter.reason;
	return waiter.leads;
}

uint64_t journal_file_failures(struct journal_file *file)
{
	uint64_t failures;

	pthread_mutex_lock(&file->lock);
	failures = file->failures;
	pthread_mutex_unlock(&file->lock);
	return failures;
}

int journal_file_sync(struct journal_file *file, uint64_t failures)
{
	int reason = 0;

	pthread_mutex_lock(&file->lock);
	if (!file->is_syncing) {
		file->is_syncing = true;
	} else if (sleep_as_waiter(file, failures, &reason)) {
		pthread_mutex_lock(&file->lock);
	} else {
		errno = reason;
		return reason == 0 ? 0 : -1;
	}
	reason = lead(file, failures);
	pthread_mutex_unlock(&file->lock);
	errno = reason;
	return reason == 0 ? 0 : -1;
}
