/* One edit of the list, under its lock; see list_file.h. */
#include "invite_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "allow_list.h"
#include "command.h"
#include "lib/log.h"
#include "list_file.h"
#include "list_lines.h"
#include "tunnel/base64_key.h"
#include "vps.h"

#define ERROR_MAX 4608
#define WORDS_MAX 32
#define DEFAULT_NAME "mailhost"
#define DEFAULT_NAMES_MAX 1000

/* ---- who is there ---- */

static const struct authorized_client *find_client(const struct authorized_clients *list,
						   const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (!list->clients[i].is_pending && strcmp(list->clients[i].name, name) == 0)
			return &list->clients[i];
	return NULL;
}

static int choose_name(struct invite_line *line, const struct authorized_clients *list)
{
	const struct authorized_client *taken;

	for (int i = 2; line->name[0] == '\0' && i < DEFAULT_NAMES_MAX; i++) {
		if (find_client(list, DEFAULT_NAME) == NULL)
			strcpy(line->name, DEFAULT_NAME);
		else if (snprintf(line->name, sizeof(line->name), DEFAULT_NAME "%d", i) > 0 &&
			 find_client(list, line->name) != NULL)
			line->name[0] = '\0';
	}
	taken = find_client(list, line->name);
	if (taken == NULL)
		return EX_OK;
	return command_fail(
		VPS_EXIT_NAME_IS_TAKEN,
		"name: %s:%zu: %s is a mail host that may deliver already; choose another name for "
		"another one; for a new key of the same: postern revoke %s, and invite it again",
		line->path, taken->line, line->name, line->name);
}

/* ---- the new text ---- */

struct removal {
	const struct authorized_clients *list;
	const char *name;
	int64_t now;
};

static bool is_removed(const void *context, size_t number)
{
	const struct removal *removal = context;

	for (size_t i = 0; i < removal->list->invite_count; i++) {
		const struct authorized_client *client = removal->list->invites[i];

		if (client->line == number)
			return client->is_pending &&
			       (strcmp(client->name, removal->name) == 0 ||
				client->options.invite_expires <= removal->now);
	}
	return false;
}

static char *make_text(const struct invite_line *line, const struct list_file *file,
		       const struct authorized_clients *list, size_t *length_out,
		       size_t *number_out)
{
	const struct removal removal = { list, line->name, time(NULL) };
	char key[BASE64_KEY_TEXT + 1], moment[UTC_TIME_TEXT + 1], option[8 + UTC_TIME_TEXT],
		*words[WORDS_MAX + 3];
	char *rest, *text;
	size_t length;

	base64_key_encode(key, line->invite_key);
	snprintf(option, sizeof(option), "invite=%s", utc_time_print(line->expires, moment));
	words[0] = key;
	words[1] = (char *)(uintptr_t)line->name;
	words[2] = option;
	for (int i = 0; i < line->option_count; i++)
		words[3 + i] = line->options[i];
	rest = list_lines_remove(file->exists ? file->text.text : "",
				 file->exists ? file->text.length : 0, is_removed, &removal,
				 &length);
	if (rest == NULL)
		return NULL;
	text = list_lines_append(rest, length, words, (size_t)line->option_count + 3, length_out,
				 number_out);
	free(rest);
	return text;
}

/* ---- is it good? ---- */

struct trial {
	const struct list_file *file;
	size_t line;
	char reason[512];
};

static void take_complaint(void *context, const char *message)
{
	struct trial *trial = context;
	size_t path = strlen(trial->file->temporary);
	char *reason;

	if (strncmp(message, trial->file->temporary, path) != 0 || message[path] != ':')
		return;
	if (strtoul(message + path + 1, &reason, 10) == trial->line)
		snprintf(trial->reason, sizeof(trial->reason), "%s", reason + strspn(reason, ": "));
}

static int try_text(struct trial *trial, const struct invite_line *line)
{
	struct authorized_clients list;
	char error[ERROR_MAX];
	int result = EX_OK;

	if (authorized_clients_read(&list, trial->file->temporary, line->enrolled, NULL,
				    take_complaint, trial, error, sizeof(error)) != 0)
		return command_fail(EX_DATAERR, "list: %s", error);
	if (authorized_clients_find_invite(&list, line->invite_key) == NULL)
		result = command_fail(EX_DATAERR,
				      "list: %s: the line would not be understood: %s; see "
				      "postern-authorized_clients(5)",
				      line->path, trial->reason);
	authorized_clients_wipe(&list);
	return result;
}

