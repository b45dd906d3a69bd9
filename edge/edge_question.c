/*
 * The questions: a row each. Who may ask is looked up here, in one place, before anything is done
 * for a question; an answer that is too long for a tunnel becomes a sentence that says so.
 */
#include "edge_question.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "question_check.h"
#include "question_enrol.h"
#include "question_log.h"
#include "question_status.h"
#include "tunnel/tunnel_limits.h"

static const struct row {
	const char *name;
	edge_question_fn *answer;
	unsigned who; /* of enum edge_question_who, added up */
} rows[] = {
	{ "enrol", question_enrol, EDGE_QUESTION_INVITED },
	{ "status", question_status, EDGE_QUESTION_CLIENT },
	{ "check", question_check, EDGE_QUESTION_CLIENT | EDGE_QUESTION_INVITED },
	{ "log", question_log, EDGE_QUESTION_CLIENT },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

json_t *edge_question_error(const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return json_pack("{s:s}", "error", text);
}

static json_t *answer(const struct edge_question *question, const char *name)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		if ((rows[i].who & question->who) == 0)
			return edge_question_error("\"%s\" may not be asked with this key", name);
		return rows[i].answer(question);
	}
	return edge_question_error("this edge does not know the question \"%s\"; is it of the same version?", name);
}

/* Takes over the reference. */
static char *print(json_t *value, size_t *length_out)
{
	char *text = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;

	json_decref(value);
	*length_out = text != NULL ? strlen(text) : 0;
	return text;
}

char *edge_question_answer(const struct edge_question *question, const char *name, size_t *length_out)
{
	char *text = print(answer(question, name), length_out);

	if (text == NULL || *length_out <= TUNNEL_ANSWER_MAX)
		return text;
	free(text);
	return print(edge_question_error("the answer has %zu bytes, and no more than %d can be told", *length_out,
					 TUNNEL_ANSWER_MAX),
		     length_out);
}
