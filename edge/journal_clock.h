/*
 * The journal's own time: seconds that go on with the monotonic clock and are never set. What is
 * kept for five days is kept for five days, whatever becomes of the machine's clock.
 *
 * At start it goes on from the newest record. The machine's clock tells how long the edge was off,
 * if that can be true: neither earlier than that record nor later by more than records are kept.
 */
#ifndef JOURNAL_CLOCK_H
#define JOURNAL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct journal_clock {
	int64_t began_s;	/* journal time at start */
	int64_t began_ms;	/* the same moment of the monotonic clock */
};

/* newest_s: 0 = there is no record. wall_s: the machine's clock. False if that is not believed. */
bool journal_clock_start(struct journal_clock *clock, int64_t newest_s, int64_t wall_s, int64_t keep_s);
int64_t journal_clock_now(const struct journal_clock *clock);

#endif
