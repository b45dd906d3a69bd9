/*
 * What of a delivery may still be begun in the time that is left. Pure. The table of all budgets is
 * in doc/ARCHITECTURE.md "Time".
 */
#ifndef STAGE_BUDGET_H
#define STAGE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/delivery_status.h"

/*
 * The least time in which a step that begins at this stage, and what must follow it up to the final
 * dot, can end; less would only be a failure that looks like the server's. `time_limit_ms`: that of
 * a whole delivery, of which a hundredth is enough for each; 0: nothing is asked but that time is
 * left.
 */
int64_t stage_budget_least_ms(enum delivery_stage stage, uint64_t content_bytes,
			      int64_t time_limit_ms);
/* The same as a question. Past the final dot nothing is begun. */
bool stage_budget_suffices(enum delivery_stage stage, uint64_t content_bytes, int64_t time_limit_ms,
			   int64_t left_ms);

#endif
