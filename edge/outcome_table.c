/* One lock for a look-up and a copy of a few hundred bytes. */
#include "outcome_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "delivery_log.h"
#include "lib/ascii.h"
#include "lib/log.h"

#define KEY_SIZE (CLIENT_NAME_MAX + 1 + SMTP_DOMAIN_MAX + 1) /* client, space, domain */

struct outcome_row {
	UT_hash_handle hh;
	struct outcome_row *prev, *next;	/* by time */
	char key[KEY_SIZE];
	struct outcome_entry outcome;
};

static void make_key(char key[KEY_SIZE], const char *client, const char *domain)
{
	snprintf(key, KEY_SIZE, "%s %s", client, domain);
}

void outcome_table_init(struct outcome_table *table)
{
	table->by_name = table->by_time = NULL;
	pthread_mutex_init(&table->lock, NULL);
}

/* Caller holds the lock. */
static void drop(struct outcome_table *table, struct outcome_row *row)
{
	HASH_DEL(table->by_name, row);
	DL_DELETE(table->by_time, row);
	free(row);
}

void outcome_table_wipe(struct outcome_table *table)
{
	while (table->by_time != NULL)
		drop(table, table->by_time);
	pthread_mutex_destroy(&table->lock);
}

/* Caller holds the lock. NULL: no memory. */
static struct outcome_row *add(struct outcome_table *table, const char *key)
{
	struct outcome_row *row = calloc(1, sizeof(*row));

	if (row == NULL)
		return NULL;
	strcpy(row->key, key);
	HASH_ADD_STR(table->by_name, key, row);
	if (row->hh.tbl == NULL) {
		free(row);
		return NULL;
	}
	DL_APPEND(table->by_time, row);
	if (HASH_COUNT(table->by_name) > OUTCOMES_MAX)
		drop(table, table->by_time);
	return row;
}

/* Caller holds the lock. The row is the latest afterwards. NULL: no memory. */
static struct outcome_row *find_or_add(struct outcome_table *table, const char *key)
{
	struct outcome_row *row;

	HASH_FIND_STR(table->by_name, key, row);
	if (row == NULL)
		return add(table, key);
	DL_DELETE(table->by_time, row);
	DL_APPEND(table->by_time, row);
	return row;
}

static void describe(struct outcome_entry *outcome, const struct delivery_status *status, enum edge_log_recipients detail)
{
	char text[DELIVERY_LMTP_REPLY_MAX];

	if (status->reply.code != 0)
		smtp_reply_print(&status->reply, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%s", status->reason);
	if (detail != EDGE_LOG_RECIPIENTS_FULL)
		delivery_log_hide_addresses(text);
	log_printable(outcome->text, sizeof(outcome->text), text, strlen(text));
	outcome->action = status->action;
	outcome->status = status->status;
}

void outcome_table_note(struct outcome_table *table, const char *client, const char *domain,
			const struct delivery_status *status, enum edge_log_recipients detail, int64_t now_s)
{
	struct outcome_entry outcome = { .time_s = now_s };
	struct outcome_row *row;
	char key[KEY_SIZE];

	if (status->from_journal || status->in_progress || detail == EDGE_LOG_RECIPIENTS_NONE)
		return;
	snprintf(outcome.client, sizeof(outcome.client), "%s", client);
	log_printable(outcome.domain, sizeof(outcome.domain), domain, strlen(domain));
	for (char *at = outcome.domain; *at != '\0'; at++)
		*at = ascii_lower(*at);
	describe(&outcome, status, detail);
	make_key(key, outcome.client, outcome.domain);
	pthread_mutex_lock(&table->lock);
	row = find_or_add(table, key);
	if (row != NULL)
		row->outcome = outcome;
	pthread_mutex_unlock(&table->lock);
}

bool outcome_table_find(struct outcome_table *table, const char *client, const char *domain, struct outcome_entry *out)
{
	const struct outcome_row *row;
	char key[KEY_SIZE];

	make_key(key, client, domain);
	pthread_mutex_lock(&table->lock);
	HASH_FIND_STR(table->by_name, key, row);
	if (row != NULL)
		*out = row->outcome;
	pthread_mutex_unlock(&table->lock);
	return row != NULL;
}

struct outcome_entry *outcome_table_copy(struct outcome_table *table, const char *client, size_t max, size_t *count_out)
{
	struct outcome_entry *copies = calloc(max, sizeof(*copies));
	struct outcome_row *row;
	size_t count = 0;

	pthread_mutex_lock(&table->lock);
	/* DL keeps the last one in the first one's prev. */
	row = table->by_time != NULL && copies != NULL ? table->by_time->prev : NULL;
	for (; row != NULL && count < max; row = row != table->by_time ? row->prev : NULL)
		if (client == NULL || strcmp(row->outcome.client, client) == 0)
			copies[count++] = row->outcome;
	pthread_mutex_unlock(&table->lock);
	*count_out = count;
	if (count > 0)
		return copies;
	free(copies);
	return NULL;
}
