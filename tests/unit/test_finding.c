/* Findings are bounded, printable and told worst first; edits keep their indexes true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "milter/finding.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_worst(void **state)
{
	static const struct {
		struct { enum rule rule; enum rule_action action; } added[3];
		size_t count, kept;
		int worst;		/* index into added, or -1 */
	} rows[] = {
		{ { { 0 } }, 0, 0, -1 },
		{ { { RULE_BCC, RULE_OFF } }, 1, 0, -1 },
		{ { { RULE_BCC, RULE_LOG } }, 1, 1, 0 },
		{ { { RULE_BCC, RULE_REPAIR }, { RULE_BCC, RULE_LOG } }, 2, 2, 0 },
		{ { { RULE_FROM_MISSING, RULE_LOG }, { RULE_BCC, RULE_REPAIR } }, 2, 2, 1 },
		{ { { RULE_BCC, RULE_TEMPFAIL }, { RULE_ONCE_ONLY, RULE_REJECT }, { RULE_UNLISTED, RULE_TEMPFAIL } },
		  3,
		  3,
		  1 },
		{ { { RULE_ONCE_ONLY, RULE_REJECT }, { RULE_FROM_SYNTAX, RULE_REJECT }, { RULE_BCC, RULE_REJECT } },
		  3,
		  3,
		  1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct findings findings = { 0 };
		const struct finding *worst;

		for (size_t k = 0; k < rows[i].count; k++)
			findings_add(&findings, rows[i].added[k].rule, rows[i].added[k].action, "number %zu", k);
		assert_int_equal(findings.count, rows[i].kept);
		worst = findings_worst(&findings);
		assert_int_equal(worst != NULL, rows[i].worst >= 0);
		if (worst != NULL) {
			assert_int_equal(worst->rule, rows[i].added[rows[i].worst].rule);
			assert_int_equal(worst->action, rows[i].added[rows[i].worst].action);
		}
		findings_wipe(&findings);
		assert_int_equal(findings.count, 0);
	}
}

static void test_bound(void **state)
{
	struct findings findings = { 0 };

	(void)state;
	for (int i = 0; i < 3 * FINDINGS_MAX; i++)
		findings_add(&findings, RULE_BCC, RULE_LOG, "mild");
	findings_add(&findings, RULE_USER_AGENT, RULE_REJECT, "worst");
	findings_add(&findings, RULE_USER_AGENT, RULE_LOG, "milder than all");
	assert_int_equal(findings.count, FINDINGS_MAX);
	assert_string_equal(findings_worst(&findings)->text, "worst");
	for (size_t i = 0; i < findings.count; i++)
		assert_string_not_equal(findings.items[i].text, "milder than all");
	findings_wipe(&findings);
}

static void test_text(void **state)
{
	struct findings findings = { 0 };
	char longer[2 * FINDING_TEXT_MAX];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	findings_add(&findings, RULE_BCC, RULE_LOG, "%s", "a\r\nBcc: b\x1b\xff");
	findings_add(&findings, RULE_BCC, RULE_LOG, "%s", longer);
	assert_string_equal(findings.items[0].text, "a??Bcc: b??");
	assert_int_equal(strlen(findings.items[1].text), FINDING_TEXT_MAX - 1);
	findings_wipe(&findings);
}

/* Whatever the order in which rules ask for them (case 139). */
static void test_edits(void **state)
{
	static const struct field_edit asked[] = {
		{ FIELD_EDIT_DELETE, (char *)"Bcc", NULL, 3 },
		{ FIELD_EDIT_REPLACE, (char *)"From", (char *)"a", 1 },
		{ FIELD_EDIT_DELETE, (char *)"Bcc", NULL, 1 },
		{ FIELD_EDIT_ADD, (char *)"Date", (char *)"now", 0 },
		{ FIELD_EDIT_DELETE, (char *)"bcc", NULL, 3 },
		{ FIELD_EDIT_REPLACE, (char *)"FROM", (char *)"b", 1 },
		{ FIELD_EDIT_REPLACE, (char *)"Sender", (char *)"a", 2 },
		{ FIELD_EDIT_DELETE, (char *)"Sender", NULL, 2 },
		{ FIELD_EDIT_DELETE, (char *)"Bcc", NULL, 2 },
		{ FIELD_EDIT_REPLACE, (char *)"Bcc", (char *)"x", 2 },
		{ FIELD_EDIT_ADD, (char *)"Message-ID", (char *)"<>", 0 },
		{ FIELD_EDIT_ADD, (char *)"X", (char *)"", 0 },
		{ FIELD_EDIT_ADD, (char *)"X", (char *)"", 0 },
	};
	static const struct field_edit expected[] = {
		{ FIELD_EDIT_ADD, (char *)"Date", (char *)"now", 0 },
		{ FIELD_EDIT_ADD, (char *)"Message-ID", (char *)"<>", 0 },
		{ FIELD_EDIT_ADD, (char *)"X", (char *)"", 0 },
		{ FIELD_EDIT_ADD, (char *)"X", (char *)"", 0 },
		{ FIELD_EDIT_REPLACE, (char *)"From", (char *)"a", 1 },
		{ FIELD_EDIT_DELETE, (char *)"Bcc", NULL, 1 },
		{ FIELD_EDIT_DELETE, (char *)"Sender", NULL, 2 },
		{ FIELD_EDIT_DELETE, (char *)"Bcc", NULL, 2 },
		{ FIELD_EDIT_DELETE, (char *)"Bcc", NULL, 3 },
	};
	struct findings findings = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(asked); i++)
		findings_edit(&findings, asked[i].kind, asked[i].name, asked[i].index, asked[i].value);
	assert_int_equal(findings.edit_count, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++) {
		const struct field_edit *edit = &findings.edits[i];

		assert_int_equal(edit->kind, expected[i].kind);
		assert_int_equal(edit->index, expected[i].index);
		assert_string_equal(edit->name, expected[i].name);
		assert_int_equal(edit->value == NULL, expected[i].value == NULL);
		if (edit->value != NULL)
			assert_string_equal(edit->value, expected[i].value);
	}
	assert_int_equal(findings.has_failed, 0);
	findings_wipe(&findings);
	assert_int_equal(findings.edit_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worst),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_edits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
