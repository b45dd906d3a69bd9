/* outcome_table.c: the last outcome at each destination, how many of them, and what is said of recipients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/outcome_table.h"

#define DOMAINS 100000

static struct outcome_table table;

static int set_up(void **state)
{
	(void)state;
	outcome_table_init(&table);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	outcome_table_wipe(&table);
	return 0;
}

static void note(const char *client, const char *domain, const char *reason, int64_t now_s)
{
	struct delivery_status status = { .in_progress = false };

	delivery_status_set_local(&status, STAGE_CONNECT, ENHANCED_STATUS(4, 4, 1), "%s", reason);
	outcome_table_note(&table, client, domain, &status, EDGE_LOG_RECIPIENTS_DOMAIN, now_s);
}

static size_t count_of(const char *client)
{
	size_t count;

	free(outcome_table_copy(&table, client, DOMAINS, &count));
	return count;
}

static void the_last_one_of_each(void **state)
{
	struct outcome_entry entry, *copies;
	size_t count;

	(void)state;
	note("home", "a.example", "first", 1);
	note("home", "b.example", "to b", 2);
	note("shop", "a.example", "shop's", 3);
	note("home", "A.Example", "for <anna@home.example>", 4);
	copies = outcome_table_copy(&table, "home", 10, &count);
	assert_int_equal(count, 2);
	assert_string_equal(copies[0].domain, "a.example");
	assert_string_equal(copies[0].text, "for <*@home.example>");
	assert_int_equal(copies[0].time_s, 4);
	assert_string_equal(copies[1].domain, "b.example");
	free(copies);
	copies = outcome_table_copy(&table, "home", 1, &count);
	assert_int_equal(count, 1);
	assert_string_equal(copies[0].domain, "a.example");
	free(copies);
	assert_int_equal(count_of(NULL), 3);
	assert_int_equal(count_of("hom"), 0);
	assert_true(outcome_table_find(&table, "shop", "a.example", &entry));
	assert_string_equal(entry.text, "shop's");
	assert_false(outcome_table_find(&table, "shop", "b.example", &entry));
}

static void what_is_not_kept(void **state)
{
	struct delivery_status status = { .from_journal = true };

	(void)state;
	outcome_table_note(&table, "home", "a.example", &status, EDGE_LOG_RECIPIENTS_FULL, 1);
	status = (struct delivery_status){ .in_progress = true };
	outcome_table_note(&table, "home", "a.example", &status, EDGE_LOG_RECIPIENTS_FULL, 1);
	status = (struct delivery_status){ .in_progress = false };
	outcome_table_note(&table, "home", "a.example", &status, EDGE_LOG_RECIPIENTS_NONE, 1);
	assert_int_equal(count_of(NULL), 0);
}

/* Who writes to all the world has no more of them than there is room for: the latest. */
static void no_more_than_there_is_room_for(void **state)
{
	struct outcome_entry entry;
	char domain[40];

	(void)state;
	for (int i = 0; i < DOMAINS; i++) {
		snprintf(domain, sizeof(domain), "d%d.example", i);
		note("home", domain, "no", i);
		if (i == DOMAINS - OUTCOMES_MAX)
			note("home", "d0.example", "again", i);
	}
	assert_int_equal(count_of(NULL), OUTCOMES_MAX);
	assert_true(outcome_table_find(&table, "home", domain, &entry));
	assert_true(outcome_table_find(&table, "home", "d0.example", &entry));
	assert_string_equal(entry.text, "again");
	snprintf(domain, sizeof(domain), "d%d.example", DOMAINS - OUTCOMES_MAX);
	assert_false(outcome_table_find(&table, "home", domain, &entry));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_last_one_of_each, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_more_than_there_is_room_for, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
