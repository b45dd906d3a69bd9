/* The table `limits`: what its lines mean, which one counts for whom, and that a mistake is told by file and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limits_fixture.h"
#include "milter/limits_table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct limits_fixture fixture;

static struct limits_table *read_text(const char *text, char *error, size_t error_size)
{
	struct stat status;

	limits_fixture_write(fixture.table, text, strlen(text));
	return limits_table_read(fixture.table, &status, error, error_size);
}

static void test_values(void **state)
{
	struct limit_line line;
	char value[] = "messages=60/1m recipients=100/30s messages_max=7/1d recipients_max=1/31d size=512k", reason[300];
	char unlimited[] = "unlimited";

	(void)state;
	assert_int_equal(limit_line_parse(&line, value, reason, sizeof(reason)), 0);
	assert_int_equal(line.rates[LIMIT_MESSAGES].tokens, 60);
	assert_int_equal(line.rates[LIMIT_MESSAGES].duration_ms, 60000);
	assert_int_equal(line.rates[LIMIT_RECIPIENTS].tokens, 100);
	assert_int_equal(line.rates[LIMIT_RECIPIENTS].duration_ms, 30000);
	assert_int_equal(line.rates[LIMIT_MESSAGES_MAX].tokens, 7);
	assert_int_equal(line.rates[LIMIT_RECIPIENTS_MAX].duration_ms, TOKEN_RATE_DURATION_MAX_MS);
	assert_int_equal(line.size, 512 * 1024);
	assert_int_equal(limit_line_parse(&line, unlimited, reason, sizeof(reason)), 0);
	assert_int_equal(line.size, 0);
	for (int i = 0; i < LIMIT_RATES; i++)
		assert_int_equal(line.rates[i].tokens, 0);
}

/* CATALOGUE case 151, for this table. */
static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "login:a", ":1: no limit; \"unlimited\"" },
		{ "login:a messages", "\"messages\": not OPTION=NUMBER" },
		{ "login:a messages=60", "a rate is a number" },
		{ "login:a messages=60/60", "not a duration" },
		{ "login:a messages=60/1y", "not a duration" },
		{ "login:a messages=60/", "not a duration" },
		{ "login:a messages=/1m", "not a number" },
		{ "login:a messages=-1/1m", "not a number" },
		{ "login:a messages=1k/1m", "not a number" },
		{ "login:a messages=6 0/1m", "a rate is a number" },
		{ "login:a messages=0/1m", "1..1000000000" },
		{ "login:a messages=1000000001/1m", "1..1000000000" },
		{ "login:a messages=99999999999999999999/1m", "1..1000000000" },
		{ "login:a messages=1/0s", "1ms..31d" },
		{ "login:a messages=1/32d", "1ms..31d" },
		{ "login:a messages=1/99999999999999999999d", "1ms..31d" },
		{ "login:a messages=1/1m messages=2/1m", "stands in the line already" },
		{ "login:a size=1 size=2", "stands in the line already" },
		{ "login:a size=0", "not a size" },
		{ "login:a size=1T", "not a size" },
		{ "login:a size=9999999999G", "not a size" },
		{ "login:a mesages=60/1m", "unknown option" },
		{ "login:a Messages=60/1m", "unknown option" },
		{ "login:a unlimited size=1", "\"unlimited\": not OPTION=NUMBER" },
		{ "login:a \"size=1", "quote that is not closed" },
		{ "alice size=1", "\"alice\" is none of login:NAME" },
		{ "login: size=1", "followed by a name" },
		{ "localhost size=1", "is none of" },
		{ "client: size=1", "neither an address" },
		{ "client:192.0.2 size=1", "neither an address" },
		{ "client:192.0.2.1/33 size=1", "neither an address" },
		{ "client:192.0.2.1/ size=1", "neither an address" },
		{ "client:192.0.2.1/8x size=1", "neither an address" },
		{ "client:192.0.2.1/24 size=1", "has bits beyond its length; write client:192.0.2.0/24" },
		{ "client:2001:db8::1/64 size=1", "write client:2001:db8::/64" },
		{ "client:2001:db8::/129 size=1", "neither an address" },
		{ "client:host.example size=1", "neither an address" },
		{ "domain: size=1", "neither a domain" },
		{ "domain:.example.com size=1", "neither a domain" },
		{ "domain:a@example.com size=1", "neither a domain" },
		{ "domain:m\xc3\xbcnchen.example size=1", "A-labels" },
		{ "login:a size=1\n\n# b\nlogin:b size=x", ":4: \"size=x\"" },
		{ "login:a size=1\nlogin:b size=1\nLOGIN:A size=2", ":3: \"login:a\" stands in line 1 already" },
		{ "client:::ffff:192.0.2.0/120 size=1\nclient:192.0.2.0/24 size=2", ":2: \"client:192.0.2.0/24\" stands in line 1" },
		{ " login:a size=1", ":1: starts with white space" },
	};
	char error[400];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct limits_table *table = read_text(rows[i].text, error, sizeof(error));

		if (table != NULL)
			fail_msg("\"%s\" was accepted", rows[i].text);
		if (strstr(error, rows[i].expected) == NULL || strncmp(error, fixture.table, strlen(fixture.table)) != 0)
			fail_msg("\"%s\": %s", rows[i].text, error);
	}
}

/* The size of each line is its name. */
static const char *const lines = "login:Alice		size=1\n"
				 "login:*		size=2\n"
				 "local			size=3\n"
				 "client:*		size=4\n"
				 "client:192.0.2.0/24	size=5\n"
				 "client:192.0.2.7	size=6\n"
				 "client:10.0.0.0/8	unlimited\n"
				 "client:2001:db8::/32	size=8\n"
				 "client:2001:DB8:1::/48	size=9\n"
				 "client:2001:db8:1::5	size=10\n"
				 "client:0.0.0.0/1	size=11\n"
				 "domain:example.com	size=12\n"
				 "domain:*		size=13\n";

