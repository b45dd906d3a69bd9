/*
 * Writes the file of policies, soon after a change and before the end. A disk that is full or
 * read-only is told once; policies then live in memory, and writing is tried again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"
#include "sts_file.h"
#include "sts_store_state.h"

#define RETRY_MS 300000

/* Caller holds the lock, which is not held while writing. -1 with error. */
static int save(struct sts_store *store, char *error, size_t error_size)
{
	size_t length = 0;
	char *text = sts_file_print(&store->table, sts_store_now(), &length);
	int result;

	if (text == NULL) {
		snprintf(error, error_size, "%s: out of memory", store->file);
		return -1;
	}
	store->is_dirty = false;
	pthread_mutex_unlock(&store->lock);
	result = sts_file_write(store->file, text, length, error, error_size);
	free(text);
	pthread_mutex_lock(&store->lock);
	if (result < 0)
		store->is_dirty = true;
	return result;
}

/* Caller holds the lock. Lets changes gather. */
static void wait_until(struct sts_store *store, struct deadline when)
{
	while (!store->is_stopping && !deadline_has_passed(when))
		sts_store_wait(store, &store->changed, when);
}

void *sts_writer_run(void *argument)
{
	struct sts_store *store = argument;
	bool has_failed = false;
	char error[512];

	pthread_mutex_lock(&store->lock);
	while (!store->is_stopping || store->is_dirty) {
		if (!store->is_dirty) {
			pthread_cond_wait(&store->changed, &store->lock);
			continue;
		}
		wait_until(store, deadline_in_ms(has_failed ? RETRY_MS : store->times.save));
		if (save(store, error, sizeof(error)) == 0) {
			if (has_failed)
				log_info("%s can be written again", store->file);
			has_failed = false;
			continue;
		}
		if (!has_failed)
			log_warning("%s; MTA-STS policies are kept in memory only", error);
		has_failed = true;
		if (store->is_stopping)
			break;
	}
	pthread_mutex_unlock(&store->lock);
	return NULL;
}
