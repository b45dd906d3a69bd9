/*
 * The way back, in the order that keeps mail safe: first Postfix stops using the transport, then the
 * transport's tables go, then its user.
 *
 * join itself comes here when one of its steps fails, so that the way back of a failure is the one
 * that leave takes.
 */
#include "join_undo.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor/program.h"
#include "join_exit.h"
#include "join_user.h"
#include "lib/table.h"
#include "lib/text_file.h"
#include "list_lines.h"

static void tell(const struct join_undo *undo, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void tell(const struct join_undo *undo, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (undo->is_told)
		vprintf(format, arguments);
	va_end(arguments);
}

/* ---- Postfix ---- */

struct way_back {
	struct postfix postfix;
	const struct kept_file *files[POSTFIX_FILES];
	enum kept_file_state look[POSTFIX_FILES];
	struct postfix_changes undo; /* for files that were edited since */
};

static bool is_gone(const char *path)
{
	return access(path, F_OK) != 0 && errno == ENOENT;
}

/* Files that are not there any more have nothing of ours in them. */
static int look(struct way_back *way, const struct join_state *state, char *error, size_t error_size)
{
	snprintf(way->postfix.directory, sizeof(way->postfix.directory), "%s",
		 state->postfix_directory);
	for (size_t i = 0; i < POSTFIX_FILES; i++) {
		way->look[i] = KEPT_FILE_AS_BEFORE;
		way->files[i] = join_state_find_file(state, postfix_file_names[i]);
		if (way->files[i] != NULL && !is_gone(way->files[i]->path) &&
		    kept_file_look(way->files[i], state->directory, &way->look[i], error,
				   error_size) != 0)
			return JOIN_CONFIG;
	}
	return 0;
}

/* Postfix was removed since; without its programs an edited file cannot be edited. */
static void leave_edited(struct way_back *way, const struct join_undo *undo)
{
	for (size_t i = 0; i < POSTFIX_FILES; i++) {
		if (way->look[i] != KEPT_FILE_CHANGED)
			continue;
		tell(undo, "%s was edited since and stays, as Postfix is not there any more\n",
		     way->files[i]->path);
		way->look[i] = KEPT_FILE_AS_BEFORE;
	}
}

/* The new texts of edited files are made before anything is written. */
static int plan(struct way_back *way, const struct join_undo *undo, const struct join_state *state,
		char *error, size_t error_size)
{
	const char *kept[POSTFIX_CHANGES_MAX];
	size_t kept_count = 0;
	int result;

	if (way->look[0] != KEPT_FILE_CHANGED && way->look[1] != KEPT_FILE_CHANGED)
		return 0;
	result = postfix_changes_undo(&way->undo, &state->changes, &way->postfix, kept, &kept_count,
				      error, error_size);
	for (size_t i = 0; i < POSTFIX_FILES && result == 0; i++)
		if (way->look[i] == KEPT_FILE_CHANGED)
			tell(undo, "%s was edited since: only what join wrote is taken out\n",
			     way->files[i]->path);
	for (size_t i = 0; i < kept_count && result == 0; i++)
		tell(undo, "  %s has another value by now and stays\n", kept[i]);
	return result;
}

static int write_one(const struct way_back *way, size_t i, const struct join_state *state, char *error,
		     size_t error_size)
{
	int result = 0;

	if (way->look[i] == KEPT_FILE_AS_AFTER)
		result = kept_file_put_back(way->files[i], state->directory, error, error_size);
	else if (way->look[i] == KEPT_FILE_CHANGED)
		result = kept_file_write(way->files[i]->path, way->undo.before[i], way->undo.after[i],
					 error, error_size);
	return result == 0 ? 0 : JOIN_NOT_WRITABLE;
}

/* Postfix is told in any case: an earlier run may have been killed, or failed, before it came to that. */
static int restore_postfix(const struct join_undo *undo, struct join_state *state, char *error,
			   size_t error_size)
{
	bool has_postfix = program_is_installed("postfix") && program_is_installed("postconf");
	struct way_back way = { 0 };
	int result = look(&way, state, error, error_size);

	if (result != 0 || (way.files[0] == NULL && way.files[1] == NULL))
		return result;
	if (!has_postfix)
		leave_edited(&way, undo);
	result = plan(&way, undo, state, error, error_size);
	for (size_t i = 0; i < POSTFIX_FILES && result == 0; i++)
		result = write_one(&way, i, state, error, error_size);
	postfix_changes_wipe(&way.undo);
	if (result != 0 || !has_postfix)
		return result;
	if (way.look[0] != KEPT_FILE_CHANGED && way.look[1] != KEPT_FILE_CHANGED)
		tell(undo, "%s: main.cf and master.cf are as they were\n", state->postfix_directory);
	if (postfix_check(state->postfix_directory, error, error_size) != 0 ||
	    postfix_reload(&way.postfix, error, error_size) != 0)
		return JOIN_POSTFIX;
	return 0;
}

/* ---- the tables ---- */

struct our_lines {
	const struct table *table;
	const struct join_state *state;
};

static bool is_ours(const void *context, size_t line)
{
	const struct our_lines *ours = context;

	for (size_t i = 0; i < ours->table->count; i++)
		if (ours->table->lines[i].line == line)
			return join_state_has_edge(ours->state, ours->table->lines[i].key);
	return false;
}

/* Somebody edited the table of edges: our lines go, the others stay. */
static int take_lines_out(const struct kept_file *file, const struct join_state *state, char *error,
			  size_t error_size)
{
	struct text_file text;
	struct table table;
	size_t length;
	char *lines, *after = NULL;
	int result = JOIN_CONFIG;

	if (text_file_read(&text, file->path, TABLE_BYTES_MAX, NULL, error, error_size) != 0)
		return JOIN_CONFIG;
	if (table_read(&table, file->path, NULL, error, error_size) == 0) {
		struct our_lines ours = { &table, state };

		lines = list_lines_remove(text.text, text.length, is_ours, &ours, &length);
		after = lines != NULL ? strndup(lines, length) : NULL;
		free(lines);
		result = after != NULL && kept_file_write(file->path, text.text, after, error,
							  error_size) == 0 ? 0 : JOIN_NOT_WRITABLE;
		table_wipe(&table);
	}
	free(after);
	text_file_wipe(&text);
	return result;
}

static int restore_table(const struct join_undo *undo, const struct join_state *state,
			 const char *name, char *error, size_t error_size)
{
	const struct kept_file *file = join_state_find_file(state, name);
	enum kept_file_state now;

	if (file == NULL)
		return 0;
	if (kept_file_look(file, state->directory, &now, error, error_size) != 0)
		return JOIN_CONFIG;
	if (now == KEPT_FILE_AS_BEFORE)
		return 0;
	if (now == KEPT_FILE_AS_AFTER) {
		if (kept_file_put_back(file, state->directory, error, error_size) != 0)
			return JOIN_NOT_WRITABLE;
		tell(undo, "%s %s\n", file->path,
		     access(file->path, F_OK) == 0 ? "is as it was" : "is removed; it was not there before");
		return 0;
	}
	if (is_gone(file->path))
		return 0;
	if (strcmp(name, "edges") != 0) {
		tell(undo, "%s was edited since and stays\n", file->path);
		return 0;
	}
	tell(undo, "%s was edited since: only the lines that join wrote are taken out\n", file->path);
	return take_lines_out(file, state, error, error_size);
}

/* ---- all ---- */

static void purge(const struct join_undo *undo)
{
	static const char *const names[] = { JOIN_KEY_PATH, JOIN_KEY_PATH ".next",
					     JOIN_USER_DIRECTORY "/edges.state" };

	if (!undo->is_purge)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (unlink(names[i]) == 0)
			tell(undo, "%s is removed\n", names[i]);
	rmdir(JOIN_USER_DIRECTORY);
}

int join_undo(const struct join_undo *undo, struct join_state *state, char *error, size_t error_size)
{
	int result = 0;

	if (state->postfix_directory[0] != '\0')
		result = restore_postfix(undo, state, error, error_size);
	if (result == 0)
		result = restore_table(undo, state, "edges", error, error_size);
	if (result == 0)
		result = restore_table(undo, state, "postern.conf", error, error_size);
	if (result != 0)
		return result;
	if (state->made_configuration_directory)
		rmdir(POSTERN_SYSCONFDIR);
	result = join_user_remove(state, error, error_size);
	if (result != 0)
		return result;
	purge(undo);
	join_state_forget(state);
	return 0;
}
