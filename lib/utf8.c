/*
 *   UTF8-octets = *( UTF8-char )                          (RFC 3629 4)
 *   UTF8-1 = %x00-7F
 *   UTF8-2 = %xC2-DF UTF8-tail
 *   UTF8-3 = %xE0 %xA0-BF UTF8-tail / %xE1-EC 2( UTF8-tail ) /
 *            %xED %x80-9F UTF8-tail / %xEE-EF 2( UTF8-tail )
 *   UTF8-4 = %xF0 %x90-BF 2( UTF8-tail ) / %xF1-F3 3( UTF8-tail ) /
 *            %xF4 %x80-8F 2( UTF8-tail )
 *
 * The ranges say the same as "shortest form, no surrogate, at most U+10FFFF", which is how it is
 * checked here.
 */
#include "utf8.h"

size_t utf8_read(uint32_t *code_point, const char *text, size_t length)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *byte = (const unsigned char *)text;
	size_t octets;
	uint32_t value;

	if (length == 0 || (byte[0] >= 0x80 && byte[0] < 0xc2) || byte[0] > 0xf4)
		return 0;
	octets = byte[0] < 0x80 ? 1 : byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : 4;
	if (octets > length)
		return 0;
	value = octets == 1 ? byte[0] : byte[0] & (0x7fu >> octets);
	for (size_t i = 1; i < octets; i++) {
		if ((byte[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (byte[i] & 0x3f);
	}
	if (value < smallest[octets] || (value >= 0xd800 && value <= 0xdfff) || value > 0x10ffff)
		return 0;
	if (code_point != NULL)
		*code_point = value;
	return octets;
}
