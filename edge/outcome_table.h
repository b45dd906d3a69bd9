/*
 * The last outcome of each client at each destination, a recipient domain, for those who ask how it
 * goes there. Of OUTCOMES_MAX the one goes that is the oldest; nothing of it is on disk. What is kept
 * is what the log says, too: without addresses, or not at all (log_recipients).
 */
#ifndef OUTCOME_TABLE_H
#define OUTCOME_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge_conf.h"
#include "lib/delivery_status.h"
#include "lib/smtp_limits.h"
#include "tunnel/authorized_clients.h"

#define OUTCOMES_MAX 4096
#define OUTCOME_TEXT_MAX 200

struct outcome_entry {
	char client[CLIENT_NAME_MAX + 1];
	char domain[SMTP_DOMAIN_MAX + 1];	/* lower case, printable */
	enum delivery_action action;
	struct enhanced_status status;
	char text[OUTCOME_TEXT_MAX + 1];	/* printable */
	int64_t time_s;				/* since the epoch */
};

struct outcome_row;

struct outcome_table {
	pthread_mutex_t lock;		/* protects everything below */
	struct outcome_row *by_name;	/* uthash */
	struct outcome_row *by_time;	/* utlist; the oldest first */
};

void outcome_table_init(struct outcome_table *table);
void outcome_table_wipe(struct outcome_table *table);

/*
 * Remembers it, unless it is an earlier attempt's (from_journal) or none yet (in_progress). Without
 * memory, or with EDGE_LOG_RECIPIENTS_NONE, nothing is remembered.
 */
void outcome_table_note(struct outcome_table *table, const char *client, const char *domain,
			const struct delivery_status *status, enum edge_log_recipients detail, int64_t now_s);
/* The last one of this client there, domain in lower case. false: none is known. */
bool outcome_table_find(struct outcome_table *table, const char *client, const char *domain, struct outcome_entry *out);
/*
 * A copy of those of one client (NULL: of all), the latest first, `max` at most. Heap; NULL: no
 * memory, or none (*count_out 0).
 */
struct outcome_entry *outcome_table_copy(struct outcome_table *table, const char *client, size_t max, size_t *count_out);

#endif
