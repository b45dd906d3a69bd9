/* A wrong clock: preloaded, it sets a program's wall clock ahead by CLOCK_AHEAD seconds. Other clocks go as they do. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "time_of_clock.h"

static time_t ahead(void)
{
	const char *seconds = getenv("CLOCK_AHEAD");

	return seconds != NULL ? atoll(seconds) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = (int)syscall(SYS_clock_gettime, clock, now);

	if (result == 0 && clock == CLOCK_REALTIME)
		now->tv_sec += ahead();
	return result;
}
