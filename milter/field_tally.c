/* Names come from whoever wrote the message: cut here, made printable by findings_add(). */
#include "field_tally.h"

#include <stdio.h>

void field_tally_add(struct field_tally *tally, const struct header_field *field)
{
	if (tally->count++ == 0)
		tally->first = field;
}

void field_tally_tell(const struct field_tally *tally, struct findings *findings, enum rule rule,
		      enum rule_action action, const char *what)
{
	char others[40] = "";

	if (tally->count == 0)
		return;
	if (tally->count > 1)
		snprintf(others, sizeof(others), " and %zu more field%s", tally->count - 1,
			 tally->count == 2 ? "" : "s");
	findings_add(findings, rule, action, "%.60s%s: %s (rule %s)",
		     tally->first->name[0] != '\0' ? tally->first->name : "a field without a name", others, what,
		     rule_name(rule));
}
