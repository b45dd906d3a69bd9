/* The two tables that know tenants are merged by name: both are sorted, and each looked at once. */
#include "tenant_report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *const tenant_report_refusal_names[TENANT_REFUSALS] = {
	[TENANT_SENDER] = "domains",	   [TENANT_RATE] = "rate",
	[TENANT_BOUNCES] = "bounces",	   [TENANT_CONCURRENCY] = "concurrency",
	[TENANT_SIZE] = "size",		   [TENANT_RECIPIENTS] = "recipients",
	[TENANT_SESSIONS] = "sessions",	   [TENANT_REVOKED] = "revoked",
};

static void print_rate(FILE *out, const char *name, struct token_rate rate, int64_t left)
{
	if (rate.tokens > 0)
		fprintf(out, ", \"%s\": {\"tokens\": %" PRId64 ", \"duration_ms\": %" PRId64 ", \"left\": %" PRId64 "}",
			name, rate.tokens, rate.duration_ms, left);
}

void tenant_report_print_line(FILE *out, const struct tenant_count *count, size_t sessions)
{
	fprintf(out, "{\"name\": \"%s\", \"sessions\": %zu, \"active\": %" PRId64 ", \"transactions\": %" PRIu64
		     ", \"recipients\": {\"relayed\": %" PRIu64 ", \"delayed\": %" PRIu64 ", \"failed\": %" PRIu64
		     "}, \"refused\": {",
		count->name, sessions, count->active, count->transactions, count->relayed, count->delayed, count->failed);
	for (int i = 0; i < TENANT_REFUSALS; i++)
		fprintf(out, "%s\"%s\": %" PRIu64, i > 0 ? ", " : "", tenant_report_refusal_names[i], count->refused[i]);
	fputc('}', out);
	print_rate(out, "rate", count->limits.rate, count->left);
	print_rate(out, "bounces", count->limits.bounces, count->bounces_left);
	if (count->last_use > 0)
		fprintf(out, ", \"last_use\": %" PRId64, count->last_use);
	fputs("}\n", out);
}

static int by_count_name(const void *left, const void *right)
{
	const struct tenant_count *a = left, *b = right;

	return strcmp(a->name, b->name);
}

static int by_session_name(const void *left, const void *right)
{
	return strcmp(left, right);
}

/* How many of them, from `at` on, have this name. */
static size_t count_same(session_client_name *sessions, size_t at, size_t session_count, const char *name)
{
	size_t end = at;

	while (end < session_count && strcmp(sessions[end], name) == 0)
		end++;
	return end - at;
}

void tenant_report_print(FILE *out, struct tenant_count *counts, size_t count, session_client_name *sessions,
			 size_t session_count)
{
	size_t i = 0, k = 0;

	if (count > 0)
		qsort(counts, count, sizeof(*counts), by_count_name);
	if (session_count > 0)
		qsort(sessions, session_count, sizeof(*sessions), by_session_name);
	while (i < count || k < session_count) {
		struct tenant_count unused = { .name = "" };
		const struct tenant_count *next = &unused;
		size_t same;

		if (i < count && (k == session_count || strcmp(counts[i].name, sessions[k]) <= 0))
			next = &counts[i++];
		else
			memcpy(unused.name, sessions[k], sizeof(unused.name));
		same = count_same(sessions, k, session_count, next->name);
		tenant_report_print_line(out, next, same);
		k += same;
	}
}
