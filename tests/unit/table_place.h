/* For tests of tables that are read from files: a place for one, and a way to write it. */
#ifndef TABLE_PLACE_H
#define TABLE_PLACE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* `error` has room for what the reader of the table says. */
struct table_place {
	char directory[64], path[96], error[1000];
};

/* A directory of its own, with no table in it yet. *state is the place. */
static inline int table_place_make(void **state, const char *name)
{
	struct table_place *place = calloc(1, sizeof(*place));

	strcpy(place->directory, "/tmp/postern-table-XXXXXX");
	if (mkdtemp(place->directory) == NULL)
		return -1;
	snprintf(place->path, sizeof(place->path), "%s/%s", place->directory, name);
	*state = place;
	return 0;
}

static inline int table_place_remove(void **state)
{
	struct table_place *place = *state;

	unlink(place->path);
	rmdir(place->directory);
	free(place);
	return 0;
}

/* By rename, as editors do it. */
static inline void table_place_write(const struct table_place *place, const char *text, mode_t mode)
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
