/*
 * The subcommands of postern(1). Each returns an exit code of sysexits(3) and has told the user
 * what was wrong.
 */
#ifndef COMMAND_H
#define COMMAND_H

struct command {
	const char *name;
	const char *arguments; /* "KEY NAME [OPTION=VALUE ...]" */
	const char *summary;   /* one line for the list of commands */
	const char *help;      /* the rest of `postern NAME --help` */
	int (*run)(const struct command *command, int argc, char **argv);
};

extern const struct command command_keygen;
extern const struct command command_pubkey;
extern const struct command command_genpsk;
extern const struct command command_authorize;
extern const struct command command_revoke;
extern const struct command command_peers;
extern const struct command command_rotate;
extern const struct command command_edges;
extern const struct command command_tlsrpt;
extern const struct command command_limits;
extern const struct command command_senders_check;
extern const struct command command_headers_check;

/*
 * What the arguments of a command come to: those that are no options, in order, and --file if the
 * command takes it. Returns -1 if the command shall run; otherwise it ends with this exit code
 * (--help, or wrong usage, explained).
 */
struct command_arguments {
	char **words;
	int count;
	const char *file; /* the default unless given */
};
int command_parse(const struct command *command, int argc, char **argv, int minimum, int maximum,
		  const char *default_file, struct command_arguments *arguments);

/* "postern: ..." on standard error; returns `exit_code`. */
int command_fail(int exit_code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
