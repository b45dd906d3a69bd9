/*
 * Threads as the edge wants them: small stacks (sanitizers need more), and no signal ever delivered to them, so that the
 * main thread's signalfd sees every one.
 *
 * A stack keeps what was in the frames of functions that have returned, and glibc keeps the stacks of threads that have ended for
 * the next ones. So a thread forgets its stack at its end, and whenever it is told to: what is near is overwritten, what is
 * further down goes back to the kernel. The wide registers, through which memcpy(3) and ciphers move their bytes, keep the last of them
 * for as long as the thread waits for something, and are in a core dump, too.
 */
#include "thread.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_BYTES (8 * THREAD_STACK_BYTES)
#define FORGETS_STACK 0		/* their frames are elsewhere, and bigger */
#else
#define STACK_BYTES THREAD_STACK_BYTES
#define FORGETS_STACK 1
#endif

/* What a thread begins with. */
struct beginning {
	thread_fn *run;
	void *argument;
};

/* The frame of a thread's first function; NULL in a thread that somebody else started. */
static _Thread_local char *first_frame;

/* More than a page, so that with whole pages given back below nothing is left out. */
#define NEAR_BYTES 8192
/* Guard page, thread-local storage and glibc's own data are in STACK_BYTES too; nobody ever comes so deep. */
#define STACK_SLACK (32 * 1024)

#ifdef __x86_64__

#define ZERO(number) "vpxord %%zmm" #number ", %%zmm" #number ", %%zmm" #number "\n\t"
#define CLEAR(number) "pxor %%xmm" #number ", %%xmm" #number "\n\t"
#define LOWER_REGISTERS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", \
	"xmm12", "xmm13", "xmm14", "xmm15"

/* The upper sixteen are what glibc's memcpy(3) prefers where there are any; vzeroall does not reach them. */
static void forget_registers(void)
{
	if (__builtin_cpu_supports("avx512f"))
		__asm__ volatile(ZERO(16) ZERO(17) ZERO(18) ZERO(19) ZERO(20) ZERO(21) ZERO(22) ZERO(23)
				 ZERO(24) ZERO(25) ZERO(26) ZERO(27) ZERO(28) ZERO(29) ZERO(30) ZERO(31) :::);
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroall" ::: LOWER_REGISTERS);
	else
		__asm__ volatile(CLEAR(0) CLEAR(1) CLEAR(2) CLEAR(3) CLEAR(4) CLEAR(5) CLEAR(6) CLEAR(7)
				 CLEAR(8) CLEAR(9) CLEAR(10) CLEAR(11) CLEAR(12) CLEAR(13) CLEAR(14) CLEAR(15)
				 ::: LOWER_REGISTERS);
}

#else

/* gcc zeroes those that a function may use without asking. */
static __attribute__((noinline, zero_call_used_regs("all"))) void forget_registers(void)
{
	__asm__ volatile("");
}

#endif

static __attribute__((noinline)) void overwrite_near(void)
{
	char frames[NEAR_BYTES];

	explicit_bzero(frames, sizeof(frames));
}

__attribute__((noinline)) void thread_forget_stack(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), here = (uintptr_t)__builtin_frame_address(0), low, high;

	if (!FORGETS_STACK || first_frame == NULL)
		return;
	forget_registers();
	overwrite_near();
	low = ((uintptr_t)first_frame - STACK_BYTES + STACK_SLACK) & ~(page - 1);
	high = (here - NEAR_BYTES / 2) & ~(page - 1);
	if (low < high)
		madvise((void *)low, high - low, MADV_DONTNEED);
}

static void *begin(void *argument)
{
	struct beginning beginning = *(struct beginning *)argument;
	void *result;

	free(argument);
	first_frame = __builtin_frame_address(0);
	result = beginning.run(beginning.argument);
	thread_forget_stack();
	return result;
}

static int start(pthread_t *thread_out, thread_fn *run, void *argument, int detach_state)
{
	struct beginning *beginning = malloc(sizeof(*beginning));
	pthread_attr_t attributes;
	sigset_t all, before;
	int failed;

	if (beginning == NULL)
		return -1;
	*beginning = (struct beginning){ .run = run, .argument = argument };
	if (pthread_attr_init(&attributes) != 0) {
		free(beginning);
		return -1;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_attr_setstacksize(&attributes, STACK_BYTES) != 0 ||
		 pthread_attr_setdetachstate(&attributes, detach_state) != 0 ||
		 pthread_create(thread_out, &attributes, begin, beginning) != 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (failed)
		free(beginning);
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
