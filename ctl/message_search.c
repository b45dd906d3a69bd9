/* The host's log is read from its beginning; each edge has its lines at hand. */
#include "message_search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "age_text.h"
#include "answer_number.h"
#include "command.h"
#include "mail_log.h"

/* A difference of the clocks that is worth a word. */
#define OFFSET_TOLD_MS 2000

int message_search_host(struct message_story *story, const char *file, const char *queue_id, const char **name_out,
			char *error, size_t error_size)
{
	struct log_line parsed;
	struct mail_log log;
	const char *line;
	int result = EX_OK;

	if (mail_log_open(&log, file, MAIL_LOG_PAST, error, error_size) < 0)
		return EX_NOINPUT;
	*name_out = log.name;
	while (result == EX_OK && (line = mail_log_next(&log, DEADLINE_NEVER)) != NULL) {
		if (!log_line_names(line, queue_id) || !log_line_parse(&parsed, line, (int64_t)time(NULL)))
			continue;
		if (message_story_add_host(story, &parsed) < 0) {
			snprintf(error, error_size, "out of memory");
			result = EX_OSERR;
		}
	}
	if (log.failure != 0) {
		snprintf(error, error_size, "%s: %s; lines are missing", log.name, strerror(log.failure));
		result = EX_NOINPUT;
	}
	mail_log_close(&log);
	return result;
}

static void tell_gaps(const struct edge *edge, const json_t *answer, int64_t offset_ms)
{
	int64_t since_ms = answer_number(answer, "since_ms"), now_ms = answer_number(answer, "time_ms");
	char age[64];

	if (offset_ms < -OFFSET_TOLD_MS || offset_ms > OFFSET_TOLD_MS)
		command_fail(0, "edge %s: its clock is %lld s %s ours; its times are corrected by that", edge->name,
			     llabs((long long)offset_ms / 1000), offset_ms < 0 ? "behind" : "ahead of");
	if (json_is_true(json_object_get(answer, "is_cut")))
		command_fail(0, "edge %s: it has more lines than it can tell; the first ones are missing", edge->name);
	if (json_array_size(json_object_get(answer, "lines")) == 0 && since_ms > 0)
		command_fail(0, "edge %s has no line of it; it remembers the last %s", edge->name,
			     age_text_print(age, sizeof(age), (now_ms - since_ms) / 1000));
}

static int take_reply(struct message_story *story, const struct edge_survey_row *row)
{
	int64_t offset_ms;

	if (!row->is_asked)
		return EX_OK;
	if (row->reply.layer != EDGE_ASK_OK) {
		command_fail(0, "edge %s cannot be asked: no %s: %s", row->edge->name,
			     edge_ask_layer_name(row->reply.layer), row->reply.error);
		return EX_UNAVAILABLE;
	}
	offset_ms = answer_number(row->reply.answer, "time_ms") - row->reply.answered_ms;
	tell_gaps(row->edge, row->reply.answer, offset_ms);
	return message_story_add_edge(story, row->edge->name, row->reply.answer, offset_ms) == 0 ? EX_OK : EX_OSERR;
}

int message_search_edges(struct message_story *story, struct edge_survey *survey, const char *queue_id, int64_t timeout_ms)
{
	int result = EX_OK;

	if (edge_survey_ask(survey, "log", queue_id, timeout_ms) < 0)
		return command_fail(EX_OSERR, "out of memory");
	for (size_t i = 0; i < survey->count; i++) {
		int one = take_reply(story, &survey->rows[i]);

		if (one == EX_OSERR)
			return command_fail(EX_OSERR, "out of memory");
		if (one != EX_OK)
			result = one;
	}
	return result;
}
