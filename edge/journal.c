/*
 * Claims live in memory alone: a delivery that has not come to its final dot has delivered nothing,
 * so nobody needs to know of it after a crash. The holder of a claim is the only one who writes its
 * slot; the lock is never held while a file is read or written.
 */
#include "journal.h"

#include <errno.h>
#include <string.h>

#include "journal_state.h"
#include "lib/condition.h"
#include "lib/log.h"

/* After a write that failed: how long nothing is delivered before the disk is tried again. */
#define RETRY_MS 10000
/* While the journal is full: how often to look for records that are old enough. */
#define FULL_EXPIRE_MS 10000
/* What does not change is said again after this. */
#define REMINDER_MS 60000

/* Caller holds the lock that protects the reminder. */
static bool is_due(struct deadline *reminder)
{
	if (!deadline_has_passed(*reminder))
		return false;
	*reminder = deadline_in_ms(REMINDER_MS);
	return true;
}

/* ---- claiming ---- */

static void refuse(struct delivery_status *status, const char *why)
{
	delivery_status_set_local(status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 1), "%s", why);
}

/* Caller holds the lock. */
static void expire(struct journal *journal)
{
	const struct journal_index *index = &journal->index;

	journal_index_expire(&journal->index, journal_clock_now(&journal->clock) - journal->keep_s);
	journal->next_expiry = deadline_in_ms(JOURNAL_EXPIRE_EVERY_MS);
	if (index->taken > index->slots / 10 * 9)
		log_warning("%s is nearly full: %u of %u records; raise journal_size", journal->path,
			    index->taken, index->slots);
}

/* Nobody has heard of it. Caller holds the lock. */
static enum journal_answer claim_new(struct journal *journal, struct journal_claim *claim,
				     struct delivery_status *status)
{
	if (!deadline_has_passed(journal->retry)) {
		refuse(status, "this edge cannot write its journal");
		return JOURNAL_REFUSED;
	}
	claim->slot = journal_index_take(&journal->index, claim->name.bytes);
	if (claim->slot == JOURNAL_NO_SLOT) {
		if (is_due(&journal->full_reminder))
			log_error("%s is full: mail is deferred until the oldest outcome is older than journal_keep; raise journal_size",
				  journal->path);
		journal->next_expiry = deadline_earlier(journal->next_expiry, deadline_in_ms(FULL_EXPIRE_MS));
		refuse(status, "this edge's journal is full");
		return JOURNAL_REFUSED;
	}
	journal->index.entries[claim->slot].is_held = true;
	claim->is_held = true;
	return JOURNAL_CLAIMED;
}

/* Nobody else has it now. Caller holds the lock. KNOWN: the outcome is still to be read. */
static enum journal_answer claim_old(struct journal *journal, struct journal_claim *claim,
				     struct delivery_status *status)
{
	struct journal_entry *entry = &journal->index.entries[claim->slot];

	if (entry->state == JOURNAL_DOT && !deadline_has_passed(journal->retry)) {
		refuse(status, "this edge cannot write its journal");
		return JOURNAL_REFUSED;
	}
	entry->is_held = true;
	claim->is_held = true;
	claim->is_in_doubt = entry->state == JOURNAL_DOT;
	return entry->state <= JOURNAL_DOT ? JOURNAL_CLAIMED : JOURNAL_KNOWN;
}

/* Caller holds the lock. May end early. */
static void wait_for_release(struct journal *journal, struct deadline deadline)
{

	condition_wait_until(&journal->released, &journal->lock, deadline);
}

static enum journal_answer claim_locked(struct journal *journal, struct deadline deadline,
					struct journal_claim *claim, struct delivery_status *status)
{
	for (;;) {
		if (deadline_has_passed(journal->next_expiry))
			expire(journal);
		claim->slot = journal_index_find(&journal->index, claim->name.bytes);
		if (claim->slot == JOURNAL_NO_SLOT)
			return claim_new(journal, claim, status);
		if (!journal->index.entries[claim->slot].is_held)
			return claim_old(journal, claim, status);
		if (journal->is_stopping || deadline_has_passed(deadline))
			return JOURNAL_BUSY;
		wait_for_release(journal, deadline);
	}
}

static void release(struct journal *journal, struct journal_claim *claim)
{
	pthread_mutex_lock(&journal->lock);
	journal->index.entries[claim->slot].is_held = false;
	pthread_cond_broadcast(&journal->released);
	pthread_mutex_unlock(&journal->lock);
	claim->is_held = false;
}

/*
 * A record that cannot be read now was read well before, or written by this process. That a message
 * was delivered is certain then, only the words are lost; a refusal may be asked for again.
 */
static enum journal_answer read_outcome(struct journal *journal, const struct journal_claim *claim,
					struct delivery_status *status)
{
	uint8_t bytes[JOURNAL_RECORD_BYTES];
	struct journal_record record;

