/* The table relay: which line counts, and that a mistake changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edge/relay_table.h"
#include "file_place.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int setup(void **state)
{
	return file_place_make(state, "relay");
}

static struct relay_table *create(struct file_place *place, const char *text)
{
	if (text != NULL)
		file_place_write(place, text, 0644);
	return relay_table_create(place->path, place->error, sizeof(place->error));
}

/* "" = no relay. */
static void check(struct relay_table *table, const char *domain, const char *expected)
{
	struct relay_map *map = relay_table_acquire(table);
	const struct relay_hop *hop = map != NULL ? relay_map_find(map, domain) : NULL;
	const char *found = hop != NULL ? hop->destination.next_hop : "";

	if (strcmp(found, expected) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", domain, found, expected);
	relay_map_release(map);
}

static void test_precedence(void **state)
{
	static const struct {
		const char *domain, *next_hop;
	} rows[] = {
		{ "one.example", "[one.relay.example]:587" },
		{ "ONE.Example", "[one.relay.example]:587" },
		{ "sub.one.example", "[all.relay.example]:587" },
		{ "two.example", "[all.relay.example]:587" },
		{ "a.two.example", "two.relay.example:25" },
		{ "b.a.two.example", "two.relay.example:25" },
		{ "deep.a.two.example", "two.relay.example:25" },
		{ "x.deep.two.example", "[deep.relay.example]:465" },
		{ "own.example", "" },
		{ "x.own.example", "[all.relay.example]:587" },
		{ "[192.0.2.9]", "[one.relay.example]:587" },
		{ "[192.0.2.8]", "[all.relay.example]:587" },
		{ "[IPv6:2001:db8::9]", "[one.relay.example]:587" },
		{ "b\xc3\xbc" "cher.example", "[one.relay.example]:587" },
		{ "xn--bcher-kva.example", "[one.relay.example]:587" },
		{ "not a domain", "" },
		{ "", "" },
	};
	struct relay_table *table = create(*state,
					   "one.example       [one.relay.example]:587\n"
					   ".two.example      two.relay.example\n"
					   ".deep.two.example [deep.relay.example]:465\n"
					   "*                 [all.relay.example]:587\n"
					   "own.example       direct\n"
					   "[192.0.2.9]       [one.relay.example]:587\n"
					   "[IPv6:2001:db8::9] [one.relay.example]:587\n"
					   "xn--bcher-kva.example [one.relay.example]:submission\n");

	if (table == NULL)
		fail_msg("%s", ((struct file_place *)*state)->error);
	for (size_t i = 0; i < COUNT(rows); i++)
		check(table, rows[i].domain, rows[i].next_hop);
	relay_table_destroy(table);
}

/* Mail of all its domains shares it, so it must be one. */
static void test_same_relay_is_one(void **state)
{
	struct relay_table *table = create(*state, "a.example [r.example]:587 match=x.example\n"
						   "b.example [R.example]:submission match=x.example\n"
						   "c.example [r.example]:465\n");
	struct relay_map *map;

	assert_non_null(table);
	map = relay_table_acquire(table);
	assert_ptr_equal(relay_map_find(map, "a.example"), relay_map_find(map, "b.example"));
	assert_ptr_not_equal(relay_map_find(map, "a.example"), relay_map_find(map, "c.example"));
	assert_ptr_equal(relay_map_get(map, 0), relay_map_find(map, "a.example"));
	assert_ptr_equal(relay_map_get(map, 1), relay_map_find(map, "c.example"));
	assert_null(relay_map_get(map, 2));
	relay_map_release(map);
	relay_table_destroy(table);
}

static void test_no_table(void **state)
{
	struct relay_table *table = create(*state, NULL);

	assert_non_null(table);
	assert_null(relay_table_acquire(table));
	relay_table_destroy(table);
	table = create(*state, "# nothing\n\n");
	assert_non_null(table);
	assert_null(relay_table_acquire(table));
	relay_table_destroy(table);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "a.example [r.example]:587\nb.example\n", "relay:2: no relay after the domain" },
		{ "a.example [r.example]:587\na.example direct\n",
		  "relay:2: \"a.example\" stands in line 1 already" },
		{ "A.example direct\n\na.EXAMPLE direct\n", "relay:3: \"a.example\" stands in line 1" },
		{ "*.example [r.example]:587\n", "relay:1: \"*.example\" is neither" },
		{ ". direct\n", "relay:1: \".\" is neither" },
		{ "b\xc3\xbc" "cher.example direct\n", "must be written in A-labels" },
		{ "a.example [r.example]:587\nb.example [r.example]:587 auth=no\n",
		  "relay:2: [r.example]:587 has other options in line 1" },
		{ "a.example directly:1 x=y\n", "relay:1: unknown option \"x=y\"" },
		{ "a.example direct now\n", "relay:1: unknown option \"now\"" },
	};
	struct file_place *place = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (create(place, rows[i].text) != NULL)
			fail_msg("taken: %s", rows[i].text);
		if (strstr(place->error, rows[i].expected) == NULL)
			fail_msg("%s", place->error);
	}
}

/* A message that is on its way keeps the table that it has seen. */
static void test_change(void **state)
{
	struct file_place *place = *state;
	struct relay_table *table = create(place, "a.example [old.example]:587\n");
	struct relay_map *seen;
	const struct relay_hop *hop;

	assert_non_null(table);
	seen = relay_table_acquire(table);
	hop = relay_map_find(seen, "a.example");
	file_place_write(place, "a.example [new.example]:587\n", 0644);
	check(table, "a.example", "[new.example]:587");
	assert_string_equal(hop->destination.next_hop, "[old.example]:587");
	relay_map_release(seen);
	file_place_write(place, "a.example [broken.example\n", 0644);
	check(table, "a.example", "[new.example]:587");
	unlink(place->path);
	check(table, "a.example", "[new.example]:587");
	relay_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_precedence, setup, file_place_remove),
		cmocka_unit_test_setup_teardown(test_same_relay_is_one, setup, file_place_remove),
		cmocka_unit_test_setup_teardown(test_no_table, setup, file_place_remove),
		cmocka_unit_test_setup_teardown(test_mistakes, setup, file_place_remove),
		cmocka_unit_test_setup_teardown(test_change, setup, file_place_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
