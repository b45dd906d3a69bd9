/*
 * What of a text a reader could take for the syntax of addresses, characters folded as
 * visible_character_fold() does. Pure.
 */
#ifndef VISIBLE_TEXT_H
#define VISIBLE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct visible_text {
	bool has_at;		/* "@" */
	bool has_address;	/* "@" with something on both sides */
	bool has_angle;		/* "<" or ">" */
	bool has_syntax;	/* what else divides a list, or hides a part of it: , ; : ( ) " \ */
	bool has_control;	/* but TAB */
};

/* `text` is well-formed UTF-8. */
void visible_text_look(struct visible_text *seen, const char *text, size_t length);
/* Its encoded words (RFC 2047) decoded before; is one of them malformed? 0, or -1: no memory. */
int visible_text_look_decoded(struct visible_text *seen, const char *text, size_t length, bool *is_malformed);

#endif
