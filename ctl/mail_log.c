/*
 * A log is read by whoever may read it: a file that is there and cannot be read is an error and not a
 * reason to look somewhere else, as that would answer with half of the truth.
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
#include <unistd.h>

/* Between two looks at a file that has not grown. */
#define LOOK_MS 50

extern char **environ;

/* As long as mail stays in a queue, and some. */
static const char *const journal_past[] = { "journalctl", "--quiet", "--no-pager", "--facility=mail",
					    "--output=short-iso-precise", "--since=-8d", NULL };
static const char *const journal_follow[] = { "journalctl", "--quiet", "--no-pager", "--facility=mail",
					      "--output=short-iso-precise", "--follow", "--lines=0", NULL };

static int open_journal(struct mail_log *log, char *error, size_t error_size)
{
	const char *const *arguments = log->mode == MAIL_LOG_PAST ? journal_past : journal_follow;
	posix_spawn_file_actions_t actions;
	int ends[2], failed;

	log->name = "the journal";
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

static int open_current(struct mail_log *log, char *error, size_t error_size)
{
	log->has_current = true;
	log->fd = open(log->path, O_RDONLY | O_CLOEXEC);
	if (log->fd >= 0)
		return 0;
	snprintf(error, error_size, "%s: %s%s", log->path, strerror(errno),
		 errno == EACCES ? "; are you root, or in the group adm?" : "");
	return -1;
}

static int open_file(struct mail_log *log, char *error, size_t error_size)
{
	char rotated[4096];

	log->name = log->path;
	if (log->mode == MAIL_LOG_PAST && snprintf(rotated, sizeof(rotated), "%s.1", log->path) < (int)sizeof(rotated) &&
	    access(log->path, R_OK) == 0 && (log->fd = open(rotated, O_RDONLY | O_CLOEXEC)) >= 0)
		return 0;
	if (open_current(log, error, error_size) < 0)
		return -1;
	if (log->mode == MAIL_LOG_FOLLOW)
		lseek(log->fd, 0, SEEK_END);
	return 0;
}

int mail_log_open(struct mail_log *log, const char *path, enum mail_log_mode mode, char *error, size_t error_size)
{
	memset(log, 0, sizeof(*log));
	log->fd = -1;
	log->mode = mode;
	log->path = path;
	if (path == NULL && access(MAIL_LOG_FILE, F_OK) == 0)
		log->path = MAIL_LOG_FILE;
	return log->path != NULL ? open_file(log, error, error_size) : open_journal(log, error, error_size);
}

void mail_log_close(struct mail_log *log)
{
	close(log->fd);
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

/* Has another file taken its name? */
static bool is_rotated(const struct mail_log *log)
{
	struct stat ours, named;

	return log->path != NULL && fstat(log->fd, &ours) == 0 && stat(log->path, &named) == 0 &&
	       (ours.st_ino != named.st_ino || ours.st_dev != named.st_dev);
}

/* At the end of a file. false: there is no more. */
static bool go_on(struct mail_log *log, struct deadline deadline)
{
	char error[PATH_MAX + 128];
	int fd = log->fd;

	if (log->path == NULL || (log->mode == MAIL_LOG_PAST && log->has_current))
		return false;
	if (log->mode == MAIL_LOG_PAST || is_rotated(log)) {
		if (open_current(log, error, sizeof(error)) < 0) {
			log->fd = fd;
			return false;
		}
		close(fd);
		return true;
	}
	if (deadline_has_passed(deadline))
		return false;
	poll(NULL, 0, LOOK_MS);
	return true;
}

/* 1: something was read, 0: the end is there, -1: nothing came until the deadline. */
static int read_more(struct mail_log *log, struct deadline deadline)
{
	struct pollfd pollfd = { .fd = log->fd, .events = POLLIN };
	ssize_t got;

	if (log->mode == MAIL_LOG_FOLLOW && log->path == NULL && poll(&pollfd, 1, deadline_poll_ms(deadline)) <= 0)
		return -1;
	got = read(log->fd, log->bytes + log->end, sizeof(log->bytes) - 1 - log->end);
	if (got <= 0)
		return 0;
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
