/*
 * A file that was changed so that it can be put back: beside each other, in a directory of root's,
 * lie its text from before, and the text that was made of it. Only while the file still is the
 * latter nobody else's work is in it.
 */
#ifndef KEPT_FILE_H
#define KEPT_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define KEPT_FILE_NAME_MAX 32

struct kept_file {
	char name[KEPT_FILE_NAME_MAX]; /* of its copies: NAME.before (none if it did not exist), NAME.after */
	char path[PATH_MAX];
};

enum kept_file_state {
	KEPT_FILE_AS_BEFORE,
	KEPT_FILE_AS_AFTER,
	KEPT_FILE_CHANGED, /* by somebody else since */
};

/* All return 0, or -1 with `error`. `copies` is the directory of the copies; it exists. */

/* The text of now becomes the one from before, in the place of what was kept of another time. */
int kept_file_begin(const struct kept_file *file, const char *copies, char *error, size_t error_size);
/* The text of `source` counts as the one that we made: of the file itself, or of one that will be copied there. */
int kept_file_end(const struct kept_file *file, const char *source, const char *copies, char *error,
		  size_t error_size);
/* Gives the file a new text, in one step. `expected` is what it must hold until then; NULL: it must not exist. */
int kept_file_replace(const struct kept_file *file, const char *copies, const char *expected,
		      const char *text, char *error, size_t error_size);
int kept_file_look(const struct kept_file *file, const char *copies, enum kept_file_state *state,
		   char *error, size_t error_size);
/* Puts the text from before back, whatever is there now; a file that did not exist goes. */
int kept_file_put_back(const struct kept_file *file, const char *copies, char *error,
		       size_t error_size);
/*
 * Gives any file a new text, or removes it (NULL), without a copy. `expected` is what it must hold
 * until then; NULL: it must not exist.
 */
int kept_file_write(const char *path, const char *expected, const char *text, char *error,
		    size_t error_size);

#endif
