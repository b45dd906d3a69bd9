/*
 * authorize, revoke: edit the edge's allow-list. Both replace the file in one step (list_file.h)
 * and leave every other line as it is.
 *
 * A new line is tried before it counts: the changed list is read exactly as the edge will read it,
 * and only if the new line comes out of that as a client is it put in place. Lines that were bad
 * before are reported and stay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "list_lines.h"
#include "allow_list.h"
#include "command.h"
#include "lib/log.h"
#include "lib/table.h"
#include "list_file.h"
#include "tunnel/authorized_clients.h"

#define ERROR_MAX 4608 /* a path and a sentence or two */
#define WORDS_MAX 32

/* The line being added: what the reader of the list says about it. */
struct trial {
	const struct list_file *file;
	const char *enrolled;
	size_t line;
	char reason[512];
};

/* Messages are about the temporary file; they become messages about the list. */
static void take_complaint(void *context, const char *message)
{
	struct trial *trial = context;
	size_t path = strlen(trial->file->temporary), line;
	const char *place = message + path + 1;
	char *reason;

	if (strncmp(message, trial->file->temporary, path) != 0) {
		command_fail(0, "warning: %s", message);
		return;
	}
	line = strtoul(place, &reason, 10);
	if (line == trial->line)
		snprintf(trial->reason, sizeof(trial->reason), "%s", reason + strspn(reason, ": "));
	else
		command_fail(0, "warning: %s:%s", trial->file->path, place);
}

static bool has_client_at(const struct authorized_clients *list, size_t line)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->clients[i].line == line)
			return true;
	return false;
}

static void note_rotation(const struct authorized_clients *list, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += strcmp(list->clients[i].name, name) == 0;
	if (count > 1)
		fprintf(stderr,
			"postern: %s has %zu keys now; when the old one is out of use: postern "
			"revoke OLD_KEY\n",
			name, count);
}

static int read_enrolled(struct enrolled_keys *enrolled, const char *path, char *error, size_t error_size)
{
	if (path == NULL || enrolled_keys_read(enrolled, path, NULL, NULL, error, error_size) == 0)
		return EX_OK;
	return EX_NOINPUT;
}

/* Is the prepared list one in which the new line is good? */
static int try_list(struct trial *trial, const char *name)
{
	struct authorized_clients list;
	char error[ERROR_MAX];
	int result = EX_OK;

	if (authorized_clients_read(&list, trial->file->temporary, trial->enrolled, NULL, take_complaint, trial,
				    error, sizeof(error)) != 0)
		return command_fail(EX_DATAERR, "%s", error);
	if (!has_client_at(&list, trial->line))
		result = command_fail(EX_DATAERR, "%s: not added: %s", trial->file->path,
				      trial->reason[0] != '\0' ? trial->reason
							       : "the line is not understood");
	else
		note_rotation(&list, name);
	authorized_clients_wipe(&list);
	return result;
}

/*
 * KEY NAME, or KEY OLD_KEY, without options, for a client that is in the list already: its new line
 * gets what its old one has. `like` keeps the words, which point into the table.
 */
struct old_line {
	char *words[WORDS_MAX + 1];
	int count;
};

static void take_old_line(struct old_line *like, struct table *table, const struct enrolled_keys *enrolled, char *key,
			  const char *who)
{
	like->count = 0;
	for (size_t i = 0; i < table->count && like->count == 0; i++) {
		struct table_line *line = &table->lines[i];

		if (!allow_list_line_has_key(line, who, enrolled) && !allow_list_line_is_of(line, who))
			continue;
		like->count = table_split(line->value, like->words + 1, WORDS_MAX) + 1;
	}
	like->words[0] = key;
	/* A new key of a client that is switched off shall be a good one, and it is no invite. */
	for (int i = 2; i < like->count; i++)
		if (strcmp(like->words[i], "disabled") == 0 || strncmp(like->words[i], "invite=", 7) == 0)
			like->words[i--] = like->words[--like->count];
}

