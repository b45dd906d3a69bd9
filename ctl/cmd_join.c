/*
 * join: a mail host accepts an invite. Questions first, then one decision, then the change:
 *
 *   the invite's characters; root; Postfix and the files here; the edge (name, connection, key, state
 *   of the invite, clock); what will change; yes; the edge's own way out; the key enrolled and tried; the change.
 *
 * Before the yes nothing is written. After it a failure leaves /etc as it was; what stays is the key,
 * if the edge has, or may have, enrolled it, so that the same invite can be used again.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"
#include "join_edge.h"
#include "join_exit.h"
#include "join_host.h"
#include "join_spf.h"

struct join {
	bool is_stdin, is_yes, is_dry_run, is_anyway;
	const char *name, *postfix_directory;
	struct invite invite;
	struct join_edge edge;
	struct join_host host;
};

static int fail(int exit_code, const char *error)
{
	return command_fail(exit_code, "%s\npostern: nothing was changed", error);
}

/* ---- the invite ---- */

/*
 * A line that a mail program wrapped is several lines. At a terminal the one that makes the invite
 * complete is the last; what comes from elsewhere is all meant to be the invite.
 */
static enum invite_fault read_standard_input(struct invite *invite, char *reason, size_t reason_size)
{
	bool is_terminal = isatty(STDIN_FILENO);
	enum invite_fault fault = INVITE_CUT_OFF;
	char text[4 * INVITE_TEXT_MAX] = "";
	size_t length = 0;

	if (is_terminal)
		fputs("Paste the invite, and press Enter: ", stderr);
	while (length + 1 < sizeof(text) && fgets(text + length, (int)(sizeof(text) - length), stdin) != NULL) {
		bool is_empty = text[length] == '\n';

		length += strlen(text + length);
		fault = invite_parse(invite, text, reason, reason_size);
		if (is_terminal && (fault != INVITE_CUT_OFF || is_empty))
			break;
	}
	if (length == 0)
		fault = invite_parse(invite, text, reason, reason_size);
	explicit_bzero(text, sizeof(text));
	return fault;
}

static int take_invite(const struct command *command, struct join *join, const struct command_arguments *arguments)
{
	char reason[JOIN_ERROR_MAX];
	enum invite_fault fault;

	if (join->is_stdin == (arguments->count == 1))
		return command_wrong_usage(command, join->is_stdin ? "the invite comes from standard input: " :
								     "the invite is missing",
					   join->is_stdin ? "no argument" : "");
	fault = join->is_stdin ? read_standard_input(&join->invite, reason, sizeof(reason)) :
				 invite_parse(&join->invite, arguments->words[0], reason, sizeof(reason));
	return fault == INVITE_GOOD ? EX_OK : fail(JOIN_BAD_INVITE, reason);
}

/* ---- the decision ---- */

/* Of the terminal, as standard input may have been the invite. */
static int confirm(const struct join *join)
{
	FILE *terminal;
	char answer[16] = "";
	bool is_yes;

	if (join->is_yes)
		return EX_OK;
	terminal = fopen("/dev/tty", "r+e");
	if (terminal == NULL)
		return fail(JOIN_NOT_CONFIRMED, "there is no terminal to ask for a yes on; look at the changes above, and run it "
						"again with --yes");
	fflush(stdout);
	fputs("Shall this be done? [y/N] ", terminal);
	fflush(terminal);
	is_yes = fgets(answer, sizeof(answer), terminal) != NULL && tolower((unsigned char)answer[0]) == 'y';
	fclose(terminal);
	return is_yes ? EX_OK : command_fail(JOIN_NOT_CONFIRMED, "nothing was changed");
}

static void print_edge(const struct join *join)
{
	char where[ENDPOINT_TEXT_MAX];

	printf("The edge %s at %s answers, has the key that is in the invite, and the invite is good.\n",
	       join->edge.ehlo_name, endpoint_print(&join->edge.endpoint, where, sizeof(where)));
}

/* ---- the change ---- */

/* The key is enrolled, or may be, and stays. */
static int fail_with_key(const struct join *join, int exit_code, const char *error)
{
	return command_fail(exit_code, "%s\npostern: nothing was changed but the key in %s, with which the same invite can be used again",
			    error, join->host.key_path);
}

/* What the edge says of its way out. */
static int weigh(const struct join *join, int result, const char *error)
{
	if (result != JOIN_NO_PORT_25 || !join->is_anyway)
		return result;
	printf("Note: %s\n", error);
	return EX_OK;
}

static int check_edge(struct join *join)
{
	char error[JOIN_ERROR_MAX];
	int result;

	printf("The edge looks whether it can deliver; that takes up to 40 s...\n");
	fflush(stdout);
	result = weigh(join, join_edge_check(&join->edge, error, sizeof(error)), error);
	return result == EX_OK ? EX_OK : fail(result, error);
}

static int verify(struct join *join)
{
	char error[JOIN_ERROR_MAX];
	int result = weigh(join, join_edge_verify(&join->edge, &join->host.key, error, sizeof(error)), error);

	return result == EX_OK ? EX_OK : fail_with_key(join, result, error);
}

