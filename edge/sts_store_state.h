/*
 * What the files of the store share: sts_store.c answers deliveries, sts_refresher.c keeps policies
 * fresh, sts_writer.c keeps the file.
 */
#ifndef STS_STORE_STATE_H
#define STS_STORE_STATE_H

#include <pthread.h>

#include "log_limit.h"
#include "sts_store.h"
#include "sts_table.h"

#define STS_REFRESHERS 2

struct sts_store {
	/* Fixed, or with a lock of their own. */
	struct sts_times times;
	char *file;		/* "" = none */
	struct sts_fetcher *fetcher;
	struct log_limit log_limit;
	pthread_t refreshers[STS_REFRESHERS], writer;
	size_t refresher_count;	/* threads that run */
	bool has_writer;

	pthread_mutex_t lock;	/* protects the rest; an entry that is busy is still read under it */
	pthread_cond_t finished; /* an entry is not busy any more */
	pthread_cond_t work;	/* for the refreshers: what is due next may be another entry */
	pthread_cond_t changed;	/* for the writer */
	struct sts_table table;
	struct edge_setup *setup; /* the one seen last, or NULL; a reference */
	bool is_dirty;		/* the file lacks something */
	bool is_stopping;
};

/* time(2) */
int64_t sts_store_now(void);
/* Caller holds the lock. As pthread_cond_timedwait(3). */
int sts_store_wait(struct sts_store *store, pthread_cond_t *condition, struct deadline deadline);
/*
 * Caller holds the lock. What was found out about the entry, FOUND: with *policy, which is taken
 * over. The entry may be gone afterwards: the bounds are enforced here.
 */
void sts_store_set_policy(struct sts_store *store, struct sts_entry *entry,
			  struct sts_policy *policy, const char *id);

/* Threads; an argument is the store. */
void *sts_refresher_run(void *argument);
void *sts_writer_run(void *argument);

#endif
