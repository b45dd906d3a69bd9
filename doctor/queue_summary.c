/*
 * postqueue(1) -j: a line is an object {"queue_name", "queue_id", "arrival_time", "recipients":
 * [{"address", "delay_reason"}]}. A line that is none is counted and passed over.
 */
#include "queue_summary.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

/* How the transport's own sentences begin; the edge's begin with its name. */
static const char *const own_words[] = { "edge ", "the edge ", "no edge ", "line ", "/" };

/*
 * lmtp(8) names the socket: "host HOST[private/postern-spawn] said: 451 4.4.1 edge ... cannot be
 * reached", "lost connection with HOST[private/postern-spawn] ...".
 */
bool queue_summary_is_local(const char *reason)
{
	const char *socket = strstr(reason, "[private/"), *said = strstr(reason, "] said: ");

	if (strstr(reason, "mail transport unavailable") != NULL)
		return true;
	if (socket == NULL || said == NULL)
		return socket != NULL;
	said += strlen("] said: ");
	/* Code and enhanced code. */
	said += strspn(said, "0123456789. -");
	for (size_t i = 0; i < sizeof(own_words) / sizeof(own_words[0]); i++)
		if (strncmp(said, own_words[i], strlen(own_words[i])) == 0)
			return true;
	return false;
}

static void count_reason(struct queue_summary *summary, const char *reason)
{
	char text[QUEUE_REASON_TEXT_MAX];
	size_t i = 0;

	log_printable(text, sizeof(text), reason, strlen(reason));
	while (i < summary->reason_count && strcmp(summary->reasons[i].text, text) != 0)
		i++;
	if (i == QUEUE_REASONS_MAX)
		return;
	if (i == summary->reason_count) {
		memcpy(summary->reasons[i].text, text, sizeof(text));
		summary->reason_count++;
	}
	summary->reasons[i].recipients++;
}

static void take_message(struct queue_summary *summary, const json_t *message)
{
	const char *queue = json_string_value(json_object_get(message, "queue_name"));
	const char *id = json_string_value(json_object_get(message, "queue_id")), *reason;
	time_t arrival = (time_t)json_integer_value(json_object_get(message, "arrival_time"));
	json_t *recipients = json_object_get(message, "recipients"), *recipient;
	size_t i;

	if (queue == NULL || id == NULL) {
		summary->bad_lines++;
		return;
	}
	summary->messages++;
	if (strcmp(queue, "hold") == 0)
		summary->held++;
	if (strcmp(queue, "deferred") != 0)
		return;
	summary->deferred++;
	if (summary->oldest == 0 || arrival < summary->oldest) {
		summary->oldest = arrival;
		log_printable(summary->oldest_id, sizeof(summary->oldest_id), id, strlen(id));
	}
	json_array_foreach(recipients, i, recipient) {
		reason = json_string_value(json_object_get(recipient, "delay_reason"));
		if (reason != NULL)
			count_reason(summary, reason);
	}
}

static int compare_reasons(const void *a, const void *b)
{
	size_t left = ((const struct queue_reason *)a)->recipients, right = ((const struct queue_reason *)b)->recipients;

	return left < right ? 1 : left > right ? -1 : 0;
}

void queue_summary_read(struct queue_summary *summary, char *text)
{
	char *line, *save = NULL;

	memset(summary, 0, sizeof(*summary));
	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		json_t *message = json_loads(line, 0, NULL);

		if (json_is_object(message))
			take_message(summary, message);
		else
			summary->bad_lines++;
		json_decref(message);
	}
	qsort(summary->reasons, summary->reason_count, sizeof(summary->reasons[0]), compare_reasons);
}
