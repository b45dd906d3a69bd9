/*
 * edges: the mail host's table of edges, for people and for provisioning tools. A change is read as
 * the transport will read it, with the table of routes, before it counts; every other line stays as
 * it is. Running transports take it at their next message.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"
#include "edge_listing.h"
#include "list_file.h"
#include "list_lines.h"
#include "transport/transport_conf.h"

#define ERROR_MAX 4608 /* a path and a sentence or two */
#define WORDS_MAX 16

struct edges_command {
	const char *conf_path;
	bool is_json;
	struct command_arguments arguments;
	struct transport_conf conf;
	struct list_file file;
};

struct action {
	const char *name;
	const char *done;	      /* as it is told */
	const char *const removed[3]; /* words of the line */
	const char *added;
};

/* What changes a line. */
static const struct action actions[] = {
	{ "drain", "drained", { "drain", "disabled" }, "drain" },
	{ "disable", "disabled", { "drain", "disabled" }, "disabled" },
	{ "enable", "enabled", { "drain", "disabled" }, NULL },
};

/* A sentence about the text that was prepared becomes one about the table. */
static int fail_about(const struct list_file *file, const char *error)
{
	size_t length = strlen(file->temporary);

	if (length > 0 && strncmp(error, file->temporary, length) == 0)
		return command_fail(EX_DATAERR, "%s%s; nothing was changed", file->path,
				    error + length);
	return command_fail(EX_DATAERR, "%s; nothing was changed", error);
}

/* 0, or an exit code, told. Both tables are to be wiped in either case. */
static int read_tables(const struct edges_command *edges, const char *edges_path,
		       struct edge_table *table, struct route_table *routes)
{
	char error[ERROR_MAX];

	memset(routes, 0, sizeof(*routes));
	if (edge_table_read(table, edges_path, error, sizeof(error)) < 0 ||
	    route_table_read(routes, edges->conf.routes, table, error, sizeof(error)) < 0)
		return fail_about(&edges->file, error);
	return EX_OK;
}

static void wipe_tables(struct edge_table *table, struct route_table *routes)
{
	edge_table_wipe(table);
	route_table_wipe(routes);
}

static int tell(const struct edges_command *edges, const struct edge_table *table,
		const struct route_table *routes, const char *done, const char *name)
{
	struct edge_listing listing = { table, routes, edges->conf.edge_state, true };
	const struct edge *edge = edge_table_find(table, name);

	if (!edges->is_json)
		printf("%s %s\n", done, name);
	else if (edge == NULL)
		printf("{\n  \"name\": \"%s\",\n  \"service\": \"removed\"\n}\n", name);
	else if (edge_listing_print_one(&listing, edge) < 0)
		return command_fail(EX_OSERR, "out of memory");
	return EX_OK;
}

/* Puts the text in place if both tables are sound with it. */
static int replace(struct edges_command *edges, char *text, size_t length, const char *done,
		   const char *name)
{
	struct edge_table table = { 0 };
	struct route_table routes = { 0 };
	char error[ERROR_MAX];
	int result;

	if (text == NULL)
		return command_fail(EX_OSERR, "out of memory");
	result = list_file_prepare(&edges->file, text, length, error, sizeof(error));
	free(text);
	if (result != EX_OK)
		return command_fail(result, "%s", error);
	result = read_tables(edges, edges->file.temporary, &table, &routes);
	if (result == EX_OK) {
		result = list_file_commit(&edges->file, error, sizeof(error));
		if (result != EX_OK)
			command_fail(result, "%s", error);
	}
	if (result == EX_OK)
		result = tell(edges, &table, &routes, done, name);
	wipe_tables(&table, &routes);
	return result;
}

static int add(struct edges_command *edges)
{
	char *words[WORDS_MAX], key[200], *text;
	size_t count = (size_t)edges->arguments.count - 1, length, line;

	if ((size_t)snprintf(key, sizeof(key), "key=%s", edges->arguments.words[3]) >= sizeof(key))
		return command_fail(EX_DATAERR, "KEY is not what `postern pubkey' prints");
	memcpy(words, edges->arguments.words + 1, count * sizeof(*words));
	words[2] = key;
	for (size_t i = 0; i < count; i++)
		if (!list_lines_word_is_clean(words[i]))
			return command_fail(EX_USAGE,
					    "argument %zu is empty or has white space, quotes or "
					    "control characters in it",
					    i + 2);
	text = list_lines_append(edges->file.text.text, edges->file.text.length, words, count,
				 &length, &line);
	return replace(edges, text, length, "added", words[0]);
}

/* Says every line; a route without an edge would be a mistake in the table. */
static size_t complain_of_routes(const struct edges_command *edges, const struct edge_table *table,
				 const struct route_table *routes, const struct edge *edge)
{
	size_t position = (size_t)(edge - table->edges), count = 0;

	for (size_t i = 0; i < routes->count; i++)
		if (route_has_edge(routes, &routes->routes[i], position)) {
			command_fail(0, "%s:%lu: the route of %s names edge \"%s\"",
				     edges->conf.routes, (unsigned long)routes->routes[i].line,
				     routes->routes[i].key, edge->name);
			count++;
		}
	return count;
}

static bool is_that_line(const void *context, size_t line)
{
	return *(const size_t *)context == line;
}

