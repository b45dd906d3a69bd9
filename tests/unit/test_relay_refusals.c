/* A refused login is held for a while: at this relay, and as long as the passwords are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "edge/relay_refusals.h"

#define A "[a.example]:587"
#define B "[b.example]:587"

static void test_hold(void **state)
{
	struct relay_refusals refusals;

	(void)state;
	relay_refusals_init(&refusals);
	assert_false(relay_refusals_hold(&refusals, A, 1));
	relay_refusals_note(&refusals, A, 1, RELAY_REFUSAL_HOLD_MS);
	assert_true(relay_refusals_hold(&refusals, A, 1));
	assert_false(relay_refusals_hold(&refusals, B, 1));
	assert_false(relay_refusals_hold(&refusals, "[a.example]:465", 1));
	assert_false(relay_refusals_hold(&refusals, A, 2));	/* another password, perhaps */
	relay_refusals_note(&refusals, A, 2, RELAY_REFUSAL_HOLD_MS);
	assert_true(relay_refusals_hold(&refusals, A, 2));
	relay_refusals_note(&refusals, B, 2, RELAY_REFUSAL_HOLD_MS);
	assert_true(relay_refusals_hold(&refusals, A, 2));
	assert_true(relay_refusals_hold(&refusals, B, 2));
	relay_refusals_wipe(&refusals);
}

static void test_end(void **state)
{
	struct relay_refusals refusals;

	(void)state;
	relay_refusals_init(&refusals);
	relay_refusals_note(&refusals, A, 1, 20);
	usleep(40000);
	assert_false(relay_refusals_hold(&refusals, A, 1));
	relay_refusals_note(&refusals, B, 1, RELAY_REFUSAL_HOLD_MS);	/* takes the old one out */
	assert_false(relay_refusals_hold(&refusals, A, 1));
	assert_true(relay_refusals_hold(&refusals, B, 1));
	relay_refusals_wipe(&refusals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
