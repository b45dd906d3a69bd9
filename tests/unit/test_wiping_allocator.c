/* What is given back is wiped: small blocks and large ones, moved ones, and those of the libraries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "edge/wiping_allocator.h"

/* glibc links freed blocks through their first two or four words. */
#define LINKS 32

static const size_t sizes[] = { 40, 100, 1000, 1033, 5000, 60000 };

#define EACH_SIZE(i) (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)

/* Of memory that is ours no more: through an address that the compiler knows nothing of. */
static size_t count_left(volatile uintptr_t address, size_t size)
{
	const volatile unsigned char *bytes = (const volatile unsigned char *)address;
	size_t left = 0;

	for (size_t i = LINKS; i < size; i++)
		left += bytes[i] == 0xa5;
	return left;
}

/* Not to be looked into: what nobody reads before free(3) need not be written. */
static __attribute__((noipa)) unsigned char *make(size_t size)
{
	unsigned char *bytes = malloc(size);

	assert_non_null(bytes);
	memset(bytes, 0xa5, size);
	return bytes;
}

static void test_freed(void **state)
{
	(void)state;
	for EACH_SIZE(i) {
		unsigned char *bytes = make(sizes[i]);
		volatile uintptr_t address = (uintptr_t)bytes;

		errno = EBADF;
		free(bytes);
		assert_int_equal(errno, EBADF);
		assert_int_equal(count_left(address, sizes[i]), 0);
	}
	free(NULL);
}

static void check_moved(size_t size, size_t fresh_size)
{
	unsigned char *bytes = make(size), *moved;
	volatile uintptr_t before = (uintptr_t)bytes;
	size_t kept = size < fresh_size ? size : fresh_size;

	moved = realloc(bytes, fresh_size);
	assert_non_null(moved);
	for (size_t i = 0; i < kept; i++)
		assert_int_equal(moved[i], 0xa5);
	if ((uintptr_t)moved != before && wiping_allocator_is_active())
		assert_int_equal(count_left(before, size), 0);
	free(moved);
}

static void test_moved(void **state)
{
	(void)state;
	for EACH_SIZE(i) {
		check_moved(sizes[i], sizes[i] * 3);
		check_moved(sizes[i], sizes[i] / 3);
		check_moved(sizes[i], sizes[i] + 1);
		check_moved(sizes[i], sizes[i] - 1);
	}
	check_moved(100, 200000);
	check_moved(200000, 100);
	free(realloc(NULL, 10));
}

static void test_freed_by_a_library(void **state)
{
	(void)state;
	for EACH_SIZE(i) {
		unsigned char *bytes = OPENSSL_malloc(sizes[i]);
		volatile uintptr_t address = (uintptr_t)bytes;

		assert_non_null(bytes);
		memset(bytes, 0xa5, sizes[i]);
		OPENSSL_free(bytes);
		assert_int_equal(count_left(address, sizes[i]), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_freed),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_freed_by_a_library),
	};
	/* A sanitizer has its own allocator, and calls a look at freed memory what it is. */
	const struct CMUnitTest without_looking[] = {
		cmocka_unit_test(test_moved),
	};

	return wiping_allocator_is_active() ? cmocka_run_group_tests(tests, NULL, NULL)
					    : cmocka_run_group_tests(without_looking, NULL, NULL);
}
