/* What `postqueue -j` says, summed up: how much waits, since when, why. */
#ifndef QUEUE_SUMMARY_H
#define QUEUE_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define QUEUE_REASONS_MAX 200
#define QUEUE_REASON_TEXT_MAX 300

struct queue_reason {
	char text[QUEUE_REASON_TEXT_MAX];	/* printable */
	size_t recipients;
};

struct queue_summary {
	size_t messages, held;
	size_t deferred;
	time_t oldest;		/* arrival of the oldest deferred message; 0: none */
	char oldest_id[32];
	/* Of recipients that wait, the most frequent first; beyond that many reasons, no more are told apart. */
	struct queue_reason reasons[QUEUE_REASONS_MAX];
	size_t reason_count;
	size_t bad_lines;
};

/* One JSON object a line, of which strangers wrote some text. */
void queue_summary_read(struct queue_summary *summary, char *text);
/* Does this reason lie with postern or this host, and not with a destination? */
bool queue_summary_is_local(const char *reason);

#endif
