/*
 * Which findings are asked for: `--only ID|GROUP,...`.
 *
 *	selection = word *( "," word )
 *	word      = id / group			; of finding_id.h
 */
#ifndef FINDING_SELECTION_H
#define FINDING_SELECTION_H

#include <stdbool.h>
#include <stddef.h>

#define FINDING_SELECTION_WORDS_MAX 64

struct finding_selection {
	const char *words[FINDING_SELECTION_WORDS_MAX]; /* of the table, not to be freed */
	size_t count;					/* 0: everything */
};

/* 0, or -1 with a sentence that names the word and where the list of them is. */
int finding_selection_parse(struct finding_selection *selection, const char *text, char *error,
			    size_t error_size);
/* Is a finding of this id asked for? An id that is in no table is, if everything is. */
bool finding_selection_has(const struct finding_selection *selection, const char *id);
/* Is any finding of this id, or of this group, asked for? */
bool finding_selection_touches(const struct finding_selection *selection, const char *id_or_group);

#endif
