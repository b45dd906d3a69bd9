/*
 * The file of the journal: a fixed number of records, all its space taken from the disk when it is
 * made, so that a disk which fills up later stops nothing. One process at a time has it (flock(2)).
 * Thread-safe; a slot is written by one thread at a time.
 */
#ifndef JOURNAL_FILE_H
#define JOURNAL_FILE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal_record.h"

/*
 * A thread that sleeps until the sync that was begun after its coming has ended. Each has a semaphore of its own: on a condition that all share, every
 * sync would wake those, too, that wait for the next one.
 */
struct journal_waiter {
	struct journal_waiter *next;
	uint64_t failures;	/* that it knew of when it wrote */
	sem_t woken;
	bool leads;		/* it is this one's turn to sync */
	int reason;		/* otherwise: an errno, or 0 */
};

struct journal_file {
	int fd;
	uint32_t slots;			/* fixed */
	pthread_mutex_t lock;		/* protects these */
	struct journal_waiter *waiting;	/* threads that came while another one syncs */
	uint64_t failures;		/* syncs that have failed */
	bool is_syncing;
};

/* Opens or makes it. 0, or -1 with "PATH: ..." in error. */
int journal_file_open(struct journal_file *file, const char *path, uint32_t slots, char *error,
		      size_t error_size);
void journal_file_close(struct journal_file *file);
/* Does a running edge have it? Looking takes nothing from it. */
bool journal_file_is_used(const char *path);
/* `records` takes `count` of them. 0, or -1 with errno. */
int journal_file_read_many(const struct journal_file *file, uint32_t slot, uint32_t count,
			   uint8_t *records);
int journal_file_read(const struct journal_file *file, uint32_t slot, uint8_t record[JOURNAL_RECORD_BYTES]);
int journal_file_write(struct journal_file *file, uint32_t slot,
		       const uint8_t record[JOURNAL_RECORD_BYTES]);
/* How many syncs have failed. To be asked before the first write that is to be synced. */
uint64_t journal_file_failures(struct journal_file *file);
/*
 * Everything that this thread has written since journal_file_failures() said `failures` is on disk
 * afterwards. Threads that come together share one fdatasync(2). 0, or -1 with errno: also if one
 * failed in between that this thread did not ask for, as it may have dropped what was written, and
 * the kernel tells of a failure only once.
 */
int journal_file_sync(struct journal_file *file, uint64_t failures);

#endif
