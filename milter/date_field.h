/* A Date field's value (RFC 5322 3.3). */
#ifndef DATE_FIELD_H
#define DATE_FIELD_H

#include <stddef.h>
#include <time.h>

#define DATE_FIELD_MAX 48

/* "Fri, 21 Nov 2025 09:55:06 +0100", in local time. 0, or -1 if that time has no such form. */
int date_field_print(char *out, size_t size, time_t when);

#endif