	if (journal_file_read(&journal->file, claim->slot, bytes) < 0 ||
	    journal_record_read(&record, bytes, journal->key, claim->slot) != JOURNAL_RECORD_OK ||
	    journal_record_outcome(status, bytes, &claim->name) < 0) {
		memset(status, 0, sizeof(*status));
		if (journal->index.entries[claim->slot].state != JOURNAL_RELAYED)
			return JOURNAL_CLAIMED;
		delivery_status_set_local(status, STAGE_AFTER_FINAL_DOT, ENHANCED_STATUS(2, 0, 0),
					  "delivered by an earlier attempt, whose reply cannot be read any more");
	}
	status->from_journal = true;
	return JOURNAL_KNOWN;
}

enum journal_answer journal_claim(struct journal *journal, const struct journal_subject *subject,
				  struct deadline deadline, struct journal_claim *claim,
				  struct delivery_status *status)
{
	enum journal_answer answer;

	memset(claim, 0, sizeof(*claim));
	if (subject->queue_id[0] == '\0')
		return JOURNAL_CLAIMED;
	journal_seal_name(&claim->name, journal->key, subject);
	pthread_mutex_lock(&journal->lock);
	answer = claim_locked(journal, deadline, claim, status);
	pthread_mutex_unlock(&journal->lock);
	if (answer == JOURNAL_KNOWN)
		answer = read_outcome(journal, claim, status);
	if (answer == JOURNAL_KNOWN)
		release(journal, claim);
	return answer;
}

/* ---- writing ---- */

/* Caller is the claim's holder. */
static int write_record(struct journal *journal, const struct journal_claim *claim,
			enum journal_state state, const struct delivery_status *outcome)
{
	struct journal_entry *entry = &journal->index.entries[claim->slot];
	uint8_t bytes[JOURNAL_RECORD_BYTES];
	int64_t now_s = journal_clock_now(&journal->clock);

	journal_record_print(bytes, journal->key, claim->slot, state, now_s, &claim->name, outcome);
	pthread_mutex_lock(&journal->lock);
	entry->state = (uint8_t)state;
	entry->time_s = (uint32_t)now_s;
	pthread_mutex_unlock(&journal->lock);
	return journal_file_write(&journal->file, claim->slot, bytes);
}

static int sync_records(struct journal *journal, uint64_t failures)
{
	return journal->is_synced ? journal_file_sync(&journal->file, failures) : 0;
}

static void tell_failure(struct journal *journal, const char *consequence)
{
	int reason = errno;
	bool is_told;

	pthread_mutex_lock(&journal->lock);
	is_told = is_due(&journal->failure_reminder);
	pthread_mutex_unlock(&journal->lock);
	if (is_told)
		log_error("%s: %s; %s", journal->path, strerrordesc_np(reason), consequence);
}

int journal_intend(struct journal *journal, struct journal_claim *const *claims, size_t count)
{
	uint64_t failures = journal_file_failures(&journal->file);
	bool is_written = true, has_any = false;

	for (size_t i = 0; i < count && is_written; i++) {
		if (!claims[i]->is_held)
			continue;
		has_any = true;
		is_written = write_record(journal, claims[i], JOURNAL_DOT, NULL) == 0;
	}
	if (!has_any || (is_written && sync_records(journal, failures) == 0))
		return 0;
	tell_failure(journal, "no mail is delivered that this edge could not remember");
	pthread_mutex_lock(&journal->lock);
	journal->retry = deadline_in_ms(RETRY_MS);
	pthread_mutex_unlock(&journal->lock);
	return -1;
}

/* Nothing was delivered: the next attempt begins anew. */
static void forget(struct journal *journal, struct journal_claim *claim)
{
	if (journal->index.entries[claim->slot].state != JOURNAL_FREE &&
	    write_record(journal, claim, JOURNAL_FREE, NULL) < 0)
		tell_failure(journal, "the next attempt of a delivery will be called a possible duplicate");
	pthread_mutex_lock(&journal->lock);
	journal_index_give_back(&journal->index, claim->slot);
	pthread_cond_broadcast(&journal->released);
	pthread_mutex_unlock(&journal->lock);
	claim->is_held = false;
}

static void remember(struct journal *journal, struct journal_claim *claim,
		     const struct delivery_status *status)
{
	bool is_relayed = status->action == DELIVERY_RELAYED;
	uint64_t failures = journal_file_failures(&journal->file);
	int result = write_record(journal, claim, is_relayed ? JOURNAL_RELAYED : JOURNAL_FAILED, status);

	/* What was refused may be asked again without harm. */
	if (result == 0 && is_relayed)
		result = sync_records(journal, failures);
	if (result < 0)
		tell_failure(journal, "an outcome may be forgotten when this edge stops");
	release(journal, claim);
}

void journal_settle(struct journal *journal, struct journal_claim *claim,
		    const struct delivery_status *status)
{
	if (!claim->is_held)
		return;
	if (status->action != DELIVERY_DELAYED)
		remember(journal, claim, status);
	else if (status->maybe_duplicate || claim->is_in_doubt)
		release(journal, claim);
	else
		forget(journal, claim);
}
