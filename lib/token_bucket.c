/*
 * Token buckets in whole numbers: the level is counted in a unit of which each millisecond adds
 * `tokens` and a token costs `duration_ms`, so there is nothing to round. Levels in thousandths of
 * a token are for the state file only.
 */
#include "token_bucket.h"

#include <stdio.h>
#include <string.h>

#include "quantity.h"

#define MILLI 1000

bool token_rate_is_valid(struct token_rate rate)
{
	return rate.tokens >= 1 && rate.tokens <= TOKEN_RATE_TOKENS_MAX &&
	       rate.duration_ms >= TOKEN_RATE_DURATION_MIN_MS && rate.duration_ms <= TOKEN_RATE_DURATION_MAX_MS;
}

const char *token_rate_parse(struct token_rate *rate, const char *text)
{
	const char *slash = strchr(text, '/');
	enum quantity_result tokens, duration;
	struct token_rate found;
	char count[64];

	if (slash == NULL)
		return "a rate is a number, \"/\" and a duration, as in 60/1m";
	snprintf(count, sizeof(count), "%.*s", (int)(slash - text), text);
	tokens = quantity_parse(QUANTITY_PLAIN, count, &found.tokens);
	if (tokens == QUANTITY_WRONG)
		return "what stands before the \"/\" is not a number";
	duration = quantity_parse(QUANTITY_DURATION, slash + 1, &found.duration_ms);
	if (duration == QUANTITY_WRONG)
		return "what follows the \"/\" is not a duration, as 30s, 1m, 1h or 1d";
	if (tokens != QUANTITY_OK || found.tokens < 1 || found.tokens > TOKEN_RATE_TOKENS_MAX)
		return "the number must be in 1..1000000000";
	if (duration != QUANTITY_OK || !token_rate_is_valid(found))
		return "the duration must be in 1ms..31d";
	*rate = found;
	return NULL;
}

static int64_t full_level(struct token_rate rate)
{
	return rate.tokens * rate.duration_ms;
}

/* For an amount of at most rate.tokens. */
static int64_t from_milli(struct token_rate rate, int64_t milli)
{
	return milli / MILLI * rate.duration_ms + milli % MILLI * rate.duration_ms / MILLI;
}

static int64_t to_milli(struct token_rate rate, int64_t level)
{
	return level / rate.duration_ms * MILLI + level % rate.duration_ms * MILLI / rate.duration_ms;
}

void token_bucket_init(struct token_bucket *bucket, struct token_rate rate, int64_t now_ms)
{
	*bucket = (struct token_bucket){ .rate = rate, .level = full_level(rate), .at_ms = now_ms };
}

void token_bucket_restore(struct token_bucket *bucket, struct token_rate rate, int64_t level_milli, int64_t age_ms,
			  int64_t now_ms)
{
	if (age_ms < 0)
		age_ms = 0;
	if (age_ms > rate.duration_ms)
		age_ms = rate.duration_ms;
	*bucket =
		(struct token_bucket){ .rate = rate, .level = from_milli(rate, level_milli), .at_ms = now_ms - age_ms };
	token_bucket_refill(bucket, now_ms);
}

void token_bucket_set_rate(struct token_bucket *bucket, struct token_rate rate)
{
	int64_t taken_milli;

	if (bucket->rate.tokens == rate.tokens && bucket->rate.duration_ms == rate.duration_ms)
		return;
	taken_milli = to_milli(bucket->rate, full_level(bucket->rate) - bucket->level);
	if (taken_milli > rate.tokens * MILLI)
		taken_milli = rate.tokens * MILLI;
	bucket->rate = rate;
	bucket->level = full_level(rate) - from_milli(rate, taken_milli);
}

void token_bucket_refill(struct token_bucket *bucket, int64_t now_ms)
{
	int64_t elapsed_ms = now_ms - bucket->at_ms, full = full_level(bucket->rate);

	bucket->at_ms = now_ms;
	if (elapsed_ms <= 0)
		return;
	if (elapsed_ms >= bucket->rate.duration_ms || elapsed_ms * bucket->rate.tokens >= full - bucket->level)
		bucket->level = full;
	else
		bucket->level += elapsed_ms * bucket->rate.tokens;
}

bool token_bucket_has_token(const struct token_bucket *bucket)
{
	return bucket->level >= bucket->rate.duration_ms;
}

void token_bucket_take(struct token_bucket *bucket)
{
	bucket->level = token_bucket_has_token(bucket) ? bucket->level - bucket->rate.duration_ms : 0;
}

bool token_bucket_is_full(const struct token_bucket *bucket)
{
	return bucket->level == full_level(bucket->rate);
}

int64_t token_bucket_level_milli(const struct token_bucket *bucket)
{
	return to_milli(bucket->rate, bucket->level);
}

static int64_t time_for(const struct token_bucket *bucket, int64_t missing)
{
	return missing > 0 ? (missing + bucket->rate.tokens - 1) / bucket->rate.tokens : 0;
}

int64_t token_bucket_wait_ms(const struct token_bucket *bucket)
{
	return time_for(bucket, bucket->rate.duration_ms - bucket->level);
}

int64_t token_bucket_full_in_ms(const struct token_bucket *bucket)
{
	return time_for(bucket, full_level(bucket->rate) - bucket->level);
}
