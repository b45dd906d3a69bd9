/*
 * This host's side of join: what is there already, what is to be changed, and the change. Until
 * join_host_apply() nothing is written but the key.
 */
#ifndef JOIN_HOST_H
#define JOIN_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "join_state.h"
#include "lib/endpoint.h"
#include "postfix_change.h"
#include "transport/edge_table.h"
#include "tunnel/static_key.h"

struct join_host {
	struct join_state state;
	struct postfix postfix;
	struct postfix_changes changes;
	char edges_path[PATH_MAX], key_path[PATH_MAX];
	bool has_conf;			/* postern.conf exists */
	bool has_edge;			/* the table has an edge with this key */
	bool has_key, made_key, made_directory;
	char name[EDGE_NAME_MAX + 1];	/* of the edge, in the table */
	char *edges_before, *edges_after; /* texts; before: NULL if there is no table; after: NULL if has_edge */
	struct noise_static_key key;
};

/*
 * Looks at Postfix (its files in `postfix_directory`; NULL: where they are), at postern's files, and
 * whether they can be written. 0, or an exit code of join_exit.h with `error`; wipe in both cases.
 */
int join_host_open(struct join_host *host, const char *postfix_directory,
		   const uint8_t edge_key[NOISE_DHLEN], char *error, size_t error_size);
void join_host_wipe(struct join_host *host);
/* Is there nothing left to do? */
bool join_host_has_joined(const struct join_host *host);

/*
 * Decides upon the edge's line: `name`, or (NULL) the first label of its host's name or of the name
 * it calls itself. 0, or an exit code with `error`.
 */
int join_host_plan_edge(struct join_host *host, const char *name, const struct endpoint *endpoint,
			const char *ehlo_name, const uint8_t edge_key[NOISE_DHLEN], char *error,
			size_t error_size);
void join_host_print_plan(const struct join_host *host);

/* Reads host->key, or makes it, readable for root alone. 0, or an exit code with `error`. */
int join_host_take_key(struct join_host *host, char *error, size_t error_size);
/* Removes a key that was made just now. */
void join_host_drop_key(struct join_host *host);

/*
 * Does it all. If a step fails, what was done is undone, and the exit code is that of the step;
 * *is_undone is false if that fails, too: standard error says why, and leave can be run. Does not end
 * by SIGINT, SIGTERM or SIGHUP before it is done.
 */
int join_host_apply(struct join_host *host, bool *is_undone, char *error, size_t error_size);

#endif
