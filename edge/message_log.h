/*
 * The edge's own log lines of the messages that it had lately, in memory, so that a mail host can ask
 * for those of one of its messages (`postern log QUEUEID`). A ring of MESSAGE_LOG_BYTES: the oldest
 * lines go first, nothing is on disk. A line is kept as it was logged, so it says as little of
 * recipients as the log does (log_recipients), and what is not logged (log_level) is not kept.
 *
 * A line belongs to the message that its thread is busy with, and to that message's client.
 */
#ifndef MESSAGE_LOG_H
#define MESSAGE_LOG_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_LOG_BYTES (1024 * 1024)

struct message_log {
	pthread_mutex_t lock;	/* protects everything below */
	char *bytes;		/* the ring; NULL: no memory, and nothing is kept */
	size_t first, used;	/* where the oldest line begins, and of all lines */
	int64_t forgotten_ms;	/* of the latest line that had to go; 0: none had */
};

/* Keeps what this process logs from now on: there is one of them. */
void message_log_init(struct message_log *log);
/* No other thread may log any more. */
void message_log_wipe(struct message_log *log);

/*
 * This thread is busy with this message of this client: its lines get the queue id as their tag
 * (log_set_tag()), and are kept. queue_id "": the tag is none, and nothing is kept. Both are copied.
 */
void message_log_begin(const char *client, const char *queue_id);
void message_log_end(void);

/* One line, oldest first; `text` as it was logged, NUL-terminated, and gone after the call. */
typedef void message_log_line_fn(void *context, int64_t time_ms, const char *text);
/*
 * Calls `line` for each line of this message of this client, under the lock: it must not log. Returns
 * since when nothing is missing, in ms since the epoch; 0: since the edge started.
 */
int64_t message_log_find(struct message_log *log, const char *client, const char *queue_id, message_log_line_fn *line,
			 void *context);

#endif
