/*
 * The mail log of this host: a file, or what journalctl(1) tells of the facility mail. A file that was
 * rotated is read, too, as far as it is not compressed (FILE.1).
 */
#ifndef MAIL_LOG_H
#define MAIL_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/deadline.h"

#define MAIL_LOG_FILE "/var/log/mail.log"
/* Longer ones are cut. */
#define MAIL_LOG_LINE_MAX 8192

enum mail_log_mode {
	MAIL_LOG_PAST,	 /* all lines there are; then the end */
	MAIL_LOG_FOLLOW, /* those to come; there is no end */
};

struct mail_log {
	enum mail_log_mode mode;
	const char *path;		/* the file; NULL: journalctl */
	const char *name;		/* for people */
	int fd;
	int next_fd;			/* MAIL_LOG_PAST: of the file, while what was rotated is read; -1: none */
	pid_t child;			/* journalctl; 0: there is none */
	bool is_left;			/* MAIL_LOG_FOLLOW: another file has its name; one look more */
	int failure;			/* errno of a read that failed; 0: none has */
	char bytes[MAIL_LOG_LINE_MAX];
	size_t start, end;		/* of what was read and not yet given */
	bool is_skipping;		/* the rest of a line that was too long */
};

/*
 * path NULL: MAIL_LOG_FILE if it is there, else the journal. 0, or -1 with error. It is to be closed if it was opened.
 */
int mail_log_open(struct mail_log *log, const char *path, enum mail_log_mode mode, char *error, size_t error_size);
/*
 * The next line, without line feed, NUL-terminated (a NUL in it ends it); it lives until the next call. NULL: the end
 * (MAIL_LOG_PAST, for which the deadline does not matter), or none has come until the deadline; or, with log->failure,
 * the log cannot be read.
 */
const char *mail_log_next(struct mail_log *log, struct deadline deadline);
void mail_log_close(struct mail_log *log);

#endif
