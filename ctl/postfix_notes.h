/* What an administrator should know of his Postfix before its mail goes through postern. */
#ifndef POSTFIX_NOTES_H
#define POSTFIX_NOTES_H

#include "postfix.h"

/* On standard output: one sentence for each setting by which mail goes elsewhere, or differently than before. */
void postfix_notes_print(const struct postfix *postfix);

/*
 * Every socket of postern-milter that Postfix is to ask must be there: without it mail waits, or
 * passes unchecked. 0, or JOIN_NO_MILTER with `error`.
 */
int postfix_notes_check_milters(const struct postfix *postfix, char *error, size_t error_size);

#endif
