/* A Content-Type field's value (RFC 2045 5.1), as far as kinds of reports (RFC 6522) go. */
#ifndef CONTENT_TYPE_H
#define CONTENT_TYPE_H

#include <stdbool.h>

/*
 * Is it multipart/report with this report-type? False for a value that departs from the grammar
 * or names the parameter twice.
 */
bool content_type_is_report(const char *value, const char *report_type);

#endif
