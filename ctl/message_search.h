/* Finds the lines of one message: in this host's mail log, and at the edges of its table. */
#ifndef MESSAGE_SEARCH_H
#define MESSAGE_SEARCH_H

#include <stdint.h>

#include "edge_survey.h"
#include "message_story.h"

/* Adds this host's lines. EX_OK, or an exit code with error. file NULL: as mail_log.h says. *name_out: of the log. */
int message_search_host(struct message_story *story, const char *file, const char *queue_id, const char **name_out,
			char *error, size_t error_size);
/*
 * Asks the edges of the survey and adds their lines. Says on standard error which edge did not answer, whose clock differs, and
 * who has forgotten something. EX_OK, EX_UNAVAILABLE (at least one did not answer; the others' lines are there), EX_OSERR.
 */
int message_search_edges(struct message_story *story, struct edge_survey *survey, const char *queue_id,
			 int64_t timeout_ms);

#endif
