/*
 * The limits of the running milter: the table, read again when it changes, and the thread that
 * writes the state. Messages are counted in rate_limits_ask.c. Time runs by the monotonic clock, so
 * setting the clock means nothing here; the time of day is only for the state file.
 */
#include "rate_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/condition.h"
#include "lib/log.h"
#include "lib/text_file.h"
#include "lib/thread.h"
#include "rate_limits_state.h"
#include "rate_state.h"

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the state ---- */

/* 0 (also if there is nothing new), or -1 with error. */
static int write_state(struct rate_limits *limits, char *error, size_t error_size)
{
	struct bucket_list list = { 0 };
	int64_t now_ms, written_ms;
	bool is_changed;
	int result = 0;

	pthread_mutex_lock(&limits->lock);
	is_changed = limits->is_changed;
	now_ms = deadline_now_ms();
	written_ms = wall_ms();
	if (is_changed) {
		bucket_table_drop_full(limits->buckets, now_ms);
		result = bucket_table_copy(limits->buckets, now_ms, &list);
		limits->is_changed = false;
	}
	pthread_mutex_unlock(&limits->lock);
	if (!is_changed)
		return 0;
	if (result < 0)
		snprintf(error, error_size, "%s: out of memory", limits->state_path);
	else
		result = rate_state_write(&list, limits->state_path, written_ms, error, error_size);
	bucket_list_wipe(&list);
	return result;
}

/* One warning when it begins to fail, not one for each time. */
static void save(struct rate_limits *limits)
{
	char error[400];

	if (write_state(limits, error, sizeof(error)) == 0) {
		limits->has_write_failed = false;
		return;
	}
	if (!limits->has_write_failed)
		log_warning("the limits cannot be written: %s; a restart would forget them", error);
	limits->has_write_failed = true;
	pthread_mutex_lock(&limits->lock);
	limits->is_changed = true;
	pthread_mutex_unlock(&limits->lock);
}

static void *run_writer(void *argument)
{
	struct rate_limits *limits = argument;
	struct deadline next = deadline_in_ms(RATE_LIMITS_WRITE_MS);

	pthread_mutex_lock(&limits->lock);
	while (!limits->is_stopping) {
		condition_wait_until(&limits->stopped, &limits->lock, next);
		if (limits->is_stopping || !deadline_has_passed(next))
			continue;
		pthread_mutex_unlock(&limits->lock);
		save(limits);
		next = deadline_in_ms(RATE_LIMITS_WRITE_MS);
		pthread_mutex_lock(&limits->lock);
	}
	pthread_mutex_unlock(&limits->lock);
	return NULL;
}

/* ---- begin and end ---- */

static void free_all(struct rate_limits *limits)
{
	limits_table_destroy(limits->table);
	bucket_table_destroy(limits->buckets);
	pthread_cond_destroy(&limits->stopped);
	pthread_mutex_destroy(&limits->refresh_lock);
	pthread_mutex_destroy(&limits->lock);
	free(limits->table_path);
	free(limits->state_path);
	free(limits);
}

static void init_locks(struct rate_limits *limits)
{
	pthread_mutex_init(&limits->lock, NULL);
	pthread_mutex_init(&limits->refresh_lock, NULL);
	condition_init(&limits->stopped);
}

struct rate_limits *rate_limits_create(const char *table_path, const char *state_path, char *error, size_t error_size)
{
	struct rate_limits *limits = calloc(1, sizeof(*limits));

	snprintf(error, error_size, "out of memory");
	if (limits == NULL)
		return NULL;
	init_locks(limits);
	limits->table_path = strdup(table_path);
	limits->state_path = strdup(state_path);
	limits->buckets = bucket_table_create(RATE_LIMITS_BUCKETS_MAX);
	if (limits->table_path == NULL || limits->state_path == NULL || limits->buckets == NULL)
		goto fail;
	limits->table = limits_table_read(table_path, &limits->watch.status, error, error_size);
	if (limits->table == NULL)
		goto fail;
	rate_state_read(limits->buckets, state_path, deadline_now_ms(), wall_ms());
	if (thread_start(&limits->writer, run_writer, limits) == 0)
		return limits;
	snprintf(error, error_size, "no thread for writing %s", state_path);
fail:
	free_all(limits);
	return NULL;
}

void rate_limits_stop(struct rate_limits *limits)
{
	pthread_mutex_lock(&limits->lock);
	limits->is_stopping = true;
	pthread_cond_signal(&limits->stopped);
	pthread_mutex_unlock(&limits->lock);
	pthread_join(limits->writer, NULL);
	save(limits);
}

void rate_limits_destroy(struct rate_limits *limits)
{
	if (limits == NULL)
		return;
	rate_limits_stop(limits);
	free_all(limits);
}

/* ---- the table ---- */

static void replace_table(struct rate_limits *limits, struct limits_table *fresh)
{
	struct limits_table *old;

	pthread_mutex_lock(&limits->lock);
	old = limits->table;
	limits->table = fresh;
	pthread_mutex_unlock(&limits->lock);
	limits_table_destroy(old);
}

/* Caller holds refresh_lock. */
static void read_again(struct rate_limits *limits)
{
	struct limits_table *fresh;
	struct stat status;
	char error[400];

	fresh = limits_table_read(limits->table_path, &status, error, sizeof(error));
	if (fresh != NULL && text_file_is_absent(&status)) {
		/* Without a file everything would be allowed: perhaps it is just being replaced. */
		snprintf(error, sizeof(error), "%s is gone", limits->table_path);
		limits_table_destroy(fresh);
		fresh = NULL;
	}
	if (fresh == NULL) {
		table_watch_refuse(&limits->watch, error, "the limits read before stay in force");
		return;
	}
	table_watch_take(&limits->watch, &status);
	log_info("%s was read again: %zu lines", limits->table_path, limits_table_count(fresh));
	replace_table(limits, fresh);
}

/* Whoever comes while another thread is reading goes on with the lines that are there. */
void rate_limits_refresh(struct rate_limits *limits)
{
	if (pthread_mutex_trylock(&limits->refresh_lock) != 0)
		return;
	if (table_watch_is_due(&limits->watch, limits->table_path))
		read_again(limits);
	pthread_mutex_unlock(&limits->refresh_lock);
}
