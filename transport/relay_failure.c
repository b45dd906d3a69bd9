/*
 * The whole failure policy of the transport, readable in one sitting. Nothing that the tunnel does
 * can bounce mail: class 4 throughout. RFC 3463 subjects: 3 system, 4 network, 5 protocol, 7
 * security.
 *
 * The window: once END has gone out the edge may hand the message to an MX at any moment, and
 * losing the tunnel then says nothing about the outcome. Such a status carries maybe_duplicate,
 * which logs and replies put into words (RFC 1047).
 */
#include "relay_failure.h"

#include <stdio.h>
#include <string.h>

#include "tunnel/tunnel_limits.h"

/* The least time in which an edge can do something with a message (edge/stage_budget.c: connect). */
#define END_LEAST_MS 5000

uint32_t relay_budget_ms(int64_t left_ms)
{
	int64_t budget_ms = left_ms - (TUNNEL_TRANSPORT_BUDGET_MS - TUNNEL_EDGE_BUDGET_MS);

	if (budget_ms > TUNNEL_EDGE_BUDGET_MS)
		budget_ms = TUNNEL_EDGE_BUDGET_MS;
	return budget_ms < 0 ? 0 : (uint32_t)budget_ms;
}

bool relay_may_end(int64_t edge_left_ms)
{
	return edge_left_ms >= END_LEAST_MS;
}

static struct enhanced_status code_while_connecting(enum tunnel_failure failure)
{
	switch (failure) {
	case TUNNEL_UNREACHABLE:
	case TUNNEL_TIMED_OUT:
		return ENHANCED_STATUS(4, 4, 1); /* no answer from host */
	case TUNNEL_LOST:
		return ENHANCED_STATUS(4, 4, 2); /* bad connection */
	case TUNNEL_NO_ANSWER:
		return ENHANCED_STATUS(
			4, 7, 0); /* key or version; which one it was, the edge does not tell */
	case TUNNEL_WRONG_PSK:
		return ENHANCED_STATUS(4, 7, 5); /* cryptographic failure */
	case TUNNEL_BAD_RECORD:
		return ENHANCED_STATUS(4, 7, 7); /* message integrity failure */
	case TUNNEL_BAD_FRAME:
		return ENHANCED_STATUS(4, 5, 0);
	case TUNNEL_LOCAL:
	case TUNNEL_OK:
		break;
	}
	return ENHANCED_STATUS(4, 3, 0);
}

static struct enhanced_status code_before_end(enum tunnel_failure failure)
{
	switch (failure) {
	case TUNNEL_UNREACHABLE:
	case TUNNEL_NO_ANSWER:
	case TUNNEL_LOST:
	case TUNNEL_TIMED_OUT:
		return ENHANCED_STATUS(4, 4, 2);
	case TUNNEL_WRONG_PSK:
	case TUNNEL_BAD_RECORD:
	case TUNNEL_BAD_FRAME:
	case TUNNEL_LOCAL:
	case TUNNEL_OK:
		break;
	}
	return code_while_connecting(failure);
}

static void set_unknown(struct delivery_status *status, const char *sentence)
{
	delivery_status_set_local(status, STAGE_TUNNEL, ENHANCED_STATUS(4, 4, 2),
				  "outcome unknown: %s", sentence);
	status->maybe_duplicate = true;
}

void relay_failure_status(struct delivery_status *status, enum relay_stage stage,
			  enum tunnel_failure failure, const char *sentence)
{
	memset(status, 0, sizeof(*status));
	switch (stage) {
	case RELAY_CONNECTING:
		delivery_status_set_local(status, STAGE_TUNNEL, code_while_connecting(failure),
					  "%s", sentence);
		break;
	case RELAY_BEFORE_END:
		delivery_status_set_local(status, STAGE_TUNNEL, code_before_end(failure), "%s",
					  sentence);
		break;
	case RELAY_AFTER_END:
		set_unknown(status, sentence);
		break;
	}
}

static struct enhanced_status code_of_reason(enum close_reason reason)
{
	switch (reason) {
	case CLOSE_IDLE:
		return ENHANCED_STATUS(4, 4, 2);
	case CLOSE_SHUTDOWN:
		return ENHANCED_STATUS(4, 3, 2); /* system not accepting messages now */
	case CLOSE_REVOKED:
		return ENHANCED_STATUS(4, 7, 1);
	case CLOSE_PROTOCOL_ERROR:
		return ENHANCED_STATUS(4, 5, 0);
	case CLOSE_LIMIT:
		return ENHANCED_STATUS(4, 4, 5); /* congestion */
	}
	return ENHANCED_STATUS(4, 4, 2);
}

static const char *words_of_reason(enum close_reason reason)
{
	switch (reason) {
	case CLOSE_IDLE:
		return "the edge closed the tunnel as idle";
	case CLOSE_SHUTDOWN:
		return "the edge is being stopped";
	case CLOSE_REVOKED:
		return "the edge has revoked the key of this host";
	case CLOSE_PROTOCOL_ERROR:
		return "the edge complains about our side of the protocol";
	case CLOSE_LIMIT:
		return "the edge has no room for another tunnel of this host";
	}
	return "the edge closed the tunnel";
}

void relay_failure_closed(struct delivery_status *status, enum relay_stage stage,
			  const struct frame_close *close)
{
	const char *separator = close->text[0] != '\0' ? ": " : "";
	char sentence[SMTP_REPLY_TEXT_MAX + 1];

	memset(status, 0, sizeof(*status));
	snprintf(sentence, sizeof(sentence), "%s%s%.400s", words_of_reason(close->reason),
		 separator, close->text);
	if (stage == RELAY_AFTER_END)
		set_unknown(status, sentence);
	else
		delivery_status_set_local(status, STAGE_TUNNEL, code_of_reason(close->reason), "%s",
					  sentence);
}
