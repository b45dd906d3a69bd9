/*
 * EHLO keywords to a struct.
 *
 *   ehlo-ok-rsp   = "250-" Domain [ SP ehlo-greet ] CRLF
 *                   *( "250-" ehlo-line CRLF ) "250" SP ehlo-line CRLF        (RFC 5321 4.1.1.1)
 *   ehlo-line     = ehlo-keyword *( SP ehlo-param )
 *   auth          = "AUTH" 1*( SP sasl-mech )   "AUTH=" in old servers      (RFC 4954 3)
 *   size          = "SIZE" [ SP 1*20DIGIT ]    0: no fixed maximum is in force  (RFC 1870 3, 4)
 *
 * Keywords stand in any case. A keyword that we do not use is ignored, and so are parameters where
 * none are defined. A SIZE that is no number, or no 64-bit number, is taken for "no limit": the
 * server will say so itself if it minds, and a wrong guess in the other direction would bounce
 * mail.
 */
#include "smtp_capability.h"

#include <string.h>
#include <strings.h>

#include "lib/log.h"

static const struct {
	const char *keyword;
	size_t offset;
} keywords[] = {
	{ "STARTTLS", offsetof(struct smtp_capabilities, starttls) },
	{ "PIPELINING", offsetof(struct smtp_capabilities, pipelining) },
	{ "8BITMIME", offsetof(struct smtp_capabilities, eightbitmime) },
	{ "SMTPUTF8", offsetof(struct smtp_capabilities, smtputf8) },
	{ "DSN", offsetof(struct smtp_capabilities, dsn) },
	{ "SIZE", offsetof(struct smtp_capabilities, size) },
	{ "REQUIRETLS", offsetof(struct smtp_capabilities, requiretls) },
	{ "CHUNKING", offsetof(struct smtp_capabilities, chunking) },
	{ "AUTH", offsetof(struct smtp_capabilities, auth) },
	{ "ENHANCEDSTATUSCODES", offsetof(struct smtp_capabilities, enhancedstatuscodes) },
};

static size_t skip_blanks(const char *text, size_t length)
{
	size_t i = 0;

	while (i < length && (text[i] == ' ' || text[i] == '\t'))
		i++;
	return i;
}

static size_t word_length(const char *text, size_t length)
{
	size_t i = 0;

	while (i < length && text[i] != ' ' && text[i] != '\t')
		i++;
	return i;
}

/* Decimal digits that fill the whole word, or 0. */
static uint64_t parse_size(const char *text, size_t length)
{
	uint64_t value = 0;

	for (size_t i = 0; i < length; i++) {
		unsigned digit = (unsigned char)text[i] - (unsigned)'0';

		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return 0;
		value = value * 10 + digit;
	}
	return value;
}

static bool is_word(const char *text, size_t length, const char *word)
{
	return strlen(word) == length && strncasecmp(word, text, length) == 0;
}

static void take_mechanisms(struct smtp_capabilities *capabilities, const char *text, size_t length)
{
	size_t skipped, word;

	for (; length > 0; text += skipped + word, length -= skipped + word) {
		skipped = skip_blanks(text, length);
		word = word_length(text + skipped, length - skipped);
		if (is_word(text + skipped, word, "PLAIN"))
			capabilities->auth_plain = true;
		else if (is_word(text + skipped, word, "LOGIN"))
			capabilities->auth_login = true;
	}
}

void smtp_capability_domain(char *out, size_t size, const char *text, size_t length)
{
	size_t start = skip_blanks(text, length);

	log_printable(out, size, text + start, word_length(text + start, length - start));
}

void smtp_capability_line(struct smtp_capabilities *capabilities, size_t line_number,
			  const char *text, size_t length)
{
	size_t start = skip_blanks(text, length), keyword;

	if (line_number == 0) {
		smtp_capability_domain(capabilities->domain, sizeof(capabilities->domain), text,
				       length);
		return;
	}
	text += start;
	length -= start;
	keyword = word_length(text, length);
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (is_word(text, keyword, keywords[i].keyword))
			*(bool *)((char *)capabilities + keywords[i].offset) = true;
	if (is_word(text, keyword, "AUTH"))
		take_mechanisms(capabilities, text + keyword, length - keyword);
	else if (keyword > strlen("AUTH=") && strncasecmp(text, "AUTH=", strlen("AUTH=")) == 0)
		take_mechanisms(capabilities, text + strlen("AUTH="), length - strlen("AUTH="));
	if (is_word(text, keyword, "SIZE")) {
		size_t value = keyword + skip_blanks(text + keyword, length - keyword);

		capabilities->size_max = parse_size(text + value,
						    word_length(text + value, length - value));
	}
}
