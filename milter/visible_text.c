/* See visible_text.h. An invisible character between two others keeps them together. */
#include "visible_text.h"

#include <stdint.h>
#include <string.h>

#include "encoded_word.h"
#include "lib/utf8.h"
#include "visible_character.h"

static bool is_syntax(uint32_t c)
{
	return c < 0x80 && strchr(",;:()\"\\", (int)c) != NULL;
}

void visible_text_look(struct visible_text *seen, const char *text, size_t length)
{
	uint32_t previous = ' ', raw;
	bool was_at = false;
	size_t octets;

	*seen = (struct visible_text){ .has_at = false };
	for (; (octets = utf8_read(&raw, text, length)) > 0; text += octets, length -= octets) {
		uint32_t c = visible_character_fold(raw);

		seen->has_control |= visible_character_is_control(raw) && raw != '\t';
		if (c == 0)
			continue;
		if (c == '\t')
			c = ' ';
		seen->has_address |= was_at && c != ' ';
		was_at = c == '@' && previous != ' ';
		seen->has_at |= c == '@';
		seen->has_angle |= c == '<' || c == '>';
		seen->has_syntax |= is_syntax(c);
		previous = c;
	}
}

int visible_text_look_decoded(struct visible_text *seen, const char *text, size_t length, bool *is_malformed)
{
	enum encoded_word_fault fault;
	struct buffer decoded;
	int result;

	buffer_init(&decoded, ENCODED_WORD_GROWTH * length);
	result = encoded_word_decode(&decoded, text, length, &fault);
	if (result == 0)
		visible_text_look(seen, buffer_length(&decoded) > 0 ? (const char *)buffer_data(&decoded) : "",
				  buffer_length(&decoded));
	*is_malformed = result == 0 && fault == ENCODED_WORD_MALFORMED;
	buffer_wipe(&decoded);
	return result;
}
