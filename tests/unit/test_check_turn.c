/* One check at a time, each client's answer kept for a while, and nobody waits longer than it wants to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edge/check_turn.h"

static struct check_turn turn;

static void forget(void)
{
	for (size_t i = 0; i < CHECK_TURN_KEPT_MAX; i++)
		free(turn.kept[i].text);
}

static void test_kept(void **state)
{
	char *text;

	(void)state;
	check_turn_init(&turn);
	assert_int_equal(check_turn_begin(&turn, "home", deadline_in_ms(0), &text), CHECK_TURN_YOURS);
	check_turn_end(&turn, "home", "[1]");
	assert_int_equal(check_turn_begin(&turn, "home", deadline_in_ms(0), &text), CHECK_TURN_KEPT);
	assert_string_equal(text, "[1]");
	free(text);
	/* It is about home's addresses, and nobody else's. */
	assert_int_equal(check_turn_begin(&turn, "shop", deadline_in_ms(0), &text), CHECK_TURN_YOURS);
	/* What is kept needs no turn. */
	assert_int_equal(check_turn_begin(&turn, "home", deadline_in_ms(0), &text), CHECK_TURN_KEPT);
	free(text);
	assert_int_equal(check_turn_begin(&turn, "third", deadline_in_ms(20), &text), CHECK_TURN_BUSY);
	assert_null(text);
	check_turn_end(&turn, "shop", NULL);
	/* Nothing came of it: the next one looks again. */
	assert_int_equal(check_turn_begin(&turn, "shop", deadline_in_ms(0), &text), CHECK_TURN_YOURS);
	check_turn_end(&turn, "shop", "[2]");
	turn.kept[0].until = deadline_in_ms(-1);
	assert_int_equal(check_turn_begin(&turn, "home", deadline_in_ms(0), &text), CHECK_TURN_YOURS);
	check_turn_end(&turn, "home", NULL);
	forget();
}

static void test_many_clients(void **state)
{
	char client[40], *text;

	(void)state;
	check_turn_init(&turn);
	for (int i = 0; i < 3 * CHECK_TURN_KEPT_MAX; i++) {
		snprintf(client, sizeof(client), "client%d", i);
		assert_int_equal(check_turn_begin(&turn, client, deadline_in_ms(0), &text), CHECK_TURN_YOURS);
		check_turn_end(&turn, client, "[]");
		assert_int_equal(check_turn_begin(&turn, client, deadline_in_ms(0), &text), CHECK_TURN_KEPT);
		free(text);
	}
	forget();
}

#define ASKERS 8
static atomic_int looking, most, looks;

static void *ask(void *argument)
{
	char *text;
	int now;

	switch (check_turn_begin(&turn, argument, deadline_in_ms(60000), &text)) {
	case CHECK_TURN_YOURS:
		now = atomic_fetch_add(&looking, 1) + 1;
		if (now > atomic_load(&most))
			atomic_store(&most, now);
		atomic_fetch_add(&looks, 1);
		usleep(2000);
		atomic_fetch_sub(&looking, 1);
		check_turn_end(&turn, argument, "[]");
		break;
	case CHECK_TURN_KEPT:
		free(text);
		break;
	case CHECK_TURN_BUSY:
		atomic_store(&most, 1000);
		break;
	}
	return NULL;
}

/* Two clients, each from four threads: two looks, one after the other. */
static void test_one_at_a_time(void **state)
{
	pthread_t threads[ASKERS];

	(void)state;
	check_turn_init(&turn);
	for (int i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, i % 2 == 0 ? "home" : "shop"), 0);
	for (int i = 0; i < ASKERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&most), 1);
	assert_int_equal(atomic_load(&looks), 2);
	forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_many_clients),
		cmocka_unit_test(test_one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
