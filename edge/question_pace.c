/* A budget of time and a pause that doubles. */
#include "question_pace.h"

static void refill(struct question_pace *pace, int64_t now_ms)
{
	int64_t passed_ms = now_ms - pace->at_ms;

	if (passed_ms <= 0)
		return;
	/* More would overflow after an idle age, and fill no more than the budget. */
	if (passed_ms > 100 * QUESTION_PACE_BUDGET_MS)
		passed_ms = 100 * QUESTION_PACE_BUDGET_MS;
	pace->budget_us += passed_ms * QUESTION_PACE_REFILL_MS;
	if (pace->budget_us > QUESTION_PACE_BUDGET_MS * 1000)
		pace->budget_us = QUESTION_PACE_BUDGET_MS * 1000;
	pace->at_ms = now_ms;
}

void question_pace_init(struct question_pace *pace, int64_t now_ms)
{
	*pace = (struct question_pace){ .budget_us = QUESTION_PACE_BUDGET_MS * 1000, .at_ms = now_ms };
}

bool question_pace_allows(struct question_pace *pace, bool is_known, int64_t now_ms)
{
	int64_t needed_ms = QUESTION_PACE_COST_MIN_MS + (is_known ? 0 : QUESTION_PACE_RESERVE_MS);

	refill(pace, now_ms);
	return (pace->pause_ms == 0 || now_ms >= pace->pause_until_ms) && pace->budget_us >= needed_ms * 1000;
}

void question_pace_note(struct question_pace *pace, bool has_failed, int64_t took_ms, int64_t now_ms)
{
	refill(pace, now_ms);
	pace->budget_us -= 1000 * (took_ms > QUESTION_PACE_COST_MIN_MS ? took_ms : QUESTION_PACE_COST_MIN_MS);
	if (!has_failed) {
		pace->pause_ms = 0;
	} else if (took_ms >= QUESTION_PACE_SLOW_MS) {
		pace->pause_ms = pace->pause_ms == 0 ? QUESTION_PACE_PAUSE_MIN_MS : 2 * pace->pause_ms;
		if (pace->pause_ms > QUESTION_PACE_PAUSE_MAX_MS)
			pace->pause_ms = QUESTION_PACE_PAUSE_MAX_MS;
		pace->pause_until_ms = now_ms + pace->pause_ms;
	}
}
