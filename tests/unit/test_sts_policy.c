/* MTA-STS records, policies and patterns: what RFC 8461 calls valid, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sts_policy.h"
#include "lib/sts_record.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID32 "abcdefghijklmnopqrstuvwxyz012345"

/* Case 80. id NULL: no policy is announced, and the reason says this. */
static const struct {
	const char *txt[3];
	const char *id, *reason;
} records[] = {
	{ { "v=STSv1; id=20160831085700Z;" }, "20160831085700Z", NULL },
	{ { "v=STSv1;id=1" }, "1", NULL },
	{ { "v=STSv1; \t ; id=1" }, NULL, "not name=value" },
	{ { "v=STSv1;  id=1  ;  " }, "1", NULL },
	{ { "v=STSv1; id=" ID32 }, ID32, NULL },
	{ { "v=STSv1; id=1; id=2;" }, "1", NULL },
	{ { "v=STSv1; a.b-c_D=:<>?; id=1" }, "1", NULL },
	{ { "v=STSv1; ID=2; id=1" }, "1", NULL },
	{ { "other", "v=STSv1; id=1", "v=spf1 -all" }, "1", NULL },
	{ { "v=STSv12; id=2", "v=STSv1; id=1" }, "1", NULL },
	{ { NULL }, NULL, "no record begins" },
	{ { "v=spf1 -all" }, NULL, "no record begins" },
	{ { "v=STSv1; id=1", "v=STSv1; id=1" }, NULL, "more than one record" },
	{ { "v=STSv1; id=1", "v=STSv1;" }, NULL, "more than one record" },
	{ { "v=STSv12; id=1" }, NULL, "no record begins" },
	{ { "v=STSv1" }, NULL, "no record begins" },
	{ { "v=stsv1; id=1" }, NULL, "no record begins" },
	{ { "V=STSv1; id=1" }, NULL, "no record begins" },
	{ { " v=STSv1; id=1" }, NULL, "no record begins" },
	{ { "v=STSv1 ; id=1" }, NULL, "no record begins" },
	{ { "id=1; v=STSv1;" }, NULL, "no record begins" },
	{ { "v=STSv1;" }, NULL, "no id" },
	{ { "v=STSv1; " }, NULL, "no id" },
	{ { "v=STSv1; x=1;" }, NULL, "no id" },
	{ { "v=STSv1; id=" ID32 "6" }, NULL, "1 to 32" },
	{ { "v=STSv1; id=2016-08" }, NULL, "1 to 32" },
	{ { "v=STSv1; id=a_b; id=1" }, NULL, "1 to 32" },
	{ { "v=STSv1; id=?" }, NULL, "1 to 32" },
	{ { "v=STSv1; id=" }, NULL, "without a value" },
	{ { "v=STSv1; id=;" }, NULL, "without a value" },
	{ { "v=STSv1; id" }, NULL, "not name=value" },
	{ { "v=STSv1; id=1; x" }, NULL, "not name=value" },
	{ { "v=STSv1; id=1;;" }, NULL, "not name=value" },
	{ { "v=STSv1; id =1" }, NULL, "not name=value" },
	{ { "v=STSv1; _x=1; id=1" }, NULL, "not name=value" },
	{ { "v=STSv1; " ID32 "6=1; id=1" }, NULL, "not name=value" },
	{ { "v=STSv1; id=a b" }, NULL, "no field" },
	{ { "v=STSv1; id=a=b" }, NULL, "no field" },
	{ { "v=STSv1; id=1 " }, NULL, "no field" },
};

static void test_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(records); i++) {
		char id[STS_ID_MAX + 1], reason[200] = "";
		size_t count = 0;
		bool found;

		while (count < COUNT(records[i].txt) && records[i].txt[count] != NULL)
			count++;
		found = sts_record_parse((char *const *)(uintptr_t)records[i].txt, count, id,
					 reason, sizeof(reason));
		if (found != (records[i].id != NULL) ||
		    strcmp(id, found ? records[i].id : "") != 0 ||
		    (!found && strstr(reason, records[i].reason) == NULL))
			fail_msg("\"%s\": id \"%s\", reason \"%s\"", records[i].txt[0], id, reason);
	}
}

