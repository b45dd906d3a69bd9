/*
 * A log is read by whoever may read it: a file that is there and cannot be read is an error and not a
 * reason to look somewhere else, as that would answer with half of the truth. For the same reason both files of the past
 * are open before the first line is read: who rotates them meanwhile takes nothing away.
 */
#include "mail_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Between two looks at a file that has not grown. */
#define LOOK_MS 50

extern char **environ;

/* As long as mail stays in a queue, and some. */
static const char *const journal_past[] = { "journalctl", "--quiet", "--no-pager", "--facility=mail",
					    "--output=short-iso-precise", "--since=-8d", NULL };

static int open_journal(struct mail_log *log, char *error, size_t error_size)
{
	char since[40];
	/* It takes its time to begin, and what is logged meanwhile must not be missed: all since this second. */
	const char *const journal_follow[] = { "journalctl", "--quiet", "--no-pager", "--facility=mail",
					       "--output=short-iso-precise", "--follow", "--no-tail", since, NULL };
	const char *const *arguments = log->mode == MAIL_LOG_PAST ? journal_past : journal_follow;
	posix_spawn_file_actions_t actions;
	int ends[2], failed;

	log->name = "the journal";
	snprintf(since, sizeof(since), "--since=@%lld", (long long)time(NULL));
	if (pipe2(ends, O_CLOEXEC) < 0) {
		snprintf(error, error_size, "no descriptors left: %s", strerror(errno));
		return -1;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	failed = posix_spawnp(&log->child, arguments[0], &actions, NULL, (char **)arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (failed == 0) {
		log->fd = ends[0];
		return 0;
	}
	log->child = 0;
	close(ends[0]);
	snprintf(error, error_size, "there is no %s, and journalctl cannot be run (%s); --file names the mail log",
		 MAIL_LOG_FILE, strerror(failed));
	return -1;
}

/* A descriptor, or -1 with error. A directory can be opened, but not read. */
static int open_one(const char *path, char *error, size_t error_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, error, 0) == 0)
		return fd;
	snprintf(error, error_size, "%s: %s%s", path, strerror(errno),
		 errno == EACCES ? "; are you root, or in the group adm?" : "");
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool is_same_file(int fd, const struct stat *other)
{
	struct stat ours;

	return fstat(fd, &ours) == 0 && ours.st_ino == other->st_ino && ours.st_dev == other->st_dev;
}

/* What was rotated comes first. If ours was just now, it is read as it is. */
static int open_rotated(struct mail_log *log, char *error, size_t error_size)
{
	char path[PATH_MAX + 3];
	struct stat rotated;
	int fd;

	snprintf(path, sizeof(path), "%s.1", log->path);
	if (lstat(path, &rotated) != 0 || (stat(path, &rotated) == 0 && is_same_file(log->fd, &rotated)))
		return 0;
	fd = open_one(path, error, error_size);
	if (fd < 0)
		return -1;
	log->next_fd = log->fd;
	log->fd = fd;
	return 0;
}

static int open_file(struct mail_log *log, char *error, size_t error_size)
{
	log->name = log->path;
	log->fd = open_one(log->path, error, error_size);
	if (log->fd < 0)
		return -1;
	if (log->mode == MAIL_LOG_FOLLOW) {
		lseek(log->fd, 0, SEEK_END);
		return 0;
	}
	if (open_rotated(log, error, error_size) == 0)
		return 0;
	close(log->fd);
	return -1;
}

int mail_log_open(struct mail_log *log, const char *path, enum mail_log_mode mode, char *error, size_t error_size)
{
	memset(log, 0, sizeof(*log));
	log->fd = log->next_fd = -1;
	log->mode = mode;
	log->path = path;
	if (path == NULL && access(MAIL_LOG_FILE, F_OK) == 0)
		log->path = MAIL_LOG_FILE;
	return log->path != NULL ? open_file(log, error, error_size) : open_journal(log, error, error_size);
}

void mail_log_close(struct mail_log *log)
{
	close(log->fd);
	if (log->next_fd >= 0)
		close(log->next_fd);
	if (log->child == 0)
		return;
	kill(log->child, SIGTERM);
	waitpid(log->child, NULL, 0);
}

/* Of what is in the buffer; NULL: no whole line. */
static const char *take_line(struct mail_log *log, bool is_end)
{
	char *line = log->bytes + log->start;
	char *end = memchr(line, '\n', log->end - log->start);

	if (end == NULL && is_end && log->end > log->start && log->end < sizeof(log->bytes))
		end = log->bytes + log->end++;
	if (end == NULL)
		return NULL;
	*end = '\0';
	log->start = (size_t)(end - log->bytes) + 1;
	return line;
}

/* Room for more: a line that fills the whole buffer is given as it is, and its rest is dropped. */
static const char *make_room(struct mail_log *log)
{
	memmove(log->bytes, log->bytes + log->start, log->end - log->start);
	log->end -= log->start;
	log->start = 0;
	if (log->end < sizeof(log->bytes) - 1)
		return NULL;
	log->bytes[log->end] = '\0';
	log->end = 0;
	log->is_skipping = true;
	return log->bytes;
}

/*
 * Has another file taken its name, and is it written to? Until then whoever writes may still have the
 * old one open.
 */
static bool is_rotated(const struct mail_log *log)
{
	struct stat named;

	return stat(log->path, &named) == 0 && named.st_size > 0 && !is_same_file(log->fd, &named);
}

/* Another file takes its place. fd -1: there is none, and nothing changes. */
static bool go_to(struct mail_log *log, int fd)
{
	if (fd < 0)
		return false;
	close(log->fd);
	log->fd = fd;
	log->is_left = false;
	return true;
}

/* At the end of a file that is followed. What was written before it was left is read, too. false: nothing came. */
static bool wait_for_more(struct mail_log *log, struct deadline deadline)
{
	struct stat status;

	if (log->is_left)
		return go_to(log, open(log->path, O_RDONLY | O_CLOEXEC));
	if (is_rotated(log)) {
		log->is_left = true;
		return true;
	}
	/* copied, and begun anew */
	if (fstat(log->fd, &status) == 0 && status.st_size < lseek(log->fd, 0, SEEK_CUR))
		lseek(log->fd, 0, SEEK_SET);
	if (deadline_has_passed(deadline))
		return false;
	poll(NULL, 0, LOOK_MS);
	return true;
}

/* At the end of a file. false: there is no more. */
static bool go_on(struct mail_log *log, struct deadline deadline)
{
	int next = log->next_fd;

	if (log->path != NULL && log->mode == MAIL_LOG_FOLLOW)
		return wait_for_more(log, deadline);
	log->next_fd = -1;
	return go_to(log, next);
}

/* 1: something was read, 0: the end is there, -1: nothing came until the deadline, or it cannot be read. */
static int read_more(struct mail_log *log, struct deadline deadline)
{
	struct pollfd pollfd = { .fd = log->fd, .events = POLLIN };
	ssize_t got;

	if (log->mode == MAIL_LOG_FOLLOW && log->path == NULL && poll(&pollfd, 1, deadline_poll_ms(deadline)) <= 0)
		return -1;
	got = read(log->fd, log->bytes + log->end, sizeof(log->bytes) - 1 - log->end);
	if (got < 0)
		log->failure = errno;
	if (got <= 0)
		return (int)got;
	log->end += (size_t)got;
	return 1;
}

/* The rest of a line that was too long is not a line. */
static void skip(struct mail_log *log)
{
	char *end = log->is_skipping ? memchr(log->bytes + log->start, '\n', log->end - log->start) : NULL;

	if (!log->is_skipping)
		return;
	log->is_skipping = end == NULL;
	log->start = end == NULL ? log->end : (size_t)(end - log->bytes) + 1;
}

const char *mail_log_next(struct mail_log *log, struct deadline deadline)
{
	const char *line;
	int got;

	for (;;) {
		skip(log);
		if ((line = take_line(log, false)) != NULL || (line = make_room(log)) != NULL)
			return line;
		got = read_more(log, deadline);
		if (got > 0)
			continue;
		if (got < 0)
			return NULL;
		/* What a rotated file ends with is whole; what grows may go on. */
		if (!go_on(log, deadline))
			return log->mode == MAIL_LOG_PAST ? take_line(log, true) : NULL;
	}
}
