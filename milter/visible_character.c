/*
 * Characters that make one address look like another: the full-width forms (U+FF01 to U+FF5E) and
 * small forms (U+FE50 to U+FE6B) of ASCII, what IDNA2003 takes for a dot (RFC 3490 3.1), the spaces
 * of the General Punctuation block, and what is not seen at all (default ignorable code points).
 *
 * This is no table of homographs: letters of other scripts stay what they are. Whoever compares has
 * to see that they are not ASCII.
 */
#include "visible_character.h"

#include <stddef.h>

struct range {
	uint32_t first, last;
};

static bool is_in(const struct range *ranges, size_t count, uint32_t c)
{
	for (size_t i = 0; i < count; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

#define IS_IN(ranges, c) is_in(ranges, sizeof(ranges) / sizeof((ranges)[0]), c)

static const struct range invisible[] = {
	{ 0xad, 0xad },	    { 0x34f, 0x34f },	  { 0x61c, 0x61c },	{ 0x115f, 0x1160 },
	{ 0x17b4, 0x17b5 }, { 0x180b, 0x180f },	  { 0x2006, 0x200f },	{ 0x202a, 0x202f },
	{ 0x205f, 0x206f }, { 0x3164, 0x3164 },	  { 0xfe00, 0xfe0f },	{ 0xfeff, 0xfeff },
	{ 0xffa0, 0xffa0 }, { 0xfff0, 0xfffb },	  { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
	{ 0xe0000, 0xe0fff },
};

static const struct range spaces[] = {
	{ 0xa0, 0xa0 }, { 0x1680, 0x1680 }, { 0x2000, 0x2005 }, { 0x2028, 0x2029 }, { 0x3000, 0x3000 },
};

static const struct range dots[] = {
	{ 0x2024, 0x2024 }, { 0x3002, 0x3002 }, { 0xfe52, 0xfe52 }, { 0xff0e, 0xff0e }, { 0xff61, 0xff61 },
};

/* U+FE50 and those after it; 0 is not assigned or not ASCII. */
static const char small_forms[] = ",\0.\0;:?!-()\0\0\0\0#&*+-<>=\0\\$%@";

uint32_t visible_character_fold(uint32_t c)
{
	if (c < 0x80)
		return c;
	if (IS_IN(invisible, c))
		return 0;
	if (IS_IN(spaces, c))
		return ' ';
	if (IS_IN(dots, c))
		return '.';
	if (c >= 0xff01 && c <= 0xff5e)
		return c - 0xff01 + '!';
	if (c >= 0xfe50 && c < 0xfe50 + sizeof(small_forms) - 1 && small_forms[c - 0xfe50] != '\0')
		return (unsigned char)small_forms[c - 0xfe50];
	return c;
}

bool visible_character_is_bidi_control(uint32_t c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

bool visible_character_is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}
