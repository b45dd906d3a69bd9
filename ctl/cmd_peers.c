/*
 * peers: the allow-list as the edge reads it: who may deliver, with which options, and which lines
 * are not understood; with what the running edge has counted of them. peers set: other options.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "allow_list.h"
#include "client_set.h"
#include "command.h"
#include "lib/control_client.h"
#include "lib/table.h"
#include "peer_listing.h"
#include "tunnel/authorized_clients.h"

#define DEFAULT_SOCKET "unix:/run/postern-edge/control.sock"
#define ERROR_MAX 4608 /* a path and a sentence or two */

struct options {
	const char *file, *enrolled_option, *socket;
	char *enrolled;
	bool is_json;
};

static void print_complaint(void *context, const char *message)
{
	(void)context;
	command_fail(0, "%s", message);
}

static int by_line(const void *left, const void *right)
{
	const struct authorized_client *a = left, *b = right;

	return (a->line > b->line) - (a->line < b->line);
}

/* An edge that does not run is no mistake. */
static int print_listing(const struct options *options, const struct authorized_clients *list, struct table *table)
{
	char reason[ERROR_MAX];
	int result = EX_OK;
	struct peer_listing listing = {
		.list = list,
		.table = table,
		.counts = control_client_open(options->socket, "postern-edge", "peers", &result, reason,
					      sizeof(reason)),
		.is_json = options->is_json,
	};

	if (listing.counts == NULL) {
		listing.reason = reason;
		command_fail(0, "the list alone, without counts: %s", reason);
	}
	if (peer_listing_print(&listing) < 0)
		result = command_fail(EX_DATAERR, "out of memory, or the edge's answer is not understood; is it of "
						  "the same version?");
	if (listing.counts != NULL)
		fclose(listing.counts);
	return result == EX_UNAVAILABLE ? EX_OK : result;
}

static int list_clients(const struct options *options)
{
	struct authorized_clients list;
	struct table table;
	char error[ERROR_MAX];
	int result = EX_OK;

	if (table_read(&table, options->file, NULL, error, sizeof(error)) != 0)
		return command_fail(EX_NOINPUT, "%s", error);
	if (authorized_clients_read(&list, options->file, options->enrolled, NULL, print_complaint, NULL, error,
				    sizeof(error)) == 0) {
		/* No further lookups in it: the order of the file is the one that people know. */
		qsort(list.clients, list.count, sizeof(*list.clients), by_line);
		result = print_listing(options, &list, &table);
		if (list.bad_lines > 0)
			result = EX_DATAERR;
	} else {
		result = command_fail(EX_NOINPUT, "%s", error);
	}
	authorized_clients_wipe(&list);
	table_wipe(&table);
	return result;
}

static int run_peers(const struct command *command, int argc, char **argv)
{
	struct options options = { .file = ALLOW_LIST_FILE, .socket = DEFAULT_SOCKET };
	const struct command_option table[] = {
		{ "file", &options.file, NULL },
		{ "enrolled", &options.enrolled_option, NULL },
		{ "socket", &options.socket, NULL },
		{ "json", NULL, &options.is_json },
		{ NULL, NULL, NULL },
	};
	struct command_arguments arguments;
	int result = command_parse(command, argc, argv, table, &arguments);

	if (result >= 0)
		return result;
	if (arguments.count > 0 && strcmp(arguments.words[0], "set") != 0)
		return command_wrong_usage(command, "too much: ", arguments.words[0]);
	if (arguments.count > 0 && options.is_json)
		return command_wrong_usage(command, "--json is for the list", "");
	if (arguments.count > 0 && arguments.count < 3)
		return command_wrong_usage(command, "a name and an option are missing", "");
	result = allow_list_check(options.file);
	if (result != EX_OK)
		return result;
	options.enrolled = allow_list_enrolled(options.file, options.enrolled_option);
	if (arguments.count == 0)
		result = list_clients(&options);
	else
		result = client_set(options.file, options.enrolled, arguments.words[1], arguments.words + 2,
				    arguments.count - 2);
	free(options.enrolled);
	return result;
}

const struct command command_peers = {
	.name = "peers",
	.arguments = "[--file FILE] [--enrolled FILE] [--socket unix:PATH] [--json] | [--file FILE] [--enrolled FILE] set NAME OPTION=[VALUE]|disabled|enabled ...",
	.summary = "who may deliver through this edge, what they have used, and other limits for them",
	.help = "Prints name, public key and options of every client in the edge's allow-list, below that what the running edge has\n"
		"counted of it, and on standard error the lines that are not understood (which the edge ignores); then it exits with 65.\n"
		"Without a running edge there are no counts, and standard error says so.\n\n"
		"set changes options in all lines of this name, as in postern-authorized_clients(5); OPTION= takes one out. It holds\n"
		"from the client's next message on. Nothing else in the list changes.\n\n"
		"  --file FILE         the list, instead of " ALLOW_LIST_FILE "\n"
		"  --enrolled FILE     the keys that were enrolled by an invite in that list\n"
		"  --socket unix:PATH  control_socket of edge.conf, instead of " DEFAULT_SOCKET "\n"
		"  --json              the list and the counts as JSON\n",
	.words_max = COMMAND_WORDS_ANY,
	.run = run_peers,
};