#define HEAD "version: STSv1\nmode: enforce\n"
#define LONG_LABEL "a23456789012345678901234567890123456789012345678901234567890123"

/* Mode, max_age and patterns as text; or NULL and a part of the error. Case 84. */
static const struct {
	const char *text, *policy, *error;
} policies[] = {
	{ HEAD "mx: a.example\nmax_age: 86400\n", "enforce 86400 a.example", NULL },
	{ "version: STSv1\r\nmode: testing\r\nmx: a.example\r\nmax_age: 1\r\n",
	  "testing 1 a.example", NULL },
	{ HEAD "mx: a.example\nmx: *.b.example\nmx: C.Example\nmax_age: 0",
	  "enforce 0 a.example *.b.example c.example", NULL },
	{ "max_age: 5\nmx: a\nmode: enforce\nversion: STSv1", "enforce 5 a", NULL },
	{ "version:STSv1\nmode:\t none\nmax_age:31557600  \t\n\n\r\n", "none 31557600", NULL },
	{ "version: STSv1\nmode: none\nmx: a.example\nmax_age: 7\n", "none 7 a.example", NULL },
	{ HEAD "mx: a.example \t\nmax_age: 0000000009 \r\n", "enforce 9 a.example", NULL },
	{ HEAD "mode: none\nversion: x\nmx: a\nmax_age: 1\nmax_age: abc\n", "enforce 1 a", NULL },
	{ HEAD "mx: a\nmax_age: 1\nnew_key: caf\xc3\xa9 = 1\nMode: none\nx.y-z: \n", "enforce 1 a",
	  NULL },
	{ HEAD "mx: xn--bcher-kva.example\nmax_age: 1\n", "enforce 1 xn--bcher-kva.example", NULL },
	{ HEAD "mx: " LONG_LABEL ".example\nmax_age: 1\n", "enforce 1 " LONG_LABEL ".example",
	  NULL },

	{ "", NULL, "no version" },
	{ "mode: enforce\nmx: a\nmax_age: 1\n", NULL, "no version" },
	{ "version: STSv1\nmx: a\nmax_age: 1\n", NULL, "no mode" },
	{ HEAD "mx: a\n", NULL, "no max_age" },
	{ HEAD "max_age: 1\n", NULL, "no mx" },
	{ "version: STSv1\nmode: testing\nmax_age: 1\n", NULL, "no mx" },
	{ "version: STSv2\nmode: enforce\nmx: a\nmax_age: 1\n", NULL, "line 1: unknown version" },
	{ "version: stsv1\n", NULL, "unknown version \"stsv1\"" },
	{ "version: \n", NULL, "unknown version \"\"" },
	{ "version: STSv1\nmode: doubt\n", NULL, "line 2: unknown mode \"doubt\"" },
	{ "version: STSv1\nmode: Enforce\n", NULL, "unknown mode" },
	{ "version: STSv1\nmode: enforce x\n", NULL, "unknown mode" },
	{ HEAD "max_age: abc\n", NULL, "line 3: max_age" },
	{ HEAD "max_age: -1\n", NULL, "max_age" },
	{ HEAD "max_age: 1.5\n", NULL, "max_age" },
	{ HEAD "max_age: 0x10\n", NULL, "max_age" },
	{ HEAD "max_age: \n", NULL, "max_age" },
	{ HEAD "max_age: 31557601\n", NULL, "more than 31557600" },
	{ HEAD "max_age: 9999999999\n", NULL, "more than 31557600" },
	{ HEAD "max_age: 18446744073709551617\n", NULL, "max_age is no number" },
	{ HEAD "mx: \n", NULL, "mx is no host name" },
	{ HEAD "mx: *\n", NULL, "mx is no host name" },
	{ HEAD "mx: *.\n", NULL, "mx is no host name" },
	{ HEAD "mx: .example\n", NULL, "mx is no host name" },
	{ HEAD "mx: a.*.example\n", NULL, "mx is no host name" },
	{ HEAD "mx: *.*.example\n", NULL, "mx is no host name" },
	{ HEAD "mx: a*.example\n", NULL, "mx is no host name" },
	{ HEAD "mx: a..example\n", NULL, "mx is no host name" },
	{ HEAD "mx: a.example.\n", NULL, "mx is no host name" },
	{ HEAD "mx: -a.example\n", NULL, "mx is no host name" },
	{ HEAD "mx: a-.example\n", NULL, "mx is no host name" },
	{ HEAD "mx: a.example-\n", NULL, "mx is no host name" },
	{ HEAD "mx: a b.example\n", NULL, "mx is no host name" },
	{ HEAD "mx: b\xc3\xbc"
	       "cher.example\n",
	  NULL, "mx is no host name" },
	{ HEAD "mx: a.example, b.example\n", NULL, "mx is no host name" },
	{ HEAD "mx: " LONG_LABEL "4.example\n", NULL, "mx is no host name" },
	{ HEAD "mx: " LONG_LABEL "." LONG_LABEL "." LONG_LABEL "." LONG_LABEL ".a\n", NULL,
	  "mx is no host name" },
	{ "\xef\xbb\xbfversion: STSv1\n", NULL, "not \"key: value\"" },
	{ " version: STSv1\n", NULL, "not \"key: value\"" },
	{ "version : STSv1\n", NULL, "not \"key: value\"" },
	{ "version STSv1\n", NULL, "not \"key: value\"" },
	{ "<html>\n", NULL, "not \"key: value\": \"<html>\"" },
	{ "version: STSv1\rmode: enforce\r", NULL, "control character" },
	{ "x: a\rb\n", NULL, "control character" },
	{ "x: \x7f\n", NULL, "control character" },
	{ "x: \xff\n", NULL, "not UTF-8" },
	{ "x: \xc0\xaf\n", NULL, "not UTF-8" },
	{ "x: \xed\xa0\x80\n", NULL, "not UTF-8" },
};

