/* What a character looks like to somebody who reads an address, as far as that deceives. Pure. */
#ifndef VISIBLE_CHARACTER_H
#define VISIBLE_CHARACTER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The ASCII character that is seen (full-width and small forms, other dots, spaces), 0 if nothing
 * is seen (zero-width characters, hair-thin spaces), otherwise the character itself.
 */
uint32_t visible_character_fold(uint32_t code_point);
/* Embeddings, overrides and isolates, by which text is shown in another order than it is written. */
bool visible_character_is_bidi_control(uint32_t code_point);
/* C0, DEL, C1. */
bool visible_character_is_control(uint32_t code_point);

#endif
