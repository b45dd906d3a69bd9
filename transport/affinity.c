/*
 * One message's recipients in the shared edge state. An entry is written before END goes out, so
 * that a process that is killed at any later moment leaves it behind; it is taken away only when
 * the mail system has shown, by its next command, that it took the outcomes in. In between a lost
 * answer means: ask this edge again.
 */
#include "affinity.h"

#include <stdlib.h>
#include <string.h>

#include "lib/deadline.h"
#include "lib/log.h"
#include "tunnel/content_digest.h"

void affinity_init(struct affinity *affinity, const char *path, int64_t hold_ms)
{
	memset(affinity, 0, sizeof(*affinity));
	affinity->path = path;
	affinity->hold_ms = hold_ms;
}

static void wipe(struct affinity *affinity)
{
	free(affinity->recipients);
	affinity->recipients = NULL;
	affinity->count = 0;
}

/* Each part with its length, so that no two names read the same. */
static void add_part(struct content_digest *digest, const void *bytes, size_t length)
{
	uint8_t prefix[2] = { (uint8_t)(length >> 8), (uint8_t)length };

	content_digest_update(digest, prefix, sizeof(prefix));
	content_digest_update(digest, bytes, length);
}

static void make_key(uint8_t key[EDGE_STATE_KEY_BYTES], const struct envelope *envelope,
		     const uint8_t *content_digest, const struct mailbox *mailbox)
{
	uint8_t whole[CONTENT_DIGEST_SIZE];
	struct content_digest digest;

	content_digest_init(&digest);
	if (envelope->queue_id[0] != '\0')
		add_part(&digest, envelope->queue_id, strlen(envelope->queue_id));
	else
		add_part(&digest, content_digest, CONTENT_DIGEST_SIZE);
	add_part(&digest, mailbox->local_part, strlen(mailbox->local_part));
	add_part(&digest, mailbox->domain, strlen(mailbox->domain));
	content_digest_final(&digest, whole);
	memcpy(key, whole, EDGE_STATE_KEY_BYTES);
}

void affinity_begin(struct affinity *affinity, const struct envelope *envelope,
		    const uint8_t *digest)
{
	wipe(affinity);
	if (affinity->path == NULL || (envelope->queue_id[0] == '\0' && digest == NULL))
		return;
	affinity->recipients = calloc(envelope->recipient_count, sizeof(*affinity->recipients));
	if (affinity->recipients == NULL) {
		log_warning("out of memory: it is not remembered which edge may know the outcome");
		return;
	}
	affinity->count = envelope->recipient_count;
	affinity->is_by_content = envelope->queue_id[0] == '\0';
	for (size_t i = 0; i < affinity->count; i++)
		make_key(affinity->recipients[i].key, envelope, digest,
			 &envelope->recipients[i].forward_path);
}

bool affinity_has_begun(const struct affinity *affinity)
{
	return affinity->recipients != NULL;
}

static int read_plan(struct affinity *affinity, struct edge_state *state,
		     struct affinity_plan *plan)
{
	struct edge_state_entry found[EDGE_STATE_GROUP_RECORDS];
	int count;

	for (size_t i = 0; i < affinity->count; i++) {
		count = edge_state_find(state, affinity->recipients[i].key, found);
		if (count < 0)
			return -1;
		for (int j = 0; j < count; j++)
			affinity_plan_add(plan, &found[j]);
	}
	return 0;
}

void affinity_make_plan(struct affinity *affinity, const struct edge_table *edges,
			struct affinity_plan *plan)
{
	struct edge_state state;

	*plan = (struct affinity_plan){ .hold_ms = affinity->hold_ms, .now_ms = deadline_now_ms() };
	if (!affinity_has_begun(affinity))
		return;
	if (edge_state_open(&state, affinity->path, false) < 0 ||
	    read_plan(affinity, &state, plan) < 0)
		log_warning("%s; whether another edge may know the outcome of an earlier attempt "
			    "is not "
			    "known",
			    state.error);
	edge_state_close(&state);
	affinity_plan_decide(plan, edges);
}

/*
 * Which edges may know of earlier attempts? What another one knows, this edge's journal will not
 * tell us.
 */
static void look_at_earlier(const struct affinity *affinity, struct affinity_recipient *recipient,
			    const struct recipient *target, struct edge_state *state,
			    const struct edge *edge, int64_t now_ms)
{
	struct edge_state_entry found[EDGE_STATE_GROUP_RECORDS];
	int count = edge_state_find(state, recipient->key, found);
	char to[MAILBOX_TEXT_MAX];

	for (int i = 0; i < count; i++) {
		int64_t age_ms = edge_state_age_ms(found[i].since_ms, now_ms);

		bool is_same =
			memcmp(found[i].edge_id, edge_identity(edge), sizeof(found[i].edge_id)) == 0;

		recipient->was_open |= is_same;
		if (age_ms >= EDGE_STATE_KEEP_MS || recipient->is_doubtful ||
		    (is_same && !affinity->is_by_content))
			continue;
		recipient->is_doubtful = true;
		edge_state_count(state, EDGE_STATE_DUPLICATES);
		log_warning("to=<%s>, edge=%s: possible duplicate: edge %s was given this message "
			    "%lld s "
			    "ago, and its outcome is not known",
			    mailbox_print(&target->forward_path, to, sizeof(to)), edge->name,
			    found[i].edge, (long long)(age_ms / 1000));
	}
}

