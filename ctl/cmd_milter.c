/*
 * limits, senders-check, headers-check: what the sender policy of this mail host has counted, and
 * what it would do. Only postern-milter knows that, so it is run in our place with the options for
 * it; its output and exit code are ours.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"

#define DEFAULT_PROGRAM POSTERN_SBINDIR "/postern-milter"
#define WORDS_MAX 2

struct options {
	const char *config, *program, *login, *sender;
	int is_help;
	char **words;
	int count;
};

static int wrong_usage(const struct command *command, const char *why, const char *what)
{
	fprintf(stderr, "postern %s: %s%s\nusage: postern %s %s\n", command->name, why, what, command->name,
		command->arguments);
	return EX_USAGE;
}

/* What is printed for --help is EX_OK and is_help. */
static int parse(const struct command *command, int argc, char **argv, bool has_message, struct options *options)
{
	const char **const values[] = { &options->config, &options->program, &options->login, &options->sender };
	const struct option table[] = {
		{ "config", required_argument, NULL, 1 },
		{ "milter", required_argument, NULL, 2 },
		{ "help", no_argument, &options->is_help, 1 },
		/* These two end the table for commands without a message. */
		{ has_message ? "login" : NULL, required_argument, NULL, 3 },
		{ has_message ? "sender" : NULL, required_argument, NULL, 4 },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	options->program = DEFAULT_PROGRAM;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (option == '?')
			return wrong_usage(command, "unknown option or missing value: ", argv[optind - 1]);
		if (option > 0)
			*values[option - 1] = optarg;
	}
	options->words = argv + optind;
	options->count = argc - optind;
	if (options->is_help)
		printf("usage: postern %s %s\n\n%s", command->name, command->arguments, command->help);
	else if (options->count > WORDS_MAX)
		return wrong_usage(command, "too much: ", options->words[WORDS_MAX]);
	return EX_OK;
}

/* Returns only if the program cannot be run. "--" keeps a login of "-x" from being an option. */
static int run_milter(const struct options *options, const char *task, const char *first, const char *second)
{
	const char *argv[8] = { options->program };
	size_t count = 1;

	if (options->config != NULL) {
		argv[count++] = "-c";
		argv[count++] = options->config;
	}
	argv[count++] = task;
	argv[count++] = "--";
	argv[count++] = first;
	argv[count++] = second;
	/* exec does not change them; its type is older than const. */
	execv(options->program, (char *const *)(uintptr_t)argv);
	return command_fail(EX_UNAVAILABLE, "cannot run %s: %s%s", options->program, strerror(errno),
			    errno == ENOENT ? "; this is for the mail host where postern-milter is installed" : "");
}

static int run_limits(const struct command *command, int argc, char **argv)
{
	struct options options = { 0 };
	int result = parse(command, argc, argv, false, &options);

	if (result != EX_OK || options.is_help)
		return result;
	if (options.count == 0)
		return run_milter(&options, "--limits", "show", NULL);
	if (strcmp(options.words[0], "show") == 0)
		return options.count == 1 ? run_milter(&options, "--limits", "show", NULL) :
					    wrong_usage(command, "too much: ", options.words[1]);
	if (strcmp(options.words[0], "reset") != 0)
		return wrong_usage(command, "neither show nor reset: ", options.words[0]);
	if (options.count == 1)
		return wrong_usage(command, "reset whom?", "");
	return run_milter(&options, "--limits", "reset", options.words[1]);
}

static int run_senders_check(const struct command *command, int argc, char **argv)
{
	struct options options = { 0 };
	int result = parse(command, argc, argv, false, &options);

	if (result != EX_OK || options.is_help)
		return result;
	if (options.count < 2)
		return wrong_usage(command, "something is missing", "");
	return run_milter(&options, "--senders-check", options.words[0], options.words[1]);
}

static int run_headers_check(const struct command *command, int argc, char **argv)
{
	struct options options = { 0 };
	int result = parse(command, argc, argv, true, &options);

	if (result != EX_OK || options.is_help)
		return result;
	if (options.count > 0)
		return wrong_usage(command, "the message comes on standard input; too much: ", options.words[0]);
	if (options.sender != NULL && options.login == NULL)
		options.login = "local";
	return run_milter(&options, "--headers-check", options.login, options.sender);
}

#define COMMON_HELP \
	"  --config FILE    configuration of postern-milter, instead of " POSTERN_SYSCONFDIR "/milter.conf\n" \
	"  --milter PATH    the program, instead of " DEFAULT_PROGRAM "\n"

const struct command command_limits = {
	.name = "limits",
	.arguments = "[--config FILE] [--milter PATH] [show | reset WHO]",
	.summary = "who has used up how much of the limits",
	.help = "Asks the running postern-milter which of its limits (postern-limits(5)) are not full, or fills those of\n"
		"WHO: login:NAME, client:ADDRESS, domain:NAME, local, or * for all.\n\n" COMMON_HELP,
	.run = run_limits,
};

const struct command command_senders_check = {
	.name = "senders-check",
	.arguments = "[--config FILE] [--milter PATH] LOGIN ADDRESS",
	.summary = "may this login send as this address?",
	.help = "Says what postern-milter would do with ADDRESS as envelope sender and in From, and which line of senders\n"
		"decides. LOGIN may be any key of postern-senders(5): a client's address, a fingerprint, local.\n\n" COMMON_HELP,
	.run = run_senders_check,
};

const struct command command_headers_check = {
	.name = "headers-check",
	.arguments = "[--config FILE] [--milter PATH] [--login LOGIN] [--sender ADDRESS] <MESSAGE",
	.summary = "what would become of a message's header section?",
	.help = "Reads a message on standard input and says what postern-milter would find in it, change and answer.\n"
		"Nothing is sent, and nothing counted.\n\n"
		"  --login LOGIN    who hands it in, as for senders-check; default: local\n"
		"  --sender ADDRESS envelope sender; default: the address in From\n" COMMON_HELP,
	.run = run_headers_check,
};
