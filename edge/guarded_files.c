/*
 * A set of paths. A file is recognised by device and inode, which a hard link or a symbolic link
 * does not change; what stands behind a path is asked anew each time, since an administrator
 * replaces files.
 */
#include "guarded_files.h"

#include <stdlib.h>
#include <string.h>

/* Memory that is out is an answer, not the end. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct guarded_file {
	UT_hash_handle hh;
	char path[];
};

int guarded_files_add(struct guarded_files *files, const char *path)
{
	size_t length = strlen(path);
	struct guarded_file *file;

	HASH_FIND(hh, files->by_path, path, length, file);
	if (file != NULL)
		return 0;
	file = calloc(1, sizeof(*file) + length + 1);
	if (file == NULL)
		return -1;
	memcpy(file->path, path, length + 1);
	HASH_ADD_KEYPTR(hh, files->by_path, file->path, length, file);
	if (file->hh.tbl != NULL)
		return 0;
	free(file);
	return -1;
}

bool guarded_files_has(const struct guarded_files *files, const struct stat *status)
{
	struct stat guarded;

	for (const struct guarded_file *file = files->by_path; file != NULL; file = file->hh.next)
		if (stat(file->path, &guarded) == 0 && guarded.st_dev == status->st_dev &&
		    guarded.st_ino == status->st_ino)
			return true;
	return false;
}

const char *guarded_files_find(const struct guarded_files *files, guarded_files_test_fn *is_wanted,
			       void *context)
{
	for (const struct guarded_file *file = files->by_path; file != NULL; file = file->hh.next)
		if (is_wanted(context, file->path))
			return file->path;
	return NULL;
}

void guarded_files_wipe(struct guarded_files *files)
{
	struct guarded_file *file, *next;

	HASH_ITER(hh, files->by_path, file, next)
	{
		HASH_DEL(files->by_path, file);
		free(file);
	}
}
