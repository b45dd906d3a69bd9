/* What can be seen of the destinations: who is there now, and which of them are asked for less than they could. */
#ifndef DESTINATION_REPORT_H
#define DESTINATION_REPORT_H

#include "destination.h"
#include "lib/smtp_limits.h"

struct destination_report {
	char client[128];		/* as long as destination_state.h keeps it */
	char domain[SMTP_DOMAIN_MAX + 1];	/* or a relay's next hop; lower case */
	size_t active, waiting;		/* of this client */
	size_t places, limit;		/* of all clients; fewer places than the limit: slowed */
	int64_t closed_for_ms;		/* not tried at all for so long; 0: it is */
};

/*
 * Where this client (NULL: any) has something inside or in line, a row for each client and
 * destination, `max` at most. Heap; NULL: no memory, or none (*count_out 0).
 */
struct destination_report *destination_report_copy(struct destination_table *table, const char *client, size_t max,
						   size_t *count_out);
/* Fills in places, limit and closed_for_ms of report->domain. Where nothing is known of it, all are 0. */
void destination_report_look_up(struct destination_table *table, struct destination_report *report);

#endif
