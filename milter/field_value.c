/*
 *	value = *( FWS / character )
 *	FWS   = [CR] LF 1*WSP			; and then something on that line
 *
 * U+2028 and U+2029 are refused with the control characters: for some readers they end a line.
 */
#include "field_value.h"

#include <stdint.h>
#include <stdio.h>

#include "lib/utf8.h"
#include "visible_character.h"

/* No octet is taken. */
static size_t refuse(char *reason, size_t size, const char *why)
{
	snprintf(reason, size, "%s", why);
	return 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Octets of the line break at `at`, or 0 with a reason if it does not fold. */
static size_t fold_length(const char *at, const char *end, char *reason, size_t size)
{
	const char *next = at + (*at == '\r');
	size_t length = (size_t)(next - at) + 1;

	if (next == end || *next != '\n')
		return refuse(reason, size, "carriage return outside a line break");
	if (++next == end || !is_space(*next))
		return refuse(reason, size, "line break that does not fold the line");
	while (next < end && is_space(*next))
		next++;
	if (next == end || *next == '\r' || *next == '\n')
		return refuse(reason, size, "folded line of nothing but white space");
	return length;
}

/* Octets of the character at `at`, or 0 with a reason. */
static size_t character_length(const char *at, const char *end, bool allow_utf8, char *reason, size_t size)
{
	size_t octets;
	uint32_t c;

	if ((unsigned char)*at >= 0x80 && !allow_utf8)
		return refuse(reason, size, "octets beyond ASCII; names need encoded words (RFC 2047)");
	octets = utf8_read(&c, at, (size_t)(end - at));
	if (octets == 0)
		return refuse(reason, size, "malformed UTF-8");
	if ((visible_character_is_control(c) && c != '\t') || c == 0x2028 || c == 0x2029) {
		snprintf(reason, size, "control character U+%04X", (unsigned)c);
		return 0;
	}
	return octets;
}

int field_value_unfold(struct buffer *out, const char *value, size_t length, bool allow_utf8, char *reason,
		       size_t reason_size)
{
	for (const char *at = value, *end = length > 0 ? value + length : value; at < end;) {
		bool is_break = *at == '\r' || *at == '\n';
		size_t octets = is_break ? fold_length(at, end, reason, reason_size)
					 : character_length(at, end, allow_utf8, reason, reason_size);

		if (octets > 0 && !is_break && buffer_put(out, at, octets) != 0)
			octets = refuse(reason, reason_size, "out of memory");
		if (octets == 0)
			return -1;
		at += octets;
	}
	return 0;
}