static void tell_evicted(struct edge_state *state, const struct edge_state_entry *evicted,
			 int64_t now_ms)
{
	if (evicted->kind == EDGE_STATE_FREE)
		return;
	edge_state_count(state, EDGE_STATE_EVICTIONS);
	log_warning("%s has no room: forgot that edge %s may know the outcome of an attempt %lld s "
		    "ago; "
		    "another edge may deliver it again",
		    state->path, evicted->edge,
		    (long long)(edge_state_age_ms(evicted->since_ms, now_ms) / 1000));
}

static int put(struct affinity *affinity, struct edge_state *state, struct edge_state_entry *entry,
	       const struct envelope *envelope, const struct edge *edge)
{
	struct edge_state_entry evicted;

	for (size_t i = 0; i < affinity->count; i++) {
		struct affinity_recipient *recipient = &affinity->recipients[i];

		look_at_earlier(affinity, recipient, &envelope->recipients[i], state, edge,
				entry->since_ms);
		memcpy(entry->key, recipient->key, sizeof(entry->key));
		if (edge_state_put(state, entry, entry->since_ms, &evicted) < 0)
			return -1;
		recipient->fate = AFFINITY_OPEN;
		tell_evicted(state, &evicted, entry->since_ms);
	}
	return 0;
}

void affinity_before_end(struct affinity *affinity, const struct envelope *envelope,
			 const struct edge *edge)
{
	struct edge_state_entry entry = { .kind = EDGE_STATE_OUTCOME,
					  .since_ms = deadline_now_ms() };
	struct edge_state state;

	if (!affinity_has_begun(affinity))
		return;
	memcpy(entry.edge, edge->name, sizeof(entry.edge));
	memcpy(entry.edge_id, edge_identity(edge), sizeof(entry.edge_id));
	memcpy(affinity->edge_id, edge_identity(edge), sizeof(affinity->edge_id));
	if (edge_state_open(&state, affinity->path, true) < 0 ||
	    put(affinity, &state, &entry, envelope, edge) < 0)
		log_warning(
			"%s; it is not remembered that edge %s may know the outcome, another edge "
			"may deliver this message again",
			state.error, edge->name);
	edge_state_close(&state);
}

/*
 * An edge that turns a message away (no memory, about to stop) has not looked into its journal;
 * that it did nothing this time says nothing of an earlier one. From the DNS on it has.
 */
static bool is_certain(const struct affinity_recipient *recipient,
		       const struct delivery_status *status)
{
	return !status->maybe_duplicate && !status->in_progress &&
	       (!recipient->was_open || status->stage > STAGE_EDGE);
}

void affinity_note(struct affinity *affinity, size_t index, struct delivery_status *status)
{
	struct affinity_recipient *recipient;

	if (index >= affinity->count)
		return;
	recipient = &affinity->recipients[index];
	if (recipient->fate == AFFINITY_UNTRIED)
		return;
	if (status->action != DELIVERY_DELAYED)
		recipient->fate = AFFINITY_FINAL;
	else if (is_certain(recipient, status))
		recipient->fate = AFFINITY_TEMPORARY;
	if (recipient->is_doubtful && !status->from_journal)
		status->maybe_duplicate = true;
}

/* 0, or -1 with state->error. */
static int settle(struct affinity *affinity, struct edge_state *state, bool is_confirmed)
{
	struct edge_state_entry found[EDGE_STATE_GROUP_RECORDS], evicted;
	int count, result = 0;

	for (size_t i = 0; i < affinity->count && result == 0; i++) {
		const struct affinity_recipient *recipient = &affinity->recipients[i];

		if (recipient->fate == AFFINITY_TEMPORARY) {
			result = edge_state_remove(state, recipient->key, affinity->edge_id);
		} else if (recipient->fate == AFFINITY_FINAL && is_confirmed) {
			result = edge_state_remove(state, recipient->key, NULL);
		} else if (recipient->fate == AFFINITY_FINAL) {
			count = edge_state_find(state, recipient->key, found);
			for (int j = 0; j < count; j++) {
				found[j].is_answered = true;
				edge_state_put(state, &found[j], deadline_now_ms(), &evicted);
			}
		}
	}
	return result;
}

static void finish(struct affinity *affinity, bool is_confirmed)
{
	struct edge_state state;
	bool is_needed = false;

	for (size_t i = 0; i < affinity->count; i++)
		is_needed |= affinity->recipients[i].fate == AFFINITY_FINAL ||
			     affinity->recipients[i].fate == AFFINITY_TEMPORARY;
	if (is_needed) {
		if (edge_state_open(&state, affinity->path, true) < 0 ||
		    settle(affinity, &state, is_confirmed) < 0)
			log_warning("%s; a settled outcome is still taken for unknown",
				    state.error);
		edge_state_close(&state);
	}
	wipe(affinity);
}

void affinity_confirm(struct affinity *affinity)
{
	finish(affinity, true);
}

void affinity_end(struct affinity *affinity)
{
	finish(affinity, false);
}
