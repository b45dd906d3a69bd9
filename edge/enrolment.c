/*
 * Decides, then writes one line. What is decided is looked up under a lock on the file, as during a
 * restart two keepers serve for a moment; in one keeper there is one thread.
 *
 * No system call is needed for it that the keeper had not before (sandbox_calls.c): the descriptor
 * writes through to the disk by itself, and the lock is fcntl(2)'s. What was not written to its end does
 * not count, and gets a word that makes it bad for ever: a line that nobody was told of shall not become
 * good by what comes after it.
 */
#include "enrolment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "lib/deadline.h"
#include "lib/log.h"
#include "tunnel/base64_key.h"
#include "tunnel/enrolled_keys.h"
#include "tunnel/noise.h"

#define LOCK_MS 2000
#define LOCK_LOOK_US 5000
/* A disk with less is full: nothing is begun there. */
#define ROOM_MIN 65536
/* Ends a line that has no end. */
#define TORN " torn\n"
/* Enough of a key to find it in a list. */
#define KEY_HINT 8

void enrolment_open(struct enrolment *enrolment, const char *path, bool is_trial)
{
	const int flags = O_RDWR | O_APPEND | O_SYNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

	*enrolment = (struct enrolment){ .fd = -1, .path = path, .error = ENOENT };
	if (path == NULL)
		return;
	enrolment->fd = open(path, flags | (is_trial ? 0 : O_CREAT), 0600);
	if (enrolment->fd < 0)
		enrolment->error = errno;
}

void enrolment_close(struct enrolment *enrolment)
{
	if (enrolment->fd >= 0)
		close(enrolment->fd);
	enrolment->fd = -1;
}

static enum enrolment_result __attribute__((format(printf, 4, 5)))
say(enum enrolment_result result, char *reason, size_t reason_size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, reason_size, format, arguments);
	va_end(arguments);
	return result;
}

/* ---- the file ---- */

static bool set_lock(int fd, short type)
{
	struct flock whole = { .l_type = type, .l_whence = SEEK_SET };

	/* Of the open file, not of the process: another keeper in one process is another one, too. */
	return fcntl(fd, F_OFD_SETLK, &whole) == 0;
}

static bool lock(int fd)
{
	struct deadline deadline = deadline_in_ms(LOCK_MS);

	while (!set_lock(fd, F_WRLCK)) {
		if ((errno != EAGAIN && errno != EACCES) || deadline_has_passed(deadline))
			return false;
		usleep(LOCK_LOOK_US);
	}
	return true;
}

/* One that was replaced or removed since the start would take the line with it. */
static bool is_the_file(const struct enrolment *enrolment, const struct stat *status)
{
	struct stat named;

	return stat(enrolment->path, &named) == 0 && named.st_dev == status->st_dev &&
	       named.st_ino == status->st_ino;
}

static bool has_room(int fd)
{
	struct statfs disk;

	return fstatfs(fd, &disk) != 0 ||
	       (uint64_t)disk.f_bavail * (uint64_t)disk.f_bsize >= ROOM_MIN;
}

/* 0, or -1 with errno. */
static int append(const struct enrolment *enrolment, const struct enrolled_key *key, off_t size)
{
	char text[sizeof(TORN) + ENROLLED_KEYS_LINE_MAX] = "", last = '\n';
	size_t used = 0;
	ssize_t written;

	if (!has_room(enrolment->fd)) {
		errno = ENOSPC;
		return -1;
	}
	if (size > 0 && pread(enrolment->fd, &last, 1, size - 1) != 1)
		return -1;
	if (last != '\n') {
		strcpy(text, TORN);
		used = strlen(TORN);
	}
	enrolled_keys_print(key, text + used);
	written = write(enrolment->fd, text, strlen(text));
	if (written == (ssize_t)strlen(text))
		return 0;
	if (written >= 0)
		errno = ENOSPC;
	return -1;
}

static int write_line(const struct enrolment *enrolment, const struct enrolled_key *key)
{
	struct stat status;

	if (fstat(enrolment->fd, &status) != 0)
		return -1;
	if (is_the_file(enrolment, &status))
		return append(enrolment, key, status.st_size);
	errno = ESTALE;
	return -1;
}

/* ---- the decision ---- */

