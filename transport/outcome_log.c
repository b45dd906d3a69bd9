/*
 * Prints one outcome for the log; decides nothing. The queue id stands before it as the log's tag.
 */
#include "outcome_log.h"

#include <stdio.h>

#include "lib/deadline.h"
#include "lib/log.h"

/* Two digits that matter, as Postfix prints delays. */
static void print_delay(char *out, size_t size, int64_t ms)
{
	int decimals = ms < 10000 ? 2 : ms < 100000 ? 1 : 0;

	snprintf(out, size, "%.*f", decimals, (double)ms / 1000);
}

void outcome_log_recipient(const struct recipient *recipient, const struct delivery_status *status,
			   const char *edge, const char *edge_host, int64_t since_ms)
{
	char to[MAILBOX_TEXT_MAX], relay[DELIVERY_HOST_MAX + DELIVERY_ADDRESS_MAX + 16], delay[32];
	char dsn[ENHANCED_STATUS_TEXT_MAX], text[DELIVERY_LMTP_REPLY_MAX];

	mailbox_print(&recipient->forward_path, to, sizeof(to));
	delivery_status_relay(status, relay, sizeof(relay));
	print_delay(delay, sizeof(delay), deadline_now_ms() - since_ms);
	enhanced_status_print(status->status, dsn, sizeof(dsn));
	delivery_status_print_text(status, edge_host, text, sizeof(text));
	log_info("to=<%s>, edge=%s, relay=%s, delay=%s, dsn=%s, status=%s (%s)", to, edge, relay,
		 delay, dsn, delivery_action_word(status->action), text);
}
