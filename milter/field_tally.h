/* The fields that one rule objects to, told in one line however many there are. */
#ifndef FIELD_TALLY_H
#define FIELD_TALLY_H

#include "finding.h"
#include "message.h"

struct field_tally {
	const struct header_field *first;	/* borrowed */
	size_t count;
};

void field_tally_add(struct field_tally *tally, const struct header_field *field);
/* Adds a finding `Bcc and 2 more fields: WHAT (rule bcc)` if there is any. */
void field_tally_tell(const struct field_tally *tally, struct findings *findings, enum rule rule,
		      enum rule_action action, const char *what);

#endif