static int put_line(struct list_file *file, const char *enrolled, char *const *words, size_t count)
{
	struct trial trial = { .file = file, .enrolled = enrolled };
	char error[ERROR_MAX], *text;
	size_t length;
	int result;

	text = list_lines_append(file->text.text, file->text.length, words, count, &length,
				   &trial.line);
	if (text == NULL)
		return command_fail(EX_OSERR, "out of memory");
	result = list_file_prepare(file, text, length, error, sizeof(error));
	free(text);
	if (result != EX_OK)
		return command_fail(result, "%s", error);
	result = try_list(&trial, words[1]);
	if (result != EX_OK)
		return result;
	result = list_file_commit(file, error, sizeof(error));
	if (result != EX_OK)
		return command_fail(result, "%s", error);
	printf("authorized %s\n", words[1]);
	return EX_OK;
}

static int add_line(struct list_file *file, const char *enrolled_path, char **words, size_t count)
{
	struct old_line like = { .count = 0 };
	struct enrolled_keys enrolled = { .count = 0 };
	struct table table = { 0 };
	char error[ERROR_MAX];
	int result = EX_OK;

	if (file->exists)
		result = list_file_read_table(file, &table, error, sizeof(error));
	if (result == EX_OK)
		result = read_enrolled(&enrolled, enrolled_path, error, sizeof(error));
	if (result == EX_OK && count == 2)
		take_old_line(&like, &table, &enrolled, words[0], words[1]);
	if (result != EX_OK)
		command_fail(result, "%s", error);
	else if (like.count > 1)
		result = put_line(file, enrolled_path, like.words, (size_t)like.count);
	else
		result = put_line(file, enrolled_path, words, count);
	table_wipe(&table);
	enrolled_keys_wipe(&enrolled);
	return result;
}

static int run_authorize(const struct command *command, int argc, char **argv)
{
	const char *path = ALLOW_LIST_FILE, *option = NULL;
	const struct command_option options[] = { { "file", &path, NULL }, { "enrolled", &option, NULL }, { NULL, NULL, NULL } };
	char *enrolled;
	struct command_arguments arguments;
	struct list_file file;
	char error[ERROR_MAX];
	int result = command_parse(command, argc, argv, options, &arguments);

	if (result >= 0)
		return result;
	for (int i = 0; i < arguments.count; i++)
		if (!list_lines_word_is_clean(arguments.words[i]))
			return command_fail(EX_USAGE,
					    "argument %d is empty or has white space, quotes or "
					    "control characters in it",
					    i + 1);
	result = allow_list_check(path);
	if (result != EX_OK)
		return result;
	enrolled = allow_list_enrolled(path, option);
	result = list_file_open(&file, path, error, sizeof(error));
	if (result == EX_OK)
		result = add_line(&file, enrolled, arguments.words, (size_t)arguments.count);
	else
		command_fail(result, "%s", error);
	list_file_close(&file);
	free(enrolled);
	return result;
}

/* What is taken out: the lines of a table that have this key or this name. */
struct removal {
	const struct table *table;
	struct enrolled_keys enrolled;
	const char *key_or_name;
	size_t count;
};

static bool is_meant(const struct removal *removal, const struct table_line *line)
{
	return allow_list_line_has_key(line, removal->key_or_name, &removal->enrolled) ||
	       allow_list_line_is_of(line, removal->key_or_name);
}

