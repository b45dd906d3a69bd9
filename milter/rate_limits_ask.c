/*
 * Counting: which buckets a message or a recipient comes out of, what they say, and how that is
 * told. Everything happens under one lock that is held for microseconds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/quantity.h"
#include "rate_limits.h"
#include "rate_limits_state.h"

/* Soft and hard of each match. */
#define ASKED_MAX (2 * LIMITS_MATCHES_MAX)

struct asked {
	const struct rate_key *owner;
	struct token_bucket *bucket;
	bool is_hard;			/* *_max */
	bool has_refused;
};

/* What is counted: messages or recipients. */
struct counted {
	enum limit_rate soft, hard;
	const char *may;		/* "may send %s messages" */
	const char *noun;
};

static const struct counted counted_messages = { LIMIT_MESSAGES, LIMIT_MESSAGES_MAX, "may send", "messages" };
static const struct counted counted_recipients = { LIMIT_RECIPIENTS, LIMIT_RECIPIENTS_MAX, "may send to",
						   "recipients" };

void rate_limits_print_wait(char *out, size_t size, int64_t wait_ms)
{
	static const struct {
		int64_t ms, up_to;
		char letter;
	} units[] = { { 1000, 120, 's' }, { 60000, 120, 'm' }, { 3600000, 48, 'h' }, { 86400000, INT64_MAX, 'd' } };
	size_t i = 0;

	while ((wait_ms + units[i].ms - 1) / units[i].ms > units[i].up_to)
		i++;
	snprintf(out, size, "%" PRId64 "%c", (wait_ms + units[i].ms - 1) / units[i].ms, units[i].letter);
}

static void explain(const struct asked *asked, const struct counted *counted, char *reason, size_t reason_size)
{
	struct token_rate rate = asked->bucket->rate;
	char owner[RATE_KEY_MAX], duration[32], wait[32];

	log_printable(owner, sizeof(owner), asked->owner->text, strlen(asked->owner->text));
	quantity_print(QUANTITY_DURATION, duration, sizeof(duration), rate.duration_ms);
	rate_limits_print_wait(wait, sizeof(wait), token_bucket_wait_ms(asked->bucket));
	if (asked->is_hard)
		snprintf(reason, reason_size,
			 "%s tried more than %" PRId64 " %s in %s, refused ones counted; wait for %s", owner,
			 rate.tokens, counted->noun, duration, wait);
	else
		snprintf(reason, reason_size, "%s %s %" PRId64 " %s in %s; try again in %s", owner, counted->may,
			 rate.tokens, counted->noun, duration, wait);
}

/* Adds the bucket if the line has such a limit. 0, or -1: no memory. Caller holds the lock. */
static int ask_bucket(struct rate_limits *limits, const struct limits_match *match, enum limit_rate kind,
		      struct asked *asked, size_t *count)
{
	struct asked *next = &asked[*count];

	if (match->line.rates[kind].tokens == 0)
		return 0;
	next->owner = &match->owner;
	next->is_hard = kind == LIMIT_MESSAGES_MAX || kind == LIMIT_RECIPIENTS_MAX;
	next->bucket =
		bucket_table_use(limits->buckets, &match->owner, kind, match->line.rates[kind], deadline_now_ms());
	if (next->bucket == NULL)
		return -1;
	next->has_refused = !token_bucket_has_token(next->bucket);
	++*count;
	return 0;
}

/* The one that decides: a hard one before a soft one, of these the one that takes longest. NULL: none refuses. */
static const struct asked *worst_of(const struct asked *asked, size_t count)
{
	const struct asked *worst = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct asked *next = &asked[i];

		if (!next->has_refused)
			continue;
		if (worst == NULL || next->is_hard > worst->is_hard ||
		    (next->is_hard == worst->is_hard &&
		     token_bucket_wait_ms(next->bucket) > token_bucket_wait_ms(worst->bucket)))
			worst = next;
	}
	return worst;
}

/* Caller holds the lock. */
static enum rate_verdict judge(struct rate_limits *limits, const struct asked *asked, size_t count,
			       const struct counted *counted, char *reason, size_t reason_size)
{
	const struct asked *worst = worst_of(asked, count);

	for (size_t i = 0; i < count; i++) {
		if (worst != NULL && !asked[i].is_hard)
			continue;
		token_bucket_take(asked[i].bucket);
		limits->is_changed = true;
	}
	if (worst == NULL)
		return RATE_OK;
	explain(worst, counted, reason, reason_size);
	return worst->is_hard ? RATE_REJECT : RATE_TEMPFAIL;
}

static enum rate_verdict ask(struct rate_limits *limits, const struct rate_subject *subject,
			     const struct counted *counted, char *reason, size_t reason_size)
{
	struct limits_match matches[LIMITS_MATCHES_MAX];
	struct asked asked[ASKED_MAX];
	enum rate_verdict verdict = RATE_TEMPFAIL;
	size_t match_count, count = 0;
	bool has_memory = true, has_overflown;

	rate_limits_refresh(limits);
	pthread_mutex_lock(&limits->lock);
	match_count = limits_table_match(limits->table, subject->client, subject->sender_domain, matches);
	has_overflown = bucket_table_make_room(limits->buckets, 2 * match_count, deadline_now_ms()) > 0 &&
			reminder_is_due(&limits->overflow);
	for (size_t i = 0; i < match_count && has_memory; i++)
		has_memory = ask_bucket(limits, &matches[i], counted->soft, asked, &count) == 0 &&
			     ask_bucket(limits, &matches[i], counted->hard, asked, &count) == 0;
	if (has_memory)
		verdict = judge(limits, asked, count, counted, reason, reason_size);
	pthread_mutex_unlock(&limits->lock);
	if (!has_memory)
		snprintf(reason, reason_size, "no memory for counting %s", counted->noun);
	if (has_overflown)
		log_warning("more than %d limits are in use; those longest unused are forgotten",
			    RATE_LIMITS_BUCKETS_MAX);
	return verdict;
}

enum rate_verdict rate_limits_message(struct rate_limits *limits, const struct rate_subject *subject, char *reason,
				      size_t reason_size)
{
	return ask(limits, subject, &counted_messages, reason, reason_size);
}

enum rate_verdict rate_limits_recipient(struct rate_limits *limits, const struct rate_subject *subject, char *reason,
					size_t reason_size)
{
	return ask(limits, subject, &counted_recipients, reason, reason_size);
}

uint64_t rate_limits_size(struct rate_limits *limits, const struct rate_subject *subject, char *where,
			  size_t where_size)
{
	struct limits_match matches[LIMITS_MATCHES_MAX];
	const struct limits_match *smallest = NULL;
	size_t count;

	rate_limits_refresh(limits);
	pthread_mutex_lock(&limits->lock);
	count = limits_table_match(limits->table, subject->client, subject->sender_domain, matches);
	pthread_mutex_unlock(&limits->lock);
	for (size_t i = 0; i < count; i++)
		if (matches[i].line.size > 0 && (smallest == NULL || matches[i].line.size < smallest->line.size))
			smallest = &matches[i];
	if (smallest == NULL)
		return 0;
	snprintf(where, where_size, "%s:%zu", limits->table_path, smallest->number);
	return smallest->line.size;
}

int rate_limits_has_sizes(struct rate_limits *limits)
{
	int has_sizes;

	rate_limits_refresh(limits);
	pthread_mutex_lock(&limits->lock);
	has_sizes = limits_table_has_sizes(limits->table);
	pthread_mutex_unlock(&limits->lock);
	return has_sizes;
}
