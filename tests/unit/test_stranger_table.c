/* Connections that proved nothing yet: bounded in all and per network, the oldest goes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/stranger_table.h"
#include "eventually.h"

/*
 * A descriptor that can be closed and asked about. The number may be used again, so each is one end
 * of a pair with a witness.
 */
struct witness {
	int mine;
};

static int open_pair(struct witness *witness)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
			 0);
	witness->mine = ends[0];
	return ends[1];
}

static bool is_open(const struct witness *witness)
{
	char byte;

	return recv(witness->mine, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

static struct sockaddr_storage address_of(const char *text)
{
	struct sockaddr_storage address = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&address;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		address.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
		address.ss_family = AF_INET6;
	else
		fail_msg("%s", text);
	return address;
}

static uint32_t add(struct stranger_table *table, struct witness *witness, const char *from,
		    struct deadline deadline)
{
	struct sockaddr_storage address = address_of(from);

	return stranger_table_add(table, open_pair(witness), &address, deadline);
}

static void check_open(struct witness *witnesses, size_t count, const char *expected)
{
	char found[64];

	for (size_t i = 0; i < count; i++)
		found[i] = is_open(&witnesses[i]) ? '1' : '0';
	found[count] = '\0';
	assert_string_equal(found, expected);
}

static void close_all(struct witness *witnesses, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(witnesses[i].mine);
}

static void test_oldest_makes_room(void **state)
{
	static const char *const from[] = { "192.0.2.1", "198.51.100.1", "203.0.113.1", "10.0.0.1",
					    "10.0.1.1" };
	struct witness witnesses[5];
	struct stranger_table table;

	(void)state;
	assert_int_equal(stranger_table_init(&table, 3, 3), 0);
	for (size_t i = 0; i < 3; i++)
		add(&table, &witnesses[i], from[i], DEADLINE_NEVER);
	check_open(witnesses, 3, "111");
	add(&table, &witnesses[3], from[3], DEADLINE_NEVER);
	check_open(witnesses, 4, "0111");
	add(&table, &witnesses[4], from[4], DEADLINE_NEVER);
	check_open(witnesses, 5, "00111");
	assert_int_equal(table.count, 3);
	stranger_table_wipe(&table);
	check_open(witnesses, 5, "00000");
	close_all(witnesses, 5);
}

/* Two addresses, a share of one each: does the second make the first go? */
static void test_networks(void **state)
{
	static const struct {
		const char *one, *other;
		bool is_same;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.254", true },
		{ "192.0.2.1", "192.0.3.1", false },
		{ "192.0.2.1", "193.0.2.1", false },
		{ "::ffff:192.0.2.1", "192.0.2.200", true },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.9", true },
		{ "::ffff:192.0.2.1", "::ffff:192.0.1.1", false },
		{ "2001:db8:0:ff::1", "2001:db8:0:01::1", true },
		{ "2001:db8:0:ffff::1", "2001:db8:0:ff01::1", true },
		{ "2001:db8:0:ff00::1", "2001:db8:0:fe00::1", false },
		{ "2001:db8::1", "2001:db9::1", false },
		/* the bits of an IPv4 network somewhere in an IPv6 one */
		{ "192.0.2.1", "0:0:c000:200::1", false },
		{ "192.0.2.1", "8000:0:c0:2::", false },
		{ "0.0.0.1", "::1", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct witness witnesses[2];
		struct stranger_table table;

		assert_int_equal(stranger_table_init(&table, 10, 1), 0);
		add(&table, &witnesses[0], rows[i].one, DEADLINE_NEVER);
		add(&table, &witnesses[1], rows[i].other, DEADLINE_NEVER);
		if (is_open(&witnesses[0]) == rows[i].is_same || !is_open(&witnesses[1]))
			fail_msg("%s and %s", rows[i].one, rows[i].other);
		stranger_table_wipe(&table);
		close_all(witnesses, 2);
	}
}

/* A network that is full hurts itself and nobody else, not even in a table that is full. */
static void test_oldest_of_the_network_goes(void **state)
{
	struct witness witnesses[6];
	struct stranger_table table;

	(void)state;
	assert_int_equal(stranger_table_init(&table, 4, 2), 0);
	add(&table, &witnesses[0], "192.0.2.1", DEADLINE_NEVER);
	add(&table, &witnesses[1], "198.51.100.1", DEADLINE_NEVER);
	add(&table, &witnesses[2], "198.51.100.2", DEADLINE_NEVER);
	add(&table, &witnesses[3], "203.0.113.1", DEADLINE_NEVER);
	add(&table, &witnesses[4], "198.51.100.3", DEADLINE_NEVER);
	check_open(witnesses, 5, "10111");
	assert_int_equal(table.count, 4);
	add(&table, &witnesses[5], "198.51.100.4", DEADLINE_NEVER);
	check_open(witnesses, 6, "100111");
	stranger_table_wipe(&table);
	close_all(witnesses, 6);
}

/*
 * Takes out of every position; what is left is whole, the row is used again, the socket is not
 * closed.
 */
static void test_take(void **state)
{
	(void)state;
	for (size_t position = 0; position < 3; position++) {
		struct witness witnesses[5];
		struct stranger_table table;
		uint32_t rows[4];
		int fd;

		assert_int_equal(stranger_table_init(&table, 3, 3), 0);
		for (size_t i = 0; i < 3; i++)
			rows[i] = add(&table, &witnesses[i], "192.0.2.1", DEADLINE_NEVER);
		fd = stranger_table_take(&table, rows[position]);
		check_open(witnesses, 3, "111");
		assert_int_equal(table.count, 2);
		assert_int_equal(table.rows[rows[position]].fd, -1);
		rows[3] = add(&table, &witnesses[3], "192.0.2.1", DEADLINE_NEVER);
		assert_int_equal(rows[3], rows[position]);
		check_open(witnesses, 4, "1111");
		add(&table, &witnesses[4], "192.0.2.1", DEADLINE_NEVER);
		check_open(witnesses, 5, position == 0 ? "10111" : "01111");
		stranger_table_wipe(&table);
		for (size_t i = 0; i < 5; i++)
			assert_int_equal(is_open(&witnesses[i]), i == position);
		close(fd);
		close_all(witnesses, 5);
	}
}

static void test_expire(void **state)
{
	struct stranger_table table;
	struct witness witnesses[4];
	struct deadline later = deadline_in_ms(2000), latest = deadline_in_ms(PATIENCE_MS);

	(void)state;
	assert_int_equal(stranger_table_init(&table, 8, 8), 0);
	assert_int_equal(stranger_table_expire(&table).at_ms, DEADLINE_NEVER.at_ms);
	add(&table, &witnesses[0], "192.0.2.1", deadline_in_ms(0));
	add(&table, &witnesses[1], "192.0.2.1", deadline_in_ms(0));
	add(&table, &witnesses[2], "2001:db8::1", later);
	add(&table, &witnesses[3], "192.0.2.1", latest);
	assert_int_equal(stranger_table_expire(&table).at_ms, later.at_ms);
	check_open(witnesses, 4, "0011");
	assert_int_equal(stranger_table_expire(&table).at_ms, later.at_ms);
	EVENTUALLY(deadline_has_passed(later));
	assert_int_equal(stranger_table_expire(&table).at_ms, latest.at_ms);
	check_open(witnesses, 4, "0001");
	assert_int_equal(table.count, 1);
	stranger_table_wipe(&table);
	stranger_table_wipe(&table);	/* safe twice */
	close_all(witnesses, 4);
}

/* The lists and the counts agree with one another. */
static void check_table(const struct stranger_table *table)
{
	uint32_t before = STRANGER_NONE;
	size_t used = 0, unused = 0;

	for (uint32_t row = table->oldest; row != STRANGER_NONE;
	     row = table->rows[row].newer, used++) {
		assert_true(table->rows[row].fd >= 0);
		assert_int_equal(table->rows[row].older, before);
		before = row;
	}
	assert_int_equal(table->newest, before);
	for (uint32_t row = table->free; row != STRANGER_NONE;
	     row = table->rows[row].newer, unused++)
		assert_int_equal(table->rows[row].fd, -1);
	assert_int_equal(used, table->count);
	assert_int_equal(used + unused, table->capacity);
}

/*
 * Case 102: ten thousand that say nothing. The table does not grow, and a mail host from elsewhere
 * gets and keeps its row.
 */
static void test_flood(void **state)
{
	struct stranger_table table;
	struct witness legitimate;
	uint32_t row, kept = 0;
	char from[32];

	(void)state;
	assert_int_equal(stranger_table_init(&table, 256, 32), 0);
	for (unsigned i = 0; i < 10000; i++) {
		struct sockaddr_storage address;

		snprintf(from, sizeof(from), "198.51.%u.%u", i % 5, i / 5 % 256);
		address = address_of(from);
		stranger_table_add(&table, open("/dev/null", O_RDONLY | O_CLOEXEC), &address,
				   deadline_in_ms(5000));
		if (i == 5000)
			kept = add(&table, &legitimate, "192.0.2.1", deadline_in_ms(5000));
		if (i % 100 == 0)
			check_table(&table);
	}
	assert_int_equal(table.count, 5 * 32 + 1);
	assert_true(is_open(&legitimate));
	close(stranger_table_take(&table, kept));
	close(legitimate.mine);
	/* From everywhere at once no share helps, but the last ones always have their time. */
	for (unsigned i = 0; i < 10000; i++) {
		struct sockaddr_storage address;

		snprintf(from, sizeof(from), "2001:db8:%x:%x00::1", i / 256, i % 256);
		address = address_of(from);
		row = stranger_table_add(&table, open("/dev/null", O_RDONLY | O_CLOEXEC), &address,
					 deadline_in_ms(5000));
		assert_int_equal(table.newest, row);
		if (i % 100 == 0)
			check_table(&table);
	}
	assert_int_equal(table.count, 256);
	stranger_table_wipe(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oldest_makes_room),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_oldest_of_the_network_goes),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_expire),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
