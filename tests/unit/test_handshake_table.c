/* Handshakes under way: bounded in all and per network, the oldest goes first, no replay beside its original. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/handshake_table.h"

#define ROWS 12

struct visitor {
	struct handshake handshake;
	int ours, theirs;
};

static const struct handshake_limits limits = { .in_all = 4, .per_network = 2 };

static enum handshake_verdict visit(struct handshake_table *table, struct visitor *visitor,
				    uint64_t network, uint8_t message)
{
	uint8_t mac1[TUNNEL_MAC1_SIZE] = { [TUNNEL_MAC1_SIZE - 1] = message };
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	visitor->ours = ends[0];
	visitor->theirs = ends[1];
	return handshake_table_add(table, &visitor->handshake, ends[0], network, mac1, limits);
}

/* One digit each: 1 under way, 0 shut down and told so, x neither. */
static void check_under_way(struct handshake_table *table, struct visitor *visitors, size_t count,
			    const char *expected)
{
	char found[ROWS + 1] = "", byte;

	for (size_t i = 0; i < count; i++) {
		bool is_shut = recv(visitors[i].ours, &byte, 1, MSG_DONTWAIT) == 0;
		bool is_dropped = handshake_table_has_dropped(table, &visitors[i].handshake);

		found[i] = is_shut != is_dropped ? 'x' : is_shut ? '0' : '1';
	}
	assert_string_equal(found, expected);
}

static void end(struct handshake_table *table, struct visitor *visitor)
{
	close(visitor->ours);		/* as a tunnel that failed does, before it is taken out */
	handshake_table_remove(table, &visitor->handshake);
	close(visitor->theirs);
}

static void test_who_makes_room(void **state)
{
	static const struct {
		uint64_t network;
		const char *expected;
	} rows[] = {
		{ 1, "1" }, { 1, "11" },
		{ 1, "011" },			/* its network has its share: the oldest of it */
		{ 2, "0111" }, { 3, "01111" },
		{ 4, "001111" },		/* all are taken: the oldest of all */
		{ 3, "0001111" },		/* likewise: one of its network is no share */
	};
	struct visitor visitors[ROWS];
	struct handshake_table table;
	size_t count = sizeof(rows) / sizeof(rows[0]);

	(void)state;
	handshake_table_init(&table);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(visit(&table, &visitors[i], rows[i].network, (uint8_t)i),
				 HANDSHAKE_BEGINS);
		check_under_way(&table, visitors, i + 1, rows[i].expected);
	}
	for (size_t i = 0; i < count; i++)
		end(&table, &visitors[i]);
	assert_int_equal(table.count + table.dropped, 0);
	assert_null(table.oldest);
	assert_null(table.newest);
}

/* Those that were dropped count until their threads have ended: the number of threads is bounded. */
static void test_threads_are_bounded(void **state)
{
	struct visitor visitors[ROWS];
	struct handshake_table table;

	(void)state;
	handshake_table_init(&table);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(visit(&table, &visitors[i], i, (uint8_t)i), HANDSHAKE_BEGINS);
	assert_int_equal(visit(&table, &visitors[8], 8, 8), HANDSHAKE_HAS_NO_ROOM);
	check_under_way(&table, visitors, 8, "00001111");
	end(&table, &visitors[8]);	/* which it never was in */
	end(&table, &visitors[2]);
	assert_int_equal(visit(&table, &visitors[8], 8, 8), HANDSHAKE_BEGINS);
	for (size_t i = 0; i < 9; i++)
		if (i != 2)
			end(&table, &visitors[i]);
	assert_int_equal(table.count + table.dropped, 0);
}

static void test_replay(void **state)
{
	struct visitor visitors[3];
	struct handshake_table table;

	(void)state;
	handshake_table_init(&table);
	assert_int_equal(visit(&table, &visitors[0], 1, 7), HANDSHAKE_BEGINS);
	assert_int_equal(visit(&table, &visitors[1], 2, 7), HANDSHAKE_IS_REPLAY);
	check_under_way(&table, visitors, 1, "1");
	handshake_table_remove(&table, &visitors[0].handshake);
	end(&table, &visitors[0]);	/* twice is once */
	assert_int_equal(visit(&table, &visitors[2], 2, 7), HANDSHAKE_BEGINS);
	end(&table, &visitors[1]);
	end(&table, &visitors[2]);
	assert_int_equal(table.count, 0);
}

/* The session's descriptor may be closed, and its number be another's: that one is not touched. */
static void test_own_descriptor(void **state)
{
	struct visitor first, second, third;
	struct handshake_table table;
	int ends[2];
	char byte;

	(void)state;
	handshake_table_init(&table);
	assert_int_equal(visit(&table, &first, 1, 1), HANDSHAKE_BEGINS);
	assert_int_equal(visit(&table, &second, 1, 2), HANDSHAKE_BEGINS);
	close(first.ours);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(dup2(ends[0], first.ours), first.ours);
	assert_int_equal(visit(&table, &third, 1, 3), HANDSHAKE_BEGINS);
	assert_true(handshake_table_has_dropped(&table, &first.handshake));
	assert_int_equal(recv(ends[1], &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	end(&table, &first);
	end(&table, &second);
	end(&table, &third);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_makes_room),
		cmocka_unit_test(test_threads_are_bounded),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_own_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
