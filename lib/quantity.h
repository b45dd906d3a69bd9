/*
 * Numbers with a unit, as they stand in configuration files and tables.
 *
 *	size     = 1*DIGIT [ "k" / "K" / "M" / "G" ]			; powers of 1024
 *	duration = 1*DIGIT ( "ms" / "s" / "m" / "h" / "d" / "w" )	; in milliseconds
 *
 * Nothing is guessed: "30" is no duration, " 25M" is no size.
 */
#ifndef QUANTITY_H
#define QUANTITY_H

#include <stddef.h>
#include <stdint.h>

enum quantity { QUANTITY_PLAIN, QUANTITY_SIZE, QUANTITY_DURATION };

enum quantity_result {
	QUANTITY_OK,
	QUANTITY_WRONG,		/* other text */
	QUANTITY_TOO_BIG	/* does not fit 64 bits */
};

/* *number_out is set only if the result is QUANTITY_OK. */
enum quantity_result quantity_parse(enum quantity quantity, const char *text, int64_t *number_out);
/* With the largest unit that divides it: "64k", "15m". 32 bytes are always enough. Returns out. */
char *quantity_print(enum quantity quantity, char *out, size_t size, int64_t number);

#endif
