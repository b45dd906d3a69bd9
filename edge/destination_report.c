/* Copies, taken under the table's lock. */
#include "destination_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "destination_state.h"

_Static_assert(sizeof(((struct destination_report *)0)->client) >= DESTINATION_CLIENT_NAME_BYTES, "a name fits");

/* Caller holds the lock, here and below. */
static void describe(struct destination_report *report, const struct destination *destination)
{
	report->places = destination_pace_places(&destination->pace, destination->limit);
	report->limit = destination->limit;
	report->closed_for_ms = destination_pace_closed_for_ms(&destination->pace, deadline_now_ms());
}

static size_t copy_client(const struct destination_client *client, struct destination_report *reports, size_t max)
{
	size_t count = 0;

	for (const struct destination_presence *presence = client->presences; presence != NULL && count < max;
	     presence = presence->next) {
		struct destination_report *report = &reports[count++];

		strcpy(report->client, client->name);
		strcpy(report->domain, presence->destination->domain);
		report->active = presence->active;
		report->waiting = presence->waiting;
		describe(report, presence->destination);
	}
	return count;
}

struct destination_report *destination_report_copy(struct destination_table *table, const char *client, size_t max,
						   size_t *count_out)
{
	struct destination_report *reports = calloc(max, sizeof(*reports));
	const struct destination_client *at;
	size_t count = 0;

	pthread_mutex_lock(&table->lock);
	for (at = table->clients; reports != NULL && at != NULL; at = at->hh.next)
		if (client == NULL || strcmp(at->name, client) == 0)
			count += copy_client(at, reports + count, max - count);
	pthread_mutex_unlock(&table->lock);
	*count_out = count;
	if (count > 0)
		return reports;
	free(reports);
	return NULL;
}

void destination_report_look_up(struct destination_table *table, struct destination_report *report)
{
	const struct destination *destination;

	report->places = report->limit = 0;
	report->closed_for_ms = 0;
	pthread_mutex_lock(&table->lock);
	HASH_FIND_STR(table->by_domain, report->domain, destination);
	if (destination != NULL)
		describe(report, destination);
	pthread_mutex_unlock(&table->lock);
}
