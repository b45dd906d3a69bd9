/*
 * Copies instead of digests: they say whether a file was changed since, and they are what is put
 * back. All writing is list_file.h's: in one step, with the rights of the file that is replaced.
 */
#include "kept_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/durable_file.h"
#include "lib/table.h"
#include "list_file.h"

#define BEFORE "before"
#define AFTER "after"

static void copy_path(char out[PATH_MAX], const struct kept_file *file, const char *copies,
		      const char *which)
{
	snprintf(out, PATH_MAX, "%s/%s.%s", copies, file->name, which);
}

/* As kept_file_write(), which looks at `expected`. */
static int write_file(const char *path, bool is_expected, const char *expected, const char *text,
		      char *error, size_t error_size)
{
	struct list_file file;
	int result = list_file_open(&file, path, error, error_size);

	if (result == 0 && is_expected &&
	    (file.exists != (expected != NULL) ||
	     (expected != NULL && strcmp(file.text.text, expected) != 0))) {
		snprintf(error, error_size, "%s: somebody changed it just now", path);
		result = -1;
	} else if (result == 0 && text == NULL) {
		result = unlink(file.path) == 0 || errno == ENOENT ? 0 : -1;
		if (result != 0)
			snprintf(error, error_size, "%s: %s", path, strerror(errno));
		durable_file_sync_directory(file.path);
	} else if (result == 0) {
		result = list_file_prepare(&file, text, strlen(text), error, error_size);
		if (result == 0)
			result = list_file_commit(&file, error, error_size);
	}
	list_file_close(&file);
	return result == 0 ? 0 : -1;
}

int kept_file_write(const char *path, const char *expected, const char *text, char *error,
		    size_t error_size)
{
	return write_file(path, true, expected, text, error, error_size);
}

/* text->text is NULL if there is no such file. */
static int read_file(const char *path, struct text_file *text, char *error, size_t error_size)
{
	struct stat status;

	memset(text, 0, sizeof(*text));
	if (text_file_read(text, path, TABLE_BYTES_MAX, &status, error, error_size) == 0)
		return 0;
	return text_file_is_absent(&status) ? 0 : -1;
}

static int copy(const struct kept_file *file, const char *source, const char *copies, const char *which,
		char *error, size_t error_size)
{
	struct text_file text;
	char path[PATH_MAX];
	int result = read_file(source, &text, error, error_size);

	copy_path(path, file, copies, which);
	if (result == 0)
		result = write_file(path, false, NULL, text.text, error, error_size);
	/* The file may be one that not everybody may read. */
	chmod(path, 0600);
	text_file_wipe(&text);
	return result;
}

int kept_file_begin(const struct kept_file *file, const char *copies, char *error, size_t error_size)
{
	return copy(file, file->path, copies, BEFORE, error, error_size);
}

int kept_file_end(const struct kept_file *file, const char *source, const char *copies, char *error,
		  size_t error_size)
{
	return copy(file, source, copies, AFTER, error, error_size);
}

/* What will have been made is known before it is made: who is killed in between is understood. */
int kept_file_replace(const struct kept_file *file, const char *copies, const char *expected,
		      const char *text, char *error, size_t error_size)
{
	char path[PATH_MAX];

	copy_path(path, file, copies, AFTER);
	if (write_file(path, false, NULL, text, error, error_size) != 0)
		return -1;
	return write_file(file->path, true, expected, text, error, error_size);
}

static bool is_same(const struct text_file *one, const struct text_file *other)
{
	if (one->text == NULL || other->text == NULL)
		return one->text == other->text;
	return one->length == other->length && memcmp(one->text, other->text, one->length) == 0;
}

int kept_file_look(const struct kept_file *file, const char *copies, enum kept_file_state *state,
		   char *error, size_t error_size)
{
	struct text_file now = { 0 }, before = { 0 }, after = { 0 };
	char path[PATH_MAX];
	int result = read_file(file->path, &now, error, error_size);

	copy_path(path, file, copies, BEFORE);
	if (result == 0)
		result = read_file(path, &before, error, error_size);
	copy_path(path, file, copies, AFTER);
	if (result == 0)
		result = read_file(path, &after, error, error_size);
	*state = is_same(&now, &before) ? KEPT_FILE_AS_BEFORE :
		 is_same(&now, &after)	? KEPT_FILE_AS_AFTER :
					  KEPT_FILE_CHANGED;
	text_file_wipe(&now);
	text_file_wipe(&before);
	text_file_wipe(&after);
	return result;
}

int kept_file_put_back(const struct kept_file *file, const char *copies, char *error,
		       size_t error_size)
{
	struct text_file before;
	char path[PATH_MAX];
	int result;

	copy_path(path, file, copies, BEFORE);
	result = read_file(path, &before, error, error_size);
	if (result == 0)
		result = write_file(file->path, false, NULL, before.text, error, error_size);
	text_file_wipe(&before);
	return result;
}
