/*
 *   xtext   = *( xchar / hexchar )                        (RFC 3461 4)
 *   xchar   = any ASCII CHAR between "!" and "~" inclusive, except for "+" and "="
 *   hexchar = "+" 2( HEXDIG )
 *
 *   utf-8-enc-addr      = 1*( QCHAR / EmbeddedUnicodeChar / UTF8-non-ascii )     (RFC 6533 3)
 *   QCHAR               = xchar except "\"
 *   EmbeddedUnicodeChar = "\x" "{" HEXPOINT "}"           ; 2 to 6 digits, no control, no surrogate
 *
 * RFC 3461 wants the digits of hexchar in upper case; lower case is read too, as Postfix does, and
 * never written. A hexchar inside utf-8-enc-addr, which some senders produce, is let through.
 */
#include "xtext.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ascii.h"
#include "utf8.h"

static bool is_xchar(char c)
{
	return c >= '!' && c <= '~' && c != '+' && c != '=';
}

/* The byte that the hexchar at `text` stands for, or -1. */
static int read_hexchar(const char *text, size_t length)
{
	int high, low;

	if (length < 3 || text[0] != '+')
		return -1;
	high = ascii_hex_value(text[1]);
	low = ascii_hex_value(text[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

ssize_t xtext_decode(char *out, size_t size, const char *text, size_t length)
{
	size_t at = 0, made = 0;

	while (at < length) {
		int byte = read_hexchar(text + at, length - at);

		if ((byte < 0 && !is_xchar(text[at])) || made + 1 >= size)
			return -1;
		out[made++] = byte < 0 ? text[at] : (char)byte;
		at += byte < 0 ? 1 : 3;
	}
	if (made >= size)
		return -1;
	out[made] = '\0';
	return (ssize_t)made;
}

ssize_t xtext_encode(char *out, size_t size, const char *bytes, size_t length)
{
	size_t made = 0;

	for (size_t at = 0; at < length; at++) {
		size_t needed = is_xchar(bytes[at]) ? 1 : 3;

		if (made + needed >= size)
			return -1;
		if (needed == 1)
			out[made] = bytes[at];
		else
			snprintf(out + made, size - made, "+%02X", (unsigned char)bytes[at]);
		made += needed;
	}
	if (made >= size)
		return -1;
	out[made] = '\0';
	return (ssize_t)made;
}

bool xtext_is_valid(const char *text, size_t length)
{
	size_t at = 0;

	while (at < length) {
		if (is_xchar(text[at]))
			at++;
		else if (read_hexchar(text + at, length - at) >= 0)
			at += 3;
		else
			return false;
	}
	return true;
}

/* Octets of the EmbeddedUnicodeChar at `text`, or 0. */
static size_t read_embedded(const char *text, size_t length)
{
	uint32_t point = 0;
	size_t at = 3;

	if (length < 3 || memcmp(text, "\\x{", 3) != 0)
		return 0;
	for (; at < length && at < 9 && ascii_hex_value(text[at]) >= 0; at++)
		point = point << 4 | (uint32_t)ascii_hex_value(text[at]);
	if (at < 5 || at >= length || text[at] != '}')
		return 0;
	if (point < ' ' || point == 0x7f || (point >= 0xd800 && point <= 0xdfff) ||
	    point > 0x10ffff)
		return 0;
	return at + 1;
}

/*
 * Octets of the next element of a utf-8-enc-addr, or 0. *code_point is set if it is UTF8-non-ascii,
 * else 0.
 */
static size_t read_element(const char *text, size_t length, uint32_t *code_point)
{
	*code_point = 0;
	if ((unsigned char)text[0] >= 0x80)
		return utf8_read(code_point, text, length);
	if (text[0] == '\\')
		return read_embedded(text, length);
	if (text[0] == '+')
		return read_hexchar(text, length) >= 0 ? 3 : 0;
	return is_xchar(text[0]) ? 1 : 0;
}

bool xtext_utf8_address_is_valid(const char *text, size_t length, bool allow_utf8)
{
	uint32_t code_point;
	size_t at = 0, used;

	for (; at < length; at += used) {
		used = read_element(text + at, length - at, &code_point);
		if (used == 0 || (code_point != 0 && !allow_utf8))
			return false;
	}
	return length > 0;
}

ssize_t xtext_utf8_address_to_ascii(char *out, size_t size, const char *text, size_t length)
{
	char element[16];
	uint32_t code_point;
	size_t made = 0, used, needed;

	for (size_t at = 0; at < length; at += used) {
		used = read_element(text + at, length - at, &code_point);
		if (used == 0)
			return -1;
		if (code_point != 0)
			needed = (size_t)snprintf(element, sizeof(element), "\\x{%02X}",
						  (unsigned)code_point);
		else
			memcpy(element, text + at, needed = used);
		if (made + needed >= size)
			return -1;
		memcpy(out + made, element, needed);
		made += needed;
	}
	if (made >= size)
		return -1;
	out[made] = '\0';
	return (ssize_t)made;
}
