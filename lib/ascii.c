/*
 * Character classes and case of ASCII. <ctype.h> and strcasecmp(3) follow the locale and are
 * undefined for negative chars; keywords of mail protocols are ASCII wherever the program runs (RFC
 * 5321 2.4).
 */
#include "ascii.h"

bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool ascii_is_alnum(char c)
{
	return ascii_is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

int ascii_hex_value(char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ascii_is_word(const char *text, size_t length, const char *word)
{
	for (size_t i = 0; i < length; i++)
		if (word[i] == '\0' || ascii_lower(text[i]) != ascii_lower(word[i]))
			return false;
	return word[length] == '\0';
}