static int enrol(struct join *join)
{
	char error[JOIN_ERROR_MAX];
	bool is_certain;
	int result = join_host_take_key(&join->host, error, sizeof(error));

	if (result != EX_OK) {
		join_host_drop_key(&join->host);
		return fail(result, error);
	}
	result = join_edge_enrol(&join->edge, join->host.key.public_key, &is_certain, error, sizeof(error));
	if (result == EX_OK)
		return verify(join);
	/* It may have been enrolled, and nobody else's key can be then. */
	if (!is_certain)
		return fail_with_key(join, result, error);
	join_host_drop_key(&join->host);
	return fail(result, error);
}

static void finish(const struct join *join)
{
	printf("\nThis mail host has joined. All mail to the outside goes by the edge \"%s\" from now on;\n"
	       "`postern leave' undoes it.\n\n", join->host.name);
	join_spf_print(&join->host.postfix, join->edge.ehlo_name);
	printf("\nNext:\n    postern test YOU@ANOTHER-PROVIDER\n");
}

static int apply(struct join *join)
{
	char error[JOIN_ERROR_MAX];
	bool is_undone;
	int result = check_edge(join);

	if (result == EX_OK)
		result = enrol(join);
	if (result != EX_OK)
		return result;
	result = join_host_apply(&join->host, &is_undone, error, sizeof(error));
	if (result != EX_OK && !is_undone)
		return command_fail(result, "%s\npostern: this host is half changed; `postern leave' takes that back", error);
	if (result != EX_OK)
		return fail_with_key(join, result, error);
	finish(join);
	return EX_OK;
}

static int talk(struct join *join)
{
	char error[JOIN_ERROR_MAX];
	int result = join_edge_probe(&join->edge, join->host.has_key, error, sizeof(error));

	if (result == EX_OK)
		result = join_host_plan_edge(&join->host, join->name, &join->edge.endpoint, join->edge.ehlo_name,
					     join->invite.edge_key, error, sizeof(error));
	if (result != EX_OK)
		return fail(result, error);
	print_edge(join);
	join_host_print_plan(&join->host);
	if (join->is_dry_run)
		return EX_OK;
	result = confirm(join);
	return result == EX_OK ? apply(join) : result;
}

static int go(struct join *join)
{
	char error[JOIN_ERROR_MAX];
	int result;

	if (geteuid() != 0)
		return fail(JOIN_NOT_ROOT, "join must be run by root: it changes Postfix's configuration (sudo postern join ...)");
	join_edge_init(&join->edge, &join->invite);
	result = join_state_lock(error, sizeof(error));
	if (result != EX_OK)
		return fail(result, error);
	result = join_host_open(&join->host, join->postfix_directory, join->invite.edge_key, error, sizeof(error));
	if (result != EX_OK)
		result = fail(result, error);
	else if (join_host_has_joined(&join->host))
		printf("already joined: the edge of this invite is \"%s\" in %s, and Postfix uses it\n", join->host.name,
		       join->host.edges_path);
	else
		result = talk(join);
	join_host_wipe(&join->host);
	return result;
}

static int run_join(const struct command *command, int argc, char **argv)
{
	struct join join = { .is_stdin = false };
	const struct command_option options[] = {
		{ "stdin", NULL, &join.is_stdin },
		{ "yes", NULL, &join.is_yes },
		{ "dry-run", NULL, &join.is_dry_run },
		{ "anyway", NULL, &join.is_anyway },
		{ "name", &join.name, NULL },
		{ "postfix-config", &join.postfix_directory, NULL },
		{ NULL, NULL, NULL },
	};
	struct command_arguments arguments;
	int result = command_parse(command, argc, argv, options, &arguments);

	if (result >= 0)
		return result;
	result = take_invite(command, &join, &arguments);
	if (result == EX_OK)
		result = go(&join);
	invite_wipe(&join.invite);
	return result;
}

const struct command command_join = {
	.name = "join",
	.arguments = "[--yes] [--dry-run] [--anyway] [--name EDGE] [--postfix-config DIR] INVITE | --stdin",
	.summary = "connect this mail host with the edge that made an invite",
	.help = "Takes the line that `postern invite' printed on the edge: enrols a key of this host there, shows what has to change "
		"here, and\n"
		"after a yes changes it, Postfix included. If anything fails, nothing is changed; each kind of failure has an exit "
		"code of its\n"
		"own, see postern-join(1).\n\n"
		"  --stdin               read the invite from standard input: other users see arguments in ps(1)\n"
		"  --yes                 do not ask\n"
		"  --dry-run             only show what would be changed\n"
		"  --anyway              also if the edge cannot reach port 25 of mail servers\n"
		"  --name EDGE           what the edge is called here, instead of the first part of its host name\n"
		"  --postfix-config DIR  the directory with main.cf, if Postfix has several instances\n",
	.words_max = 1,
	.run = run_join,
};
