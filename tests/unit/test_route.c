/*
 * The tables of edges and routes: what they mean, and that each mistake is named with its file and
 * line (case 151).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/route.h"

#define KEY1 "key=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY2 "key=AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="

static char directory[] = "/tmp/postern-route-XXXXXX";
static char edges_path[100], routes_path[100], psk_path[100];

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	chmod(path, mode);
}

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(edges_path, sizeof(edges_path), "%s/edges", directory);
	snprintf(routes_path, sizeof(routes_path), "%s/routes", directory);
	snprintf(psk_path, sizeof(psk_path), "%s/psk", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(edges_path);
	unlink(routes_path);
	unlink(psk_path);
	return rmdir(directory);
}

static void read_edges(struct edge_table *edges, const char *text)
{
	char error[512] = "";

	write_file(edges_path, text, 0644);
	if (edge_table_read(edges, edges_path, error, sizeof(error)) < 0)
		fail_msg("%s", error);
}

static void test_edges(void **state)
{
	struct edge_table edges;
	char text[400];

	(void)state;
	write_file(psk_path, "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\n", 0600);
	snprintf(text, sizeof(text),
		 "# comment\nus relay-us.example.com:7844 " KEY1 " psk=%s\n"
		 "de [2001:db8::1]\n\t" KEY2 "\n\nold 192.0.2.1 " KEY2 " disabled\n",
		 psk_path);
	read_edges(&edges, text);
	assert_int_equal(edges.count, 3);
	assert_string_equal(edges.edges[0].name, "us");
	assert_string_equal(edges.edges[0].endpoint.host, "relay-us.example.com");
	assert_string_equal(edges.edges[0].endpoint.port, "7844");
	assert_int_equal(edges.edges[0].public_key[31], 1);
	assert_int_equal(edges.edges[0].psk[0], 3);
	assert_string_equal(edges.edges[1].endpoint.port, "7843");
	assert_int_equal(edges.edges[1].psk[0], 0);
	assert_true(edges.edges[2].is_disabled);
	assert_ptr_equal(edge_table_find(&edges, "de"), &edges.edges[1]);
	assert_null(edge_table_find(&edges, "fr"));
	edge_table_wipe(&edges);
}

static void test_bad_edges(void **state)
{
	static const struct {
		const char *text;
		const char *complaint; /* after the path */
	} rows[] = {
		{ "", ": no edge in it" },
		{ "us\n", ":1: expected `name host:port key=...'" },
		{ "us h:1\n", ":1: expected `name host:port key=...'" },
		{ "us h:1 disabled\n", ":1: edge \"us\" has no key=" },
		{ "\n\nus h:1 key=short\n", ":3: edge \"us\": key= is not the 44 characters" },
		{ "us h:1 " KEY1 " " KEY2 "\n", ":1: second key=" },
		{ "us h:1 " KEY1 " weight=3\n", ":1: unknown option \"weight=3\"" },
		{ "us h:1 " KEY1 " psk=psk\n",
		  ":1: psk=psk: the file must be named by an absolute path" },
		{ "us h:1 " KEY1 " psk=/nonexistent/psk\n", ":1: /nonexistent/psk" },
		{ "u/s h:1 " KEY1 "\n", ":1: \"u/s\" is no edge name" },
		{ "us h:1 " KEY1 "\nde h:2 " KEY2 "\nus h:3 " KEY1 "\n",
		  ":3: edge \"us\" is already in line 1" },
		{ "us h:port " KEY1 "\n", ":1: " },
		{ "us :7843 " KEY1 "\n", ":1: edge \"us\": \":7843\" names no host" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct edge_table edges;
		char error[512] = "", expected[300];

		write_file(edges_path, rows[i].text, 0644);
		snprintf(expected, sizeof(expected), "%s%s", edges_path, rows[i].complaint);
		if (edge_table_read(&edges, edges_path, error, sizeof(error)) == 0 ||
		    strncmp(error, expected, strlen(expected)) != 0)
			fail_msg("row %zu: \"%s\"", i, error);
	}
	unlink(edges_path);
}

