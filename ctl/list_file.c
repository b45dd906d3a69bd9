/*
 * Replaces a text file in one step: temporary file in the same directory, fsync, rename, fsync of
 * the directory.
 *
 * The lock is on the directory, because the file itself is another one after each edit, and a lock
 * file would stay behind. Under it the temporary name can be a fixed one, so that a killed run
 * leaves at most one file, which the next run removes. The lock does not keep people with editors
 * away; a file that they saved meanwhile is seen before the rename and left alone.
 *
 * If owner or group cannot be kept, nothing is changed: a list that its reader cannot read any more
 * is worse than an error.
 */
#include "list_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/xattr.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/deadline.h"
#include "lib/durable_file.h"
#include "lib/table.h"

#define LOCK_TIMEOUT_MS 10000
#define LOCK_RETRY_MS 20
/* Nobody else has a file of this name: what is found under it is removed. */
#define TEMPORARY_SUFFIX ".postern-new"
#define ATTRIBUTE_MAX 65536

static int fail(int exit_code, const char *path, const char *what, char *error, size_t error_size)
{
	if (errno != 0)
		snprintf(error, error_size, "%s: %s%s%s", path, what, what[0] != '\0' ? ": " : "",
			 strerror(errno));
	else
		snprintf(error, error_size, "%s: %s", path, what);
	return errno == EACCES || errno == EPERM || errno == EROFS ? EX_NOPERM : exit_code;
}

/* The last part of the path; the directory's name goes to `directory`. */
static const char *split_path(const char *path, char directory[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		strcpy(directory, ".");
	else
		snprintf(directory, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path),
			 path);
	return slash != NULL ? slash + 1 : path;
}

/* Sets file->path. */
static int resolve(struct list_file *file, const char *path, char *error, size_t error_size)
{
	char directory[PATH_MAX], resolved[PATH_MAX];
	struct stat link;
	const char *name;
	int length;

	if (realpath(path, file->path) != NULL)
		return 0;
	if (errno != ENOENT)
		return fail(EX_NOINPUT, path, "", error, error_size);
	if (lstat(path, &link) == 0)
		return fail(EX_NOINPUT, path, "a symbolic link that leads nowhere", error,
			    error_size);
	name = split_path(path, directory);
	if (realpath(directory, resolved) == NULL)
		return fail(EX_NOINPUT, path, "its directory", error, error_size);
	length = snprintf(file->path, sizeof(file->path), "%s/%s",
			  strcmp(resolved, "/") == 0 ? "" : resolved, name);
	errno = name[0] == '\0' ? EISDIR : ENAMETOOLONG;
	if (name[0] == '\0' || length >= (int)sizeof(file->path))
		return fail(EX_NOINPUT, path, "", error, error_size);
	return 0;
}

static int lock_directory(struct list_file *file, char *error, size_t error_size)
{
	const struct timespec pause = { .tv_nsec = LOCK_RETRY_MS * 1000000L };
	struct deadline deadline = deadline_in_ms(LOCK_TIMEOUT_MS);
	char directory[PATH_MAX];

	split_path(file->path, directory);
	file->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file->directory < 0)
		return fail(EX_NOINPUT, directory, "", error, error_size);
	while (flock(file->directory, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail(EX_OSERR, directory, "flock", error, error_size);
		errno = 0;
		if (deadline_has_passed(deadline))
			return fail(EX_TEMPFAIL, file->path,
				    "another program holds the lock on its directory; try again",
				    error, error_size);
		nanosleep(&pause, NULL);
	}
	return 0;
}

int list_file_open(struct list_file *file, const char *path, char *error, size_t error_size)
{
	int result;

	memset(file, 0, sizeof(*file));
	file->directory = -1;
	result = resolve(file, path, error, error_size);
	if (result == 0)
		result = lock_directory(file, error, error_size);
	if (result != 0)
		return result;
	if (snprintf(file->temporary, sizeof(file->temporary), "%s" TEMPORARY_SUFFIX, file->path) >=
	    (int)sizeof(file->temporary)) {
		errno = ENAMETOOLONG;
		return fail(EX_NOINPUT, path, "", error, error_size);
	}
	/* Under the lock: nobody else's rename comes in between. */
	file->exists = access(file->path, F_OK) == 0 || errno != ENOENT;
	if (file->exists && text_file_read(&file->text, file->path, TABLE_BYTES_MAX, &file->status,
					   error, error_size) != 0)
		return EX_NOINPUT;
	return 0;
}

