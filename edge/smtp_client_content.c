/*
 * From 354 to the answer to the final dot: the only place where the fate of a message may become
 * unknown (RFC 1047).
 *
 * The content ends with CRLF, so what ends the mail data is ".\r\n" alone, and it is written as a
 * step of its own: as long as that step has not begun the server cannot have the message, whatever
 * breaks. From then until a reply was read in full the outcome is in doubt, and a wish to stop
 * (cancel_fd) no longer counts.
 *
 * A server may refuse while the content is being written: a 4xx or 5xx then is its answer. A 2xx
 * then is none: it answers nothing that was asked. In both cases the connection goes, as the rest
 * of the content cannot be taken back.
 *
 * The reply to the dot has its own time, whatever is left of the delivery's: who gave up earlier would
 * not know what the server is about to say. When the delivery's time is over before the dot, it is not
 * sent.
 *
 * Who takes less than SMTP_MIN_DATA_RATE_BYTES_PER_S on average, or nothing for
 * SMTP_DATA_BLOCK_TIMEOUT_MS, is given up.
 */
#include <stdlib.h>
#include <string.h>

#include "smtp_client.h"
#include "smtp_client_io.h"

/* One TLS record, and little enough for the deadline of the rate to be looked at often. */
#define PIECE_BYTES 16384

static const char final_dot[] = ".\r\n";

struct content_writer {
	struct smtp_client *client;
	int64_t began_ms;
	uint64_t written;
};

/* The latest moment for the next byte. */
static struct deadline rate_deadline(const struct content_writer *writer)
{
	uint64_t earned_ms = writer->written * 1000 / SMTP_MIN_DATA_RATE_BYTES_PER_S;

	return (struct deadline){ writer->began_ms + writer->client->data_rate_grace_ms +
				  (int64_t)earned_ms };
}

/* The server spoke before the dot. */
static void read_early_reply(struct smtp_client *client, struct smtp_event *event)
{
	char text[120];

	if (smtp_client_read_reply(client, STAGE_CONTENT,
				   smtp_client_deadline(client, SMTP_DATA_BLOCK_TIMEOUT_MS), NULL,
				   NULL, event) != 0)
		return;
	if (smtp_reply_is(&event->reply, REPLY_TRANSIENT) ||
	    smtp_reply_is(&event->reply, REPLY_PERMANENT))
		return;
	smtp_reply_print(&event->reply, text, sizeof(text));
	smtp_client_fail(event, STAGE_CONTENT, SMTP_FAILURE_PROTOCOL, "early reply \"%s\"", text);
}

static void fail_timeout(const struct content_writer *writer, struct deadline rate,
			 struct smtp_event *event)
{
	if (deadline_has_passed(rate) && !deadline_has_passed(writer->client->params.deadline))
		smtp_client_fail(event, STAGE_CONTENT, SMTP_FAILURE_SLOW,
				 "slower than %d bytes per second", SMTP_MIN_DATA_RATE_BYTES_PER_S);
	else
		smtp_client_fail(event, STAGE_CONTENT, SMTP_FAILURE_TIMEOUT, "%s", "");
}

static int write_piece(struct content_writer *writer, const uint8_t *bytes, size_t length,
		       struct smtp_event *event)
{
	struct smtp_client *client = writer->client;
	size_t done = 0, put;

	while (done < length) {
		struct deadline rate = rate_deadline(writer);
		struct deadline deadline = deadline_earlier(
			rate, smtp_client_deadline(client, SMTP_DATA_BLOCK_TIMEOUT_MS));
		enum stream_result result;

		result = stream_write_watching(&client->stream, bytes + done, length - done, &put,
					       deadline);
		done += put;
		writer->written += put;
		if (result == STREAM_OK || (result == STREAM_TIMEOUT && put > 0 &&
					    !deadline_has_passed(client->params.deadline)))
			continue;
		if (result == STREAM_INPUT)
			read_early_reply(client, event);
		else if (result == STREAM_TIMEOUT)
			fail_timeout(writer, rate, event);
		else
			smtp_client_fail_stream(client, event, STAGE_CONTENT, result);
		return -1;
	}
	return 0;
}

static int write_run(struct content_writer *writer, const uint8_t *bytes, size_t length,
		     struct smtp_event *event)
{
	while (length > 0) {
		size_t piece = length < PIECE_BYTES ? length : PIECE_BYTES;

		if (write_piece(writer, bytes, piece, event) != 0)
			return -1;
		bytes += piece;
		length -= piece;
	}
	return 0;
}

