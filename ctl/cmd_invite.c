/*
 * invite: from a VPS on which nothing but the programs is installed to one line that a mail host joins
 * by. In an order in which everything that can be wrong is found before it matters, and can be taken
 * back: names, files, the list, the machine, the service; the line is printed when the edge has
 * answered to it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "invite_line.h"
#include "lib/quantity.h"
#include "lib/utc_time.h"
#include "vps.h"

#define DEFAULT_EXPIRES "24h"
#define EXPIRES_MAX_MS (30LL * 24 * 3600 * 1000)
#define START_MS 20000

struct invitation {
	const char *host, *port_text, *expires_text, *domain;
	bool is_anyway;
	struct command_arguments arguments;
	struct invite invite;
	struct invite_line line;
	struct vps vps;
	size_t steps_before_line; /* of vps.undo */
	bool is_left_out; /* starting the service is the user's */
};

/* ---- the arguments ---- */

static bool is_option(const char *word)
{
	return strchr(word, '=') != NULL || strcmp(word, "disabled") == 0;
}

static int take_words(struct invitation *invitation)
{
	struct command_arguments *arguments = &invitation->arguments;
	int first = arguments->count > 0 && !is_option(arguments->words[0]) ? 1 : 0;

	if (first > 0 && snprintf(invitation->line.name, sizeof(invitation->line.name), "%s",
				  arguments->words[0]) >= (int)sizeof(invitation->line.name))
		return command_fail(EX_DATAERR,
				    "name: longer than %d characters; nothing was changed",
				    CLIENT_NAME_MAX);
	if (first > 0 && invitation->line.name[0] == '\0')
		return command_fail(EX_DATAERR, "name: it is empty; nothing was changed");
	invitation->line.options = arguments->words + first;
	invitation->line.option_count = arguments->count - first;
	for (int i = first; i < arguments->count; i++)
		if (!is_option(arguments->words[i]) ||
		    strncmp(arguments->words[i], "invite=", 7) == 0 ||
		    strcmp(arguments->words[i], "disabled") == 0)
			return command_fail(
				EX_USAGE,
				"\"%s\" is no option for an invited mail host; nothing was changed",
				arguments->words[i]);
	return EX_OK;
}

static int take_numbers(struct invitation *invitation)
{
	int64_t port = 0, expires_ms;

	if (invitation->port_text != NULL &&
	    (quantity_parse(QUANTITY_PLAIN, invitation->port_text, &port) != QUANTITY_OK ||
	     port < 1 || port > 65535))
		return command_fail(EX_USAGE, "--port \"%s\" is no port; nothing was changed",
				    invitation->port_text);
	invitation->invite.port = (uint16_t)port;
	if (quantity_parse(QUANTITY_DURATION, invitation->expires_text, &expires_ms) !=
		    QUANTITY_OK ||
	    expires_ms < 60000 || expires_ms > EXPIRES_MAX_MS)
		return command_fail(EX_USAGE,
				    "--expires \"%s\": a time from 1m to 30d belongs here, as 24h; "
				    "nothing was changed",
				    invitation->expires_text);
	invitation->invite.expires = time(NULL) + expires_ms / 1000;
	return EX_OK;
}

/* -1: go on. */
static int parse(const struct command *command, int argc, char **argv,
		 struct invitation *invitation)
{
	const struct command_option options[] = {
		{ "host", &invitation->host, NULL },
		{ "port", &invitation->port_text, NULL },
		{ "expires", &invitation->expires_text, NULL },
		{ "try", &invitation->domain, NULL },
		{ "anyway", NULL, &invitation->is_anyway },
		{ "quiet", NULL, &invitation->vps.is_quiet },
		{ NULL, NULL, NULL },
	};
	int result = command_parse(command, argc, argv, options, &invitation->arguments);

	if (result >= 0)
		return result;
	result = take_words(invitation);
	if (result == EX_OK)
		result = take_numbers(invitation);
	if (result == EX_OK && geteuid() != 0)
		result = command_fail(EX_NOPERM,
				      "rights: postern invite makes a user, files in /etc and "
				      "/var/lib, and starts a service; call "
				      "it as root (sudo postern invite); nothing was changed");
	return result == EX_OK ? -1 : result;
}

/* ---- the steps ---- */

static int find_names(struct invitation *invitation, char hello[INVITE_HOST_MAX + 1])
{
	struct vps *vps = &invitation->vps;
	int result = vps_conf_read(vps);

	if (result == EX_OK)
		result = vps_name_find(vps, invitation->host, invitation->invite.host);
	if (result == EX_OK && !vps->has_conf)
		result = vps_name_find_hello(invitation->invite.host, hello);
	if (invitation->invite.port == 0)
		invitation->invite.port = (uint16_t)strtoul(vps->listen.port, NULL, 10);
	else if (!vps->has_conf)
		snprintf(vps->listen.port, sizeof(vps->listen.port), "%u", invitation->invite.port);
	return result;
}

