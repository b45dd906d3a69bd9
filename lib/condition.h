/*
 * Condition variables whose waits end at a deadline: by CLOCK_MONOTONIC, so that no change of the machine's time makes a thread wait
 * longer, or not at all.
 */
#ifndef CONDITION_H
#define CONDITION_H

#include <pthread.h>

#include "deadline.h"

void condition_init(pthread_cond_t *condition);
/*
 * As pthread_cond_timedwait(3): 0, also without reason, or ETIMEDOUT. For conditions made here. The deadline is not DEADLINE_NEVER.
 */
int condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, struct deadline deadline);

#endif
