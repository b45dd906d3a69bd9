/*
 * What all subcommands share: their arguments and how they complain.
 */
#include "command.h"

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum { OPTION_HELP = 256, OPTION_FILE };

static void print_help(const struct command *command)
{
	printf("usage: postern %s %s\n\n%s", command->name, command->arguments, command->help);
}

static int wrong_usage(const struct command *command, const char *what, const char *word)
{
	fprintf(stderr, "postern %s: %s%s\nusage: postern %s %s\n", command->name, what, word,
		command->name, command->arguments);
	return EX_USAGE;
}

int command_parse(const struct command *command, int argc, char **argv, int minimum, int maximum,
		  const char *default_file, struct command_arguments *arguments)
{
	const struct option options[] = {
		{ "help", no_argument, NULL, OPTION_HELP },
		/* The last of the options ends the table for commands without a file. */
		{ default_file != NULL ? "file" : NULL, required_argument, NULL, OPTION_FILE },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	arguments->file = default_file;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == OPTION_HELP) {
			print_help(command);
			return EX_OK;
		}
		if (option != OPTION_FILE)
			return wrong_usage(command,
					   "unknown option or missing value: ", argv[optind - 1]);
		arguments->file = optarg;
	}
	arguments->words = argv + optind;
	arguments->count = argc - optind;
	if (arguments->count < minimum)
		return wrong_usage(command, "something is missing", "");
	if (arguments->count > maximum)
		return wrong_usage(command, "too much: ", arguments->words[maximum]);
	return -1;
}

int command_fail(int exit_code, const char *format, ...)
{
	va_list arguments;

	fputs("postern: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return exit_code;
}
