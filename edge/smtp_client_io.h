/* Between smtp_client*.c only: one reply, one command, and how they end. */
#ifndef SMTP_CLIENT_IO_H
#define SMTP_CLIENT_IO_H

#include "smtp_client.h"

/* Each line of a reply without code and hyphen, from line_number 0; `text` may hold any byte. */
typedef void smtp_client_line_fn(void *context, size_t line_number, const char *text,
				 size_t length);

/* *event becomes a failure; the client stays as it is. `format` may be "" for no detail. */
void smtp_client_fail(struct smtp_event *event, enum delivery_stage stage,
		      enum smtp_failure failure, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The same out of what a stream function returned (not STREAM_OK). */
void smtp_client_fail_stream(const struct smtp_client *client, struct smtp_event *event,
			     enum delivery_stage stage, enum stream_result result);

/* The client is going to wait for the server at this stage. */
void smtp_client_enter_stage(const struct smtp_client *client, enum delivery_stage stage);
/* 0: there is time to begin this stage. -1: *event is a failure, nothing was written. */
int smtp_client_check_time(const struct smtp_client *client, enum delivery_stage stage,
			   uint64_t content_bytes, struct smtp_event *event);

/* `timeout_ms` from now, cut by the deadline of the delivery. */
struct deadline smtp_client_deadline(const struct smtp_client *client, int64_t timeout_ms);

/*
 * Reads one reply. 0: it is in event->reply, failure NONE. -1: *event is a failure. `on_line` may
 * be NULL. The caller closes the client after -1.
 */
int smtp_client_read_reply(struct smtp_client *client, enum delivery_stage stage,
			   struct deadline deadline, smtp_client_line_fn *on_line, void *context,
			   struct smtp_event *event);
/*
 * Reads what the server said although nothing was asked. Only a 421 is a reply then (0); everything
 * else is a failure (-1).
 */
int smtp_client_read_unsolicited(struct smtp_client *client, enum delivery_stage stage,
				 struct smtp_event *event);
/*
 * Writes one command line, CRLF included, and reads its reply; results as smtp_client_read_reply().
 */
int smtp_client_command(struct smtp_client *client, enum delivery_stage stage, int64_t timeout_ms,
			const char *line, smtp_client_line_fn *on_line, void *context,
			struct smtp_event *event);

/* Logs in if params->auth wants it. 0, or -1: *event says why not. */
int smtp_client_log_in(struct smtp_client *client, struct smtp_event *event);

/*
 * Writes prefix, content and the final dot, and reads the reply. *event says what happened in every
 * case: a reply in stage CONTENT (early, the dot was not sent) or AFTER_FINAL_DOT, or a failure.
 * The client is closed unless it may be used further. `accepted`: for transaction->before_final_dot.
 */
void smtp_client_send_content(struct smtp_client *client,
			      const struct smtp_transaction *transaction, const size_t *accepted,
			      size_t accepted_count, struct smtp_event *event);

#endif
