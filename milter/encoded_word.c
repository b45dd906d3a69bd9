/*
 *	encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="	(RFC 2047 2, RFC 2231 5)
 *	encoding     = "Q" / "B"
 *
 * Octets of neighbours in one charset are put together before they become characters: broken
 * programs cut UTF-8 sequences in two, and readers put them together again.
 *
 * The charsets are a list, though iconv(3) knows more: a name from a message chooses nothing that
 * is loaded into this process but what mail programs write.
 */
#include "encoded_word.h"

#include <iconv.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ascii.h"
#include "lib/utf8.h"

#define CHARSET_MAX 40

static const char *const charsets[] = {
	"utf-8",	"us-ascii",	"iso-8859-1",	"iso-8859-2",	"iso-8859-3",	"iso-8859-4",	"iso-8859-5",
	"iso-8859-6",	"iso-8859-7",	"iso-8859-8",	"iso-8859-9",	"iso-8859-10",	"iso-8859-13",	"iso-8859-14",
	"iso-8859-15",	"iso-8859-16",	"windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254",
	"windows-1255", "windows-1256", "windows-1257", "windows-1258", "koi8-r",	"koi8-u",	"iso-2022-jp",
	"shift_jis",	"euc-jp",	"iso-2022-kr",	"euc-kr",	"ks_c_5601-1987", "gb2312",	"gbk",
	"gb18030",	"big5",		"tis-620",	"utf-7",	"ascii",	"utf8",		"latin1",
};

struct span {
	const char *start;
	size_t length;
};

struct word {
	struct span charset, text;
	bool is_base64;
	const char *end;	/* behind "?=" */
};

static void note(enum encoded_word_fault *fault, enum encoded_word_fault found)
{
	if (found > *fault)
		*fault = found;
}

/* White space, octets beyond ASCII, or a quote where a quoted string begins or ends: RFC 2047 2 and 5. */
static bool has_break(const char *start, const char *end)
{
	for (; start < end; start++)
		if (*start == ' ' || *start == '\t' || *start == '"' || (unsigned char)*start >= 0x80)
			return true;
	return false;
}

static bool is_same_span(struct span a, struct span b)
{
	return a.length == b.length && memcmp(a.start, b.start, a.length) == 0;
}

/*
 * The encoded word at `at`, which begins with "=?". `end` is behind the last "?=" there is, so that a
 * text full of beginnings is not searched to its end again and again.
 */
static bool read_word(struct word *word, const char *at, const char *end)
{
	const char *question, *star;

	at += 2;
	question = at < end ? memchr(at, '?', (size_t)(end - at)) : NULL;
	if (question == NULL || end - question < 5 || question[2] != '?' ||
	    strchr("qQbB", question[1]) == NULL || question[1] == '\0')
		return false;
	star = memchr(at, '*', (size_t)(question - at));
	word->charset = (struct span){ at, (size_t)((star != NULL ? star : question) - at) };
	word->is_base64 = ascii_lower(question[1]) == 'b';
	word->text.start = question + 3;
	for (at = word->text.start; end - at >= 2; at++)
		if (at[0] == '?' && at[1] == '=') {
			word->text.length = (size_t)(at - word->text.start);
			word->end = at + 2;
			return true;
		}
	return false;
}

static int put_q(struct buffer *octets, struct span text, enum encoded_word_fault *fault)
{
	for (size_t i = 0; i < text.length; i++) {
		uint8_t octet = (uint8_t)text.start[i];

		if (octet == '_') {
			octet = ' ';
		} else if (octet == '=') {
			int high = i + 2 < text.length ? ascii_hex_value(text.start[i + 1]) : -1;
			int low = i + 2 < text.length ? ascii_hex_value(text.start[i + 2]) : -1;

			if (high < 0 || low < 0) {
				note(fault, ENCODED_WORD_UNDECODABLE);
			} else {
				octet = (uint8_t)(high << 4 | low);
				i += 2;
			}
		}
		if (buffer_put_u8(octets, octet) != 0)
			return -1;
	}
	return 0;
}

static int base64_value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c != '\0' ? strchr(digits, c) : NULL;

	return found != NULL ? (int)(found - digits) : -1;
}

/* What is no digit is skipped, and padding ends a group anywhere, as readers have it, but both are noted. */
static int put_base64(struct buffer *octets, struct span text, enum encoded_word_fault *fault)
{
	uint32_t bits = 0;
	size_t digits = 0;
	bool is_padded = false;

	for (size_t i = 0; i < text.length; i++) {
		int value = base64_value(text.start[i]);

		if (value < 0 ? text.start[i] != '=' : is_padded)
			note(fault, ENCODED_WORD_UNDECODABLE);
		if (value < 0) {
			is_padded |= text.start[i] == '=';
			digits = is_padded ? 0 : digits;
			continue;
		}
		bits = bits << 6 | (uint32_t)value;
		if (digits % 4 != 0 && buffer_put_u8(octets, (uint8_t)(bits >> (6 - 2 * (digits % 4)))) != 0)
			return -1;
		digits++;
	}
	if (digits % 4 == 1)
		note(fault, ENCODED_WORD_UNDECODABLE);
	return 0;
}

