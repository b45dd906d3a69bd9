/*
 * Threads as the edge wants them: small stacks (sanitizers need more), and no signal ever delivered to them, so that the
 * main thread's signalfd sees every one.
 */
#include "thread.h"

#include <signal.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_BYTES (8 * THREAD_STACK_BYTES)
#else
#define STACK_BYTES THREAD_STACK_BYTES
#endif

static int start(pthread_t *thread_out, thread_fn *run, void *argument, int detach_state)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int failed;

	if (pthread_attr_init(&attributes) != 0)
		return -1;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_attr_setstacksize(&attributes, STACK_BYTES) != 0 ||
		 pthread_attr_setdetachstate(&attributes, detach_state) != 0 ||
		 pthread_create(thread_out, &attributes, run, argument) != 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return failed ? -1 : 0;
}

int thread_start_detached(thread_fn *run, void *argument)
{
	pthread_t thread;

	return start(&thread, run, argument, PTHREAD_CREATE_DETACHED);
}

int thread_start(pthread_t *thread_out, thread_fn *run, void *argument)
{
	return start(thread_out, run, argument, PTHREAD_CREATE_JOINABLE);
}
