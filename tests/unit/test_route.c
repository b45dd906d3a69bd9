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
	char text[600];

	(void)state;
	write_file(psk_path, "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\n", 0600);
	snprintf(text, sizeof(text),
		 "# comment\nus relay-us.example.com:7844 " KEY1 " psk=%s\n"
		 "de [2001:db8::1]\n\t" KEY2 " weight=20\n\nold 192.0.2.1 " KEY2 " disabled\n"
		 "tired 192.0.2.2 " KEY2 " drain\nrotated 192.0.2.3 " KEY1 " " KEY2 "\n",
		 psk_path);
	read_edges(&edges, text);
	assert_int_equal(edges.count, 5);
	assert_string_equal(edges.edges[0].name, "us");
	assert_string_equal(edges.edges[0].endpoint.host, "relay-us.example.com");
	assert_string_equal(edges.edges[0].endpoint.port, "7844");
	assert_int_equal(edges.edges[0].public_key[31], 1);
	assert_int_equal(edges.edges[0].psk[0], 3);
	assert_string_equal(edges.edges[1].endpoint.port, "7843");
	assert_int_equal(edges.edges[1].psk[0], 0);
	assert_int_equal(edges.edges[0].weight, 1);
	assert_int_equal(edges.edges[1].weight, 20);
	assert_true(edges.edges[2].is_disabled && !edge_takes_new_mail(&edges.edges[2]));
	assert_true(edges.edges[3].is_drained && !edge_takes_new_mail(&edges.edges[3]));
	assert_true(edge_takes_new_mail(&edges.edges[0]));
	/* The new key, then the one that it is to replace. */
	assert_false(edges.edges[0].has_former_key);
	assert_true(edges.edges[4].has_former_key);
	assert_memory_equal(edges.edges[4].public_key, edges.edges[0].public_key, 32);
	assert_memory_equal(edges.edges[4].former_key, edges.edges[1].public_key, 32);
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
		{ "us h:1 " KEY1 " " KEY2 " " KEY1 "\n", ":1: third key=" },
		{ "us h:1 " KEY1 " wait=3\n", ":1: unknown option \"wait=3\"" },
		{ "us h:1 " KEY1 " weight=0\n", ":1: edge \"us\": weight=0 is no number from 1 to 1000" },
		{ "us h:1 " KEY1 " weight=1001\n", ":1: edge \"us\": weight=1001" },
		{ "us h:1 " KEY1 " weight=-1\n", ":1: edge \"us\": weight=-1" },
		{ "us h:1 " KEY1 " drain disabled\n", ":1: edge \"us\": one of drain and disabled" },
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

static const uint8_t chance[ROUTE_CHANCE_BYTES] = "chance";

/* Chosen names, joined by a space. */
static void assert_choice(const struct route_table *routes, const struct edge_table *edges,
			  struct route_query query, const char *expected)
{
	const struct edge *chosen[ROUTE_TRIES_MAX];
	char names[200] = "";
	size_t count = route_choose(routes, edges, &query, chance, chosen);

	for (size_t i = 0; i < count; i++) {
		strcat(names, i > 0 ? " " : "");
		strcat(names, chosen[i]->name);
	}
	if (strcmp(names, expected) != 0)
		fail_msg("login \"%s\", sender \"%s\", recipient \"%s\": \"%s\" instead of \"%s\"",
			 query.login, query.sender_domain, query.recipient_domain, names, expected);
}

static const char three_edges[] = "us h:1 " KEY1 "\noff h:2 " KEY2 " disabled\nde h:3 " KEY2
				  "\ntired h:4 " KEY2 " drain\n";

static void read_routes(struct route_table *routes, const struct edge_table *edges, const char *text)
{
	char error[512];

	write_file(routes_path, text, 0644);
	if (route_table_read(routes, routes_path, edges, error, sizeof(error)) < 0)
		fail_msg("%s", error);
}

