/* The report for programs. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "finding_json.h"
#include "report.h"

static json_t *make_counts(const struct finding_list *list)
{
	json_t *counts = json_object();

	for (int i = 0; counts != NULL && i < FINDING_RESULTS; i++)
		json_object_set_new(counts, finding_result_name((enum finding_result)i),
				    json_integer((json_int_t)finding_list_count(list, (enum finding_result)i)));
	return counts;
}

/* The list as it is printed: finding_json.c has the one place that knows a finding's members. */
static json_t *make_findings(const struct report *report)
{
	struct finding_list left = { .items = NULL };
	json_t *array = NULL;

	for (size_t i = 0; i < report->list->count; i++) {
		const struct finding *finding = &report->list->items[i];

		if (!report->is_quiet || finding->result != FINDING_OK)
			finding_list_add_foreign(&left, finding->id, finding->subject, finding->result, finding->seen,
						 finding->mend);
	}
	if (!left.is_incomplete)
		array = finding_json_make(&left);
	finding_list_wipe(&left);
	return array;
}

int report_json_print(const struct report *report, FILE *out)
{
	char time_text[40] = "";
	struct tm tm;
	json_t *object;
	char *text;

	if (report->is_quiet && finding_list_count(report->list, FINDING_OK) == report->list->count &&
	    !report->list->is_incomplete)
		return 0;
	if (gmtime_r(&report->time, &tm) != NULL)
		strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	object = json_pack("{s:s, s:s, s:s, s:b, s:o, s:o}", "host", report->host, "time", time_text, "version",
			   PACKAGE_VERSION, "incomplete", report->list->is_incomplete, "counts",
			   make_counts(report->list), "findings", make_findings(report));
	text = object != NULL ? json_dumps(object, JSON_INDENT(2)) : NULL;
	json_decref(object);
	if (text == NULL)
		return -1;
	fprintf(out, "%s\n", text);
	free(text);
	return 0;
}
