/*
 * What join did on this host, so that leave can undo it: a directory of root's with copies of the
 * files that were changed (kept_file.h) and a list, state.json. It is not below /var/lib/postern,
 * whose owner is the transport's user: what is put back into /etc must be beyond his reach.
 */
#ifndef JOIN_STATE_H
#define JOIN_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "kept_file.h"
#include "postfix_change.h"
#include "transport/edge_table.h"

#define JOIN_STATE_DIRECTORY "/var/lib/postern-join"
#define JOIN_STATE_FILES_MAX 16
#define JOIN_STATE_EDGES_MAX 64

struct join_state {
	char directory[PATH_MAX];	  /* where it is kept */
	bool exists;			  /* there was one */
	bool is_complete;		  /* join came to its end; else it was killed */
	char postfix_directory[PATH_MAX]; /* "" if Postfix was not changed */
	bool made_user;
	bool made_configuration_directory;
	struct kept_file files[JOIN_STATE_FILES_MAX];
	size_t file_count;
	struct postfix_changes changes; /* without texts */
	char edges[JOIN_STATE_EDGES_MAX][EDGE_NAME_MAX + 1]; /* lines that were added */
	size_t edge_count;
};

/*
 * Until this process ends no other joins or leaves. 0, or an exit code of join_exit.h with `error`.
 */
int join_state_lock(char *error, size_t error_size);
/* Reads it, if there is one. 0, or an exit code of join_exit.h with `error`; wipe in both cases. */
int join_state_open(struct join_state *state, const char *directory, char *error, size_t error_size);
/* Writes it, durably; makes the directory. 0, or an exit code with `error`. */
int join_state_save(struct join_state *state, char *error, size_t error_size);
/* Removes it and all copies, and what a killed join has left there and beside the files. */
void join_state_forget(struct join_state *state);
void join_state_wipe(struct join_state *state);

/* The file of this name; NULL if it was not changed. */
const struct kept_file *join_state_find_file(const struct join_state *state, const char *name);
/*
 * One more file: its text of now is kept as the one from before. NULL with `error`. Save the state
 * before the file is changed.
 */
const struct kept_file *join_state_add_file(struct join_state *state, const char *name,
					    const char *path, char *error, size_t error_size);
/* Takes copies of those that are not on the list yet. 0, or -1 without memory. */
int join_state_add_changes(struct join_state *state, const struct postfix *postfix,
			   const struct postfix_changes *changes);
/* Did join add a line for this edge? */
bool join_state_has_edge(const struct join_state *state, const char *name);
/* Notes a line of the table of edges, and saves. 0, or an exit code with `error`. */
int join_state_add_edge(struct join_state *state, const char *name, char *error, size_t error_size);

#endif
