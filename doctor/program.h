/*
 * Other programs are asked (postconf(1), postqueue(1), our own with --check): run to their end with
 * a time limit, what they print in memory.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

/* What is kept of the output; the rest is read and dropped. */
#define PROGRAM_OUTPUT_MAX (4 * 1024 * 1024)

struct program_output {
	char *text;	/* standard output; and standard error, if it was wanted there. Never NULL */
	size_t length;
	int exit_code;	/* -1: it was killed by a signal */
	bool is_cut;
};

enum program_stderr {
	PROGRAM_STDERR_DROPPED,
	PROGRAM_STDERR_TOO,
	/* Both are a terminal: Postfix's postlog(1) tells nothing but the log without one. */
	PROGRAM_STDERR_TERMINAL,
};

/*
 * arguments: as of execvp(3), ends with NULL; a name without a slash is looked for in the standard
 * path of the superuser. `user`: whose rights it has, NULL: ours. Standard input is empty, LC_ALL is
 * C. 0, or -1 with "NAME: reason" and nothing to wipe: it cannot be started, or took too long and
 * was killed.
 */
int program_run(struct program_output *output, const char *const *arguments, const char *user,
		enum program_stderr standard_error, int time_limit_ms, char *error, size_t error_size);
void program_output_wipe(struct program_output *output);
/*
 * What one of our own programs said last, without a priority of syslog and its name before it:
 * "<3>postern-edge: SENTENCE". The output is cut for it, and has it.
 */
const char *program_last_sentence(struct program_output *output);

/* Is there a program of this name, where program_run() looks for it? */
bool program_is_installed(const char *name);

/*
 * Becomes that user for good, with the groups it has; does nothing if we are not root. For a
 * process of its own. 0, or -1 with errno (ENOENT: there is no such user).
 */
int program_become(const char *user);

#endif
