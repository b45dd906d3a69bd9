/*
 * Secret keys on disk: 44 characters of base64 and at most one LF, nothing else.
 *
 * A key that others could have read is not a secret any more, and one that others could have
 * replaced is not ours: such files are refused, with the command that repairs them. The checks are
 * made on the opened file, not on its name. No byte of a key ever gets into a message.
 */
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base64_key.h"

#define KEY_SIZE 32
/* Enough to see that a file is too long. */
#define READ_MAX 64

static int __attribute__((format(printf, 4, 5)))
fail(char *error, size_t error_size, const char *path, const char *format, ...)
{
	va_list arguments;
	char reason[256];

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	snprintf(error, error_size, "%s: %s", path, reason);
	return -1;
}

/* The directory of the file; -1 with error if its name is too long. */
static int parent_of(char directory[PATH_MAX], const char *path, char *error, size_t error_size)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash == NULL ? 0 : (size_t)(slash - path);

	if (length >= PATH_MAX)
		return fail(error, error_size, path, "name too long");
	if (slash == NULL) {
		strcpy(directory, ".");
	} else if (length == 0) {
		strcpy(directory, "/");
	} else {
		memcpy(directory, path, length);
		directory[length] = '\0';
	}
	return 0;
}

/* Who may write to the directory can replace the file, unless the directory is sticky. */
static int check_directory(const char *path, struct stat *status, char *error, size_t error_size)
{
	char directory[PATH_MAX];

	if (parent_of(directory, path, error, error_size) < 0)
		return -1;
	if (stat(directory, status) < 0)
		return fail(error, error_size, path, "directory %.100s: %s", directory,
			    strerror(errno));
	if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0 && (status->st_mode & S_ISVTX) == 0)
		return fail(error, error_size, path,
			    "directory mode %04o lets others replace this key; chmod go-w %.100s",
			    status->st_mode & 07777, directory);
	return 0;
}

static int check_file(int fd, const char *path, char *error, size_t error_size)
{
	struct stat file, directory;
	uid_t reader = geteuid();
	bool is_ours, root_chose_who_writes;

	if (fstat(fd, &file) < 0)
		return fail(error, error_size, path, "%s", strerror(errno));
	if (!S_ISREG(file.st_mode))
		return fail(error, error_size, path, "not a regular file");
	if (check_directory(path, &directory, error, error_size) < 0)
		return -1;
	/*
	 * Root reads for a service, too: then file and directory belong to the service's user, or the
	 * directory is root's, who let some users make files there, and none of them touch another's.
	 */
	root_chose_who_writes = directory.st_uid == 0 && (directory.st_mode & (S_ISVTX | S_IWOTH)) == S_ISVTX;
	is_ours = file.st_uid == 0 || file.st_uid == reader ||
		  (reader == 0 && (file.st_uid == directory.st_uid || root_chose_who_writes));
	if (!is_ours)
		return fail(error, error_size, path,
			    "owned by uid %ld, read by uid %ld; chown %ld %.100s",
			    (long)file.st_uid, (long)reader, (long)reader, path);
	if ((file.st_mode & 07177) != 0)
		return fail(error, error_size, path,
			    "mode %04o lets others read this key; chmod 600 %.100s",
			    file.st_mode & 07777, path);
	return 0;
}

static int decode(uint8_t key[KEY_SIZE], const char *text, size_t length, const char *path,
		  char *error, size_t error_size)
{
	if (length == 0)
		return fail(error, error_size, path, "empty; a key is one line of base64");
	if (memchr(text, '\r', length) != NULL)
		return fail(error, error_size, path,
			    "has a carriage return; the line must end in LF alone");
	if (text[length - 1] == '\n')
		length--;
	if (base64_key_decode(key, text, length) < 0)
		return fail(error, error_size, path,
			    "not a key; expected one line of %d characters of base64",
			    BASE64_KEY_TEXT);
	return 0;
}

