/* The report for people and grep(1): result, id, subject and what was seen in one line. */
#include <string.h>

#include "finding_id.h"
#include "report.h"

/* The commands and records that mend it, each line set off, so that they can be copied. */
static void print_mend(const char *mend, FILE *out)
{
	const char *before = "        -> ";
	size_t length;

	while (*mend != '\0') {
		length = strcspn(mend, "\n");
		fprintf(out, "%s%.*s\n", before, (int)length, mend);
		before = "           ";
		mend += length + (mend[length] == '\n');
	}
}

static void print_group(const struct report *report, const char *group, const char *title, FILE *out)
{
	const struct finding *finding;
	size_t position = 0;
	bool has_title = report->is_quiet;

	while ((finding = report_next(report, group, &position)) != NULL) {
		if (!has_title)
			fprintf(out, "%s\n", title);
		has_title = true;
		fprintf(out, "%-7s %s  %s: %s\n", finding_result_name(finding->result), finding->id, finding->subject,
			finding->seen);
		if (finding->result != FINDING_OK)
			print_mend(finding->mend, out);
	}
	if (has_title && !report->is_quiet)
		fputc('\n', out);
}

void report_table_print(const struct report *report, FILE *out)
{
	const struct finding_list *list = report->list;

	for (size_t i = 0; i < finding_group_count; i++)
		print_group(report, finding_groups[i].group, finding_groups[i].title, out);
	print_group(report, NULL, "Others", out);
	if (list->is_incomplete)
		fputs("unknown report  this report: incomplete, as memory was short or there was too much\n", out);
	if (report->is_quiet)
		return;
	fprintf(out, "%zu ok, %zu FAIL, %zu warn, %zu unknown\n", finding_list_count(list, FINDING_OK),
		finding_list_count(list, FINDING_FAIL), finding_list_count(list, FINDING_WARN),
		finding_list_count(list, FINDING_UNKNOWN));
}
