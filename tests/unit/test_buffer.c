/* buffer.c: the maximum holds, failures change nothing, integers are big-endian. */
#include "lib/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void integers_are_big_endian(void **state)
{
	static const uint8_t wire[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
					0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32 };
	struct buffer buffer;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	(void)state;
	buffer_init(&buffer, sizeof(wire));
	assert_int_equal(buffer_put_u8(&buffer, 0x01), 0);
	assert_int_equal(buffer_put_u16(&buffer, 0x2345), 0);
	assert_int_equal(buffer_put_u32(&buffer, 0x6789abcd), 0);
	assert_int_equal(buffer_put_u64(&buffer, 0xeffedcba98765432), 0);
	assert_int_equal(buffer_length(&buffer), sizeof(wire));
	assert_memory_equal(buffer_data(&buffer), wire, sizeof(wire));
	assert_int_equal(buffer_get_u8(&buffer, &u8), 0);
	assert_int_equal(buffer_get_u16(&buffer, &u16), 0);
	assert_int_equal(buffer_get_u32(&buffer, &u32), 0);
	assert_int_equal(buffer_get_u64(&buffer, &u64), 0);
	assert_int_equal(u8, 0x01);
	assert_int_equal(u16, 0x2345);
	assert_int_equal(u32, 0x6789abcd);
	assert_true(u64 == 0xeffedcba98765432);
	assert_int_equal(buffer_length(&buffer), 0);
	buffer_wipe(&buffer);
}

static void short_input_changes_nothing(void **state)
{
	struct buffer buffer;
	uint16_t u16 = 7;
	uint32_t u32 = 7;
	uint64_t u64 = 7;
	uint8_t u8, bytes[4];

	(void)state;
	buffer_init(&buffer, 16);
	assert_int_equal(buffer_get_u8(&buffer, &u8), -1);
	assert_int_equal(buffer_put(&buffer, "abc", 3), 0);
	assert_int_equal(buffer_get_u32(&buffer, &u32), -1);
	assert_int_equal(buffer_get_u64(&buffer, &u64), -1);
	assert_int_equal(buffer_get(&buffer, bytes, 4), -1);
	assert_int_equal(buffer_skip(&buffer, 4), -1);
	assert_int_equal(buffer_length(&buffer), 3);
	assert_int_equal(buffer_skip(&buffer, 2), 0);
	assert_int_equal(buffer_get_u16(&buffer, &u16), -1);
	assert_true(u16 == 7 && u32 == 7 && u64 == 7);
	assert_int_equal(buffer_length(&buffer), 1);
	buffer_wipe(&buffer);
}

static void maximum_bounds_the_unread_bytes(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 10);
	assert_int_equal(buffer_put(&buffer, "0123456789", 10), 0);
	assert_int_equal(buffer_put_u8(&buffer, 1), -1);
	assert_int_equal(buffer_printf(&buffer, "%d", 1), -1);
	assert_null(buffer_reserve(&buffer, 1));
	assert_null(buffer_reserve(&buffer, SIZE_MAX));
	assert_memory_equal(buffer_data(&buffer), "0123456789", 10);
	assert_int_equal(buffer_skip(&buffer, 4), 0);
	assert_int_equal(buffer_put(&buffer, "abcd", 4), 0);
	assert_int_equal(buffer_put_u8(&buffer, 1), -1);
	assert_memory_equal(buffer_data(&buffer), "456789abcd", 10);
	buffer_wipe(&buffer);
}

static void printf_fills_to_the_last_byte(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 6);
	assert_int_equal(buffer_printf(&buffer, "%s-%d", "ab", 123), 0);
	assert_int_equal(buffer_length(&buffer), 6);
	assert_memory_equal(buffer_data(&buffer), "ab-123", 6);
	buffer_reset(&buffer);
	assert_int_equal(buffer_printf(&buffer, "%s", "1234567"), -1);
	assert_int_equal(buffer_length(&buffer), 0);
	buffer_wipe(&buffer);
}

static void empty_operations_are_allowed(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 4);
	assert_int_equal(buffer_length(&buffer), 0);
	assert_int_equal(buffer_get(&buffer, NULL, 0), 0);
	assert_int_equal(buffer_skip(&buffer, 0), 0);
	assert_int_equal(buffer_put(&buffer, NULL, 0), 0);
	assert_non_null(buffer_reserve(&buffer, 0));
	buffer_wipe(&buffer);
	buffer_wipe(&buffer);
	/* usable again, with the same maximum */
	assert_int_equal(buffer_put(&buffer, "ok", 2), 0);
	assert_int_equal(buffer_put(&buffer, "xyz", 3), -1);
	buffer_wipe(&buffer);
}

/* A queue that is never empty: what comes out is what went in, whatever moves inside. */
static void behaves_as_a_queue(void **state)
{
	struct buffer buffer;
	unsigned int seed = 1;
	uint8_t in = 0, out = 0, byte;

	(void)state;
	buffer_init(&buffer, 3000);
	for (int round = 0; round < 20000; round++) {
		size_t count = (size_t)rand_r(&seed) % 40;

		for (size_t i = 0; i < count && buffer_put_u8(&buffer, in) == 0; i++)
			in++;
		count = (size_t)rand_r(&seed) % 40;
		for (size_t i = 0; i < count && buffer_get_u8(&buffer, &byte) == 0; i++)
			assert_int_equal(byte, out++);
		assert_true(buffer.capacity <= 3000);
	}
	buffer_wipe(&buffer);
}

static void grows_to_megabytes(void **state)
{
	struct buffer buffer;
	static uint8_t block[65536];

	(void)state;
	buffer_init(&buffer, 40 * sizeof(block) + 5);
	for (int i = 0; i < 40; i++) {
		memset(block, i, sizeof(block));
		assert_int_equal(buffer_put(&buffer, block, sizeof(block)), 0);
	}
	assert_int_equal(buffer_put(&buffer, block, 6), -1);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(buffer_get(&buffer, block, sizeof(block)), 0);
		assert_true(block[0] == i && block[sizeof(block) - 1] == i);
	}
	buffer_wipe(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_big_endian),
		cmocka_unit_test(short_input_changes_nothing),
		cmocka_unit_test(maximum_bounds_the_unread_bytes),
		cmocka_unit_test(printf_fills_to_the_last_byte),
		cmocka_unit_test(empty_operations_are_allowed),
		cmocka_unit_test(behaves_as_a_queue),
		cmocka_unit_test(grows_to_megabytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
