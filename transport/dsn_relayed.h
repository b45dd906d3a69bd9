/*
 * The "relayed" report of RFC 3461 5.2.2: a sender who asked NOTIFY=SUCCESS learns that the mail
 * went to a server which does not take part in such reports. Postfix leaves this duty to us because
 * our LMTP service announces DSN (its lmtp(8) then clears SUCCESS itself). When the MX announces
 * DSN the duty went on to it, and nothing is due here.
 */
#ifndef DSN_RELAYED_H
#define DSN_RELAYED_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "lib/buffer.h"
#include "lib/envelope.h"
#include "relay.h"

/* A report with many recipients; beyond this they are left out, which the log says. */
#define DSN_RELAYED_MAX (1024 * 1024)

struct dsn_relayed {
	const char *hostname; /* Reporting-MTA */
	const struct envelope *envelope;
	const struct relay_outcome *outcomes; /* as many as recipients */
	const struct buffer *headers;	      /* of the message, wire form */
	time_t now;
};

/* May a report become due for this recipient, if it is relayed? */
bool dsn_relayed_is_wanted(const struct envelope *envelope, size_t index);
/* The number of recipients for which it is due. */
size_t dsn_relayed_count(const struct dsn_relayed *report);
/*
 * The whole message, LF line ends, as sendmail(1) -t takes it. `boundary`: letters and digits. 0 or
 * -1 (no memory, too long).
 */
int dsn_relayed_print(struct buffer *out, const struct dsn_relayed *report, const char *boundary);

#endif
