/*
 * The list is written before anything that is on it is done: who finds it after a crash looks at the
 * files and sees how far it went.
 */
#include "join_state.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "join_exit.h"
#include "lib/durable_file.h"
#include "list_file.h"
#include "own_directory.h"

#define STATE_NAME "state.json"
#define STATE_PATH_MAX (PATH_MAX + 1 + sizeof(STATE_NAME))
#define VERSION 1
#define LOCKED_DIRECTORY "/var/lib"

static void state_path(char out[STATE_PATH_MAX], const struct join_state *state)
{
	snprintf(out, STATE_PATH_MAX, "%s/" STATE_NAME, state->directory);
}

/* On a directory that is always there, and that nobody else locks. */
int join_state_lock(char *error, size_t error_size)
{
	int fd = open(LOCKED_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (fd >= 0 && errno == EWOULDBLOCK)
		snprintf(error, error_size, "another `postern join' or `postern leave' runs; let it come to its end, then run "
			 "this again");
	else
		snprintf(error, error_size, "%s: %s", LOCKED_DIRECTORY, strerror(errno));
	if (fd >= 0)
		close(fd);
	return JOIN_CONFIG;
}

/* ---- reading ---- */

static bool take_text(const json_t *object, const char *name, char *out, size_t out_size)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL && snprintf(out, out_size, "%s", text) < (int)out_size;
}

static bool take_files(struct join_state *state, const json_t *list)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry) {
		struct kept_file *file = &state->files[state->file_count];

		if (i >= JOIN_STATE_FILES_MAX || !take_text(entry, "name", file->name, sizeof(file->name)) ||
		    !take_text(entry, "path", file->path, sizeof(file->path)) ||
		    strchr(file->name, '/') != NULL)
			return false;
		state->file_count++;
	}
	return true;
}

static char *copy_text(const json_t *text)
{
	return json_is_string(text) ? strdup(json_string_value(text)) : NULL;
}

static bool take_changes(struct join_state *state, const json_t *list)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry) {
		struct postfix_change *change = &state->changes.list[i];

		if (i >= POSTFIX_CHANGES_MAX)
			return false;
		state->changes.count++;
		change->is_service = json_is_true(json_object_get(entry, "service"));
		change->name = copy_text(json_object_get(entry, "name"));
		change->old = copy_text(json_object_get(entry, "old"));
		change->new = copy_text(json_object_get(entry, "new"));
		if (change->name == NULL || change->new == NULL)
			return false;
	}
	return true;
}

static bool take_edges(struct join_state *state, const json_t *list)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry) {
		if (i >= JOIN_STATE_EDGES_MAX || !json_is_string(entry))
			return false;
		snprintf(state->edges[state->edge_count++], EDGE_NAME_MAX + 1, "%s",
			 json_string_value(entry));
	}
	return true;
}

static bool take(struct join_state *state, const json_t *root)
{
	state->is_complete = json_is_true(json_object_get(root, "complete"));
	state->made_user = json_is_true(json_object_get(root, "made_user"));
	state->made_configuration_directory =
		json_is_true(json_object_get(root, "made_configuration_directory"));
	return json_integer_value(json_object_get(root, "version")) == VERSION &&
	       take_text(root, "postfix", state->postfix_directory,
			 sizeof(state->postfix_directory)) &&
	       take_files(state, json_object_get(root, "files")) &&
	       take_changes(state, json_object_get(root, "changes")) &&
	       take_edges(state, json_object_get(root, "edges"));
}

int join_state_open(struct join_state *state, const char *directory, char *error, size_t error_size)
{
	json_error_t reason;
	char path[STATE_PATH_MAX];
	json_t *root;
	int result = 0;

	memset(state, 0, sizeof(*state));
	snprintf(state->directory, sizeof(state->directory), "%s", directory);
	state_path(path, state);
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return 0;
	root = json_load_file(path, JSON_REJECT_DUPLICATES, &reason);
	state->exists = root != NULL;
	if (root == NULL || !take(state, root)) {
		snprintf(error, error_size, "%s: %s; it says what `postern join' changed, and must be mended or removed by hand",
			 path, root == NULL ? reason.text : "it is not what `postern join' writes");
		result = JOIN_CONFIG;
	}
	json_decref(root);
	return result;
}

/* ---- writing ---- */

static json_t *list_files(const struct join_state *state)
{
	json_t *list = json_array();

	for (size_t i = 0; i < state->file_count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "name", state->files[i].name, "path",
						      state->files[i].path));
	return list;
}

static json_t *list_changes(const struct join_state *state)
{
	json_t *list = json_array();

	for (size_t i = 0; i < state->changes.count; i++) {
		const struct postfix_change *change = &state->changes.list[i];

		json_array_append_new(list, json_pack("{s:b, s:s, s:s?, s:s}", "service", change->is_service,
						      "name", change->name, "old", change->old, "new",
						      change->new));
	}
	return list;
}

