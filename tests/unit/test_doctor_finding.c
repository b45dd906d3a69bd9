/*
 * Findings: their text is harmless wherever it is printed, what is not asked for is not kept, JSON
 * comes back as it was and strange JSON is refused; printers, exit status, and the table of ids.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/finding.h"
#include "doctor/finding_id.h"
#include "doctor/finding_json.h"
#include "doctor/report.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_ids(void **state)
{
	(void)state;
	for (size_t i = 0; i < finding_id_count; i++) {
		const struct finding_id *row = &finding_ids[i];

		assert_ptr_equal(finding_id_find(row->id), row);	/* none is there twice */
		assert_non_null(finding_group_find(row->group));
		assert_null(finding_group_find(row->id));
		assert_int_equal(strncmp(row->id, row->group, strlen(row->group)), 0);
		assert_true(strlen(row->means) > 10);
	}
}

static void test_text(void **state)
{
	static const struct {
		const char *text, *clean;
	} cases[] = {
		{ "plain", "plain" },
		{ "a\x1b[2Jb", "a?[2Jb" },
		{ "a\nb\tc\rd", "a?b?c?d" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xc3", "?" },
		{ "x\xe2\x80\xae" "y", "x?y" },	/* right-to-left override */
		{ "x\xc2\x9b" "y", "x?y" },	/* CSI of C1 */
		{ "\x7f", "?" },
	};
	struct finding_list list = { .items = NULL };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct finding *finding = finding_add(&list, "edge-ptr", cases[i].text, FINDING_OK, "%s", cases[i].text);

		assert_string_equal(finding->subject, cases[i].clean);
		assert_string_equal(finding->seen, cases[i].clean);
		assert_string_equal(finding->mend, "");
	}
	finding_mend(&list.items[0], "%s", "one\ntwo\x1b");
	assert_string_equal(list.items[0].mend, "one\ntwo?");
	finding_mend(NULL, "nothing");
	finding_list_wipe(&list);
}

static void test_selection(void **state)
{
	static const struct {
		const char *text;
		int result;
		bool has_ptr, has_relay, touches_edge;
	} cases[] = {
		{ "edge-ptr", 0, true, false, true },
		{ "edge", 0, true, false, true },
		{ "postfix,edge-ptr", 0, true, true, true },
		{ "postfix-relay", 0, false, true, false },
		{ "", -1, false, false, false },
		{ "edge-ptr,", -1, false, false, false },
		{ "edge-prt", -1, false, false, false },
		{ "edge ptr", -1, false, false, false },
		{ "edge-ptredge-ptredge-ptredge-ptredge-ptredge-ptredge-ptredge-ptredge-ptr", -1, false, false, false },
	};
	struct finding_selection selection;
	char error[200];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct finding_list list = { .selection = &selection };

		assert_int_equal(finding_selection_parse(&selection, cases[i].text, error, sizeof(error)), cases[i].result);
		if (cases[i].result < 0) {
			assert_non_null(strstr(error, "there is no check"));
			continue;
		}
		assert_int_equal(finding_selection_has(&selection, "edge-ptr"), cases[i].has_ptr);
		assert_int_equal(finding_selection_has(&selection, "postfix-relay"), cases[i].has_relay);
		assert_int_equal(finding_is_wanted(&list, "edge"), cases[i].touches_edge);
		assert_int_equal(finding_add(&list, "edge-ptr", "x", FINDING_FAIL, "y") != NULL, cases[i].has_ptr);
		assert_int_equal(list.count, cases[i].has_ptr);
		finding_list_wipe(&list);
	}
	/* An id of another version is kept only if everything is asked for. */
	selection.count = 0;
	assert_true(finding_selection_has(&selection, "edge-new"));
	assert_true(finding_selection_has(NULL, "edge-new"));
}

