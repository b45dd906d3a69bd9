/*
 * Absolute points in monotonic time. A slow peer can make a thread wait until the deadline, never
 * longer: there are no per-read time-outs anywhere.
 */
#ifndef DEADLINE_H
#define DEADLINE_H

#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC. DEADLINE_NEVER waits without end. */
struct deadline {
	int64_t at_ms;
};

#define DEADLINE_NEVER ((struct deadline){ INT64_MAX })

int64_t deadline_now_ms(void);
struct deadline deadline_in_ms(int64_t from_now_ms);
struct deadline deadline_earlier(struct deadline a, struct deadline b);
/* Milliseconds left, 0 when passed, INT64_MAX for never. */
int64_t deadline_left_ms(struct deadline deadline);
/* The same for poll(2): -1 for never, at most INT_MAX. */
int deadline_poll_ms(struct deadline deadline);
int deadline_has_passed(struct deadline deadline);

#endif
