/*
 * A text file that is edited by replacing it in one step: whoever reads it, whatever is killed,
 * there is the old text or the new one, never half. Editors that go through here wait for each
 * other.
 */
#ifndef LIST_FILE_H
#define LIST_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "lib/table.h"
#include "lib/text_file.h"

struct list_file {
	char path[PATH_MAX];	  /* of the file itself, symbolic links resolved */
	char temporary[PATH_MAX]; /* the new text, in the same directory */
	int directory;		  /* open and locked */
	bool exists;
	bool has_temporary;
	struct stat status;    /* as read; all zero if it does not exist */
	struct text_file text; /* as read; empty if it does not exist */
};

/*
 * Opens the file behind `path` (a symbolic link stays, its target is edited), waits up to 10 s for
 * other editors, and reads it. A missing file is an empty one. 0, or an exit code of sysexits(3)
 * with `error`; in any case close it.
 */
int list_file_open(struct list_file *file, const char *path, char *error, size_t error_size);

/*
 * The same file as a table: one that does not exist, or cannot be read as such at all, is no place to
 * edit. 0, or an exit code with `error` and *table empty.
 */
int list_file_read_table(const struct list_file *file, struct table *table, char *error,
			 size_t error_size);

/*
 * Writes the new text to file->temporary, with the owner, group, mode, ACL and extended attributes
 * of the old one (0644 if there is none). It may be looked at there before it counts. 0, or an exit
 * code with `error`.
 */
int list_file_prepare(struct list_file *file, const char *text, size_t length, char *error,
		      size_t error_size);

/*
 * Puts the prepared text in place, durably. Refuses if the file was changed since it was read. 0,
 * or an exit code with `error`.
 */
int list_file_commit(struct list_file *file, char *error, size_t error_size);

/* Frees, unlocks; removes a text that was prepared and not committed. */
void list_file_close(struct list_file *file);

/* Removes what a killed run may have left beside the file, if no other editor is at it. */
void list_file_tidy(const char *path);

#endif
