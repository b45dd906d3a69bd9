/* For tests of what is kept in a file: a directory of its own for it, and a way to write it. Needs cmocka.h. */
#ifndef FILE_PLACE_H
#define FILE_PLACE_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* `error` has room for what the reader of the file says. */
struct file_place {
	char directory[64], path[96], error[1000];
};

/* There is no file yet. 0, or -1. */
static inline int file_place_init(struct file_place *place, const char *name)
{
	strcpy(place->directory, "/tmp/postern-test-XXXXXX");
	place->error[0] = '\0';
	if (mkdtemp(place->directory) == NULL)
		return -1;
	snprintf(place->path, sizeof(place->path), "%s/%s", place->directory, name);
	return 0;
}

/* With whatever a test that failed has left there. */
static inline void file_place_wipe(struct file_place *place)
{
	DIR *directory = opendir(place->directory);
	const struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL)
		if (unlinkat(dirfd(directory), entry->d_name, 0) != 0)
			unlinkat(dirfd(directory), entry->d_name, AT_REMOVEDIR);
	if (directory != NULL)
		closedir(directory);
	rmdir(place->directory);
}

/* For tests that need nothing else: *state is the place. */
static inline int file_place_make(void **state, const char *name)
{
	struct file_place *place = calloc(1, sizeof(*place));

	*state = place;
	return file_place_init(place, name);
}

static inline int file_place_remove(void **state)
{
	file_place_wipe(*state);
	free(*state);
	return 0;
}

/* By rename, as editors do it. */
static inline void file_place_write(const struct file_place *place, const char *text, mode_t mode)
{
	char fresh[128];
	FILE *file;

	snprintf(fresh, sizeof(fresh), "%s.new", place->path);
	file = fopen(fresh, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(fresh, mode), 0);
	assert_int_equal(rename(fresh, place->path), 0);
}

#endif
