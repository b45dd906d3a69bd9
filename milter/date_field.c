/* By hand, not by strftime(3): the names of RFC 5322 are English whatever the locale. */
#include "date_field.h"

#include <stdio.h>
#include <stdlib.h>

int date_field_print(char *out, size_t size, time_t when)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm tm;
	long zone;
	int length;

	if (localtime_r(&when, &tm) == NULL)
		return -1;
	zone = labs(tm.tm_gmtoff) / 60;
	length = snprintf(out, size, "%s, %d %s %04ld %02d:%02d:%02d %c%02ld%02ld", days[tm.tm_wday], tm.tm_mday,
			  months[tm.tm_mon], tm.tm_year + 1900L, tm.tm_hour, tm.tm_min, tm.tm_sec,
			  tm.tm_gmtoff < 0 ? '-' : '+', zone / 60, zone % 60);
	return length < 0 || (size_t)length >= size ? -1 : 0;
}
