/* ASCII as protocols mean it: without regard to the locale, safe for every value of char. */
#ifndef ASCII_H
#define ASCII_H

#include <stdbool.h>
#include <stddef.h>

bool ascii_is_digit(char c);
bool ascii_is_alnum(char c);
char ascii_lower(char c);
/* Value of a hexadecimal digit of either case, or -1. */
int ascii_hex_value(char c);
/* Are the `length` bytes the same as the string `word`, without regard to case? */
bool ascii_is_word(const char *text, size_t length, const char *word);

#endif
