/* Reading the journal at start, and its end. Everything that is not sound is left out, and counted. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal_state.h"
#include "lib/condition.h"
#include "lib/log.h"

/* A record from later than this is from no clock at all. */
#define TIME_MAX_S UINT32_MAX
/* Read at a time. */
#define READ_RECORDS 512

struct found {
	uint32_t damaged;
	int64_t newest_s;	/* 0: there is none */
};

/* An outcome is more than an intent, whatever the clocks said. */
static bool counts_more(const struct journal_record *record, const struct journal_entry *twin)
{
	if ((record->state == JOURNAL_DOT) != (twin->state == JOURNAL_DOT))
		return twin->state == JOURNAL_DOT;
	return record->time_s >= twin->time_s;
}

/* A name stands twice after an entry was given back and came anew: the later one counts. */
static void put(struct journal *journal, uint32_t slot, const struct journal_record *record)
{
	uint32_t twin = journal_index_find(&journal->index, record->name);

	if (twin != JOURNAL_NO_SLOT && !counts_more(record, &journal->index.entries[twin]))
		return;
	if (twin != JOURNAL_NO_SLOT)
		journal_index_give_back(&journal->index, twin);
	journal_index_put(&journal->index, slot, record);
}

static void take(struct journal *journal, uint32_t slot, const uint8_t bytes[JOURNAL_RECORD_BYTES],
		 struct found *found)
{
	struct journal_record record;

	if (journal_record_read(&record, bytes, journal->key, slot) != JOURNAL_RECORD_OK) {
		found->damaged++;
		return;
	}
	if (record.state == JOURNAL_FREE || record.time_s <= 0)
		return;
	if (record.time_s > TIME_MAX_S)
		record.time_s = TIME_MAX_S;
	else if (record.time_s > found->newest_s)
		found->newest_s = record.time_s;
	put(journal, slot, &record);
}

/* 0, or -1 with errno. */
static int read_all(struct journal *journal, struct found *found)
{
	uint8_t *records = malloc((size_t)READ_RECORDS * JOURNAL_RECORD_BYTES);
	uint32_t slots = journal->file.slots, count;
	int result = records != NULL ? 0 : -1;

	for (uint32_t slot = 0; slot < slots && result == 0; slot += count) {
		count = slots - slot < READ_RECORDS ? slots - slot : READ_RECORDS;
		result = journal_file_read_many(&journal->file, slot, count, records);
		for (uint32_t i = 0; i < count && result == 0; i++)
			take(journal, slot + i, records + (size_t)i * JOURNAL_RECORD_BYTES, found);
	}
	free(records);
	return result;
}

/* Times become the journal's own; what is too old goes. */
static void start_clock(struct journal *journal, const struct found *found)
{
	struct journal_index *index = &journal->index;
	int64_t now_s;

	if (!journal_clock_start(&journal->clock, found->newest_s, (int64_t)time(NULL), journal->keep_s))
		log_warning("%s: the newest record is of another time than this machine's clock: the edge was off for "
			    "longer than journal_keep, or the clock is or was wrong; all outcomes are kept for another journal_keep",
			    journal->path);
	now_s = journal_clock_now(&journal->clock);
	for (uint32_t slot = 0; slot < index->never_used; slot++)
		if (index->entries[slot].is_taken && index->entries[slot].time_s > now_s)
			index->entries[slot].time_s = (uint32_t)now_s;
	journal_index_expire(index, now_s - journal->keep_s);
}

static uint32_t count_in_doubt(const struct journal_index *index)
{
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < index->never_used; slot++)
		if (index->entries[slot].is_taken && index->entries[slot].state == JOURNAL_DOT)
			count++;
	return count;
}

static int load(struct journal *journal, char *error, size_t error_size)
{
	struct found found = { 0 };
	uint32_t in_doubt;

	if (journal_index_init(&journal->index, journal->file.slots) < 0) {
		snprintf(error, error_size, "%s: no memory for %u records", journal->path,
			 journal->file.slots);
		return -1;
	}
	if (read_all(journal, &found) < 0) {
		snprintf(error, error_size, "%s: %s", journal->path, strerrordesc_np(errno));
		return -1;
	}
	if (found.damaged > 0)
		log_warning("%s: %u damaged records are ignored: of these messages a second attempt would be a second delivery",
			    journal->path, found.damaged);
	start_clock(journal, &found);
	in_doubt = count_in_doubt(&journal->index);
	log_info("%s: %u outcomes, %u deliveries in doubt, room for %u", journal->path,
		 journal->index.taken - in_doubt, in_doubt, journal->file.slots);
	return 0;
}

static void init_lock(struct journal *journal)
{
	pthread_mutex_init(&journal->lock, NULL);
	condition_init(&journal->released);
}

static int open_files(struct journal *journal, const struct journal_settings *settings, char *error,
		      size_t error_size)
{
	char key_path[PATH_MAX];

	snprintf(key_path, sizeof(key_path), "%s.key", settings->path);
	if (journal_seal_key(journal->key, key_path, error, error_size) < 0)
		return -1;
	return journal_file_open(&journal->file, settings->path,
				 (uint32_t)(settings->size / JOURNAL_RECORD_BYTES), error, error_size);
}

static void wipe(struct journal *journal)
{
	explicit_bzero(journal->key, sizeof(journal->key));
	free(journal->path);
	free(journal);
}

struct journal *journal_open(const struct journal_settings *settings, char *error, size_t error_size)
{
	struct journal *journal = calloc(1, sizeof(*journal));

	if (journal == NULL || (journal->path = strdup(settings->path)) == NULL) {
		snprintf(error, error_size, "%s: out of memory", settings->path);
		free(journal);
		return NULL;
	}
	journal->keep_s = settings->keep_ms / 1000;
	journal->is_synced = settings->is_synced;
	init_lock(journal);
	journal->next_expiry = deadline_in_ms(JOURNAL_EXPIRE_EVERY_MS);
	if (open_files(journal, settings, error, error_size) < 0) {
		wipe(journal);
		return NULL;
	}
	if (load(journal, error, error_size) == 0)
		return journal;
	journal_close(journal);
	return NULL;
}

void journal_stop(struct journal *journal)
{
	if (journal == NULL)
		return;
	pthread_mutex_lock(&journal->lock);
	journal->is_stopping = true;
	pthread_cond_broadcast(&journal->released);
	pthread_mutex_unlock(&journal->lock);
}

void journal_close(struct journal *journal)
{
	if (journal == NULL)
		return;
	journal_index_wipe(&journal->index);
	journal_file_close(&journal->file);
	pthread_mutex_destroy(&journal->lock);
	pthread_cond_destroy(&journal->released);
	wipe(journal);
}