static json_t *list_edges(const struct join_state *state)
{
	json_t *list = json_array();

	for (size_t i = 0; i < state->edge_count; i++)
		json_array_append_new(list, json_string(state->edges[i]));
	return list;
}

static char *print(const struct join_state *state)
{
	json_t *root = json_pack("{s:i, s:s, s:b, s:b, s:b, s:o, s:o, s:o}", "version", VERSION, "postfix",
				 state->postfix_directory, "complete", state->is_complete, "made_user", state->made_user,
				 "made_configuration_directory", state->made_configuration_directory,
				 "files", list_files(state), "changes", list_changes(state), "edges",
				 list_edges(state));
	char *text = root != NULL ? json_dumps(root, JSON_INDENT(2)) : NULL;

	json_decref(root);
	return text;
}

int join_state_save(struct join_state *state, char *error, size_t error_size)
{
	struct list_file file;
	char path[STATE_PATH_MAX], *text;
	int result;

	if (mkdir(state->directory, 0700) != 0 && errno != EEXIST) {
		snprintf(error, error_size, "%s: %s", state->directory, strerror(errno));
		return JOIN_NOT_WRITABLE;
	}
	text = print(state);
	if (text == NULL) {
		snprintf(error, error_size, "%s: a name or value there is no UTF-8, or memory is out",
			 state->postfix_directory);
		return JOIN_SYSTEM;
	}
	state_path(path, state);
	result = list_file_open(&file, path, error, error_size);
	if (result == 0)
		result = list_file_prepare(&file, text, strlen(text), error, error_size);
	if (result == 0)
		result = list_file_commit(&file, error, error_size);
	list_file_close(&file);
	free(text);
	state->exists = result == 0;
	return result == 0 ? 0 : JOIN_NOT_WRITABLE;
}

void join_state_forget(struct join_state *state)
{
	char path[STATE_PATH_MAX];

	for (size_t i = 0; i < state->file_count; i++)
		list_file_tidy(state->files[i].path);
	/* The list first: as long as it is there leave can be run again, which needs every copy. */
	state_path(path, state);
	unlink(path);
	durable_file_sync_directory(path);
	own_directory_remove(state->directory);
	state->exists = false;
}

void join_state_wipe(struct join_state *state)
{
	postfix_changes_wipe(&state->changes);
}

const struct kept_file *join_state_find_file(const struct join_state *state, const char *name)
{
	for (size_t i = 0; i < state->file_count; i++)
		if (strcmp(state->files[i].name, name) == 0)
			return &state->files[i];
	return NULL;
}

const struct kept_file *join_state_add_file(struct join_state *state, const char *name,
					    const char *path, char *error, size_t error_size)
{
	struct kept_file *file = &state->files[state->file_count];

	if (state->file_count == JOIN_STATE_FILES_MAX) {
		snprintf(error, error_size, "too many files");
		return NULL;
	}
	memset(file, 0, sizeof(*file));
	snprintf(file->name, sizeof(file->name), "%s", name);
	snprintf(file->path, sizeof(file->path), "%s", path);
	if (kept_file_begin(file, state->directory, error, error_size) != 0)
		return NULL;
	state->file_count++;
	return file;
}

static char *copy_or_null(const char *text)
{
	return text != NULL ? strdup(text) : NULL;
}

static bool has_change(const struct join_state *state, const char *name)
{
	for (size_t i = 0; i < state->changes.count; i++)
		if (strcmp(state->changes.list[i].name, name) == 0)
			return true;
	return false;
}

int join_state_add_changes(struct join_state *state, const struct postfix *postfix,
			   const struct postfix_changes *changes)
{
	snprintf(state->postfix_directory, sizeof(state->postfix_directory), "%s", postfix->directory);
	for (size_t i = 0; i < changes->count; i++) {
		const struct postfix_change *from = &changes->list[i];
		struct postfix_change *to = &state->changes.list[state->changes.count];

		if (has_change(state, from->name) || state->changes.count == POSTFIX_CHANGES_MAX)
			continue;
		state->changes.count++;
		*to = (struct postfix_change){ from->is_service, copy_or_null(from->name),
					       copy_or_null(from->old), copy_or_null(from->new) };
		if (to->name == NULL || to->new == NULL || (from->old != NULL && to->old == NULL))
			return -1;
	}
	return 0;
}

bool join_state_has_edge(const struct join_state *state, const char *name)
{
	for (size_t i = 0; i < state->edge_count; i++)
		if (strcmp(state->edges[i], name) == 0)
			return true;
	return false;
}

int join_state_add_edge(struct join_state *state, const char *name, char *error, size_t error_size)
{
	if (join_state_has_edge(state, name))
		return 0;
	if (state->edge_count == JOIN_STATE_EDGES_MAX) {
		snprintf(error, error_size, "%s: join has added %d edges; add others with `postern edges add'",
			 state->directory, JOIN_STATE_EDGES_MAX);
		return JOIN_CONFIG;
	}
	snprintf(state->edges[state->edge_count++], EDGE_NAME_MAX + 1, "%s", name);
	return join_state_save(state, error, error_size);
}