/* What takes precedence over what, and what a key does not mean. */
static void test_routes(void **state)
{
	static const char text[] = "Example.COM de, us\nonly-off.example off tired\nmixed.example off,us\n"
				   ".example.com us de\n.deep.example.com de\nlogin:Alice de\n"
				   "login:off off\n<> us select=failover\n* us,tired,de\n";
	static const struct {
		struct route_query query;
		const char *expected;
	} rows[] = {
		{ { "", "example.com", "" }, "de us" },
		{ { "", "EXAMPLE.com", "" }, "de us" },
		{ { "", "sub.example.com", "" }, "us de" },
		{ { "", "a.b.Example.com", "" }, "us de" },
		{ { "", "deep.example.com", "" }, "us de" },
		{ { "", "x.deep.example.com", "" }, "de" },
		{ { "", "notexample.com", "" }, "us de" },
		{ { "", "com", "" }, "us de" },
		{ { "", "only-off.example", "" }, "" },
		{ { "", "mixed.example", "" }, "us" },
		/* no key may be spelled by a sender */
		{ { "", "*", "" }, "us de" },
		{ { "", "<>", "" }, "us de" },
		{ { "", ".example.com", "" }, "us de" },
		{ { "", "login:Alice", "" }, "us de" },
		/* the login comes first, as it is spelled; whoever is not in the table has none */
		{ { "Alice", "example.com", "" }, "de" },
		{ { "Alice", "", "x.example" }, "de" },
		{ { "alice", "example.com", "" }, "de us" },
		{ { "bob", "sub.example.com", "" }, "us de" },
		{ { "off", "example.com", "" }, "" },
		/* the null reverse-path: the recipient's domain, and only then its own line */
		{ { "", "", "example.com" }, "de us" },
		{ { "", "", "x.deep.Example.com" }, "de" },
		{ { "", "", "only-off.example" }, "" },
		{ { "", "", "other.example" }, "us" },
		{ { "", "", "" }, "us" },
		/* a recipient is nothing to mail that has a sender */
		{ { "", "other.example", "x.deep.example.com" }, "us de" },
	};
	struct edge_table edges;
	struct route_table routes;

	(void)state;
	read_edges(&edges, three_edges);
	read_routes(&routes, &edges, text);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_choice(&routes, &edges, rows[i].query, rows[i].expected);
	assert_true(routes.has_logins);
	assert_false(route_is_known_by_sender(&routes, "example.com"));
	route_table_wipe(&routes);
	read_routes(&routes, &edges, "example.com de\n");
	assert_choice(&routes, &edges, (struct route_query){ "", "other.example", "" }, "");
	assert_choice(&routes, &edges, (struct route_query){ "", "", "" }, "");
	assert_true(route_is_known_by_sender(&routes, "example.com"));
	assert_false(route_is_known_by_sender(&routes, ""));
	route_table_wipe(&routes);
	read_routes(&routes, &edges, "* de\n");
	assert_choice(&routes, &edges, (struct route_query){ "", "", "x.example" }, "de");
	route_table_wipe(&routes);
	edge_table_wipe(&edges);
}

/* Why there is none, with the line. */
static void test_explain(void **state)
{
	static const struct {
		struct route_query query;
		const char *expected;
	} rows[] = {
		{ { "", "b.example", "" }, "no route for sender domain \"b.example\"" },
		{ { "", "", "b.example" }, "no route for mail without a sender to \"b.example\"" },
		{ { "", "a.example", "" },
		  "line 3 (a.example) has no edge that takes new mail: off is disabled, tired is drained" },
	};
	struct edge_table edges;
	struct route_table routes;
	char why[512];

	(void)state;
	read_edges(&edges, three_edges);
	read_routes(&routes, &edges, "# x\n\na.example off tired\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		route_explain(&routes, &edges, &rows[i].query, why, sizeof(why));
		assert_string_equal(why, rows[i].expected);
		route_explain(&routes, &edges, &rows[i].query, why, 10);
		assert_int_equal(strlen(why), 9);
	}
	route_table_wipe(&routes);
	edge_table_wipe(&edges);
}