static int remove_edge(struct edges_command *edges, const struct edge_table *table,
		       const struct route_table *routes, const struct edge *edge)
{
	size_t length;
	char *text;

	if (complain_of_routes(edges, table, routes, edge) > 0)
		return command_fail(EX_DATAERR,
				    "edge \"%s\" was not removed: take it out of the routes first",
				    edge->name);
	text = list_lines_remove(edges->file.text.text, edges->file.text.length, is_that_line,
				 &edge->line, &length);
	return replace(edges, text, length, "removed", edges->arguments.words[1]);
}

static int change(struct edges_command *edges, const struct edge *edge, const struct action *action)
{
	size_t length;
	char *text = list_lines_exchange(edges->file.text.text, edges->file.text.length, edge->line,
					 action->removed, action->added, &length);

	return replace(edges, text, length, action->done, edges->arguments.words[1]);
}

/* remove, drain, enable, disable: of an edge that is there. `action` NULL: remove. */
static int on_edge(struct edges_command *edges, const struct action *action)
{
	struct edge_table table = { 0 };
	struct route_table routes = { 0 };
	const struct edge *edge = NULL;
	int result;

	if (!edges->file.exists)
		return command_fail(EX_NOINPUT, "%s: there is no such file", edges->conf.edges);
	result = read_tables(edges, edges->conf.edges, &table, &routes);

	if (result == EX_OK) {
		edge = edge_table_find(&table, edges->arguments.words[1]);
		if (edge == NULL)
			result = command_fail(EX_NOUSER, "%s: there is no edge \"%.80s\"",
					      edges->conf.edges, edges->arguments.words[1]);
	}
	if (edge != NULL)
		result = action != NULL ? change(edges, edge, action)
					: remove_edge(edges, &table, &routes, edge);
	wipe_tables(&table, &routes);
	return result;
}

static int edit(struct edges_command *edges, const struct action *action, bool is_add)
{
	char error[ERROR_MAX];
	int result = list_file_open(&edges->file, edges->conf.edges, error, sizeof(error));

	if (result != EX_OK)
		command_fail(result, "%s", error);
	else
		result = is_add ? add(edges) : on_edge(edges, action);
	list_file_close(&edges->file);
	return result;
}

static int list(struct edges_command *edges)
{
	struct edge_table table = { 0 };
	struct route_table routes = { 0 };
	struct edge_listing listing = { &table, &routes, edges->conf.edge_state,
					edges->is_json };
	char error[ERROR_MAX];
	int result = EX_OK;

	if (access(edges->conf.edges, F_OK) != 0)
		return command_fail(EX_NOINPUT, "%s: %m", edges->conf.edges);
	if (edge_table_read(&table, edges->conf.edges, error, sizeof(error)) < 0 ||
	    route_table_read(&routes, edges->conf.routes, &table, error, sizeof(error)) < 0)
		result = command_fail(EX_DATAERR, "%s", error);
	else if (edge_listing_print(&listing) < 0)
		result = command_fail(EX_OSERR, "out of memory");
	wipe_tables(&table, &routes);
	return result;
}

static int dispatch(const struct command *command, struct edges_command *edges)
{
	const char *word = edges->arguments.words[0];
	int count = edges->arguments.count;

	if (strcmp(word, "list") == 0 && count == 1)
		return list(edges);
	if (strcmp(word, "add") == 0 && count >= 4 && count <= WORDS_MAX)
		return edit(edges, NULL, true);
	if (strcmp(word, "remove") == 0 && count == 2)
		return edit(edges, NULL, false);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(word, actions[i].name) == 0 && count == 2)
			return edit(edges, &actions[i], false);
	return command_wrong_usage(command, "wrong word, or wrong number of words: ", word);
}

static int run_edges(const struct command *command, int argc, char **argv)
{
	struct edges_command edges = { .conf_path = TRANSPORT_CONF_PATH };
	const struct command_option options[] = {
		{ "config", &edges.conf_path, NULL },
		{ "json", NULL, &edges.is_json },
		{ NULL, NULL, NULL },
	};
	char error[ERROR_MAX];
	int result = command_parse(command, argc, argv, options, &edges.arguments);

	if (result >= 0)
		return result;
	if (transport_conf_read(&edges.conf, edges.conf_path, error, sizeof(error)) < 0)
		result = command_fail(EX_CONFIG, "%s", error);
	else
		result = dispatch(command, &edges);
	transport_conf_wipe(&edges.conf);
	return result;
}

const struct command command_edges = {
	.name = "edges",
	.arguments = "[--config FILE] [--json] list | add NAME HOST[:PORT] KEY [OPTION ...] |\n"
		     "       remove | drain | enable | disable NAME",
	.summary = "the mail host's edges: list, add, remove, drain, enable, disable",
	.help = "Edits the mail host's table of edges, postern-edges(5), and says how the edges are. "
		"Running transports take a change at\n"
		"their next message. An edge that is drained gets no new mail, one that is disabled "
		"none at all; what a route names\n"
		"cannot be removed.\n\n"
		"  --config FILE  the configuration that names the tables, instead of " TRANSPORT_CONF_PATH
		"\n"
		"  --json         the answer as JSON\n",
	.words_min = 1,
	.words_max = COMMAND_WORDS_ANY,
	.run = run_edges,
};
