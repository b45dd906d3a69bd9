/* What the rules found in a message, and what shall be changed in it. */
#ifndef FINDING_H
#define FINDING_H

#include <stddef.h>

#include "rule.h"

#define FINDING_TEXT_MAX 400

struct finding {
	enum rule rule;
	enum rule_action action;	/* after mode and profile; never RULE_OFF */
	char text[FINDING_TEXT_MAX];	/* for the reply and the log: printable, one line */
};

/*
 * A change of the header section. `index`: the how-manieth field of that name, from 1, as
 * smfi_chgheader(3) counts; 0 for ADD. Edits are sorted by index, whatever the name, and applied
 * last to first, so that an index stays true.
 */
enum field_edit_kind { FIELD_EDIT_ADD, FIELD_EDIT_REPLACE, FIELD_EDIT_DELETE };
struct field_edit {
	enum field_edit_kind kind;
	char *name, *value;		/* heap; value NULL for DELETE */
	size_t index;
};

struct findings {
	struct finding *items;
	size_t count;
	struct field_edit *edits;
	size_t edit_count;
	int has_failed;			/* no memory for one: the message must be deferred */
};

/* Does nothing if the action is RULE_OFF. At most FINDINGS_MAX of one message are kept (the worst ones). */
#define FINDINGS_MAX 50
void findings_add(struct findings *findings, enum rule rule, enum rule_action action, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/*
 * An edit for RULE_REPAIR. There is one for each field: of two, a DELETE counts, otherwise the first.
 */
void findings_edit(struct findings *findings, enum field_edit_kind kind, const char *name, size_t index,
		   const char *value);
/* The one that decides: the most severe, of these the first in the order of enum rule; NULL if there is none. */
const struct finding *findings_worst(const struct findings *findings);
void findings_wipe(struct findings *findings);

#endif
