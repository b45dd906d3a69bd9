#include "condition.h"

#include <time.h>

void condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

int condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, struct deadline deadline)
{
	struct timespec until = { .tv_sec = deadline.at_ms / 1000, .tv_nsec = deadline.at_ms % 1000 * 1000000 };

	return pthread_cond_timedwait(condition, lock, &until);
}
