/*
 * limits, senders-check, headers-check: what the sender policy of this mail host has counted, and
 * what it would do. Only postern-milter knows that, so it is run in our place with the options for
 * it; its output and exit code are ours.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"

#define DEFAULT_PROGRAM POSTERN_SBINDIR "/postern-milter"

struct options {
	const char *config, *program, *login, *sender;
	struct command_arguments arguments;
};

/* -1, or what command_parse() says. */
static int parse(const struct command *command, int argc, char **argv, bool has_message, struct options *options)
{
	const struct command_option table[] = {
		{ "config", &options->config, NULL },
		{ "milter", &options->program, NULL },
		/* These two end the table for commands without a message. */
		{ has_message ? "login" : NULL, &options->login, NULL },
		{ "sender", &options->sender, NULL },
		{ NULL, NULL, NULL },
	};

	options->program = DEFAULT_PROGRAM;
	return command_parse(command, argc, argv, table, &options->arguments);
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
	const struct command_arguments *arguments = &options.arguments;
	int result = parse(command, argc, argv, false, &options);

	if (result >= 0)
		return result;
	if (arguments->count == 0)
		return run_milter(&options, "--limits", "show", NULL);
	if (strcmp(arguments->words[0], "show") == 0)
		return arguments->count == 1 ? run_milter(&options, "--limits", "show", NULL) :
					       command_wrong_usage(command, "too much: ", arguments->words[1]);
	if (strcmp(arguments->words[0], "reset") != 0)
		return command_wrong_usage(command, "neither show nor reset: ", arguments->words[0]);
	if (arguments->count == 1)
		return command_wrong_usage(command, "reset whom?", "");
	return run_milter(&options, "--limits", "reset", arguments->words[1]);
}

static int run_senders_check(const struct command *command, int argc, char **argv)
{
	struct options options = { 0 };
	int result = parse(command, argc, argv, false, &options);

	if (result >= 0)
		return result;
	return run_milter(&options, "--senders-check", options.arguments.words[0], options.arguments.words[1]);
}

static int run_headers_check(const struct command *command, int argc, char **argv)
{
	struct options options = { 0 };
	int result = parse(command, argc, argv, true, &options);

	if (result >= 0)
		return result;
	if (options.arguments.count > 0)
		return command_wrong_usage(command, "the message comes on standard input; too much: ",
					   options.arguments.words[0]);
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
	.help = "Asks the running postern-milter which of its limits (postern-limits(5)) are not full, or fills\n"
		"those of WHO: login:NAME, client:ADDRESS, domain:NAME, local, or * for all.\n\n" COMMON_HELP,
	.words_max = 2,
	.run = run_limits,
};

const struct command command_senders_check = {
	.name = "senders-check",
	.arguments = "[--config FILE] [--milter PATH] LOGIN ADDRESS",
	.summary = "may this login send as this address?",
	.help = "Says what postern-milter would do with ADDRESS as envelope sender and in From, and which line of\n"
		"senders decides. LOGIN may be any key of postern-senders(5): a client's address, a\n"
		"fingerprint, local.\n\n" COMMON_HELP,
	.words_min = 2,
	.words_max = 2,
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
	.words_max = COMMAND_WORDS_ANY,
	.run = run_headers_check,
};