/* Chosen names, joined by a space. */
static void assert_choice(const struct route_table *routes, const struct edge_table *edges,
			  const char *sender, const char *expected)
{
	const struct edge *chosen[ROUTE_EDGES_MAX];
	char names[200] = "";
	size_t count = route_choose(routes, edges, sender, chosen);

	for (size_t i = 0; i < count; i++) {
		strcat(names, i > 0 ? " " : "");
		strcat(names, chosen[i]->name);
	}
	assert_string_equal(names, expected);
}

static const char three_edges[] = "us h:1 " KEY1 "\noff h:2 " KEY2 " disabled\nde h:3 " KEY2 "\n";

static void test_routes(void **state)
{
	struct edge_table edges;
	struct route_table routes;
	char error[512];

	(void)state;
	read_edges(&edges, three_edges);
	write_file(routes_path,
		   "Example.COM de, us\nonly-off.example off\nmixed.example off,us\n* us\n", 0644);
	assert_int_equal(route_table_read(&routes, routes_path, &edges, error, sizeof(error)), 0);
	assert_choice(&routes, &edges, "example.com", "de us");
	assert_choice(&routes, &edges, "EXAMPLE.com", "de us");
	assert_choice(&routes, &edges, "sub.example.com", "us");
	assert_choice(&routes, &edges, "only-off.example", "");
	assert_choice(&routes, &edges, "mixed.example", "us");
	assert_choice(&routes, &edges, "", "us");
	assert_choice(&routes, &edges, "*", "us");
	route_table_wipe(&routes);
	write_file(routes_path, "example.com de\n", 0644);
	assert_int_equal(route_table_read(&routes, routes_path, &edges, error, sizeof(error)), 0);
	assert_choice(&routes, &edges, "other.example", "");
	assert_choice(&routes, &edges, "", "");
	route_table_wipe(&routes);
	edge_table_wipe(&edges);
}

static void test_missing_routes(void **state)
{
	struct edge_table edges;
	struct route_table routes;
	char error[512];

	(void)state;
	read_edges(&edges, three_edges);
	unlink(routes_path);
	assert_int_equal(route_table_read(&routes, routes_path, &edges, error, sizeof(error)), 0);
	assert_choice(&routes, &edges, "example.com", "us de");
	assert_choice(&routes, &edges, "", "us de");
	route_table_wipe(&routes);
	edge_table_wipe(&edges);
}

static void test_bad_routes(void **state)
{
	static const struct {
		const char *text;
		const char *complaint;
	} rows[] = {
		{ "* fr\n", ":1: there is no edge \"fr\"" },
		{ "# x\n\n*\n", ":3: no edge for \"*\"" },
		{ "* us,us\n", ":1: edge \"us\" stands twice" },
		{ "* us select=hash\n", ":1: there is no edge \"select=hash\"" },
		{ "a@example.com us\n", ":1: \"a@example.com\" is neither a sender domain nor *" },
		{ "*.example.com us\n", ":1: \"*.example.com\" is neither" },
		{ "example.com us\nEXAMPLE.com de\n",
		  ":2: \"example.com\" already has a route in line 1" },
	};
	struct edge_table edges;

	(void)state;
	read_edges(&edges, three_edges);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct route_table routes;
		char error[512] = "", expected[300];

		write_file(routes_path, rows[i].text, 0644);
		snprintf(expected, sizeof(expected), "%s%s", routes_path, rows[i].complaint);
		if (route_table_read(&routes, routes_path, &edges, error, sizeof(error)) == 0 ||
		    strncmp(error, expected, strlen(expected)) != 0)
			fail_msg("row %zu: \"%s\"", i, error);
	}
	edge_table_wipe(&edges);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),	   cmocka_unit_test(test_bad_edges),
		cmocka_unit_test(test_routes),	   cmocka_unit_test(test_missing_routes),
		cmocka_unit_test(test_bad_routes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
