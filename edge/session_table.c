/*
 * A linked list under one lock, and for each client how many of them there are: that is asked for each message. Sessions block in reads of their own sockets; to end an idle one,
 * the reading half of its socket is shut down: it wakes up, finds end_reason, and can still say why
 * in a CLOSE frame.
 */
#include "session_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Memory that is not there means that there is no room; uthash would exit. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "lib/condition.h"

struct session_client {
	char name[CLIENT_NAME_MAX + 1];
	size_t tunnels, busy;
	UT_hash_handle hh;
};

void session_table_init(struct session_table *table)
{
	memset(table, 0, sizeof(*table));
	pthread_mutex_init(&table->lock, NULL);
	condition_init(&table->emptied);
}

bool session_table_add(struct session_table *table, struct session_entry *entry)
{
	bool is_open;

	pthread_mutex_lock(&table->lock);
	is_open = !table->is_stopping;
	if (is_open) {
		memset(entry, 0, sizeof(*entry));
		entry->fd = -1;
		entry->next = table->first;
		entry->link = &table->first;
		if (table->first != NULL)
			table->first->link = &entry->next;
		table->first = entry;
		table->count++;
	}
	pthread_mutex_unlock(&table->lock);
	return is_open;
}

/* Caller holds the lock, here and below. */
static struct session_client *find(const struct session_table *table, const char *name)
{
	struct session_client *client;

	HASH_FIND_STR(table->clients, name, client);
	return client;
}

/* NULL: no memory. */
static struct session_client *find_or_add(struct session_table *table, const char *name)
{
	struct session_client *client = find(table, name);

	if (client != NULL)
		return client;
	client = calloc(1, sizeof(*client));
	if (client == NULL)
		return NULL;
	snprintf(client->name, sizeof(client->name), "%s", name);
	HASH_ADD_STR(table->clients, name, client);
	if (client->hh.tbl != NULL)
		return client;
	free(client);
	return NULL;
}

static void forget(struct session_table *table, struct session_entry *entry)
{
	struct session_client *client = entry->counts;

	if (client == NULL)
		return;
	table->admitted--;
	client->busy -= entry->is_busy;
	if (--client->tunnels > 0)
		return;
	HASH_DEL(table->clients, client);
	free(client);
}

static void set_busy(struct session_entry *entry, bool is_busy)
{
	if (entry->counts != NULL && entry->is_busy != is_busy)
		entry->counts->busy += is_busy ? 1 : (size_t)-1;
	entry->is_busy = is_busy;
}

static enum session_admission judge(const struct session_table *table, const char *name, struct session_limits limits)
{
	const struct session_client *client = find(table, name);

	if (table->is_stopping)
		return SESSION_STOPPING;
	if (client != NULL ? client->tunnels >= limits.per_client : limits.per_client == 0)
		return SESSION_TOO_MANY_OF_CLIENT;
	return table->admitted >= limits.in_all ? SESSION_TOO_MANY : SESSION_ADMITTED;
}

size_t session_table_count(struct session_table *table, const char *name, size_t *busy_out)
{
	const struct session_client *client;
	size_t count, busy;

	pthread_mutex_lock(&table->lock);
	client = find(table, name);
	count = client != NULL ? client->tunnels : 0;
	busy = client != NULL ? client->busy : 0;
	pthread_mutex_unlock(&table->lock);
	if (busy_out != NULL)
		*busy_out = busy;
	return count;
}

session_client_name *session_table_names(struct session_table *table, size_t *count)
{
	session_client_name *names = NULL;

	pthread_mutex_lock(&table->lock);
	*count = table->count;
	if (table->count > 0)
		names = calloc(table->count, sizeof(*names));
	if (names != NULL)
		*count = 0;
	for (const struct session_entry *entry = table->first; names != NULL && entry != NULL; entry = entry->next)
		if (entry->counts != NULL)
			memcpy(names[(*count)++], entry->client.name, sizeof(*names));
	pthread_mutex_unlock(&table->lock);
	return names;
}

