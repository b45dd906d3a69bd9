/*
 * The files that the worker must not get: the secret key, the allow-list, and every file with a
 * preshared key that a line of it has ever named while this process runs.
 */
#ifndef GUARDED_FILES_H
#define GUARDED_FILES_H

#include <stdbool.h>
#include <sys/stat.h>

struct guarded_file;
struct guarded_files {
	struct guarded_file *by_path; /* uthash */
};

/* Copies the path. 0, or -1 when memory is out; a path that is there already is fine. */
int guarded_files_add(struct guarded_files *files, const char *path);
/* Is this one of them, under whatever name? Looks at all of them as they are now (stat(2)). */
bool guarded_files_has(const struct guarded_files *files, const struct stat *status);
/* The first path for which `is_wanted` is true, or NULL. Lives as long as *files. */
typedef bool guarded_files_test_fn(void *context, const char *path);
const char *guarded_files_find(const struct guarded_files *files, guarded_files_test_fn *is_wanted,
			       void *context);
void guarded_files_wipe(struct guarded_files *files);

#endif