/* The order is the hash's; the edges are those of the line that take mail. */
static void test_select(void **state)
{
	static const char *const orders[] = { "us de", "de us" };
	struct edge_table edges;
	struct route_table routes;
	const struct edge *chosen[ROUTE_TRIES_MAX];
	size_t seen[2] = { 0 };

	(void)state;
	read_edges(&edges, three_edges);
	read_routes(&routes, &edges, "login:w us off de select=weighted\n* us off tired de select=hash\n");
	for (int i = 0; i < 200; i++) {
		char domain[40];
		struct route_query query = { "", domain, "" };

		snprintf(domain, sizeof(domain), "T%d.example", i);
		assert_int_equal(route_choose(&routes, &edges, &query, chance, chosen), 2);
		seen[strcmp(chosen[0]->name, "de") == 0]++;
		assert_choice(&routes, &edges, query, orders[strcmp(chosen[0]->name, "de") == 0]);
		domain[0] = 't'; /* the same domain, and as a bounce's recipient */
		assert_choice(&routes, &edges, query, orders[strcmp(chosen[0]->name, "de") == 0]);
		assert_choice(&routes, &edges, (struct route_query){ "", "", domain },
			      orders[strcmp(chosen[0]->name, "de") == 0]);
	}
	assert_in_range(seen[0], 70, 130);
	memset(seen, 0, sizeof(seen));
	for (uint8_t i = 0; i < 200; i++) {
		const uint8_t other[ROUTE_CHANCE_BYTES] = { i };
		struct route_query query = { "w", "same.example", "" };

		assert_int_equal(route_choose(&routes, &edges, &query, other, chosen), 2);
		seen[strcmp(chosen[0]->name, "de") == 0]++;
	}
	assert_in_range(seen[0], 70, 130);
	route_table_wipe(&routes);
	edge_table_wipe(&edges);
}

/* 300 edges, 10,000 lines: every line is found, and its own edge. */
static void test_many(void **state)
{
	struct edge_table edges;
	struct route_table routes;
	FILE *file;
	char error[512];

	(void)state;
	file = fopen(edges_path, "w");
	for (int i = 0; i < 300; i++)
		fprintf(file, "edge%d h:1 " KEY1 "\n", i);
	fclose(file);
	file = fopen(routes_path, "w");
	for (int i = 0; i < 10000; i++)
		fprintf(file, "t%d.example edge%d\n", i, i % 300);
	fclose(file);
	assert_int_equal(edge_table_read(&edges, edges_path, error, sizeof(error)), 0);
	assert_int_equal(route_table_read(&routes, routes_path, &edges, error, sizeof(error)), 0);
	for (int i = 0; i < 10000; i++) {
		char domain[40], name[40];

		snprintf(domain, sizeof(domain), "t%d.example", i);
		snprintf(name, sizeof(name), "edge%d", i % 300);
		assert_choice(&routes, &edges, (struct route_query){ "", domain, "" }, name);
	}
	assert_choice(&routes, &edges, (struct route_query){ "", "t10000.example", "" }, "");
	route_table_wipe(&routes);
	edge_table_wipe(&edges);
}

/* Routes name edges by numbers of 16 bits. */
static void test_too_many_edges(void **state)
{
	struct edge_table edges;
	char error[512];
	FILE *file = fopen(edges_path, "w");

	(void)state;
	for (int i = 0; i <= EDGES_MAX; i++)
		fprintf(file, "edge%d h:1\n", i);
	fclose(file);
	assert_int_equal(edge_table_read(&edges, edges_path, error, sizeof(error)), -1);
	assert_non_null(strstr(error, ": more than 65535 edges"));
	assert_null(edges.edges);
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
	assert_choice(&routes, &edges, (struct route_query){ "x", "example.com", "" }, "us de");
	assert_choice(&routes, &edges, (struct route_query){ "", "", "" }, "us de");
	assert_true(route_is_known_by_sender(&routes, ""));
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
		{ "* us select=best\n", ":1: select=best: known are failover, hash and weighted" },
		{ "* us select=hash select=hash\n", ":1: a second select=" },
		{ "* select=hash\n", ":1: no edge for \"*\"" },
		{ "* us selekt=hash\n", ":1: there is no edge \"selekt=hash\"" },
		{ "a@example.com us\n", ":1: \"a@example.com\" is no key; known are a sender domain" },
		{ "*.example.com us\n", ":1: \"*.example.com\" is no key" },
		{ "..example.com us\n", ":1: \"..example.com\" is no key" },
		{ ". us\n", ":1: \".\" is no key" },
		{ "<>:example.com us\n", ":1: \"<>:example.com\" is no key" },
		{ "login: us\n", ":1: \"login:\": a login has 1 to 255 characters" },
		{ "* us\nlogin:a us\nlogin:a de\n", ":3: \"login:a\" already has a route in line 2" },
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
		cmocka_unit_test(test_bad_routes), cmocka_unit_test(test_explain),
		cmocka_unit_test(test_select),	   cmocka_unit_test(test_many), cmocka_unit_test(test_too_many_edges),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
