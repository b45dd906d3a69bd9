/*
 * The right-hand side of a line of `limits`; postern-limits(5):
 *
 *	value  = "unlimited" / 1*(option "=" number)
 *	option = rate "=" N "/" duration / "size" "=" size
 *	rate   = "messages" / "recipients"		; beyond it 4xx
 *	       / "messages_max" / "recipients_max"	; beyond it 5xx; attempts that were refused count
 */
#ifndef LIMIT_LINE_H
#define LIMIT_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/token_bucket.h"

enum limit_rate { LIMIT_MESSAGES, LIMIT_RECIPIENTS, LIMIT_MESSAGES_MAX, LIMIT_RECIPIENTS_MAX };
#define LIMIT_RATES 4

struct limit_line {
	struct token_rate rates[LIMIT_RATES];	/* tokens 0: no such limit */
	uint64_t size;				/* bytes; 0: no limit */
};

/* Cuts `value` up. 0, or -1 with a reason that quotes what is wrong. */
int limit_line_parse(struct limit_line *line, char *value, char *reason, size_t reason_size);

/* "messages_max". */
const char *limit_rate_name(enum limit_rate rate);
/* 0, or -1: there is none of that name. */
int limit_rate_find(enum limit_rate *rate, const char *name);

#endif
