/*
 * When the server of a socketmap may be asked. Whoever asks answers everybody else's questions, too,
 * and does not while it waits; and strangers, who can make as many keys as they like, must not make
 * it ask without end. So there is a budget of time: a question costs what it took, at least
 * QUESTION_PACE_COST_MIN_MS, which is also the bound of questions in a second. Half of the budget is
 * for clients that are known already. After a failure that took long nobody asks for a while.
 *
 * Pure: time is given.
 */
#ifndef QUESTION_PACE_H
#define QUESTION_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define QUESTION_PACE_BUDGET_MS 1000
/* Refills by that much in 1000 ms: at most half of the time is spent on waiting. */
#define QUESTION_PACE_REFILL_MS 500
/* For keys that were not authorised before, the budget must be above that. */
#define QUESTION_PACE_RESERVE_MS 500
/* 100 questions a second, after 200 at once. */
#define QUESTION_PACE_COST_MIN_MS 5
/* A failure that took less than that costs nobody anything. */
#define QUESTION_PACE_SLOW_MS 100
#define QUESTION_PACE_PAUSE_MIN_MS 1000
#define QUESTION_PACE_PAUSE_MAX_MS 10000

struct question_pace {
	int64_t budget_us;	/* may be below 0 */
	int64_t at_ms;		/* when that was the budget */
	int64_t pause_ms;	/* after the last slow failure; 0: the server has answered since */
	int64_t pause_until_ms;
};

void question_pace_init(struct question_pace *pace, int64_t now_ms);
/* is_known: the key was authorised when the server was asked last. */
bool question_pace_allows(struct question_pace *pace, bool is_known, int64_t now_ms);
void question_pace_note(struct question_pace *pace, bool has_failed, int64_t took_ms, int64_t now_ms);

#endif
