/*
 * From the client to the edge without a copy of the message: at most RECEIVED_LOOK_AHEAD bytes are
 * held back, until the queue id is known; then every chunk goes on as it comes. dot_scanner finds
 * the end and guarantees that nothing else in the content can be taken for one (RFC 5321 4.1.1.4);
 * content is never unstuffed and never changed but for stray CR and LF.
 */
#include "content_pump.h"

#include <string.h>

#include "lib/log.h"
#include "received_trace.h"

/* Bytes scanned at a time; the scanner may add 4 it held back before. */
#define CHUNK 16384

void content_pump_init(struct content_pump *pump, const struct content_pump_params *params)
{
	memset(pump, 0, sizeof(*pump));
	pump->params = *params;
	pump->wants_login = !params->has_login && edge_choice_wants_login(params->choice);
	dot_scanner_init(&pump->scanner);
	buffer_init(&pump->held, RECEIVED_LOOK_AHEAD + CHUNK + 4);
	buffer_init(&pump->headers, CONTENT_PUMP_HEADERS_MAX);
}

void content_pump_wipe(struct content_pump *pump)
{
	buffer_wipe(&pump->held);
	buffer_wipe(&pump->headers);
}

static void give_up(struct content_pump *pump, struct enhanced_status code, const char *reason)
{
	struct delivery_status status = { 0 };

	delivery_status_set_local(&status, STAGE_TUNNEL, code, "%s", reason);
	relay_give_up(pump->params.relay, &status);
	pump->is_over = true;
}

/* False: this message must wait for another edge, and every outcome says so. */
static bool settle_edge(struct content_pump *pump)
{
	const struct content_pump_params *params = &pump->params;
	struct delivery_status status;

	if (edge_choice_settle(params->choice, params->envelope, params->connect_deadline,
			       &status) == 0)
		return true;
	relay_refuse(params->relay, params->envelope, &status);
	return false;
}

/*
 * The queue id is known or will never be: the transaction starts, and what was held back goes
 * first.
 */
static void begin(struct content_pump *pump)
{
	const struct content_pump_params *params = &pump->params;

	pump->has_begun = true;
	log_set_tag(params->envelope->queue_id);
	if (!settle_edge(pump) ||
	    relay_begin(params->relay, params->envelope, params->connect_deadline,
			params->deadline) < 0 ||
	    (buffer_length(&pump->held) > 0 &&
	     relay_content(params->relay, buffer_data(&pump->held), buffer_length(&pump->held)) <
		     0))
		pump->is_over = true;
	buffer_wipe(&pump->held);
}

/* Something that only Postfix's Received field says. */
static bool wants_trace(const struct content_pump *pump)
{
	return pump->params.envelope->queue_id[0] == '\0' || pump->wants_login;
}

/*
 * A login counts only in the field whose id is the one that Postfix told by XFORWARD: another field
 * may be the client's.
 */
static enum received_result take_trace(struct content_pump *pump, bool is_all)
{
	struct envelope *envelope = pump->params.envelope;
	struct received_trace trace;
	enum received_result result = received_trace_find(
		(const char *)buffer_data(&pump->held), buffer_length(&pump->held),
		is_all || buffer_length(&pump->held) >= RECEIVED_LOOK_AHEAD, &trace);

	if (result != RECEIVED_FOUND)
		return result;
	if (envelope->queue_id[0] == '\0')
		memcpy(envelope->queue_id, trace.queue_id, sizeof(trace.queue_id));
	else if (pump->wants_login && strcmp(envelope->queue_id, trace.queue_id) == 0)
		edge_choice_set_login(pump->params.choice, trace.login);
	return result;
}

static void hold_back(struct content_pump *pump, const char *bytes, size_t length, bool is_all)
{
	enum received_result result = RECEIVED_FOUND;

	if (length > 0 && buffer_put(&pump->held, bytes, length) < 0) {
		log_error("out of memory for the beginning of a message");
		pump->is_over = true;
		return;
	}
	if (wants_trace(pump) && buffer_length(&pump->held) > 0)
		result = take_trace(pump, is_all);
	if (result != RECEIVED_MORE || is_all)
		begin(pump);
}

/*
 * Keeps whole lines while they are header and there is room. The pump sees chunks, so a line may be
 * cut: it is then kept as far as it came.
 */
static void keep_headers(struct content_pump *pump, const char *bytes, size_t length)
{
	const char *at = bytes, *end = bytes + length;

	while (!pump->headers_ended && at < end) {
		size_t kept = buffer_length(&pump->headers);
		bool at_line_start = kept == 0 || buffer_data(&pump->headers)[kept - 1] == '\n';
		const char *line_feed = memchr(at, '\n', (size_t)(end - at));
		size_t piece = (size_t)((line_feed != NULL ? line_feed + 1 : end) - at);

		if ((at_line_start && *at == '\r') || buffer_put(&pump->headers, at, piece) < 0)
			pump->headers_ended = true;
		at += piece;
	}
}

static void pass_on(struct content_pump *pump, const char *bytes, size_t length, bool is_all)
{
	pump->length += length;
	if (pump->params.keep_headers)
		keep_headers(pump, bytes, length);
	if (!pump->has_begun)
		hold_back(pump, bytes, length, is_all);
	else if (length > 0 && relay_content(pump->params.relay, bytes, length) < 0)
		pump->is_over = true;
}

static void end(struct content_pump *pump)
{
	if (pump->scanner.strays > 0 && pump->params.stray_cr_lf == STRAY_CR_LF_SPACE)
		log_warning("replaced %llu stray CR or LF by spaces",
			    (unsigned long long)pump->scanner.strays);
	if (!pump->is_over) {
		edge_choice_before_end(pump->params.choice, pump->params.envelope);
		relay_end(pump->params.relay);
	}
	pump->is_over = true;
}

/* What the transport itself refuses, as soon as it is seen. */
static void judge(struct content_pump *pump)
{
	uint64_t size_max = transport_conf_size_max(&pump->params.choice->setup->conf,
						    pump->params.relay->info.size_max);

	if (pump->scanner.strays > 0 && pump->params.stray_cr_lf == STRAY_CR_LF_REJECT) {
		log_warning("rejected for stray CR or LF");
		give_up(pump, ENHANCED_STATUS(5, 6, 0),
			"message contains a CR or LF that is no line end");
	} else if (size_max > 0 && pump->length > size_max) {
		give_up(pump, ENHANCED_STATUS(5, 3, 4), "message is too large");
	}
}

bool content_pump_feed(struct content_pump *pump, const void *bytes, size_t length,
		       size_t *used_out)
{
	char out[CHUNK + 4];
	bool is_end = false;

	*used_out = 0;
	while (!is_end && *used_out < length) {
		size_t chunk = length - *used_out < CHUNK ? length - *used_out : CHUNK;
		size_t used, made;

		is_end = dot_scanner_scan(&pump->scanner, (const char *)bytes + *used_out, chunk,
					  &used, out, &made);
		*used_out += used;
		if (pump->is_over)
			continue;
		pass_on(pump, out, made, is_end);
		if (!pump->is_over && pump->has_begun)
			judge(pump);
	}
	if (is_end)
		end(pump);
	return is_end;
}

void content_pump_cancel(struct content_pump *pump)
{
	if (pump->has_begun && !pump->is_over)
		give_up(pump, ENHANCED_STATUS(4, 4, 2), "message ended in the middle");
	pump->is_over = true;
}
