/*
 * timegm(3) takes February 30 for March 2, so what was read is printed and must be the same text. A
 * leap second has no number of its own in time_t(3type), and is none here.
 */
#include "utc_time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LATEST 253402300799	/* 9999-12-31T23:59:59Z */

int utc_time_parse(int64_t *seconds, const char *text)
{
	char again[UTC_TIME_TEXT + 1];
	struct tm parts = { .tm_isdst = 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts);
	int64_t found;

	if (end == NULL || *end != '\0' || strlen(text) != UTC_TIME_TEXT)
		return -1;
	found = timegm(&parts);
	if (found < 0 || found > LATEST || strcmp(utc_time_print(found, again), text) != 0)
		return -1;
	*seconds = found;
	return 0;
}

char *utc_time_print(int64_t seconds, char out[UTC_TIME_TEXT + 1])
{
	time_t moment = seconds < 0 ? 0 : seconds > LATEST ? LATEST : seconds;
	struct tm parts;

	gmtime_r(&moment, &parts);
	strftime(out, UTC_TIME_TEXT + 1, "%Y-%m-%dT%H:%M:%SZ", &parts);
	return out;
}
