/*
 * A bucket that holds so many tokens and refills, evenly, over a duration. Pure arithmetic with a
 * clock that is given; exact, so that asking often neither gains nor loses anything.
 */
#ifndef TOKEN_BUCKET_H
#define TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* Within these bounds no product leaves 64 bits. */
#define TOKEN_RATE_TOKENS_MAX 1000000000
#define TOKEN_RATE_DURATION_MIN_MS 1
#define TOKEN_RATE_DURATION_MAX_MS (31 * INT64_C(86400000))

struct token_rate {
	int64_t tokens;			/* 1..TOKEN_RATE_TOKENS_MAX: what the bucket holds */
	int64_t duration_ms;		/* from empty to full */
};

struct token_bucket {
	struct token_rate rate;
	int64_t level;			/* a token is rate.duration_ms of these; each ms adds rate.tokens */
	int64_t at_ms;			/* when that was the level */
};

bool token_rate_is_valid(struct token_rate rate);
/* rate = tokens "/" duration (quantity.h), as 60/1m. NULL, or what is wrong with the text. */
const char *token_rate_parse(struct token_rate *rate, const char *text);

void token_bucket_init(struct token_bucket *bucket, struct token_rate rate, int64_t now_ms);	/* full */
/*
 * As it was `age_ms` ago; an age below 0 is 0: a clock that was set back refills nothing, and never
 * keeps anybody out for longer than one full refill. `level_milli`: thousandths of a token.
 */
void token_bucket_restore(struct token_bucket *bucket, struct token_rate rate, int64_t level_milli, int64_t age_ms,
			  int64_t now_ms);
/* Another rate: what was taken out stays taken out, as far as the new bucket is deep enough. */
void token_bucket_set_rate(struct token_bucket *bucket, struct token_rate rate);

/* What has flown in by now. The functions below tell the state at the last refill. */
void token_bucket_refill(struct token_bucket *bucket, int64_t now_ms);
bool token_bucket_has_token(const struct token_bucket *bucket);
/* Takes one token, or what there is of one. */
void token_bucket_take(struct token_bucket *bucket);
bool token_bucket_is_full(const struct token_bucket *bucket);
int64_t token_bucket_level_milli(const struct token_bucket *bucket);	/* rounded down */
/* How long until there is a token, and until it is full; 0: it is. */
int64_t token_bucket_wait_ms(const struct token_bucket *bucket);
int64_t token_bucket_full_in_ms(const struct token_bucket *bucket);

#endif
