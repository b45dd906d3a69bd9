/*
 * A machine that has no room for another thread when told so. Stands in for a function of libc, as
 * fake_disk.h does.
 */
#ifndef FAKE_THREADS_H
#define FAKE_THREADS_H

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

static struct {
	_Atomic bool is_full;
	_Atomic unsigned refused;
} fake_threads;

static inline void fake_threads_reset(void)
{
	fake_threads.is_full = false;
	fake_threads.refused = 0;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*entry)(void *),
		   void *argument)
{
	int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
		(int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))(uintptr_t)dlsym(
			RTLD_NEXT, "pthread_create");

	if (!fake_threads.is_full)
		return create(thread, attributes, entry, argument);
	fake_threads.refused++;
	return EAGAIN;
}

#endif
