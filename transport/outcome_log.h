/* The line per recipient that people grep for, in Postfix's grammar. */
#ifndef OUTCOME_LOG_H
#define OUTCOME_LOG_H

#include <stdint.h>

#include "lib/delivery_status.h"
#include "lib/envelope.h"

/*
 * "to=<u@example.net>, edge=us, relay=mx1.example.net[192.0.2.9]:25, delay=1.2, dsn=2.0.0,
 * status=sent (...)". `edge` is the name in the table, `edge_host` what the edge calls itself ("" =
 * it was never reached), `since_ms` when MAIL came.
 */
void outcome_log_recipient(const struct recipient *recipient, const struct delivery_status *status,
			   const char *edge, const char *edge_host, int64_t since_ms);

#endif
