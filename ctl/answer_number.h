/* Numbers that an edge told: whatever it says, sums and differences of a few of them can be made. */
#ifndef ANSWER_NUMBER_H
#define ANSWER_NUMBER_H

#include <jansson.h>
#include <stdint.h>

/* -2^53..2^53, as far as JSON's numbers are exact; what is beyond is the nearest that is not. */
#define ANSWER_NUMBER_MAX (INT64_C(1) << 53)

/* 0 if the object has no such member, or another kind of one. */
int64_t answer_number(const json_t *object, const char *name);

#endif