static void print(const struct sts_policy *policy, char *out, size_t size)
{
	snprintf(out, size, "%s %lld", sts_mode_name(policy->mode), (long long)policy->max_age_s);
	for (size_t i = 0; i < policy->mx_count; i++)
		snprintf(out + strlen(out), size - strlen(out), " %s", policy->mx[i]);
}

static void test_policies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(policies); i++) {
		struct sts_policy policy;
		char text[1000] = "", error[200] = "";
		/* Not NUL-terminated, so that reading on is seen. */
		size_t length = strlen(policies[i].text);
		char *bytes = malloc(length + 1);
		int result;

		memcpy(bytes, policies[i].text, length);
		bytes = realloc(bytes, length > 0 ? length : 1);
		result = sts_policy_parse(&policy, bytes, length, error, sizeof(error));
		free(bytes);
		if (result == 0)
			print(&policy, text, sizeof(text));
		if ((result == 0) != (policies[i].policy != NULL) ||
		    (result == 0 && strcmp(text, policies[i].policy) != 0) ||
		    (result < 0 && strstr(error, policies[i].error) == NULL))
			fail_msg("\"%s\": \"%s\", error \"%s\"", policies[i].text, text, error);
		sts_policy_wipe(&policy);
	}
}

/* Bytes that a C string cannot hold. */
static void test_nul(void **state)
{
	static const char value[] = HEAD "mx: a\nmax_age: 1\nx: \0\n",
			  key[] = HEAD "mx: a\nmax_age: 1\nx\0y: 1\n",
			  mode[] = "version: STSv1\nmode: none\0\nmax_age: 1\n";
	struct sts_policy policy;
	char error[200];

	(void)state;
	assert_int_equal(sts_policy_parse(&policy, value, sizeof(value) - 1, error, sizeof(error)),
			 -1);
	assert_non_null(strstr(error, "line 5: a control character"));
	assert_int_equal(sts_policy_parse(&policy, key, sizeof(key) - 1, error, sizeof(error)), -1);
	assert_int_equal(sts_policy_parse(&policy, mode, sizeof(mode) - 1, error, sizeof(error)),
			 -1);
	assert_null(policy.mx);
}