static void test_json(void **state)
{
	struct finding_list list = { .items = NULL }, copy = { .items = NULL };
	char *text, *again, error[300];

	(void)state;
	finding_mend(finding_add(&list, "edge-ptr", "vps: \"quoted\"", FINDING_FAIL, "gr\xc3\xbc\xc3\x9f \\ </script>"), "a\nb");
	finding_add(&list, "host-clock", "", FINDING_UNKNOWN, "%s", "");
	text = finding_json_print(&list);
	assert_int_equal(finding_json_parse(&copy, text, strlen(text), error, sizeof(error)), 0);
	again = finding_json_print(&copy);
	assert_string_equal(text, again);
	assert_int_equal(copy.items[0].result, FINDING_FAIL);
	assert_string_equal(copy.items[0].mend, "a\nb");
	free(text);
	free(again);
	finding_list_wipe(&list);
	finding_list_wipe(&copy);
}

static void test_foreign_json(void **state)
{
#define ROW(id, result) "{\"id\": \"" id "\", \"subject\": \"s\", \"result\": \"" result "\", \"seen\": \"x\\u001b\", \"mend\": \"\"}"
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "[]", NULL },
		{ "[" ROW("edge-ptr", "ok") "]", NULL },
		{ "[" ROW("edge-new", "warn") "]", NULL },
		{ "[" ROW("edge-ptr", "ok") ", " ROW("edge-ptr", "good") "]", "unknown result \"good\"" },
		{ "[{\"id\": \"edge-ptr\"}]", "not as it should be" },
		{ "[1]", "not as it should be" },
		{ "{}", "no JSON array" },
		{ "", "this is no JSON" },
		{ "[" ROW("edge-ptr", "ok") "] x", "this is no JSON" },
		{ "[{\"id\": 1, \"subject\": \"s\", \"result\": \"ok\", \"seen\": \"\", \"mend\": \"\"}]", "not as it should be" },
	};
	char error[300];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct finding_list list = { .items = NULL };
		int result = finding_json_parse(&list, cases[i].text, strlen(cases[i].text), error, sizeof(error));

		assert_int_equal(result, cases[i].error != NULL ? -1 : 0);
		if (cases[i].error != NULL) {
			assert_int_equal(list.count, 0);
			if (strstr(error, cases[i].error) == NULL)
				fail_msg("%s: %s", cases[i].text, error);
		}
		for (size_t k = 0; k < list.count; k++)
			assert_string_equal(list.items[k].seen, "x?");
		finding_list_wipe(&list);
	}
}

static void test_bound(void **state)
{
	struct finding_list list = { .items = NULL };

	(void)state;
	for (int i = 0; i < FINDINGS_MAX + 10; i++)
		finding_add(&list, "edge-ptr", "s", FINDING_OK, "x");
	assert_int_equal(list.count, FINDINGS_MAX);
	assert_true(list.is_incomplete);
	assert_int_equal(report_exit_status(&list), 2);
	finding_list_wipe(&list);
}

static void test_take(void **state)
{
	struct finding_list to = { .items = NULL }, from = { .items = NULL };
	struct finding_selection selection;
	char error[100];

	(void)state;
	assert_int_equal(finding_selection_parse(&selection, "edge-ptr", error, sizeof(error)), 0);
	to.selection = &selection;
	finding_add(&from, "edge-ptr", "192.0.2.1", FINDING_OK, "x");
	finding_add(&from, "edge-name", "192.0.2.1", FINDING_OK, "x");
	finding_list_take(&to, &from, "vps: ");
	assert_int_equal(from.count, 0);
	assert_int_equal(to.count, 1);
	assert_string_equal(to.items[0].subject, "vps: 192.0.2.1");
	finding_list_wipe(&to);
}

static void test_exit_status(void **state)
{
	static const struct {
		enum finding_result results[3];
		int status;
	} cases[] = {
		{ { FINDING_OK, FINDING_OK, FINDING_OK }, 0 },
		{ { FINDING_OK, FINDING_WARN, FINDING_OK }, 0 },
		{ { FINDING_WARN, FINDING_UNKNOWN, FINDING_OK }, 2 },
		{ { FINDING_FAIL, FINDING_UNKNOWN, FINDING_WARN }, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct finding_list list = { .items = NULL };

		for (size_t k = 0; k < 3; k++)
			finding_add(&list, "edge-ptr", "s", cases[i].results[k], "x");
		assert_int_equal(report_exit_status(&list), cases[i].status);
		finding_list_wipe(&list);
	}
}

/* ---- printers ---- */

typedef void print_fn(const struct report *report, FILE *out);

static char *printed(print_fn *print, const struct report *report)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	print(report, out);
	fclose(out);
	return text;
}

