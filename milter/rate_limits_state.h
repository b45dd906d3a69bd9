/* The inside of struct rate_limits, for rate_limits*.c alone. */
#ifndef RATE_LIMITS_STATE_H
#define RATE_LIMITS_STATE_H

#include <pthread.h>
#include <stdbool.h>

#include "bucket_table.h"
#include "lib/reminder.h"
#include "lib/table_watch.h"
#include "limits_table.h"

struct rate_limits {
	char *table_path, *state_path;		/* fixed */
	pthread_t writer;			/* fixed */

	pthread_mutex_t lock;			/* protects these; never held while a file is read or written */
	struct limits_table *table;
	struct bucket_table *buckets;
	bool is_changed;			/* since the state was written */
	bool is_stopping;
	struct reminder overflow;
	pthread_cond_t stopped;

	pthread_mutex_t refresh_lock;		/* protects these; taken before `lock` */
	struct table_watch watch;

	bool has_write_failed;			/* of the thread `writer`, and of destroy after it */
};

/* Rounded up, since it is a promise: "12s", "5m", "3h", "2d". */
void rate_limits_print_wait(char *out, size_t size, int64_t wait_ms);

#endif
