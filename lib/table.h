/*
 * postmap-style text tables (Postfix texthash: and postmap(1) input): `key whitespace value`, `#`
 * comments, a line that starts with white space continues the one before it. Whether a key may
 * repeat is for the caller to say.
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
	char *text;		/* keys and values point into it and may be cut up in place */
};

/*
 * Bounds for every table: what is beyond them, a NUL or a byte-order mark is an error that names
 * the line.
 */
#define TABLE_BYTES_MAX (64 * 1024 * 1024)
#define TABLE_LINE_MAX 16384		/* continuation lines counted in */
#define TABLE_LINES_MAX 1000000

/*
 * Reads the whole file; 0, or -1 with "PATH:LINE: ..." in error and *table empty. Regular files
 * only (no FIFO, device, directory). White space around values and a CR before LF are removed. If
 * `status` is not NULL it receives the state of the file for table_has_changed(), also after an
 * error: a bad file need not be read twice.
 */
int table_read(struct table *table, const char *path, struct stat *status, char *error,
	       size_t error_size);
void table_wipe(struct table *table);

/* Does the file differ (inode, size, mtime, ctime, gone, appeared) from what `status` recorded? */
bool table_has_changed(const char *path, const struct stat *status);

/*
 * Splits the value of a line into words at white space, in place (a=1 b=2 -> "a=1", "b=2"). Quotes
 * keep white space and are removed: "like this", comment="like this"; inside them \" and \\ stand
 * for " and \. Returns the number of words, at most `max`, or -1 for more or for an open quote.
 */
int table_split(char *value, char **words, int max);

#endif
