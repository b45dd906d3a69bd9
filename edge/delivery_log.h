/* One log line per recipient in Postfix's own grammar, under the mail host's queue id. */
#ifndef DELIVERY_LOG_H
#define DELIVERY_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "edge_conf.h"
#include "lib/delivery_status.h"
#include "lib/envelope.h"

/* delay_ms: since the content was complete. */
void delivery_log_status(const struct recipient *recipient, const struct delivery_status *status, const char *client,
			 int64_t delay_ms, enum edge_log_recipients detail);

/*
 * The recipient as it may be logged: whole, domain only ("@example.com") or nothing ("-"). Also used on text of peers, which likes to
 * quote addresses: there the local part in front of every "@" becomes "*".
 */
void delivery_log_hide_addresses(char *text);

#endif
