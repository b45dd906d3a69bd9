/* Detached and joinable threads with a small stack, all signals blocked. */
#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>

/* Enough for OpenSSL and our own frames; a thousand of them are 256 MiB of address space, not of memory. */
#define THREAD_STACK_BYTES (256 * 1024)

typedef void *thread_fn(void *argument);

/* 0, or -1 when the system has no room for another thread. */
int thread_start_detached(thread_fn *run, void *argument);
int thread_start(pthread_t *thread_out, thread_fn *run, void *argument);

/*
 * Nothing of the functions that have returned is left on this thread's stack or in its wide registers. It happens by itself at the thread's end; for
 * threads that were started here.
 */
void thread_forget_stack(void);

#endif