static void test_bounds(void **state)
{
	char *text = calloc(1, STS_POLICY_BYTES_MAX + 2), error[200];
	struct sts_policy policy;

	(void)state;
	strcpy(text, HEAD "max_age: 1\n");
	for (int i = 0; i < STS_MX_MAX; i++)
		sprintf(text + strlen(text), "mx: mx%d.example\n", i);
	assert_int_equal(sts_policy_parse(&policy, text, strlen(text), error, sizeof(error)), 0);
	assert_int_equal(policy.mx_count, STS_MX_MAX);
	sts_policy_wipe(&policy);
	strcat(text, "mx: one.too.many.example\n");
	assert_int_equal(sts_policy_parse(&policy, text, strlen(text), error, sizeof(error)), -1);
	assert_non_null(strstr(error, "too many mx"));

	strcpy(text, HEAD "mx: a\nmax_age: 1\nx: ");
	memset(text + strlen(text), 'x', STS_POLICY_BYTES_MAX - strlen(text));
	assert_int_equal(sts_policy_parse(&policy, text, strlen(text), error, sizeof(error)), 0);
	sts_policy_wipe(&policy);
	strcat(text, "x");
	assert_int_equal(sts_policy_parse(&policy, text, strlen(text), error, sizeof(error)), -1);
	free(text);
}

/* Case 85. */
static const struct {
	const char *pattern, *exchange;
	bool allowed;
} matches[] = {
	{ "mx.example.com", "mx.example.com", true },
	{ "mx.example.com", "MX.Example.COM", true },
	{ "MX.Example.COM", "mx.example.com", true },
	{ "mx.example.com", "mx2.example.com", false },
	{ "mx.example.com", "a.mx.example.com", false },
	{ "mx.example.com", "example.com", false },
	{ "mx.example.com", "mx.example.com.evil.example", false },
	{ "mx.example.com", "", false },
	{ "*.example.com", "mx.example.com", true },
	{ "*.example.com", "MX.EXAMPLE.com", true },
	{ "*.example.com", "example.com", false },
	{ "*.example.com", ".example.com", false },
	{ "*.example.com", "a.b.example.com", false },
	{ "*.example.com", "mxexample.com", false },
	{ "*.example.com", "mx.example.com.evil.example", false },
	{ "*.example.com", "", false },
	{ "*.com", "example.com", true },
	{ "*.com", "com", false },
};

static void test_matches(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(matches); i++) {
		struct sts_policy policy = { .mode = STS_MODE_ENFORCE };

		assert_int_equal(
			sts_policy_add_mx(&policy, matches[i].pattern, strlen(matches[i].pattern)),
			0);
		if (sts_policy_allows(&policy, matches[i].exchange) != matches[i].allowed)
			fail_msg("%s and \"%s\"", matches[i].pattern, matches[i].exchange);
		sts_policy_wipe(&policy);
		assert_false(sts_policy_allows(&policy, matches[i].exchange));
	}
}

static void test_copy(void **state)
{
	struct sts_policy policy = { .mode = STS_MODE_ENFORCE, .max_age_s = 7 }, copy;

	(void)state;
	assert_int_equal(sts_policy_add_mx(&policy, "a.example", 9), 0);
	assert_int_equal(sts_policy_add_mx(&policy, "*.b.example", 11), 0);
	assert_int_equal(sts_policy_copy(&copy, &policy), 0);
	sts_policy_wipe(&policy);
	assert_true(copy.mode == STS_MODE_ENFORCE && copy.max_age_s == 7 && copy.mx_count == 2);
	assert_true(sts_policy_allows(&copy, "mx.b.example"));
	assert_false(sts_policy_allows(&copy, "c.example"));
	sts_policy_wipe(&copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records), cmocka_unit_test(test_policies),
		cmocka_unit_test(test_nul),	cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_matches), cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