enum session_admission session_table_admit(struct session_table *table, struct session_entry *entry,
					   int fd, const struct authorized_client *client,
					   struct session_limits limits)
{
	enum session_admission admission;

	pthread_mutex_lock(&table->lock);
	admission = judge(table, client->name, limits);
	if (admission == SESSION_ADMITTED && (entry->counts = find_or_add(table, client->name)) == NULL)
		admission = SESSION_TOO_MANY;
	if (admission == SESSION_ADMITTED) {
		entry->client = *client;
		entry->fd = fd;
		entry->counts->tunnels++;
		table->admitted++;
	}
	pthread_mutex_unlock(&table->lock);
	return admission;
}

void session_table_release(struct session_table *table, struct session_entry *entry)
{
	pthread_mutex_lock(&table->lock);
	entry->fd = -1;
	pthread_mutex_unlock(&table->lock);
}

void session_table_remove(struct session_table *table, struct session_entry *entry)
{
	pthread_mutex_lock(&table->lock);
	*entry->link = entry->next;
	if (entry->next != NULL)
		entry->next->link = entry->link;
	forget(table, entry);
	if (--table->count == 0)
		pthread_cond_broadcast(&table->emptied);
	pthread_mutex_unlock(&table->lock);
}

enum close_reason session_table_begin(struct session_table *table, struct session_entry *entry)
{
	enum close_reason reason;

	pthread_mutex_lock(&table->lock);
	reason = entry->end_reason;
	set_busy(entry, reason == 0);
	pthread_mutex_unlock(&table->lock);
	return reason;
}

enum close_reason session_table_finish(struct session_table *table, struct session_entry *entry)
{
	enum close_reason reason;

	pthread_mutex_lock(&table->lock);
	reason = entry->end_reason;
	set_busy(entry, false);
	pthread_mutex_unlock(&table->lock);
	return reason;
}

enum close_reason session_table_end_reason(struct session_table *table, struct session_entry *entry)
{
	enum close_reason reason;

	pthread_mutex_lock(&table->lock);
	reason = entry->end_reason;
	pthread_mutex_unlock(&table->lock);
	return reason;
}

static void end_entry(struct session_entry *entry, enum close_reason reason)
{
	entry->end_reason = reason;
	if (!entry->is_busy && entry->fd >= 0)
		shutdown(entry->fd, SHUT_RD);
}

size_t session_table_end(struct session_table *table, session_table_filter_fn *is_to_end,
			 void *context, enum close_reason reason)
{
	size_t ended = 0;

	pthread_mutex_lock(&table->lock);
	for (struct session_entry *entry = table->first; entry != NULL; entry = entry->next) {
		if (entry->end_reason == 0 && entry->counts != NULL &&
		    is_to_end(context, &entry->client)) {
			end_entry(entry, reason);
			ended++;
		}
	}
	pthread_mutex_unlock(&table->lock);
	return ended;
}

void session_table_stop(struct session_table *table)
{
	pthread_mutex_lock(&table->lock);
	table->is_stopping = true;
	for (struct session_entry *entry = table->first; entry != NULL; entry = entry->next)
		end_entry(entry, CLOSE_SHUTDOWN);
	pthread_mutex_unlock(&table->lock);
}

void session_table_cut(struct session_table *table)
{
	pthread_mutex_lock(&table->lock);
	for (struct session_entry *entry = table->first; entry != NULL; entry = entry->next)
		if (entry->fd >= 0)
			shutdown(entry->fd, SHUT_RD);
	pthread_mutex_unlock(&table->lock);
}

size_t session_table_wait_empty(struct session_table *table, struct deadline deadline)
{
	size_t left;

	pthread_mutex_lock(&table->lock);
	while (table->count > 0 &&
	       condition_wait_until(&table->emptied, &table->lock, deadline) == 0)
		;
	left = table->count;
	pthread_mutex_unlock(&table->lock);
	return left;
}
