/* The inside of struct journal, for journal*.c alone. */
#ifndef JOURNAL_STATE_H
#define JOURNAL_STATE_H

#include <pthread.h>

#include "journal.h"
#include "journal_clock.h"
#include "journal_file.h"
#include "journal_index.h"

#define JOURNAL_EXPIRE_EVERY_MS 600000

struct journal {
	char *path;			/* fixed, like the three below */
	uint8_t key[JOURNAL_KEY_BYTES];
	int64_t keep_s;
	bool is_synced;
	struct journal_clock clock;	/* fixed once the journal is open */
	struct journal_file file;	/* has its own lock */

	pthread_mutex_t lock;		/* protects these */
	pthread_cond_t released;
	struct journal_index index;
	bool is_stopping;
	struct deadline next_expiry;
	struct deadline retry;		/* until then nothing new is begun */
	struct deadline full_reminder, failure_reminder;
};

#endif
