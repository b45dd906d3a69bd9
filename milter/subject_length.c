/*
 *	encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="
 *	encoding     = "Q" / "B"				; RFC 2047 2, RFC 2231 5
 *
 * Decoded for counting only. Characters are counted where a charset is known to have one octet or
 * UTF-8 for each; a word of any other charset, a word that is not all of what stands between white
 * space, and one that breaks its encoding is text like any other, so that doubt makes a Subject
 * longer, never shorter. White space between two encoded words is not shown (RFC 2047 6.2).
 */
#include "subject_length.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "lib/ascii.h"
#include "lib/utf8.h"

enum charset { CHARSET_UNKNOWN, CHARSET_ONE_OCTET, CHARSET_UTF_8 };

struct count {
	enum charset charset;
	size_t characters;
	bool is_broken;
	char pending[4];	/* octets of an unfinished UTF-8 sequence */
	size_t pending_length;
};

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static enum charset find_charset(const char *name, size_t length)
{
	static const char *const one_octet[] = { "us-ascii", "iso-8859-", "windows-125", "koi8-" };
	const char *star = memchr(name, '*', length);

	if (star != NULL)
		length = (size_t)(star - name);
	if (ascii_is_word(name, length, "utf-8"))
		return CHARSET_UTF_8;
	for (size_t i = 0; i < sizeof(one_octet) / sizeof(one_octet[0]); i++)
		if (length >= strlen(one_octet[i]) && strncasecmp(name, one_octet[i], strlen(one_octet[i])) == 0)
			return CHARSET_ONE_OCTET;
	return CHARSET_UNKNOWN;
}

/* One octet of decoded text. */
static void count_octet(struct count *count, unsigned char octet)
{
	if (count->charset == CHARSET_ONE_OCTET) {
		count->characters++;
		return;
	}
	count->pending[count->pending_length++] = (char)octet;
	if (utf8_read(NULL, count->pending, count->pending_length) > 0) {
		count->characters++;
		count->pending_length = 0;
	} else if (count->pending_length == sizeof(count->pending)) {
		count->is_broken = true;
		count->pending_length = 0;
	}
}

static void count_q(struct count *count, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] != '=') {
			count_octet(count, (unsigned char)text[i]);
			continue;
		}
		if (length - i < 3 || ascii_hex_value(text[i + 1]) < 0 || ascii_hex_value(text[i + 2]) < 0) {
			count->is_broken = true;
			return;
		}
		count_octet(count, (unsigned char)(ascii_hex_value(text[i + 1]) << 4 | ascii_hex_value(text[i + 2])));
		i += 2;
	}
}

static void count_b(struct count *count, const char *text, size_t length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	int bit_count = 0;

	if (length % 4 != 0)
		count->is_broken = true;
	for (int padding = 0; padding < 2 && length > 0 && text[length - 1] == '='; padding++)
		length--;
	for (size_t i = 0; i < length; i++) {
		const char *digit = memchr(digits, text[i], sizeof(digits) - 1);

		if (digit == NULL) {
			count->is_broken = true;
			return;
		}
		bits = bits << 6 | (uint32_t)(digit - digits);
		bit_count += 6;
		if (bit_count >= 8) {
			bit_count -= 8;
			count_octet(count, (unsigned char)(bits >> bit_count & 0xff));
		}
	}
}

/* Is all of it one encoded word that can be decoded? Then its characters. */
static bool decode(const char *word, size_t length, size_t *characters)
{
	const char *charset = word + 2, *end = word + length - 2, *charset_end, *text;
	struct count count = { 0 };

	if (length < 8 || memcmp(word, "=?", 2) != 0 || memcmp(end, "?=", 2) != 0)
		return false;
	charset_end = memchr(charset, '?', (size_t)(end - charset));
	if (charset_end == NULL || end - charset_end < 3 || charset_end[2] != '?')
		return false;
	text = charset_end + 3;
	count.charset = find_charset(charset, (size_t)(charset_end - charset));
	if (count.charset == CHARSET_UNKNOWN || memchr(text, '?', (size_t)(end - text)) != NULL)
		return false;
	if (ascii_lower(charset_end[1]) == 'q')
		count_q(&count, text, (size_t)(end - text));
	else if (ascii_lower(charset_end[1]) == 'b')
		count_b(&count, text, (size_t)(end - text));
	else
		return false;
	*characters = count.characters;
	return !count.is_broken && count.pending_length == 0;
}

static size_t count_plain(const char *text, size_t length)
{
	size_t characters = 0, octets;

	for (size_t i = 0; i < length; i += octets, characters++) {
		octets = utf8_read(NULL, text + i, length - i);
		if (octets == 0)
			octets = 1;
	}
	return characters;
}

/* White space at `at`; a fold's CR and LF do not count. */
static size_t take_white(const char *at, size_t *characters)
{
	size_t length = 0;

	for (*characters = 0; is_white(at[length]); length++)
		*characters += at[length] == ' ' || at[length] == '\t';
	return length;
}

size_t subject_length(const char *value)
{
	size_t total = 0, space, characters;
	bool was_encoded = false, is_encoded;

	value += take_white(value, &space);
	for (space = 0; *value != '\0'; was_encoded = is_encoded) {
		size_t length = strcspn(value, " \t\r\n");

		is_encoded = decode(value, length, &characters);
		total += is_encoded ? characters : count_plain(value, length);
		if (!(is_encoded && was_encoded))
			total += space;
		value += length;
		value += take_white(value, &space);
	}
	return total;
}