static bool is_removed(const void *context, size_t number)
{
	const struct removal *removal = context;
	size_t low = 0, high = removal->table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (removal->table->lines[middle].line < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < removal->table->count && removal->table->lines[low].line == number &&
	       is_meant(removal, &removal->table->lines[low]);
}

static void print_removed(const struct removal *removal)
{
	for (size_t i = 0; i < removal->table->count; i++) {
		const struct table_line *line = &removal->table->lines[i];
		char name[CLIENT_NAME_MAX + 1];

		if (is_meant(removal, line))
			printf("revoked %s (line %zu)\n",
			       log_printable(name, sizeof(name), line->value,
					     strcspn(line->value, " \t\r\v\f")),
			       line->line);
	}
}

static int replace_without(struct list_file *file, const struct removal *removal)
{
	char error[ERROR_MAX], *text;
	size_t length;
	int result;

	text = list_lines_remove(file->text.text, file->text.length, is_removed, removal,
				   &length);
	if (text == NULL)
		return command_fail(EX_OSERR, "out of memory");
	result = list_file_prepare(file, text, length, error, sizeof(error));
	free(text);
	if (result == EX_OK)
		result = list_file_commit(file, error, sizeof(error));
	if (result != EX_OK)
		return command_fail(result, "%s", error);
	print_removed(removal);
	return EX_OK;
}

static int remove_lines(struct list_file *file, const char *enrolled, const char *key_or_name)
{
	char error[ERROR_MAX], printable[CLIENT_NAME_MAX + 1];
	struct table table = { 0 };
	struct removal removal = { .table = &table, .key_or_name = key_or_name };
	int result;

	result = list_file_read_table(file, &table, error, sizeof(error));
	if (result == EX_OK)
		result = read_enrolled(&removal.enrolled, enrolled, error, sizeof(error));
	if (result != EX_OK) {
		table_wipe(&table);
		return command_fail(result, "%s", error);
	}
	for (size_t i = 0; i < table.count; i++)
		removal.count += is_meant(&removal, &table.lines[i]);
	if (removal.count > 0)
		result = replace_without(file, &removal);
	else
		result = command_fail(EX_NOUSER, "%s: nobody has the key or name \"%s\"",
				      file->path,
				      log_printable(printable, sizeof(printable), key_or_name,
						    strlen(key_or_name)));
	table_wipe(&table);
	enrolled_keys_wipe(&removal.enrolled);
	return result;
}

static int run_revoke(const struct command *command, int argc, char **argv)
{
	const char *path = ALLOW_LIST_FILE, *option = NULL;
	const struct command_option options[] = { { "file", &path, NULL }, { "enrolled", &option, NULL }, { NULL, NULL, NULL } };
	char *enrolled;
	struct command_arguments arguments;
	struct list_file file;
	char error[ERROR_MAX];
	int result = command_parse(command, argc, argv, options, &arguments);

	if (result >= 0)
		return result;
	if (!list_lines_word_is_clean(arguments.words[0]))
		return command_fail(EX_USAGE, "that is neither a key nor a name");
	result = allow_list_check(path);
	if (result != EX_OK)
		return result;
	enrolled = allow_list_enrolled(path, option);
	result = list_file_open(&file, path, error, sizeof(error));
	if (result == EX_OK)
		result = remove_lines(&file, enrolled, arguments.words[0]);
	else
		command_fail(result, "%s", error);
	list_file_close(&file);
	free(enrolled);
	return result;
}

const struct command command_authorize = {
	.name = "authorize",
	.arguments = "[--file FILE] [--enrolled FILE] KEY NAME|OLD_KEY [OPTION=VALUE ...]",
	.summary = "let a mail host deliver through this edge",
	.help = "Adds a line to the edge's allow-list: the mail host's public key (postern "
		"pubkey), a name for the log, and options as in\n"
		"postern-authorized_clients(5). The edge notices by itself. Nothing else in the "
		"list changes. For a name, or a key, that is there already the options may be left "
		"out: the new line gets those of the old one.\n\n"
		"  --file FILE      the list, instead of " ALLOW_LIST_FILE "\n"
		"  --enrolled FILE  the keys that were enrolled by an invite in FILE\n",
	.words_min = 2,
	.words_max = WORDS_MAX,
	.run = run_authorize,
};

const struct command command_revoke = {
	.name = "revoke",
	.arguments = "[--file FILE] [--enrolled FILE] KEY|NAME",
	.summary = "take a mail host's permission away",
	.help = "Removes every line with this public key or this name from the edge's allow-list. "
		"The edge ends the tunnels of these keys\n"
		"before their next message. Nothing else in the list changes.\n\n"
		"  --file FILE      the list, instead of " ALLOW_LIST_FILE "\n"
		"  --enrolled FILE  the keys that were enrolled by an invite in FILE\n",
	.words_min = 1,
	.words_max = 1,
	.run = run_revoke,
};
