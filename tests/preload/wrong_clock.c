/* A host whose clock is ten minutes ahead, for a program that asks time(2): LD_PRELOAD=wrong_clock.so. */
#include <time.h>

#define AHEAD_S 600

time_t time(time_t *out)
{
	struct timespec now;
	time_t result;

	clock_gettime(CLOCK_REALTIME, &now);
	result = now.tv_sec + AHEAD_S;
	if (out != NULL)
		*out = result;
	return result;
}