static void test_which_line(void **state)
{
	static const struct {
		const char *client, *domain, *expected;	/* "SIZE OWNER, ..." */
	} rows[] = {
		{ "alice", "", "1 login:alice" },
		{ "ALICE", "", "1 login:alice" },
		{ "bob", "", "2 login:bob" },
		{ "B\xc3\x96" "B", "", "2 login:b\xc3\x96" "b" },
		{ "local", "", "3 local" },
		{ "192.0.2.7", "", "6 client:192.0.2.7" },
		{ "192.0.2.8", "", "5 client:192.0.2.8" },
		{ "192.0.3.8", "", "4 client:192.0.3.8" },
		{ "127.0.0.1", "", "11 client:127.0.0.1" },
		{ "10.255.0.1", "", "0 client:10.255.0.1" },
		{ "::ffff:192.0.2.7", "", "6 client:192.0.2.7" },
		{ "::ffff:10.0.0.1", "", "0 client:10.0.0.1" },
		{ "2001:db8:2::1", "", "8 client:2001:db8:2::/64" },
		{ "2001:db8:2::2", "", "8 client:2001:db8:2::/64" },
		{ "2001:db8:1:1::2", "", "9 client:2001:db8:1:1::/64" },
		{ "2001:db8:1::6", "", "9 client:2001:db8:1::/64" },
		{ "2001:db8:1::5", "", "10 client:2001:db8:1::5" },
		{ "2001:db9::1", "", "4 client:2001:db9::/64" },
		{ "local", "example.com", "3 local, 12 domain:example.com" },
		{ "local", "sub.example.com", "3 local, 13 domain:sub.example.com" },
		{ "alice@192.0.2.9", "example.com", "1 login:alice, 5 client:192.0.2.9, 12 domain:example.com" },
	};
	struct limits_match matches[LIMITS_MATCHES_MAX];
	struct limits_table *table;
	char error[400], found[300];

	(void)state;
	table = read_text(lines, error, sizeof(error));
	if (table == NULL)
		fail_msg("%s", error);
	assert_int_equal(limits_table_count(table), 13);
	assert_true(limits_table_has_sizes(table));
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct client client = limits_fixture_client(rows[i].client);
		size_t count = limits_table_match(table, &client, rows[i].domain, matches), used = 0;

		found[0] = '\0';
		for (size_t k = 0; k < count; k++) {
			used += (size_t)snprintf(found + used, sizeof(found) - used, "%s%d %s", k > 0 ? ", " : "",
						 (int)matches[k].line.size, matches[k].owner.text);
			assert_true(matches[k].line.size == 0 || matches[k].number == matches[k].line.size);
		}
		if (strcmp(found, rows[i].expected) != 0)
			fail_msg("%s <%s>: %s", rows[i].client, rows[i].domain, found);
	}
	limits_table_destroy(table);
}

static void test_nobody(void **state)
{
	struct limits_match matches[LIMITS_MATCHES_MAX];
	struct client unknown = { .address.ss_family = AF_UNSPEC }, alice = limits_fixture_client("alice@192.0.2.1");
	struct limits_table *table;
	struct stat status;
	char error[400];

	(void)state;
	table = read_text(lines, error, sizeof(error));
	assert_non_null(table);
	assert_int_equal(limits_table_match(table, &unknown, "", matches), 0);
	limits_table_destroy(table);
	table = read_text("login:bob messages=1/1m\n", error, sizeof(error));
	assert_non_null(table);
	assert_false(limits_table_has_sizes(table));
	assert_int_equal(limits_table_match(table, &alice, "example.com", matches), 0);
	limits_table_destroy(table);
	unlink(fixture.table);
	table = limits_table_read(fixture.table, &status, error, sizeof(error));
	assert_non_null(table);
	assert_int_equal(limits_table_match(table, &alice, "example.com", matches), 0);
	limits_table_destroy(table);
	/* There, but not to be read. */
	assert_null(limits_table_read(fixture.directory, &status, error, sizeof(error)));
	assert_non_null(strstr(error, "is a directory"));
}

/* Longest names, so that no key is ever cut and taken for another one. */
static void test_longest_names(void **state)
{
	struct limits_match matches[LIMITS_MATCHES_MAX];
	struct client client = { .address.ss_family = AF_UNSPEC };
	char domain[SMTP_DOMAIN_MAX + 1], text[700], error[400];
	struct limits_table *table;

	(void)state;
	memset(client.login, 'a', CLIENT_LOGIN_MAX);
	memset(domain, 'd', SMTP_DOMAIN_MAX);
	domain[SMTP_DOMAIN_MAX] = '\0';
	snprintf(text, sizeof(text), "login:%s size=1\ndomain:%s size=2\n", client.login, domain);
	table = read_text(text, error, sizeof(error));
	assert_non_null(table);
	assert_int_equal(limits_table_match(table, &client, domain, matches), 2);
	assert_int_equal(strlen(matches[1].owner.text), strlen("domain:") + SMTP_DOMAIN_MAX);
	client.login[CLIENT_LOGIN_MAX - 1] = domain[SMTP_DOMAIN_MAX - 1] = 'b';
	assert_int_equal(limits_table_match(table, &client, domain, matches), 0);
	limits_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),	   cmocka_unit_test(test_mistakes), cmocka_unit_test(test_which_line),
		cmocka_unit_test(test_nobody),	   cmocka_unit_test(test_longest_names),
	};
	int failed;

	limits_fixture_create(&fixture);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	limits_fixture_destroy(&fixture);
	return failed;
}
