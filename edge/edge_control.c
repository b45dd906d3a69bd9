/*
 * The questions: a row each. An answer is made of copies that are taken under the lock of their
 * table, and printed when that is free again.
 */
#include "edge_control.h"

#include <stdlib.h>
#include <string.h>

#include "tenant_report.h"

static int answer_peers(struct edge *edge, FILE *out)
{
	size_t count, session_count;
	struct tenant_count *counts = tenant_table_copy(&edge->tenants, deadline_now_ms(), &count);
	session_client_name *sessions = session_table_names(&edge->sessions, &session_count);
	int result = -1;

	if ((counts != NULL || count == 0) && (sessions != NULL || session_count == 0)) {
		tenant_report_print(out, counts, count, sessions, session_count);
		result = 0;
	}
	free(sessions);
	free(counts);
	return result;
}

static const struct {
	const char *question;
	int (*answer)(struct edge *edge, FILE *out); /* -1: no memory */
} questions[] = {
	{ "peers", answer_peers },
};

int edge_control_answer(void *edge, const char *request, FILE *out, char *error, size_t error_size)
{
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		if (strcmp(request, questions[i].question) != 0)
			continue;
		if (questions[i].answer(edge, out) == 0)
			return 0;
		snprintf(error, error_size, "the edge is out of memory");
		return -1;
	}
	snprintf(error, error_size, "unknown request \"%s\"; is the edge of the same version?", request);
	return -1;
}
