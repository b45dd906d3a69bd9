/*
 * Decoded for counting only (encoded_word.c). If one encoded word of a Subject cannot be decoded for
 * sure, none is: doubt makes a Subject longer, never shorter.
 */
#include "subject_length.h"

#include <string.h>

#include "encoded_word.h"
#include "lib/buffer.h"
#include "lib/utf8.h"

/* Octets that are no UTF-8 count one each. */
static size_t count_characters(const char *text, size_t length)
{
	size_t characters = 0, octets;

	for (size_t i = 0; i < length; i += octets, characters++) {
		octets = utf8_read(NULL, text + i, length - i);
		if (octets == 0)
			octets = 1;
	}
	return characters;
}

/* Without line breaks, and without white space at its ends. 0, or -1: no memory. */
static int unfold(struct buffer *out, const char *value)
{
	value += strspn(value, " \t\r\n");
	for (; *value != '\0'; value++)
		if (*value != '\r' && *value != '\n' && buffer_put(out, value, 1) < 0)
			return -1;
	while (out->end > 0 && strchr(" \t", out->bytes[out->end - 1]) != NULL)
		out->end--;
	return 0;
}

/* Of text that is not empty. */
static size_t count_decoded(const struct buffer *text)
{
	const char *raw = (const char *)buffer_data(text);
	enum encoded_word_fault fault;
	struct buffer decoded;
	size_t characters;

	buffer_init(&decoded, ENCODED_WORD_GROWTH * buffer_length(text));
	if (encoded_word_decode(&decoded, raw, buffer_length(text), &fault) < 0 || fault != ENCODED_WORD_FINE)
		characters = count_characters(raw, buffer_length(text));
	else
		characters = count_characters((const char *)buffer_data(&decoded), buffer_length(&decoded));
	buffer_wipe(&decoded);
	return characters;
}

size_t subject_length(const char *value)
{
	size_t characters = 0;
	struct buffer text;

	buffer_init(&text, strlen(value));
	if (unfold(&text, value) < 0)
		characters = strlen(value);
	else if (buffer_length(&text) > 0)
		characters = count_decoded(&text);
	buffer_wipe(&text);
	return characters;
}
