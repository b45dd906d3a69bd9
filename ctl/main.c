/*
 * postern: keys, the allow-list, the table of edges, TLS reports and the sender policy, from the command line. A table of subcommands;
 * each lives in a file of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "command.h"

static const struct command *const commands[] = {
	&command_invite, &command_join, &command_leave,
	&command_keygen, &command_pubkey, &command_genpsk, &command_authorize,
	&command_revoke, &command_peers, &command_rotate, &command_edges, &command_tlsrpt, &command_limits,
	&command_senders_check, &command_headers_check,
	&command_doctor,
	&command_status, &command_metrics, &command_log, &command_test,
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *out)
{
	fputs("usage: postern COMMAND [ARGUMENTS]\n\n", out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-14s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n`postern COMMAND --help' says more; `postern --version' says which. See "
	      "postern(1).\n",
	      out);
}

/* What was printed must have arrived: a public key that went to a full disk is worth a word. */
static int finish(int exit_code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit_code;
	/* Of a write that failed some time ago the reason may be gone. */
	return command_fail(EX_IOERR, "cannot write the output: %s", errno != 0 ? strerror(errno) : "a part of it is lost");
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_usage(stderr);
		return EX_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0) {
		print_usage(stdout);
		return finish(EX_OK);
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("postern " PACKAGE_VERSION);
		return finish(EX_OK);
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(argv[1], commands[i]->name) == 0)
			return finish(commands[i]->run(commands[i], argc - 1, argv + 1));
	fprintf(stderr, "postern: there is no command \"%s\"\n", argv[1]);
	print_usage(stderr);
	return EX_USAGE;
}