int list_file_read_table(const struct list_file *file, struct table *table, char *error,
			 size_t error_size)
{
	struct stat status;

	*table = (struct table){ 0 };
	if (!file->exists) {
		snprintf(error, error_size, "%s: there is no such file", file->path);
		return EX_NOINPUT;
	}
	if (table_read(table, file->path, &status, error, error_size) != 0)
		return EX_DATAERR;
	if (status.st_ino == file->status.st_ino && status.st_size == file->status.st_size &&
	    status.st_mtim.tv_sec == file->status.st_mtim.tv_sec &&
	    status.st_mtim.tv_nsec == file->status.st_mtim.tv_nsec)
		return 0;
	table_wipe(table);
	snprintf(error, error_size, "%s: somebody changed it just now; nothing was done, try again",
		 file->path);
	return EX_TEMPFAIL;
}

/* The kernel's own labels belong to the file system's rules for new files. */
static bool is_kernels_business(const char *attribute)
{
	return strncmp(attribute, "security.", 9) == 0 || strncmp(attribute, "trusted.", 8) == 0;
}

static int copy_attribute(const char *name, int from, int to)
{
	char *value = malloc(ATTRIBUTE_MAX);
	ssize_t length;
	int result = -1;

	if (value == NULL)
		return -1;
	length = fgetxattr(from, name, value, ATTRIBUTE_MAX);
	if (length >= 0)
		result = fsetxattr(to, name, value, (size_t)length, 0);
	free(value);
	return result == 0 || is_kernels_business(name) ? 0 : -1;
}

/* Extended attributes, and with them ACLs (acl(5)). */
static int copy_attributes(int from, int to)
{
	char *names = malloc(ATTRIBUTE_MAX);
	ssize_t length;
	int result = 0;

	if (names == NULL)
		return -1;
	length = flistxattr(from, names, ATTRIBUTE_MAX);
	if (length < 0 && errno != ENOTSUP)
		result = -1;
	for (ssize_t at = 0; at < length && result == 0; at += (ssize_t)strlen(names + at) + 1)
		result = copy_attribute(names + at, from, to);
	free(names);
	return result;
}

/* Owner and group first: chown(2) may clear bits of the mode. */
static int copy_rights(const struct list_file *file, int fd)
{
	int old, result;

	if (!file->exists)
		return fchmod(fd, 0644);
	if (fchown(fd, file->status.st_uid, file->status.st_gid) != 0 ||
	    fchmod(fd, file->status.st_mode & 07777) != 0)
		return -1;
	old = open(file->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (old < 0)
		return -1;
	result = copy_attributes(old, fd);
	close(old);
	return result;
}

int list_file_prepare(struct list_file *file, const char *text, size_t length, char *error,
		      size_t error_size)
{
	int fd, result = 0;

	/* What a killed run left behind. */
	unlink(file->temporary);
	fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(EX_CANTCREAT, file->temporary, "", error, error_size);
	file->has_temporary = true;
	if (copy_rights(file, fd) != 0)
		result = fail(EX_CANTCREAT, file->path,
			      "cannot keep its owner, group, mode and attributes", error,
			      error_size);
	else if (durable_file_write(fd, text, length) != 0)
		result = fail(EX_IOERR, file->temporary, "", error, error_size);
	close(fd);
	return result;
}

int list_file_commit(struct list_file *file, char *error, size_t error_size)
{
	if (table_has_changed(file->path, &file->status)) {
		errno = 0;
		return fail(EX_TEMPFAIL, file->path,
			    "somebody changed it just now; nothing was done, try again", error,
			    error_size);
	}
	if (rename(file->temporary, file->path) != 0)
		return fail(EX_CANTCREAT, file->path, "", error, error_size);
	file->has_temporary = false;
	if (fsync(file->directory) != 0)
		return fail(EX_IOERR, file->path, "changed, but perhaps not durably", error,
			    error_size);
	return 0;
}

void list_file_close(struct list_file *file)
{
	if (file->has_temporary)
		unlink(file->temporary);
	text_file_wipe(&file->text);
	if (file->directory >= 0)
		close(file->directory);
	file->directory = -1;
}

void list_file_tidy(const char *path)
{
	struct list_file file;
	char ignored[PATH_MAX + 128];

	file.has_temporary = list_file_open(&file, path, ignored, sizeof(ignored)) == 0;
	list_file_close(&file);
}
