/*
 * Absolute points in monotonic time, so that many small waits together still end at one moment.
 *
 * Sums that would pass the end of time become DEADLINE_NEVER instead of wrapping. poll(2) takes an
 * int: a wait of more than 24 days is cut there, and the caller, who asks again, does not notice.
 */
#include "deadline.h"

#include <limits.h>
#include <time.h>

int64_t deadline_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct deadline deadline_in_ms(int64_t from_now_ms)
{
	int64_t now_ms = deadline_now_ms();

	if (from_now_ms <= 0)
		return (struct deadline){ now_ms };
	if (from_now_ms > INT64_MAX - now_ms)
		return DEADLINE_NEVER;
	return (struct deadline){ now_ms + from_now_ms };
}

struct deadline deadline_earlier(struct deadline a, struct deadline b)
{
	return a.at_ms < b.at_ms ? a : b;
}

int64_t deadline_left_ms(struct deadline deadline)
{
	int64_t now_ms;

	if (deadline.at_ms == INT64_MAX)
		return INT64_MAX;
	now_ms = deadline_now_ms();
	return deadline.at_ms > now_ms ? deadline.at_ms - now_ms : 0;
}

int deadline_poll_ms(struct deadline deadline)
{
	int64_t left_ms = deadline_left_ms(deadline);

	if (left_ms == INT64_MAX)
		return -1;
	return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

int deadline_has_passed(struct deadline deadline)
{
	return deadline_left_ms(deadline) == 0;
}
