/*
 * An edge that was off for longer than records are kept, and one whose clock has jumped, look the
 * same. Both keep what they have for another while: that costs room, the opposite costs duplicates.
 */
#include "journal_clock.h"

#include "lib/deadline.h"

/* Corrections that are no news. */
#define SLACK_S 86400

bool journal_clock_start(struct journal_clock *clock, int64_t newest_s, int64_t wall_s, int64_t keep_s)
{
	bool is_old = newest_s > 0 && wall_s - newest_s > keep_s;

	clock->began_ms = deadline_now_ms();
	clock->began_s = is_old || wall_s < newest_s ? newest_s : wall_s;
	return !is_old && wall_s >= newest_s - SLACK_S;
}

int64_t journal_clock_now(const struct journal_clock *clock)
{
	return clock->began_s + (deadline_now_ms() - clock->began_ms) / 1000;
}
