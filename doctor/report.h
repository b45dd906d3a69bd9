/*
 * Findings for people (a table, a page of HTML) and for programs (JSON). For people they stand in the
 * groups of finding_id.h, and in a group in the order in which they were found.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "finding.h"

struct report {
	const struct finding_list *list;
	const char *host;	/* where it was made */
	time_t time;		/* when */
	bool is_quiet;		/* only what is not ok; nothing at all if all is */
};

/*
 * A line for each finding, and under it what mends it; a sum at the end. Lines of the terminal are
 * not filled or cut: `grep FAIL' works.
 */
void report_table_print(const struct report *report, FILE *out);
/* {"host", "time", "version", "counts": {"ok": N, ...}, "findings": [...]}. 0, or -1: no memory. */
int report_json_print(const struct report *report, FILE *out);
/* One page that needs nothing else: no script, no font, no picture from anywhere. */
void report_html_print(const struct report *report, FILE *out);

/*
 * What the program ends with.
 *
 *	0	everything is ok, or there are warnings
 *	1	something is FAIL
 *	2	nothing is FAIL, but something is unknown
 */
int report_exit_status(const struct finding_list *list);

/*
 * For printers: the findings of a group, one after the other. *position is 0 at first; NULL at the
 * end. `group` NULL: those whose id is in no table.
 */
const struct finding *report_next(const struct report *report, const char *group, size_t *position);

#endif