static int open_key(const char *path, char *error, size_t error_size)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ELOOP)
		return fail(error, error_size, path, "a symbolic link; name the key file itself");
	if (errno == ENOENT)
		return fail(error, error_size, path, "%s; postern keygen makes a key, genpsk a preshared one",
			    strerror(errno));
	if (errno == EACCES)
		return fail(error, error_size, path, "%s; the key must belong to uid %ld, who reads it; chown %ld %.100s",
			    strerror(errno), (long)geteuid(), (long)geteuid(), path);
	return fail(error, error_size, path, "%s", strerror(errno));
}

int keyfile_read(uint8_t key[KEY_SIZE], const char *path, char *error, size_t error_size)
{
	char text[READ_MAX];
	size_t length = 0;
	ssize_t got;
	int fd, result = -1;

	fd = open_key(path, error, error_size);
	if (fd < 0)
		return -1;
	if (check_file(fd, path, error, error_size) < 0)
		goto out;
	do {
		got = read(fd, text + length, sizeof(text) - length);
		if (got > 0)
			length += (size_t)got;
	} while (length < sizeof(text) && (got > 0 || (got < 0 && errno == EINTR)));
	if (got < 0)
		fail(error, error_size, path, "%s", strerror(errno));
	else
		result = decode(key, text, length, path, error, error_size);
out:
	sodium_memzero(text, sizeof(text));
	close(fd);
	return result;
}

bool keyfile_is_key(int fd)
{
	uint8_t key[KEY_SIZE];
	char text[READ_MAX], ignored[64];
	ssize_t length = pread(fd, text, sizeof(text), 0);
	bool is_key =
		length > 0 && decode(key, text, (size_t)length, "", ignored, sizeof(ignored)) == 0;

	sodium_memzero(text, sizeof(text));
	sodium_memzero(key, sizeof(key));
	return is_key;
}

int keyfile_read_static(struct noise_keypair *keypair, const char *path, char *error,
			size_t error_size)
{
	uint8_t secret_key[KEY_SIZE];
	int result = keyfile_read(secret_key, path, error, error_size);

	if (result == 0 && noise_keypair_from_secret(keypair, secret_key) < 0)
		result = fail(error, error_size, path,
			      "all zeros is no key; make one with postern keygen");
	sodium_memzero(secret_key, sizeof(secret_key));
	return result;
}

/* So that the name survives a power cut, too. */
static int sync_directory(const char *path, char *error, size_t error_size)
{
	char directory[PATH_MAX];
	int fd, result;

	if (parent_of(directory, path, error, error_size) < 0)
		return -1;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(error, error_size, path, "%s", strerror(errno));
	result = fsync(fd);
	if (result < 0)
		fail(error, error_size, path, "%s", strerror(errno));
	close(fd);
	return result;
}

static int write_key(int fd, const uint8_t key[KEY_SIZE])
{
	char text[BASE64_KEY_TEXT + 1];
	int result;

	base64_key_encode(text, key);
	text[BASE64_KEY_TEXT] = '\n';
	errno = EIO; /* for a short write */
	result = fchmod(fd, 0600) == 0 && write(fd, text, sizeof(text)) == (ssize_t)sizeof(text) &&
				 fsync(fd) == 0
			 ? 0
			 : -1;
	sodium_memzero(text, sizeof(text));
	return result;
}

int keyfile_create(const char *path, const uint8_t key[KEY_SIZE], char *error, size_t error_size)
{
	struct stat directory;
	int fd;

	if (check_directory(path, &directory, error, error_size) < 0)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return fail(error, error_size, path, "exists already and was not touched");
	if (fd < 0)
		return fail(error, error_size, path, "%s", strerror(errno));
	if (write_key(fd, key) < 0) {
		fail(error, error_size, path, "%s", strerror(errno));
		unlink(path);
		close(fd);
		return -1;
	}
	close(fd);
	if (sync_directory(path, error, error_size) == 0)
		return 0;
	unlink(path);
	return -1;
}