static int replace(struct list_file *file, const struct invite_line *line, const char *text,
		   size_t length, size_t number)
{
	struct trial trial = { .file = file, .line = number };
	char error[ERROR_MAX];
	int result = list_file_prepare(file, text, length, error, sizeof(error));

	if (result != EX_OK)
		return command_fail(result, "list: %s", error);
	if (number > 0)
		result = try_text(&trial, line);
	if (result != EX_OK)
		return result;
	result = list_file_commit(file, error, sizeof(error));
	return result == EX_OK ? EX_OK : command_fail(result, "list: %s", error);
}

static int put(struct invite_line *line, struct list_file *file)
{
	struct authorized_clients list = { .count = 0 };
	char error[ERROR_MAX];
	int result = EX_OK;
	size_t number;

	if (file->exists && authorized_clients_read(&list, file->path, line->enrolled, NULL, NULL,
						    NULL, error, sizeof(error)) != 0)
		return command_fail(EX_DATAERR, "list: %s", error);
	result = choose_name(line, &list);
	if (result == EX_OK) {
		line->after = make_text(line, file, &list, &line->after_length, &number);
		if (line->after == NULL)
			result = command_fail(EX_OSERR, "out of memory");
	}
	authorized_clients_wipe(&list);
	if (result == EX_OK && file->exists) {
		line->before_length = file->text.length;
		line->before = strdup(file->text.text);
		if (line->before == NULL)
			result = command_fail(EX_OSERR, "out of memory");
	}
	return result == EX_OK ? replace(file, line, line->after, line->after_length, number)
			       : result;
}

int invite_line_put(struct invite_line *line)
{
	struct list_file file;
	char error[ERROR_MAX];
	int result;

	for (int i = 0; i < line->option_count; i++)
		if (!list_lines_word_is_clean(line->options[i]))
			return command_fail(EX_USAGE, "\"%s\" is no option of a client",
					    line->options[i]);
	if (line->option_count > WORDS_MAX - 3)
		return command_fail(EX_USAGE, "more than %d options", WORDS_MAX - 3);
	result = list_file_open(&file, line->path, error, sizeof(error));
	if (result == EX_OK)
		result = put(line, &file);
	else
		command_fail(result, "list: %s", error);
	list_file_close(&file);
	/* Nothing to be taken back. */
	if (result != EX_OK)
		invite_line_wipe(line);
	return result;
}

/* ---- and back ---- */

static bool is_own(const void *context, size_t number)
{
	return *(const size_t *)context == number;
}

/* Somebody else's edit stays. */
static int take_out(struct list_file *file, const struct invite_line *line)
{
	struct table table = { 0 };
	char key[BASE64_KEY_TEXT + 1], error[ERROR_MAX], *text = NULL;
	int result = list_file_read_table(file, &table, error, sizeof(error));
	size_t length, number = 0;

	base64_key_encode(key, line->invite_key);
	for (size_t i = 0; i < table.count; i++)
		if (strcmp(table.lines[i].key, key) == 0)
			number = table.lines[i].line;
	table_wipe(&table);
	if (result != EX_OK)
		return command_fail(result, "list: %s", error);
	text = list_lines_remove(file->text.text, file->text.length, is_own, &number, &length);
	result = text != NULL ? replace(file, line, text, length, 0) : EX_OSERR;
	free(text);
	return result;
}

int invite_line_take_back(struct invite_line *line)
{
	struct list_file file;
	char error[ERROR_MAX];
	int result;

	if (line->after == NULL)
		return 0;
	result = list_file_open(&file, line->path, error, sizeof(error));
	if (result != EX_OK)
		command_fail(result, "list: %s", error);
	else if (!file.exists)
		result = EX_OK;
	else if (file.text.length != line->after_length ||
		 memcmp(file.text.text, line->after, line->after_length) != 0)
		result = take_out(&file, line);
	else if (line->before != NULL)
		result = replace(&file, line, line->before, line->before_length, 0);
	else if (unlink(file.path) != 0)
		result = command_fail(EX_CANTCREAT, "list: %s: %m", file.path);
	list_file_close(&file);
	return result == EX_OK ? 0 : -1;
}

void invite_line_wipe(struct invite_line *line)
{
	free(line->before);
	free(line->after);
	line->before = line->after = NULL;
}
