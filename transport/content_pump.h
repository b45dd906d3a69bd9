/*
 * Takes content in wire form as it comes from Postfix and passes it on through a relay, holding
 * back only what is needed to learn the queue id and, where routes ask for it, the login. The same for LMTP and pipe(8).
 *
 * Once the outcome is decided (the edge said so, the tunnel failed, the message is too large, it
 * has stray line ends and they are to be rejected) the rest is read and dropped, as the client
 * cannot be stopped in the middle of DATA.
 */
#ifndef CONTENT_PUMP_H
#define CONTENT_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/dot_stuffing.h"
#include "lib/envelope.h"
#include "edge_choice.h"
#include "relay.h"

/*
 * Header section kept for a report to the sender. A longer one is cut at a line end; the report
 * says nothing of the rest.
 */
#define CONTENT_PUMP_HEADERS_MAX 32768

struct content_pump_params {
	struct relay *relay;
	struct edge_choice *choice; /* edge_choice_begin() has succeeded */
	struct envelope
		*envelope; /* queue_id is filled in if it was empty and the content has it */
	enum stray_cr_lf stray_cr_lf;
	struct deadline connect_deadline; /* if a kept tunnel has died */
	struct deadline deadline;	  /* of the transaction */
	bool keep_headers;
	bool has_login; /* the choice knows it: not to be looked for in the content */
};

struct content_pump {
	struct content_pump_params params;
	struct dot_scanner scanner;
	struct buffer held; /* before relay_begin() */
	struct buffer
		headers; /* wire form, dot-stuffed, without the empty line; complete lines only */
	bool headers_ended;
	bool wants_login;
	bool has_begun;
	bool is_over;	 /* drop the rest */
	uint64_t length; /* of the content so far, as carried */
};

void content_pump_init(struct content_pump *pump, const struct content_pump_params *params);
/*
 * Consumes at most `length` bytes; *used_out says how many (less only at the end of data). Returns
 * true at the end of data: the relay is then waiting for statuses, or has every outcome.
 */
bool content_pump_feed(struct content_pump *pump, const void *bytes, size_t length,
		       size_t *used_out);
/* The input ended without end of data: nothing may be delivered. */
void content_pump_cancel(struct content_pump *pump);
void content_pump_wipe(struct content_pump *pump);

#endif