static enum enrolment_result refuse_unwritten(const struct enrolment *enrolment, int error,
					      const char *name, char *reason, size_t reason_size)
{
	log_error("client=%s: cannot be enrolled: %s: %s%s", name,
		  enrolment->path != NULL ? enrolment->path : "enrolled_clients", strerror(error),
		  enrolment->fd < 0 || error == ESTALE
			  ? "; make it as the edge's user and restart the edge"
			  : "");
	return say(ENROLMENT_REFUSED, reason, reason_size,
		   "the edge cannot write down the new key: %s; its log says what to do; the "
		   "invite stays good, try "
		   "again with the same key",
		   strerror(error));
}

static bool is_of_an_invite(struct client_list *clients, const uint8_t key[32])
{
	struct authorized_client ignored;
	bool result = client_list_find_invite(clients, key, &ignored);

	explicit_bzero(&ignored, sizeof(ignored));
	return result;
}

/* DONE: go on and write it. */
static enum enrolment_result judge(struct client_list *clients,
				   const struct authorized_client *invite,
				   const uint8_t *client_key, int64_t now, char *reason,
				   size_t reason_size)
{
	char moment[UTC_TIME_TEXT + 1], clock[UTC_TIME_TEXT + 1], hint[BASE64_KEY_TEXT + 1];

	if (!invite->is_pending) {
		base64_key_encode(hint, invite->public_key);
		return say(ENROLMENT_USED, reason, reason_size,
			   "this invite was used at %s, by the key %.*s...; an invite is good for "
			   "one mail host",
			   utc_time_print(invite->enrolled, moment), KEY_HINT, hint);
	}
	if (now >= invite->options.invite_expires)
		return say(ENROLMENT_EXPIRED, reason, reason_size,
			   "this invite expired at %s; the edge's clock says %s",
			   utc_time_print(invite->options.invite_expires, moment),
			   utc_time_print(now, clock));
	if (client_key == NULL || noise_key_looks_secret(client_key))
		return say(ENROLMENT_REFUSED, reason, reason_size,
			   "this is no public key of a mail host; nothing was enrolled");
	if (client_list_find(clients, client_key, NULL) || is_of_an_invite(clients, client_key))
		return say(ENROLMENT_REFUSED, reason, reason_size,
			   "this key is in this edge's list already; nothing was enrolled, and the "
			   "invite stays good");
	return ENROLMENT_DONE;
}

static enum enrolment_result add(struct enrolment *enrolment, struct client_list *clients,
				 const uint8_t invite_key[32], const uint8_t *client_key,
				 char *reason, size_t reason_size)
{
	struct authorized_client invite;
	struct enrolled_key line = { .time = time(NULL) };
	enum enrolment_result result;
	char hint[BASE64_KEY_TEXT + 1];

	if (clients == NULL || !client_list_find_invite(clients, invite_key, &invite))
		return say(ENROLMENT_REFUSED, reason, reason_size,
			   "the edge does not know this invite any more: it was taken back");
	if (!invite.is_pending && client_key != NULL &&
	    memcmp(invite.public_key, client_key, NOISE_DHLEN) == 0)
		return say(ENROLMENT_DONE, reason, reason_size, "this key was enrolled before");
	result = judge(clients, &invite, client_key, line.time, reason, reason_size);
	if (result != ENROLMENT_DONE)
		return result;
	if (enrolment->fd < 0)
		return refuse_unwritten(enrolment, enrolment->error, invite.name, reason,
					reason_size);
	memcpy(line.invite_key, invite_key, sizeof(line.invite_key));
	memcpy(line.client_key, client_key, sizeof(line.client_key));
	if (write_line(enrolment, &line) < 0)
		return refuse_unwritten(enrolment, errno, invite.name, reason, reason_size);
	base64_key_encode(hint, client_key);
	log_info("client=%s: the key %.*s... was enrolled by an invite", invite.name, KEY_HINT,
		 hint);
	return say(ENROLMENT_DONE, reason, reason_size, "the key was enrolled");
}

enum enrolment_result enrolment_add(struct enrolment *enrolment, struct client_list *clients,
				    const uint8_t invite_key[32], const uint8_t *client_key,
				    char *reason, size_t reason_size)
{
	enum enrolment_result result;

	if (enrolment->fd >= 0 && !lock(enrolment->fd))
		return refuse_unwritten(enrolment, errno, "(any)", reason, reason_size);
	result = add(enrolment, clients, invite_key, client_key, reason, reason_size);
	if (enrolment->fd >= 0)
		set_lock(enrolment->fd, F_UNLCK);
	return result;
}
