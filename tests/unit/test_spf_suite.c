/*
 * spf_check against the public test suite of RFC 7208: tests/spf. Each of its results, and
 * each explanation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>

#include "doctor/spf_check.h"
#include "tests/fake/fake_zone.h"

#define SUITE "tests/spf/rfc7208-tests.json"

static void add_row(struct fake_zone *zone, const char *name, const json_t *row)
{
	const char *type = json_string_value(json_array_get(row, 0));
	const json_t *first = json_array_get(row, 1);
	char data[2048] = "";

	if (strcmp(type, "MX") == 0) {
		snprintf(data, sizeof(data), "%lld %s", (long long)json_integer_value(first),
			 json_string_value(json_array_get(row, 2)));
	} else if (first != NULL) {
		snprintf(data, sizeof(data), "%s", json_string_value(first));
		/* What a C string cannot hold is another byte that is not printable. */
		for (size_t i = strlen(data); i < json_string_length(first); i++)
			data[i] = json_string_value(first)[i] == '\0' ? '\001'
								      : json_string_value(first)[i];
	}
	fake_zone_add(zone, name, type, data);
}

static void load_zone(struct fake_zone *zone, json_t *names)
{
	const char *name;
	json_t *rows, *row;
	size_t i;

	json_object_foreach(names, name, rows)
	{
		if (json_array_size(rows) == 0)
			fake_zone_add(zone, name, "EXISTS", "");
		json_array_foreach(rows, i, row) add_row(zone, name, row);
	}
}

static bool is_among(const json_t *results, const char *result)
{
	for (size_t i = 0; i < json_array_size(results); i++)
		if (strcmp(json_string_value(json_array_get(results, i)), result) == 0)
			return true;
	return false;
}

static struct sockaddr_storage parse_address(const char *text)
{
	struct sockaddr_storage address = { 0 };

	address.ss_family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(address.ss_family, text,
				   address.ss_family == AF_INET
					   ? (void *)&((struct sockaddr_in *)&address)->sin_addr
					   : (void *)&((struct sockaddr_in6 *)&address)->sin6_addr),
			 1);
	return address;
}

/* true: as the suite wants it. */
static bool is_as_wanted(struct fake_zone *zone, const char *name, const json_t *test)
{
	struct lookup_source source = fake_zone_source(zone);
	struct spf_question question = {
		.address = parse_address(json_string_value(json_object_get(test, "host"))),
		.sender = json_string_value(json_object_get(test, "mailfrom")),
		.hello = json_string_value(json_object_get(test, "helo")),
	};
	const char *wanted = json_string_value(json_object_get(test, "explanation"));
	struct spf_verdict verdict;
	const char *result, *explanation;

	spf_check(&source, &question, &verdict);
	result = spf_result_name(verdict.result);
	explanation = verdict.explanation[0] != '\0' ? verdict.explanation : "DEFAULT";
	if (!is_among(json_object_get(test, "result"), result)) {
		print_error("%s: %s (%s)\n", name, result, verdict.problem);
		return false;
	}
	if (wanted != NULL && strcmp(wanted, explanation) != 0) {
		print_error("%s: explanation \"%s\", not \"%s\"\n", name, explanation, wanted);
		return false;
	}
	return true;
}

static void test_suite(void **state)
{
	json_error_t error;
	json_t *suite = json_load_file(SUITE, JSON_ALLOW_NUL, &error), *scenario, *test;
	unsigned count = 0, failed = 0;
	const char *name;
	size_t i;

	(void)state;
	if (suite == NULL)
		fail_msg(SUITE ": %s", error.text);
	json_array_foreach(suite, i, scenario)
	{
		struct fake_zone zone = { .count = 0 };

		load_zone(&zone, json_object_get(scenario, "zone"));
		json_object_foreach(json_object_get(scenario, "tests"), name, test)
		{
			count++;
			failed += !is_as_wanted(&zone, name, test);
		}
		fake_zone_wipe(&zone);
	}
	json_decref(suite);
	assert_int_equal(count, 203);
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_suite) };

	return cmocka_run_group_tests_name("spf_suite", tests, NULL, NULL);
}
