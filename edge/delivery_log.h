/* One log line per recipient in Postfix's own grammar, under the mail host's queue id. */
#ifndef DELIVERY_LOG_H
#define DELIVERY_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "edge_conf.h"
#include "lib/delivery_status.h"
#include "lib/envelope.h"

/*
 * The recipient as `detail` says: whole, domain only ("@example.com") or not at all ("-"). Unless
 * it is whole, addresses in what the server said are hidden too. delay_ms: since the content was
 * complete.
 */
void delivery_log_status(const struct recipient *recipient, const struct delivery_status *status,
			 const char *client, int64_t delay_ms, enum edge_log_recipients detail);

/* That this attempt may be a second delivery, and why. */
void delivery_log_in_doubt(const struct recipient *recipient, const char *client,
			   enum edge_log_recipients detail);

/*
 * Servers like to quote addresses in their replies. In place: the local part in front of every "@"
 * becomes "*", a quoted one ("john doe"@example.com) with its quotes. In doubt a little more than
 * the local part goes.
 */
void delivery_log_hide_addresses(char *text);

#endif