static void print_json(const struct report *report, FILE *out)
{
	assert_int_equal(report_json_print(report, out), 0);
}

static void fill(struct finding_list *list)
{
	finding_add(list, "host-config", "postern.conf", FINDING_OK, "good");
	finding_mend(finding_add(list, "edge-ptr", "192.0.2.1", FINDING_FAIL, "<b>\"&'"), "first\nsecond");
	assert_int_equal(finding_list_add_foreign(list, "edge-new", "x", FINDING_WARN, "of tomorrow", ""), 0);
}

static void test_table(void **state)
{
	struct finding_list list = { .items = NULL };
	struct report report = { .list = &list, .host = "mail.example", .time = 0 };
	char *text;

	(void)state;
	fill(&list);
	text = printed(report_table_print, &report);
	assert_string_equal(text,
			    "This mail host\nok      host-config  postern.conf: good\n\n"
			    "Edges, as seen from where mail leaves\nFAIL    edge-ptr  192.0.2.1: <b>\"&'\n"
			    "        -> first\n           second\n\n"
			    "Others\nwarn    edge-new  x: of tomorrow\n\n"
			    "1 ok, 1 FAIL, 1 warn, 0 unknown\n");
	free(text);
	report.is_quiet = true;
	text = printed(report_table_print, &report);
	assert_string_equal(text, "FAIL    edge-ptr  192.0.2.1: <b>\"&'\n        -> first\n           second\n"
				  "warn    edge-new  x: of tomorrow\n");
	free(text);
	finding_list_wipe(&list);
	finding_add(&list, "host-config", "postern.conf", FINDING_OK, "good");
	text = printed(report_table_print, &report);
	assert_string_equal(text, "");
	free(text);
	text = printed(print_json, &report);
	assert_string_equal(text, "");
	free(text);
	finding_list_wipe(&list);
}

static void test_html(void **state)
{
	struct finding_list list = { .items = NULL };
	struct report report = { .list = &list, .host = "<host>", .time = 0 };
	char *text;

	(void)state;
	fill(&list);
	text = printed(report_html_print, &report);
	assert_non_null(strstr(text, "&lt;b&gt;&quot;&amp;&#39;"));
	assert_non_null(strstr(text, "&lt;host&gt;, 1970-01-01 00:00:00 UTC"));
	assert_non_null(strstr(text, "<pre>first\nsecond</pre>"));
	assert_null(strstr(text, "<b>"));
	assert_null(strstr(text, "http://"));
	free(text);
	finding_list_wipe(&list);
}

static void test_json_report(void **state)
{
	struct finding_list list = { .items = NULL };
	struct report report = { .list = &list, .host = "mail.example", .time = 0 };
	json_t *object;
	char *text;

	(void)state;
	fill(&list);
	text = printed(print_json, &report);
	object = json_loads(text, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(object, "time")), "1970-01-01T00:00:00Z");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "counts"), "FAIL")), 1);
	assert_int_equal(json_array_size(json_object_get(object, "findings")), 3);
	json_decref(object);
	free(text);
	report.is_quiet = true;
	text = printed(print_json, &report);
	object = json_loads(text, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(object, "findings")), 2);
	json_decref(object);
	free(text);
	finding_list_wipe(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),	    cmocka_unit_test(test_text),
		cmocka_unit_test(test_selection),   cmocka_unit_test(test_json),
		cmocka_unit_test(test_foreign_json), cmocka_unit_test(test_bound),
		cmocka_unit_test(test_take),	    cmocka_unit_test(test_exit_status),
		cmocka_unit_test(test_table),	    cmocka_unit_test(test_html),
		cmocka_unit_test(test_json_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
