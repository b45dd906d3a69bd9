/*
 * One question to all edges of the mail host's table at the same time, with the host's key. Edges that
 * are disabled are not asked.
 */
#ifndef EDGE_SURVEY_H
#define EDGE_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge_ask.h"
#include "transport/transport_conf.h"

struct edge_survey {
	struct transport_conf conf;
	struct edge_table table;
	struct noise_static_key own;
	struct edge_survey_row {
		const struct edge *edge;	/* the table's */
		bool is_asked;			/* what follows counts */
		struct edge_reply reply;
	} *rows;			/* in the order of the table */
	size_t count;
};

/*
 * Reads configuration, table and key. `name`: of the one edge that matters; NULL: all. EX_OK, or an exit code with
 * error: EX_CONFIG, EX_NOINPUT (no table, or no key that this user may read), EX_NOUSER (no such edge), EX_OSERR. It is
 * to be closed in either case.
 */
int edge_survey_open(struct edge_survey *survey, const char *conf_path, const char *name, char *error, size_t error_size);
/* Asks; may be done again. argument may be NULL. 0, or -1: no memory, or no thread. */
int edge_survey_ask(struct edge_survey *survey, const char *question, const char *argument, int64_t timeout_ms);
void edge_survey_close(struct edge_survey *survey);

#endif