static int make_line(struct invitation *invitation)
{
	struct noise_keypair keypair;

	invite_make_secret(invitation->invite.secret);
	invite_derive(&keypair, invitation->invite.secret);
	memcpy(invitation->line.invite_key, keypair.public_key, sizeof(keypair.public_key));
	noise_keypair_wipe(&keypair);
	memcpy(invitation->invite.edge_key, invitation->vps.public_key, NOISE_DHLEN);
	invitation->line.path = invitation->vps.list;
	invitation->line.enrolled = invitation->vps.enrolled;
	invitation->line.expires = invitation->invite.expires;
	invitation->steps_before_line = invitation->vps.undo.count;
	return invite_line_put(&invitation->line);
}

static int start(struct invitation *invitation)
{
	int result = vps_service_start(&invitation->vps, &invitation->is_left_out);

	if (result != EX_OK)
		return result;
	if (!invitation->is_left_out)
		return vps_service_ask(&invitation->vps, invitation->invite.secret, START_MS);
	return EX_OK;
}

static int set_up(struct invitation *invitation)
{
	char hello[INVITE_HOST_MAX + 1];
	int result = find_names(invitation, hello);

	if (result == EX_OK)
		result = vps_files_make(&invitation->vps);
	if (result == EX_OK && !invitation->vps.has_conf)
		result = vps_conf_make(&invitation->vps, hello, invitation->invite.port);
	if (result == EX_OK)
		result = make_line(invitation);
	if (result == EX_OK)
		result = vps_check_run(&invitation->vps, invitation->domain, invitation->is_anyway);
	if (result == EX_OK)
		result = start(invitation);
	return result;
}

/* ---- the end ---- */

static void take_back(struct invitation *invitation)
{
	struct undo *undo = &invitation->vps.undo;
	bool had_any = undo->count > 0 || invitation->line.after != NULL;
	int failures = 0;

	/* In the opposite order. */
	if (invitation->line.after != NULL)
		failures = undo_back_to(undo, invitation->steps_before_line);
	failures += invite_line_take_back(&invitation->line) != 0;
	failures += undo_back_to(undo, 0);
	if (failures > 0)
		command_fail(0, "not all of it could be taken back, see above");
	else
		command_fail(0, "%snothing was changed",
			     had_any ? "what was begun was taken back: " : "");
}

static int print(const struct invitation *invitation)
{
	char text[INVITE_TEXT_MAX], moment[UTC_TIME_TEXT + 1];

	if (invite_print(&invitation->invite, text) < 0)
		return command_fail(EX_SOFTWARE, "name: %s cannot stand in an invite",
				    invitation->invite.host);
	if (!invitation->vps.is_quiet) {
		if (invitation->is_left_out)
			printf("There is no systemd here. Start the edge, and if it runs already, "
			       "anew:\n    " POSTERN_SBINDIR "/postern-edge &\n");
		else
			printf("postern-edge runs, and answers at port %u.\n",
			       invitation->invite.port);
		vps_firewall_print(invitation->invite.port);
		printf("On the mail host, as root, until %s, once:\n\n    postern join "
		       "--stdin\n\nand paste this line, which is a secret "
		       "until it was used:\n\n",
		       utc_time_print(invitation->invite.expires, moment));
	}
	puts(text);
	explicit_bzero(text, sizeof(text));
	return EX_OK;
}

static int run_invite(const struct command *command, int argc, char **argv)
{
	struct invitation invitation = { .expires_text = DEFAULT_EXPIRES };
	int result = parse(command, argc, argv, &invitation);

	if (result >= 0)
		return result;
	result = set_up(&invitation);
	if (result == EX_OK)
		result = print(&invitation);
	if (result != EX_OK)
		take_back(&invitation);
	undo_forget(&invitation.vps.undo);
	invite_line_wipe(&invitation.line);
	invite_wipe(&invitation.invite);
	return result;
}

const struct command command_invite = {
	.name = "invite",
	.arguments = "[--host NAME] [--port N] [--expires TIME] [--try DOMAIN] [--anyway] "
		     "[--quiet] [NAME] [OPTION=VALUE ...]",
	.summary = "on the VPS: set the edge up, start it, and print an invite for a mail host",
	.help = "Makes what is missing of user, key, configuration and state, starts the service, "
		"looks whether mail can leave from this\n"
		"machine, and prints one line for `postern join' on the mail host. An invite is "
		"good for one mail host, once. Called again\n"
		"for the same NAME (default: mailhost) it replaces an invite that was not used. "
		"OPTIONs are those of\n"
		"postern-authorized_clients(5). See postern-join(1).\n\n"
		"  --host NAME      how the mail host finds this machine (default: the name in its "
		"PTR record)\n"
		"  --port N         the port of the edge\n"
		"  --expires TIME   for so long, from 1m to 30d, instead of " DEFAULT_EXPIRES "\n"
		"  --try DOMAIN     whose mail servers port 25 is tried with, instead of large "
		"ones\n"
		"  --anyway         also where no mail would leave from this machine\n"
		"  --quiet          print the invite alone\n",
	.words_max = COMMAND_WORDS_ANY,
	.run = run_invite,
};
