/*
 * Findings as JSON: an array of
 *
 *	{ "id": "edge-ptr", "subject": "192.0.2.1", "result": "FAIL", "seen": "...", "mend": "..." }
 *
 * which is what an edge answers to the question `check`, and part of `postern doctor --json`.
 */
#ifndef FINDING_JSON_H
#define FINDING_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "finding.h"

/* A reference for the caller; NULL: no memory. */
json_t *finding_json_make(const struct finding_list *list);
/*
 * Adds the rows of an array that another program made to *list. Unknown ids are kept, unknown
 * members passed over: the other program may be newer. 0, or -1 with a reason and *list as it was:
 * no array, a row that lacks something or has an unknown result.
 */
int finding_json_take(struct finding_list *list, const json_t *array, char *error, size_t error_size);

/* The same as text: on the heap, one line; NULL: no memory. */
char *finding_json_print(const struct finding_list *list);
int finding_json_parse(struct finding_list *list, const char *text, size_t length, char *error,
		       size_t error_size);

#endif
