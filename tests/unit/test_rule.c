/* Each rule has a name, defaults and replies that it may have, and the setting in milter.conf that this says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "milter_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool has_setting(enum rule rule)
{
	return rule != RULE_MESSAGE_SIZE && rule != RULE_RATE && rule != RULE_LOOKUP;
}

static const struct conf_setting *find_setting(enum rule rule)
{
	const struct conf_setting *setting = milter_conf_settings;

	while (setting->name != NULL && setting->offset != offsetof(struct milter_conf, rules) + rule * sizeof(int))
		setting++;
	return setting->name != NULL ? setting : NULL;
}

static void test_names(void **state)
{
	(void)state;
	for (int a = 0; a < RULE_COUNT; a++) {
		const char *name = rule_name((enum rule)a);

		assert_non_null(name);
		assert_true(strlen(name) > 0 && strlen(name) < 30);	/* a finding leaves room for it */
		for (int b = 0; b < a; b++)
			assert_string_not_equal(name, rule_name((enum rule)b));
	}
}

static void test_defaults(void **state)
{
	(void)state;
	for (int rule = 0; rule < RULE_COUNT; rule++)
		for (int profile = PROFILE_STANDARD; profile <= PROFILE_OFF; profile++) {
			enum rule_action action = rule_default((enum rule)rule, (enum rule_profile)profile);

			if (!rule_allows_action((enum rule)rule, action))
				fail_msg("%s may not be %s", rule_name((enum rule)rule), rule_action_name(action));
			/* About senders profiles say nothing. */
			if (rule <= RULE_FROM_DOMAIN)
				assert_int_equal(action, rule_default((enum rule)rule, PROFILE_STANDARD));
		}
}

static void test_some_defaults(void **state)
{
	static const struct {
		enum rule rule;
		enum rule_action standard, strict, off;
	} rows[] = {
		{ RULE_FROM_ADDRESS, RULE_REJECT, RULE_REJECT, RULE_REJECT },
		{ RULE_REPLY_TO_ADDRESS, RULE_OFF, RULE_OFF, RULE_OFF },
		{ RULE_HEADER_SIZE, RULE_REJECT, RULE_REJECT, RULE_REJECT },
		{ RULE_RAW_8BIT, RULE_REJECT, RULE_REJECT, RULE_OFF },
		{ RULE_BCC, RULE_REPAIR, RULE_REPAIR, RULE_OFF },
		{ RULE_USER_AGENT, RULE_OFF, RULE_REPAIR, RULE_OFF },
		{ RULE_RECEIVED_CLIENT, RULE_OFF, RULE_REPAIR, RULE_OFF },
		{ RULE_LOOKUP, RULE_TEMPFAIL, RULE_TEMPFAIL, RULE_TEMPFAIL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(rule_default(rows[i].rule, PROFILE_STANDARD), rows[i].standard);
		assert_int_equal(rule_default(rows[i].rule, PROFILE_STRICT), rows[i].strict);
		assert_int_equal(rule_default(rows[i].rule, PROFILE_OFF), rows[i].off);
	}
}

static void test_replies(void **state)
{
	(void)state;
	for (int rule = 0; rule < RULE_COUNT; rule++) {
		struct rule_reply reject = rule_reply((enum rule)rule, RULE_REJECT);
		struct rule_reply tempfail = rule_reply((enum rule)rule, RULE_TEMPFAIL);

		assert_string_equal(tempfail.code, "451");
		assert_int_equal(tempfail.status[0], '4');
		assert_int_equal(reject.status[0], '5');
		assert_string_equal(reject.status + 1, tempfail.status + 1);
		assert_int_equal(strlen(reject.status), 5);
		if (rule != RULE_LOOKUP)	/* never rejects */
			assert_int_equal(reject.code[0], '5');
	}
}

static void test_settings(void **state)
{
	char text[100], error[300];

	(void)state;
	for (int rule = 0; rule < RULE_COUNT; rule++) {
		const struct conf_setting *setting = find_setting((enum rule)rule);

		assert_int_equal(setting != NULL, has_setting((enum rule)rule));
		if (setting == NULL)
			continue;
		assert_string_equal(setting->name, rule_name((enum rule)rule));
		for (int action = RULE_OFF; action <= RULE_REJECT; action++) {
			int value = 1 + action;
			bool is_good = setting->check == NULL || setting->check(&value, error, sizeof(error)) == 0;
			struct milter_conf conf;

			if (is_good != rule_allows_action((enum rule)rule, (enum rule_action)action))
				fail_msg("%s = \"%s\"", setting->name, rule_choices[value]);
			if (!is_good)
				continue;
			snprintf(text, sizeof(text), "%s = \"%s\";", setting->name, rule_choices[value]);
			fixture_conf(&conf, text);
			assert_int_equal(milter_conf_action(&conf, (enum rule)rule), action);
			conf_wipe(&conf, milter_conf_settings);
		}
	}
}

/* The table of defaults and replies in the manual page; tests run in the project's folder. */
static void test_manual(void **state)
{
	FILE *page = fopen("man/postern-milter.conf.5", "r");
	char line[500], expected[300];
	int found = 0;

	(void)state;
	if (page == NULL)
		skip();
	while (fgets(line, sizeof(line), page) != NULL)
		for (int rule = 0; rule < RULE_COUNT; rule++) {
			struct rule_reply reply = rule_reply((enum rule)rule, RULE_REJECT);

			snprintf(expected, sizeof(expected), ".It Li %s Ta %s Ta %s Ta %s Ta %s %s\n",
				 rule_name((enum rule)rule),
				 rule_action_name(rule_default((enum rule)rule, PROFILE_STANDARD)),
				 rule_action_name(rule_default((enum rule)rule, PROFILE_STRICT)),
				 rule_action_name(rule_default((enum rule)rule, PROFILE_OFF)), reply.code,
				 reply.status);
			found += has_setting((enum rule)rule) && strcmp(line, expected) == 0;
		}
	fclose(page);
	assert_int_equal(found, RULE_MESSAGE_SIZE);
}

static void test_action(void **state)
{
	static const struct {
		const char *conf;
		enum rule rule;
		enum rule_action action;
	} rows[] = {
		{ "", RULE_BCC, RULE_REPAIR },
		{ "bcc = \"default\"; profile = \"off\";", RULE_BCC, RULE_OFF },
		{ "bcc = \"reject\"; profile = \"off\";", RULE_BCC, RULE_REJECT },
		{ "profile = \"off\";", RULE_FROM_ADDRESS, RULE_REJECT },
		{ "profile = \"strict\";", RULE_USER_AGENT, RULE_REPAIR },
		{ "mode = \"log\"; profile = \"strict\";", RULE_USER_AGENT, RULE_LOG },
		{ "mode = \"log\";", RULE_FROM_ADDRESS, RULE_LOG },
		{ "mode = \"log\"; from_address = \"off\";", RULE_FROM_ADDRESS, RULE_OFF },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct milter_conf conf;

		fixture_conf(&conf, rows[i].conf);
		if (milter_conf_action(&conf, rows[i].rule) != rows[i].action)
			fail_msg("%s", rows[i].conf);
		conf_wipe(&conf, milter_conf_settings);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_some_defaults),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_manual),
		cmocka_unit_test(test_action),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
