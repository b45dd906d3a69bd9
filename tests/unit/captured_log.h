/* What a test logs to stderr, to be looked at; what cmocka writes there comes out at the end. */
#ifndef CAPTURED_LOG_H
#define CAPTURED_LOG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct captured_log {
	FILE *file;
	int saved_stderr;
};

static inline void captured_log_start(struct captured_log *log)
{
	log->file = tmpfile();
	log->saved_stderr = dup(STDERR_FILENO);
	if (log->file == NULL || log->saved_stderr < 0 ||
	    dup2(fileno(log->file), STDERR_FILENO) < 0)
		abort();
}

/* How many lines have this text in them? */
static inline unsigned captured_log_count(struct captured_log *log, const char *text)
{
	unsigned count = 0;
	char line[4096];

	fflush(stderr);
	rewind(log->file);
	while (fgets(line, sizeof(line), log->file) != NULL)
		count += strstr(line, text) != NULL;
	fseek(log->file, 0, SEEK_END);
	return count;
}

/* Does this line come from lib/log.h? */
static inline int captured_log_is_ours(const char *line)
{
	return strncmp(line, "MTA-STS: ", 9) == 0 || strncmp(line, "warning: ", 9) == 0 || strncmp(line, "error: /", 8) == 0 ||
	       strncmp(line, "error: 4XyZ: ", 13) == 0 || strncmp(line, "error: keeper: ", 15) == 0 ||
	       strncmp(line, "/tmp/", 5) == 0;
}

static inline void captured_log_stop(struct captured_log *log)
{
	char line[4096];

	fflush(stderr);
	dup2(log->saved_stderr, STDERR_FILENO);
	close(log->saved_stderr);
	rewind(log->file);
	while (fgets(line, sizeof(line), log->file) != NULL)
		if (!captured_log_is_ours(line))
			fputs(line, stderr);
	fclose(log->file);
}

#endif
