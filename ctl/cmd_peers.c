/*
 * peers: the allow-list as the edge reads it: who may deliver, with which options, and which lines
 * are not understood.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "allow_list.h"
#include "command.h"
#include "lib/table.h"
#include "tunnel/authorized_clients.h"
#include "tunnel/base64_key.h"

#define ERROR_MAX 4608 /* a path and a sentence or two */
#define WORDS_MAX 32

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

/* The options as they stand in the line. */
static void print_options(struct table_line *line)
{
	char *words[WORDS_MAX];
	int count = table_split(line->value, words, WORDS_MAX);

	for (int i = 1; i < count; i++)
		printf(" %s", words[i]);
}

static void print_clients(const struct authorized_clients *list, struct table *table)
{
	size_t next = 0;
	int width = 0;

	for (size_t i = 0; i < list->count; i++)
		if ((int)strlen(list->clients[i].name) > width)
			width = (int)strlen(list->clients[i].name);
	for (size_t i = 0; i < list->count; i++) {
		char key[BASE64_KEY_TEXT + 1];

		base64_key_encode(key, list->clients[i].public_key);
		printf("%-*s %s", width, list->clients[i].name, key);
		/* Both are in the order of the file. */
		while (next < table->count && table->lines[next].line < list->clients[i].line)
			next++;
		if (next < table->count && table->lines[next].line == list->clients[i].line)
			print_options(&table->lines[next]);
		putchar('\n');
	}
}

static int run_peers(const struct command *command, int argc, char **argv)
{
	struct command_arguments arguments;
	struct authorized_clients list;
	struct table table;
	char error[ERROR_MAX];
	int result = command_parse(command, argc, argv, 0, 0, ALLOW_LIST_FILE, &arguments);

	if (result >= 0)
		return result;
	result = allow_list_check(arguments.file);
	if (result != EX_OK)
		return result;
	if (table_read(&table, arguments.file, NULL, error, sizeof(error)) != 0)
		return command_fail(EX_NOINPUT, "%s", error);
	result = EX_OK;
	if (authorized_clients_read(&list, arguments.file, NULL, print_complaint, NULL, error,
				    sizeof(error)) == 0) {
		/* No further lookups in it: the order of the file is the one that people know. */
		qsort(list.clients, list.count, sizeof(*list.clients), by_line);
		print_clients(&list, &table);
		if (list.bad_lines > 0)
			result = EX_DATAERR;
	} else {
		result = command_fail(EX_NOINPUT, "%s", error);
	}
	authorized_clients_wipe(&list);
	table_wipe(&table);
	return result;
}

const struct command command_peers = {
	.name = "peers",
	.arguments = "[--file FILE]",
	.summary = "list who may deliver through this edge",
	.help = "Prints name, public key and options of every client in the edge's allow-list, and "
		"on standard error the lines that are not\n"
		"understood (which the edge ignores); then it exits with 65.\n\n"
		"  --file FILE  the list, instead of " ALLOW_LIST_FILE "\n",
	.run = run_peers,
};
