/*
 * The lines of one name share their options (authorized_clients.h), so all of them are changed at
 * once. psk= is the exception: it belongs to one key, and is left to an editor.
 */
#include "client_set.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "allow_list.h"
#include "command.h"
#include "lib/log.h"
#include "list_file.h"
#include "list_lines.h"
#include "tunnel/authorized_clients.h"

#define ERROR_MAX 4608 /* a path and a sentence or two */
#define OPTIONS_MAX 32
#define OPTION_NAME_MAX 32
#define ADDED_MAX TABLE_LINE_MAX

/* What is to be done in each line: list_lines_exchange(). */
struct change {
	char names[OPTIONS_MAX][OPTION_NAME_MAX];
	const char *removed[OPTIONS_MAX + 1];
	char added[ADDED_MAX];
};

/* 0, or an exit code. */
static int take_option(struct change *change, int i, const char *option)
{
	size_t name = strcspn(option, "="), used = strlen(change->added);
	bool is_switch = strcmp(option, "disabled") == 0 || strcmp(option, "enabled") == 0;

	if (!list_lines_word_is_clean(option) || (!is_switch && option[name] != '='))
		return command_fail(EX_USAGE, "\"%s\" is none of option=value, option=, disabled, enabled", option);
	if (strncmp(option, "invite=", 7) == 0)
		return command_fail(EX_USAGE, "invite= is what `postern invite' writes; for another time, invite anew");
	if (strncmp(option, "psk=", 4) == 0)
		return command_fail(EX_USAGE, "psk= belongs to one key, not to a name; change its line by hand");
	if (name + 2 > OPTION_NAME_MAX || used + strlen(option) + 2 > ADDED_MAX)
		return command_fail(EX_USAGE, "\"%.40s...\" is too long", option);
	if (is_switch)
		strcpy(change->names[i], "disabled");
	else
		snprintf(change->names[i], OPTION_NAME_MAX, "%.*s=", (int)name, option);
	if (!is_switch && !client_options_is_known(change->names[i]))
		return command_fail(EX_USAGE, "unknown option \"%s\"; see postern-authorized_clients(5)", change->names[i]);
	change->removed[i] = change->names[i];
	if (strcmp(option, "disabled") == 0 || (!is_switch && option[name + 1] != '\0'))
		sprintf(change->added + used, "%s%s", used > 0 ? " " : "", option);
	return 0;
}

/* What the reader of the list says of the lines that were changed. */
struct trial {
	const struct list_file *file;
	const char *enrolled;
	const struct table *table;
	const char *name;
	bool is_refused;
};

static void take_complaint(void *context, const char *message)
{
	struct trial *trial = context;
	/* It is about the temporary file, and shall be about the list. */
	size_t path = strlen(trial->file->temporary), number;
	const char *place = message + path + 1;

	/* Or about the enrolled keys. */
	if (strncmp(message, trial->file->temporary, path) != 0) {
		command_fail(0, "warning: %s", message);
		return;
	}
	number = strtoul(place, NULL, 10);
	for (size_t i = 0; i < trial->table->count; i++) {
		if (trial->table->lines[i].line != number || !allow_list_line_is_of(&trial->table->lines[i], trial->name))
			continue;
		trial->is_refused = true;
		command_fail(0, "%s:%s; nothing was changed", trial->file->path, place);
		return;
	}
	command_fail(0, "warning: %s:%s", trial->file->path, place);
}

static int try_list(struct trial *trial)
{
	struct authorized_clients list;
	char error[ERROR_MAX];

	if (authorized_clients_read(&list, trial->file->temporary, trial->enrolled, NULL, take_complaint, trial, error,
				    sizeof(error)) != 0)
		return command_fail(EX_DATAERR, "%s", error);
	authorized_clients_wipe(&list);
	return trial->is_refused ? EX_DATAERR : EX_OK;
}

/* The new text on the heap; NULL: no memory. */
static char *edit(const struct list_file *file, const struct table *table, const char *name,
		  const struct change *change, size_t *length)
{
	char *text = malloc(file->text.length + 1);

	*length = file->text.length;
	if (text != NULL && *length > 0)
		memcpy(text, file->text.text, *length);
	for (size_t i = 0; text != NULL && i < table->count; i++) {
		char *next;

		if (!allow_list_line_is_of(&table->lines[i], name))
			continue;
		next = list_lines_exchange(text, *length, table->lines[i].line, change->removed,
					   change->added[0] != '\0' ? change->added : NULL, length);
		free(text);
		text = next;
	}
	return text;
}

static int put(struct list_file *file, const char *enrolled, const struct table *table, const char *name,
	       const struct change *change)
{
	struct trial trial = { file, enrolled, table, name, false };
	char error[ERROR_MAX], *text;
	size_t length;
	int result;

	text = edit(file, table, name, change, &length);
	if (text == NULL)
		return command_fail(EX_OSERR, "out of memory");
	if (length == file->text.length && memcmp(text, file->text.text, length) == 0) {
		free(text);
		return command_fail(EX_OK, "%s is so already; nothing was changed", name);
	}
	result = list_file_prepare(file, text, length, error, sizeof(error));
	free(text);
	if (result != EX_OK)
		return command_fail(result, "%s", error);
	result = try_list(&trial);
	if (result != EX_OK)
		return result;
	result = list_file_commit(file, error, sizeof(error));
	if (result != EX_OK)
		return command_fail(result, "%s", error);
	for (size_t i = 0; i < table->count; i++)
		if (allow_list_line_is_of(&table->lines[i], name))
			printf("changed %s (line %zu)\n", name, table->lines[i].line);
	return EX_OK;
}

static int set_in_file(struct list_file *file, const char *enrolled, const char *name, const struct change *change)
{
	char error[ERROR_MAX], printable[CLIENT_NAME_MAX + 1];
	struct table table = { 0 };
	bool is_there = false;
	int result;

	result = list_file_read_table(file, &table, error, sizeof(error));
	if (result != EX_OK)
		return command_fail(result, "%s", error);
	for (size_t i = 0; i < table.count; i++)
		is_there = is_there || allow_list_line_is_of(&table.lines[i], name);
	if (is_there)
		result = put(file, enrolled, &table, name, change);
	else
		result = command_fail(EX_NOUSER, "%s: nobody has the name \"%s\"", file->path,
				      log_printable(printable, sizeof(printable), name, strlen(name)));
	table_wipe(&table);
	return result;
}

int client_set(const char *path, const char *enrolled, const char *name, char *const *options, int count)
{
	struct change change = { .added = "" };
	struct list_file file;
	char error[ERROR_MAX];
	int result = 0;

	if (count > OPTIONS_MAX)
		return command_fail(EX_USAGE, "more than %d options", OPTIONS_MAX);
	for (int i = 0; i < count && result == 0; i++)
		result = take_option(&change, i, options[i]);
	if (result != 0)
		return result;
	result = list_file_open(&file, path, error, sizeof(error));
	if (result == EX_OK)
		result = set_in_file(&file, enrolled, name, &change);
	else
		command_fail(result, "%s", error);
	list_file_close(&file);
	return result;
}
