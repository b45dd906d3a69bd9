/* As `wg show` says it. */
#include "age_text.h"

#include <stdio.h>

static const struct unit {
	long long seconds;
	const char *name;
} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };

#define UNITS (sizeof(units) / sizeof(units[0]))

static int print_part(char *out, size_t size, const char *before, const struct unit *unit, long long seconds)
{
	long long number = seconds / unit->seconds;

	return snprintf(out, size, "%s%lld %s%s", before, number, unit->name, number == 1 ? "" : "s");
}

char *age_text_print(char *out, size_t size, long long seconds)
{
	size_t i = 0;
	int used;

	if (seconds < 0)
		seconds = 0;
	while (i < UNITS - 1 && seconds < units[i].seconds)
		i++;
	used = print_part(out, size, "", &units[i], seconds);
	seconds %= units[i].seconds;
	if (i + 1 < UNITS && seconds >= units[i + 1].seconds && (size_t)used < size)
		print_part(out + used, size - (size_t)used, ", ", &units[i + 1], seconds);
	return out;
}
