/*
 * What a check found: one row for each thing that was looked at, good or bad. Whoever checks adds
 * rows to a list; printers (report_*.h) and the tunnel (as JSON) take it from there.
 *
 *	ok	looked at, and as it should be
 *	FAIL	mail is refused, delayed, lost or misused because of it, or will be
 *	warn	mail flows in spite of it
 *	unknown	it could not be looked at: a time-out, a file that may not be read. Never a FAIL.
 *
 * A list is not shared between threads.
 */
#ifndef FINDING_H
#define FINDING_H

#include <stdbool.h>
#include <stddef.h>

#include "finding_selection.h"

enum finding_result { FINDING_OK, FINDING_FAIL, FINDING_WARN, FINDING_UNKNOWN };
#define FINDING_RESULTS 4

/* No text of a finding is longer; what is longer is cut. */
#define FINDING_TEXT_MAX 2000
/* Rows that a list takes; a check that finds more has gone mad. */
#define FINDINGS_MAX 2000

/*
 * All text is the list's, never NULL, printable UTF-8 in one line; `mend` may have several: the
 * record, command or setting that mends it, "" if nothing is to be done.
 */
struct finding {
	char *id;	/* a row of finding_id.h; from an edge of another version perhaps none */
	char *subject;	/* what was looked at: "relay-us 192.0.2.1", "/etc/postern/edges", "example.com" */
	enum finding_result result;
	char *seen;
	char *mend;
};

struct finding_list {
	struct finding *items;
	size_t count, capacity;
	bool is_incomplete; /* memory was short, or FINDINGS_MAX reached: told by the printers */
	/* What is not selected is not kept. NULL: everything is. Not the list's. */
	const struct finding_selection *selection;
};

/*
 * Adds a row. NULL if it is not selected or there is no memory for it; finding_mend() takes that.
 * The pointer is good until the next row. An id that is in no table is a programming error.
 */
struct finding *finding_add(struct finding_list *list, const char *id, const char *subject,
			    enum finding_result result, const char *seen_format, ...)
	__attribute__((format(printf, 5, 6)));
/* Says what to do about it; a second call replaces the first. */
void finding_mend(struct finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Is anything of this id or group asked for? If not, there is no need to look. */
bool finding_is_wanted(const struct finding_list *list, const char *id_or_group);

/*
 * Moves all rows of `from` to the end of `to`, which keeps what is selected; `prefix`, if not NULL, goes before each
 * subject ("relay-us: "). `from` is empty afterwards.
 */
void finding_list_take(struct finding_list *to, struct finding_list *from, const char *prefix);
/*
 * Adds a row that another program made, whose id may be in no table. 0, or -1: no memory, or too
 * many.
 */
int finding_list_add_foreign(struct finding_list *list, const char *id, const char *subject,
			     enum finding_result result, const char *seen, const char *mend);
size_t finding_list_count(const struct finding_list *list, enum finding_result result);
void finding_list_wipe(struct finding_list *list);

/* "ok", "FAIL", "warn", "unknown" */
const char *finding_result_name(enum finding_result result);
/* 0, or -1: no such name. */
int finding_result_parse(const char *name, enum finding_result *result_out);

#endif
