/* UTF-8 as RFC 3629 defines it: only well-formed sequences. */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads the sequence at `text`, one to four of `length` bytes. Returns its octets and sets
 * *code_point (which may be NULL), or returns 0 if there is none: overlong forms, surrogates, code
 * points beyond U+10FFFF, stray and missing tails.
 */
size_t utf8_read(uint32_t *code_point, const char *text, size_t length);

#endif