static int put_latin1(struct buffer *out, const uint8_t *octets, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		uint8_t pair[2] = { (uint8_t)(0xc0 | octets[i] >> 6), (uint8_t)(0x80 | (octets[i] & 0x3f)) };
		int result = octets[i] < 0x80 ? buffer_put_u8(out, octets[i]) : buffer_put(out, pair, sizeof(pair));

		if (result != 0)
			return -1;
	}
	return 0;
}

static bool is_utf8(const uint8_t *octets, size_t length)
{
	size_t read;

	for (; (read = utf8_read(NULL, (const char *)octets, length)) > 0; octets += read)
		length -= read;
	return length == 0;
}

static const char *find_charset(struct span name)
{
	for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++)
		if (ascii_is_word(name.start, name.length, charsets[i]))
			return charsets[i];
	return NULL;
}

/* *is_done: all octets have become characters. */
static int put_by_iconv(struct buffer *out, const char *charset, const uint8_t *octets, size_t length, bool *is_done)
{
	iconv_t converter = iconv_open("UTF-8", charset);
	char *in = (char *)(uintptr_t)octets, *room, *at;
	size_t left = length, room_size = 8 * length + 16, room_left = room_size;
	int result = -1;

	*is_done = false;
	if (converter == (iconv_t)-1)
		return 0;
	room = at = malloc(room_size);
	if (room != NULL) {
		*is_done = iconv(converter, &in, &left, &at, &room_left) != (size_t)-1 && left == 0 &&
			   iconv(converter, NULL, NULL, &at, &room_left) != (size_t)-1 &&
			   is_utf8((uint8_t *)room, room_size - room_left);
		result = *is_done ? buffer_put(out, room, room_size - room_left) : 0;
	}
	free(room);
	iconv_close(converter);
	return result;
}

/* Octets of one charset become characters; `octets` is empty thereafter. */
static int put_octets(struct buffer *out, struct span charset, struct buffer *octets, enum encoded_word_fault *fault)
{
	const uint8_t *data = buffer_data(octets);
	size_t length = buffer_length(octets);
	const char *known = find_charset(charset);
	bool is_done = length == 0;
	int result = 0;

	if (!is_done && known != NULL && strncmp(known, "utf", 3) == 0 && known[strlen(known) - 1] == '8') {
		is_done = is_utf8(data, length);
		result = is_done ? buffer_put(out, data, length) : 0;
	} else if (!is_done && known != NULL) {
		result = put_by_iconv(out, known, data, length, &is_done);
	}
	if (result == 0 && !is_done) {
		note(fault, ENCODED_WORD_UNDECODABLE);
		result = put_latin1(out, data, length);
	}
	buffer_reset(octets);
	return result;
}

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

/* The two characters, or `end`. */
static const char *find_pair(const char *pair, const char *at, const char *end)
{
	for (; end - at >= 2; at++)
		if (memcmp(at, pair, 2) == 0)
			return at;
	return end;
}

static const char *behind_last_word(const char *start, const char *end)
{
	for (; end - start >= 2; end--)
		if (end[-2] == '?' && end[-1] == '=')
			return end;
	return start;
}

/* Encoded words from *at on, as long as only white space is between them; *at moves behind them. */
static int put_words(struct buffer *out, const char **at, const char *end, enum encoded_word_fault *fault)
{
	struct span charset = { "", 0 };
	struct buffer octets;
	struct word word;
	int result = 0;

	buffer_init(&octets, end > *at ? (size_t)(end - *at) : 0);
	for (const char *next = *at; result == 0 && end - next >= 2 && next[0] == '=' && next[1] == '?' &&
				     read_word(&word, next, end);
	     next = skip_space(*at, end)) {
		if (!is_same_span(charset, word.charset))
			result = put_octets(out, charset, &octets, fault);
		charset = word.charset;
		if (has_break(next, word.end))
			note(fault, ENCODED_WORD_MALFORMED);
		if (result == 0)
			result = word.is_base64 ? put_base64(&octets, word.text, fault)
						: put_q(&octets, word.text, fault);
		*at = word.end;
	}
	if (result == 0)
		result = put_octets(out, charset, &octets, fault);
	buffer_wipe(&octets);
	return result;
}

static bool has_word_inside(const struct buffer *out, size_t from)
{
	const char *text = (const char *)buffer_data(out);
	size_t length = buffer_length(out);

	return length > from && find_pair("=?", text + from, text + length) != text + length;
}

int encoded_word_decode(struct buffer *out, const char *text, size_t length, enum encoded_word_fault *fault)
{
	const char *at = text, *end = length > 0 ? text + length : text;
	const char *last = behind_last_word(text, end);
	size_t before = buffer_length(out);

	*fault = ENCODED_WORD_FINE;
	while (at < end) {
		const char *start = find_pair("=?", at, end), *behind = start;

		if (find_pair("?=", at, start) != start)	/* some drop white space between that and "=?" */
			note(fault, ENCODED_WORD_MALFORMED);
		if (start > at && buffer_put(out, at, (size_t)(start - at)) != 0)
			return -1;
		if (start < end && put_words(out, &behind, last, fault) != 0)
			return -1;
		if (behind == start && start < end) {	/* no encoded word, though it begins like one */
			if (buffer_put(out, start, 2) != 0)
				return -1;
			note(fault, ENCODED_WORD_MALFORMED);
			behind += 2;
		}
		at = behind;
	}
	if (has_word_inside(out, before))
		note(fault, ENCODED_WORD_UNDECODABLE);
	return 0;
}
