/* Moments as text: RFC 3339 in UTC, to the second, "2026-11-23T03:05:00Z". Nothing else is read. */
#ifndef UTC_TIME_H
#define UTC_TIME_H

#include <stdint.h>

#define UTC_TIME_TEXT 20

/* Seconds since 1970, of the years 1970..9999. 0; -1: no such moment, and *seconds is as it was. */
int utc_time_parse(int64_t *seconds, const char *text);
/* Returns out. A moment out of these years prints as the nearest that is in them. */
char *utc_time_print(int64_t seconds, char out[UTC_TIME_TEXT + 1]);

#endif
