/*
 * What all subcommands share: their arguments and how they complain.
 */
#include "command.h"

#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static void print_help(const struct command *command)
{
	printf("usage: postern %s %s\n\n%s", command->name, command->arguments, command->help);
}

int command_wrong_usage(const struct command *command, const char *what, const char *word)
{
	fprintf(stderr, "postern %s: %s%s\nusage: postern %s %s\n", command->name, what, word, command->name,
		command->arguments);
	return EX_USAGE;
}

/* For getopt_long(): --help is 0, options[i] is i + 1. */
static void make_table(struct option *table, const struct command_option *options)
{
	*table++ = (struct option){ .name = "help" };
	for (int i = 0; options != NULL && options[i].name != NULL; i++) {
		assert(i < COMMAND_OPTIONS_MAX);
		*table++ = (struct option){
			.name = options[i].name,
			.has_arg = options[i].value != NULL ? required_argument : no_argument,
			.val = i + 1,
		};
	}
	*table = (struct option){ .name = NULL };
}

int command_parse(const struct command *command, int argc, char **argv, const struct command_option *options,
		  struct command_arguments *arguments)
{
	struct option table[COMMAND_OPTIONS_MAX + 2];
	int option;

	make_table(table, options);
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (option == 0) {
			print_help(command);
			return EX_OK;
		}
		if (option == '?')
			return command_wrong_usage(command, "unknown option or missing value: ", argv[optind - 1]);
		if (options[option - 1].value != NULL)
			*options[option - 1].value = optarg;
		else
			*options[option - 1].flag = true;
	}
	arguments->words = argv + optind;
	arguments->count = argc - optind;
	if (arguments->count < command->words_min)
		return command_wrong_usage(command, "something is missing", "");
	if (arguments->count > command->words_max)
		return command_wrong_usage(command, "too much: ", arguments->words[command->words_max]);
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
