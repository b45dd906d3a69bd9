/*
 * The subcommands of postern(1). Each returns an exit code of sysexits(3) and has told the user
 * what was wrong.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <limits.h>
#include <stdbool.h>

#define COMMAND_WORDS_ANY INT_MAX

struct command {
	const char *name;
	const char *arguments; /* "KEY NAME [OPTION=VALUE ...]" */
	const char *summary;   /* one line for the list of commands */
	const char *help;      /* the rest of `postern NAME --help` */
	int words_min, words_max; /* how many of its arguments are no options */
	int (*run)(const struct command *command, int argc, char **argv);
};

extern const struct command command_keygen;
extern const struct command command_pubkey;
extern const struct command command_genpsk;
extern const struct command command_authorize;
extern const struct command command_revoke;
extern const struct command command_peers;
extern const struct command command_invite;
extern const struct command command_rotate;
extern const struct command command_join;
extern const struct command command_leave;
extern const struct command command_edges;
extern const struct command command_tlsrpt;
extern const struct command command_limits;
extern const struct command command_senders_check;
extern const struct command command_headers_check;
extern const struct command command_doctor;
extern const struct command command_status;
extern const struct command command_metrics;
extern const struct command command_log;
extern const struct command command_test;

/*
 * An option of a command: --name VALUE sets *value, --name without one sets *flag; the other of them
 * is NULL. A table of them ends with one without a name, and has COMMAND_OPTIONS_MAX at the most.
 */
#define COMMAND_OPTIONS_MAX 16
struct command_option {
	const char *name;
	const char **value;
	bool *flag;
};

/* The arguments of a command that are no options, in order. */
struct command_arguments {
	char **words;
	int count;
};

/*
 * Takes the arguments apart; `options` may be NULL. Returns -1 if the command shall run; otherwise it
 * ends with this exit code (--help, or wrong usage, explained).
 */
int command_parse(const struct command *command, int argc, char **argv, const struct command_option *options,
		  struct command_arguments *arguments);

/* "postern NAME: WHATWORD" and how it is used, on standard error; returns EX_USAGE. */
int command_wrong_usage(const struct command *command, const char *what, const char *word);

/* "postern: ..." on standard error; returns `exit_code`. */
int command_fail(int exit_code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
