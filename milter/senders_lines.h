/*
 * The lines of a text table `senders` as they were read once: found by key, with their mistakes. A
 * struct senders_lines does not change any more, so it may be read by several threads.
 */
#ifndef SENDERS_LINES_H
#define SENDERS_LINES_H

#include <sys/stat.h>

#include "sender_list.h"
#include "senders_key.h"

struct senders_lines;

struct senders_line {
	size_t line;			/* number in the file */
	struct sender_list *list;	/* NULL: there is a mistake in it */
	const char *mistake;		/* "PATH:LINE: what is wrong; what to do" */
};

/*
 * NULL with error if the file cannot be read as a table. *status is filled in either case, as by
 * table_read().
 */
struct senders_lines *senders_lines_read(const char *path, const char *delimiter, struct stat *status, char *error,
					 size_t error_size);
void senders_lines_destroy(struct senders_lines *lines);

/* NULL: none. Of networks the longest that has a line, which *key becomes. Lives as long as `lines`. */
const struct senders_line *senders_lines_find(const struct senders_lines *lines, struct senders_key *key);

size_t senders_lines_count(const struct senders_lines *lines);
size_t senders_lines_mistake_count(const struct senders_lines *lines);
const char *senders_lines_mistake(const struct senders_lines *lines, size_t index);

#endif
