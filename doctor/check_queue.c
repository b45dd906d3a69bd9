/*
 * postfix-queue: how much mail waits, since when, why. What waits for its destination is only told;
 * it is wrong if mail waits for us.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mail_host.h"
#include "program.h"
#include "queue_summary.h"

#define ID "postfix-queue"
#define TIME_LIMIT_MS 20000
#define OLD_S 14400		/* Postfix's own delay warnings speak of hours, too */
#define REASONS_SHOWN 3

static void print_age(char *out, size_t size, long long seconds)
{
	if (seconds < 7200)
		snprintf(out, size, "%lld min", seconds / 60);
	else if (seconds < 172800)
		snprintf(out, size, "%lld h", seconds / 3600);
	else
		snprintf(out, size, "%lld d", seconds / 86400);
}

static void tell(struct mail_host *host, const struct queue_summary *summary)
{
	long long seconds = summary->oldest > 0 ? (long long)(time(NULL) - summary->oldest) : 0;
	size_t local = 0, all = 0;
	char age[40];

	print_age(age, sizeof(age), seconds);
	for (size_t i = 0; i < summary->reason_count; i++) {
		all += summary->reasons[i].recipients;
		if (queue_summary_is_local(summary->reasons[i].text))
			local += summary->reasons[i].recipients;
	}
	if (summary->deferred == 0)
		finding_add(host->list, ID, "queue", FINDING_OK, "%zu messages, none is deferred", summary->messages);
	else if (local > 0 && local * 2 >= all)
		finding_mend(finding_add(host->list, ID, "queue", FINDING_FAIL,
					 "%zu messages are deferred, the oldest (%s) for %s; most wait for postern itself", summary->deferred,
					 summary->oldest_id, age),
			     "mend what is told here as FAIL, then: postqueue -f");
	else
		finding_mend(finding_add(host->list, ID, "queue", seconds > OLD_S ? FINDING_WARN : FINDING_OK,
					 "%zu messages are deferred, the oldest (%s) for %s", summary->deferred, summary->oldest_id, age),
			     "grep %s /var/log/mail.log says why; postqueue -f tries again", summary->oldest_id);
	for (size_t i = 0; i < summary->reason_count && i < REASONS_SHOWN; i++)
		finding_add(host->list, ID, "reason", FINDING_OK, "%zu recipients: %s", summary->reasons[i].recipients,
			    summary->reasons[i].text);
	if (summary->held > 0)
		finding_mend(finding_add(host->list, ID, "hold", FINDING_WARN, "%zu messages are on hold: Postfix does not try them",
					 summary->held),
			     "postqueue -p shows them with !; postsuper -H ALL lets them go");
}

void check_queue(struct mail_host *host)
{
	const char *const arguments[] = { "postqueue", "-j", NULL };
	struct queue_summary *summary = calloc(1, sizeof(*summary));
	struct program_output output;
	char error[300];

	if (summary == NULL) {
		finding_add(host->list, ID, "queue", FINDING_UNKNOWN, "out of memory");
		return;
	}
	if (program_run(&output, arguments, NULL, PROGRAM_STDERR_TOO, TIME_LIMIT_MS, error, sizeof(error)) < 0) {
		finding_add(host->list, ID, "queue", FINDING_UNKNOWN, "%s", error);
	} else if (output.exit_code != 0) {
		finding_mend(finding_add(host->list, ID, "queue", FINDING_UNKNOWN, "%.*s", (int)strcspn(output.text, "\n"), output.text),
			     "postfix status");
		program_output_wipe(&output);
	} else {
		queue_summary_read(summary, output.text);
		tell(host, summary);
		program_output_wipe(&output);
	}
	free(summary);
}
