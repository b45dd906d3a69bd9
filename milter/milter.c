/* The one pointer that a reload changes. */
#include "milter.h"

struct milter_setup *milter_acquire_setup(struct milter *milter)
{
	struct milter_setup *setup;

	pthread_mutex_lock(&milter->setup_lock);
	setup = milter_setup_acquire(milter->setup);
	pthread_mutex_unlock(&milter->setup_lock);
	return setup;
}

void milter_replace_setup(struct milter *milter, struct milter_setup *fresh)
{
	struct milter_setup *old;

	pthread_mutex_lock(&milter->setup_lock);
	old = milter->setup;
	milter->setup = fresh;
	pthread_mutex_unlock(&milter->setup_lock);
	milter_setup_release(old);
}
