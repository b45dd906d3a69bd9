/*
 * A whole text file in memory.
 *
 * The file is opened without blocking, and its kind is asked of the descriptor, not of the path, so
 * that nothing can change between the question and the reading. st_size is not believed (it is 0
 * under /proc): bytes are counted as they come.
 */
#include "text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_CAPACITY 4096

/* Written by text_file_set_opener() alone, before threads start. */
static text_file_open_fn *other_opener;
static void *other_opener_context;

static const char *wrong_kind(mode_t mode)
{
	if (S_ISREG(mode))
		return NULL;
	if (S_ISDIR(mode))
		return "is a directory, not a file";
	if (S_ISFIFO(mode))
		return "is a FIFO, not a regular file";
	return "is not a regular file";
}

/* NULL, or what is wrong with the file behind the descriptor. */
static const char *read_all(int fd, struct text_file *file, size_t maximum)
{
	size_t capacity = 0;
	ssize_t got;

	for (;;) {
		if (file->length + 1 >= capacity) {
			size_t larger = capacity > 0 ? capacity * 2 : FIRST_CAPACITY;
			char *text = realloc(file->text, larger);

			if (text == NULL)
				return strerror(errno);
			file->text = text;
			capacity = larger;
		}
		got = read(fd, file->text + file->length, capacity - file->length - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return strerror(errno);
		if (got == 0)
			break;
		file->length += (size_t)got;
		if (file->length > maximum)
			return "is too big";
	}
	file->text[file->length] = '\0';
	return NULL;
}

static int line_number(const char *text, const char *place)
{
	int line = 1;

	for (; text < place; text++)
		line += *text == '\n';
	return line;
}

static int check_text(const struct text_file *file, const char *path, char *error,
		      size_t error_size)
{
	const char *nul = memchr(file->text, '\0', file->length);

	if (nul != NULL) {
		snprintf(error, error_size, "%s:%d: a NUL byte: this is not a text file", path,
			 line_number(file->text, nul));
		return -1;
	}
	if (strncmp(file->text, "\xef\xbb\xbf", 3) == 0) {
		snprintf(error, error_size,
			 "%s:1: a byte-order mark; save the file as UTF-8 without BOM", path);
		return -1;
	}
	return 0;
}

void text_file_set_opener(text_file_open_fn *opener, void *context)
{
	other_opener = opener;
	other_opener_context = context;
}

int text_file_open(const char *path)
{
	if (other_opener != NULL)
		return other_opener(other_opener_context, path);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static int open_regular(const char *path, struct stat *status, char *error, size_t error_size)
{
	const char *reason;
	int fd = text_file_open(path);

	if (fd < 0) {
		reason = strerror(errno);
		if (stat(path, status) != 0)
			*status = (struct stat){ 0 };
		else if (wrong_kind(status->st_mode) != NULL)
			reason = wrong_kind(status->st_mode);
	} else {
		reason = fstat(fd, status) != 0 ? strerror(errno) : wrong_kind(status->st_mode);
	}
	if (reason == NULL)
		return fd;
	snprintf(error, error_size, "%s: %s", path, reason);
	if (fd >= 0)
		close(fd);
	return -1;
}

int text_file_read(struct text_file *file, const char *path, size_t maximum, struct stat *status,
		   char *error, size_t error_size)
{
	struct stat ignored;
	int fd = open_regular(path, status != NULL ? status : &ignored, error, error_size);
	int result;

	*file = (struct text_file){ 0 };
	if (fd < 0)
		return -1;
	result = text_file_read_fd(file, fd, path, maximum, error, error_size);
	close(fd);
	return result;
}

int text_file_read_fd(struct text_file *file, int fd, const char *name, size_t maximum, char *error,
		      size_t error_size)
{
	const char *reason;

	*file = (struct text_file){ 0 };
	reason = read_all(fd, file, maximum);
	if (reason != NULL)
		snprintf(error, error_size, "%s: %s", name, reason);
	if (reason == NULL && check_text(file, name, error, error_size) == 0)
		return 0;
	text_file_wipe(file);
	return -1;
}

bool text_file_is_absent(const struct stat *status)
{
	return status->st_ino == 0 && status->st_mode == 0;
}

void text_file_wipe(struct text_file *file)
{
	if (file->text != NULL)
		explicit_bzero(file->text, file->length);
	free(file->text);
	*file = (struct text_file){ 0 };
}
