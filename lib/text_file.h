/*
 * A whole text file in memory, read with a bound, for the two kinds of file an operator writes:
 * tables and configuration. Refuses what is not a regular file (a FIFO or /dev/zero would never
 * end), NUL bytes and a byte-order mark, each with a reason.
 */
#ifndef TEXT_FILE_H
#define TEXT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct text_file {
	char *text;		/* heap, NUL-terminated */
	size_t length;
};

/*
 * Reads at most `maximum` bytes. 0, or -1 with "PATH: reason" or "PATH:LINE: reason" in error and
 * nothing to free. `status` (or NULL) receives what stat(2) says of the file, also after an error;
 * all zero if it does not exist.
 */
int text_file_read(struct text_file *file, const char *path, size_t maximum, struct stat *status,
		   char *error, size_t error_size);
/* The same of a descriptor, which stays the caller's; `name` is for the reasons. */
int text_file_read_fd(struct text_file *file, int fd, const char *name, size_t maximum, char *error,
		      size_t error_size);
/* By `status` after text_file_read(): there is no such file. */
bool text_file_is_absent(const struct stat *status);
/* Clears the text and frees it. */
void text_file_wipe(struct text_file *file);

/*
 * How files are opened here: read-only, close-on-exec, never waiting. A descriptor, or -1 with
 * errno; nothing is said of the kind of file. Also for those who read a file by other means.
 */
int text_file_open(const char *path);
/*
 * Somebody else opens from now on, for a process that may not open files itself (NULL: nobody
 * else). Before threads start; `opener` may be called by any of them.
 */
typedef int text_file_open_fn(void *context, const char *path);
void text_file_set_opener(text_file_open_fn *opener, void *context);

#endif