/* The prefix and what fits of the content's beginning in one piece: a packet of its own costs more than a copy. *taken_out: of the content. */
static int write_beginning(struct content_writer *writer, const struct smtp_transaction *transaction,
			   const uint8_t *bytes, size_t length, size_t *taken_out, struct smtp_event *event)
{
	size_t prefix = transaction->prefix_length, most = prefix < PIECE_BYTES ? PIECE_BYTES - prefix : 0;
	size_t taken = length < most ? length : most;
	uint8_t *piece = malloc(prefix + taken);
	int result;

	*taken_out = 0;
	if (piece == NULL)	/* then in two */
		return write_run(writer, (const uint8_t *)transaction->prefix, prefix, event);
	memcpy(piece, transaction->prefix, prefix);
	memcpy(piece + prefix, bytes, taken);
	*taken_out = taken;
	result = write_run(writer, piece, prefix + taken, event);
	free(piece);
	return result;
}

static int write_content(struct smtp_client *client, const struct smtp_transaction *transaction,
			 struct smtp_event *event)
{
	struct content_writer writer = { .client = client, .began_ms = deadline_now_ms() };
	const uint8_t *bytes = (const uint8_t *)"";
	struct content_cursor cursor;
	size_t length = 0, taken;

	smtp_client_enter_stage(client, STAGE_CONTENT);
	content_cursor_init(&cursor, transaction->content);
	content_cursor_next(&cursor, &bytes, &length);
	if (write_beginning(&writer, transaction, bytes, length, &taken, event) != 0 ||
	    write_run(&writer, bytes + taken, length - taken, event) != 0)
		return -1;
	while (content_cursor_next(&cursor, &bytes, &length))
		if (write_run(&writer, bytes, length, event) != 0)
			return -1;
	return 0;
}

/* The dot could not be written, perhaps because the server said why and closed. 0: it did. */
static int read_last_words(struct smtp_client *client, struct smtp_event *event)
{
	struct smtp_event words;

	if (!stream_has_input(&client->stream))
		return -1;
	read_early_reply(client, &words);
	if (words.failure != SMTP_FAILURE_NONE)
		return -1;
	*event = words;
	return 0;
}

/*
 * 0: the dot is out. -1: *event says why not; event->final_dot_sent if it may be out nevertheless.
 * TLS may hold a record half written and send the rest with close_notify, so under TLS every failed
 * write may have carried the dot.
 */
static int write_final_dot(struct smtp_client *client, struct smtp_event *event)
{
	struct stream *stream = &client->stream;
	size_t before = stream->total_written;
	enum stream_result result;

	if (stream_has_input(stream)) {
		read_early_reply(client, event);
		return -1;
	}
	stream->cancel_fd = -1;
	result = stream_write_full(stream, final_dot, strlen(final_dot),
				   smtp_client_deadline(client, SMTP_DATA_BLOCK_TIMEOUT_MS));
	if (result == STREAM_OK)
		return 0;
	smtp_client_fail_stream(client, event, STAGE_CONTENT, result);
	if (result == STREAM_ERROR && read_last_words(client, event) == 0)
		return -1;
	if (stream->ops != NULL || stream->total_written > before) {
		event->stage = STAGE_AFTER_FINAL_DOT;
		event->final_dot_sent = true;
	}
	return -1;
}

/* May the dot be sent? It is asked as late as can be, and before every single dot. */
static int ask_before_dot(const struct smtp_transaction *transaction, const size_t *accepted,
			  size_t accepted_count, struct smtp_event *event)
{
	if (transaction->before_final_dot == NULL ||
	    transaction->before_final_dot(transaction->context, accepted, accepted_count) == 0)
		return 0;
	smtp_client_fail(event, STAGE_CONTENT, SMTP_FAILURE_JOURNAL, "%s", "");
	return -1;
}

void smtp_client_send_content(struct smtp_client *client,
			      const struct smtp_transaction *transaction, const size_t *accepted,
			      size_t accepted_count, struct smtp_event *event)
{
	if (write_content(client, transaction, event) != 0 ||
	    ask_before_dot(transaction, accepted, accepted_count, event) != 0 ||
	    smtp_client_check_time(client, STAGE_CONTENT, 0, event) != 0 ||
	    write_final_dot(client, event) != 0) {
		smtp_client_close(client);
		return;
	}
	if (smtp_client_read_reply(client, STAGE_AFTER_FINAL_DOT,
				   deadline_in_ms(client->params.data_done_timeout_ms), NULL, NULL,
				   event) != 0) {
		event->final_dot_sent = true;
		smtp_client_close(client);
		return;
	}
	client->stream.cancel_fd = client->params.cancel_fd;
	client->in_transaction = false;
	client->is_clean = smtp_reply_is(&event->reply, REPLY_COMPLETION);
	client->messages += client->is_clean;
	if (event->reply.code == 421 || smtp_reply_is(&event->reply, REPLY_INTERMEDIATE))
		smtp_client_close(client);
}
