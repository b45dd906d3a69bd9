/* Digits and a unit from a table of the kind. */
#include "quantity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *suffix;
	int64_t factor;
};

/* Ascending: numbers are printed with the last one that divides. */
static const struct unit plain_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit size_units[] = {
	{ "", 1 },
	{ "k", 1 << 10 },
	{ "K", 1 << 10 },
	{ "M", 1 << 20 },
	{ "G", 1 << 30 },
	{ NULL, 0 },
};
static const struct unit duration_units[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60000 },
	{ "h", 3600000 },
	{ "d", 86400000 },
	{ "w", 604800000 },
	{ NULL, 0 },
};
static const struct unit *const units_of[] = {
	[QUANTITY_PLAIN] = plain_units,
	[QUANTITY_SIZE] = size_units,
	[QUANTITY_DURATION] = duration_units,
};

enum quantity_result quantity_parse(enum quantity quantity, const char *text, int64_t *number_out)
{
	const struct unit *unit = units_of[quantity];
	size_t digits = strspn(text, "0123456789");
	int64_t product;
	long long count;

	if (digits == 0)
		return QUANTITY_WRONG;
	while (unit->suffix != NULL && strcmp(unit->suffix, text + digits) != 0)
		unit++;
	if (unit->suffix == NULL)
		return QUANTITY_WRONG;
	errno = 0;
	count = strtoll(text, NULL, 10);
	if (errno == ERANGE || __builtin_mul_overflow(count, unit->factor, &product))
		return QUANTITY_TOO_BIG;
	*number_out = product;
	return QUANTITY_OK;
}

char *quantity_print(enum quantity quantity, char *out, size_t size, int64_t number)
{
	const struct unit *best = units_of[quantity];

	for (const struct unit *unit = best; number != 0 && unit->suffix != NULL; unit++)
		if (number % unit->factor == 0)
			best = unit;
	snprintf(out, size, "%" PRId64 "%s", number / best->factor, best->suffix);
	return out;
}
