/*
 * postmap-style text tables (Postfix texthash: and postmap(1) input): `key whitespace value`, `#` comments, a
 * line that starts with white space continues the one before it. Keys may repeat only if the reader says so.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct table_line {
	char *key;
	char *value;		/* "" if there is none */
	size_t line;		/* 1-based number of the first physical line */
};

struct table {
	struct table_line *lines;
	size_t count;
};

/* A bound for every table: a line beyond it, a NUL or a byte-order mark is an error that names the line. */
#define TABLE_LINE_MAX 16384
#define TABLE_LINES_MAX 1000000

/*
 * Reads the whole file; 0, or -1 with "PATH:LINE: ..." in error and *table empty. Regular files only (no FIFO, device,
 * directory). If `status` is not NULL it receives the fstat of what was read, for table_has_changed().
 */
int table_read(struct table *table, const char *path, struct stat *status, char *error, size_t error_size);
void table_wipe(struct table *table);

/* Does the file differ (inode, size, mtime, gone, appeared) from what `status` recorded? */
bool table_has_changed(const char *path, const struct stat *status);

/*
 * Splits the value of a line into words at white space, in place ("a=1 b=2" -> "a=1", "b=2"). A word may be quoted "like this".
 * Returns the number of words, at most `max`, or -1 for more or for an open quote.
 */
int table_split(char *value, char **words, int max);

#endif
