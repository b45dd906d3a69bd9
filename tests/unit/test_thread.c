/* Threads: they run, end, and forget what was on their stacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/thread.h"

#define PATTERN 0xa5
/* Of the calls below: near the caller's frame, and pages further down. */
#define DEEP 60000

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FORGETS false
#else
#define FORGETS true
#endif

static __attribute__((noinline)) unsigned fill(unsigned levels)
{
	volatile unsigned char frame[DEEP / 6];

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = PATTERN;
	return levels == 0 ? frame[0] : fill(levels - 1) + frame[levels];
}

/* Bytes of the pattern below this function's frame; its own is small. */
static __attribute__((noinline)) size_t count_left(void)
{
	const volatile unsigned char *below = __builtin_frame_address(0);
	size_t left = 0;

	for (size_t i = 64; i < 2 * DEEP; i++)
		left += *(below - i) == PATTERN;
	return left;
}

struct counts {
	size_t filled, left;
};

static void *use_stack(void *argument)
{
	struct counts *counts = argument;

	fill(5);
	counts->filled = count_left();
	thread_forget_stack();
	counts->left = count_left();
	fill(5);
	return counts;
}

static void test_forgets(void **state)
{
	struct counts counts = { 0 };
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(thread_start(&thread, use_stack, &counts), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, &counts);
	assert_true(counts.filled > DEEP / 2);
	assert_in_range(counts.left, 0, 8);	/* chance */
}

/* glibc gives a thread that ended to the next one of the same size: it finds nothing. */
static void *look(void *argument)
{
	*(size_t *)argument = count_left();
	return NULL;
}

static void test_next_thread_finds_nothing(void **state)
{
	struct counts counts;
	pthread_t thread;
	size_t left;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(thread_start(&thread, use_stack, &counts), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(thread_start(&thread, look, &left), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_in_range(left, 0, 8);
	}
}

#ifdef __x86_64__
/* What glibc's memcpy(3) uses on a processor of this kind, and what ciphers use. */
static void *use_registers(void *argument)
{
	static const unsigned char filled[64] = { [0 ... 63] = PATTERN };
	unsigned char found[2][64] = { 0 };
	size_t *left = argument;

	__asm__ volatile("vmovdqu64 %0, %%zmm20\n\tvmovdqu64 %0, %%zmm5" :: "m"(filled) : "xmm5");
	thread_forget_stack();
	__asm__ volatile("vmovdqu64 %%zmm20, %0\n\tvmovdqu64 %%zmm5, %1" : "=m"(found[0]), "=m"(found[1]));
	for (size_t i = 0; i < 64; i++)
		*left += (found[0][i] == PATTERN) + (found[1][i] == PATTERN);
	return NULL;
}

static void test_registers(void **state)
{
	pthread_t thread;
	size_t left = 0;

	(void)state;
	if (!__builtin_cpu_supports("avx512f"))
		return;
	assert_int_equal(thread_start(&thread, use_registers, &left), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(left, 0);
}
#else
static void test_registers(void **state)
{
	(void)state;
}
#endif

/* Whoever is not one of our threads keeps what it has. */
static void test_main_thread(void **state)
{
	(void)state;
	thread_forget_stack();
}

int main(void)
{
	const struct CMUnitTest with_stacks[] = {
		cmocka_unit_test(test_forgets),
		cmocka_unit_test(test_next_thread_finds_nothing),
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_main_thread),
	};
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_main_thread),
	};

	/* With a sanitizer frames are not where they are otherwise. */
	return FORGETS ? cmocka_run_group_tests(with_stacks, NULL, NULL) : cmocka_run_group_tests(others, NULL, NULL);
}
