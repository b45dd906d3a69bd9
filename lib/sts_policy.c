/*
 * MTA-STS policies (RFC 8461), read strictly: what does not fit the grammar is no policy, and the
 * caller then delivers as if there were none (3.3).
 *
 * Policy (3.2): one field a line, lines end with LF or CRLF:
 *
 *	field   = key ":" *WSP value *WSP
 *	key     = "version" / "mode" / "mx" / "max_age" / name
 *	version = "STSv1"
 *	mode    = "testing" / "enforce" / "none"
 *	mx      = ["*."] Domain
 *	max_age = 1*10(DIGIT)			; at most 31557600
 *	name    = (ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".")
 *	value   = UTF-8 without control characters
 *
 * Keys and words are case-sensitive. Of a doubled key the first counts, except that every mx does;
 * keys that are not known are ignored. Beyond the grammar empty lines are let pass: files end with
 * them.
 */
#include "sts_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ascii.h"
#include "log.h"
#include "utf8.h"
#include "sts_record.h"

#define MAX_AGE_DIGITS 10
/* RFC 1035 2.3.4 */
#define LABEL_MAX 63
/* How much of a wrong value an error quotes. */
#define QUOTE_MAX 40

static const char *const mode_names[] = { "none", "testing", "enforce" };
#define MODES (sizeof(mode_names) / sizeof(mode_names[0]))

const char *sts_mode_name(enum sts_mode mode)
{
	return mode_names[mode];
}

/* A piece of the text: not NUL-terminated. */
struct span {
	const char *text;
	size_t length;
};

static bool is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

static bool span_is(struct span span, const char *word)
{
	return span.length == strlen(word) && memcmp(span.text, word, span.length) == 0;
}

struct parser {
	struct sts_policy *policy;
	bool has_version, has_mode, has_max_age;
	size_t line;
	char *error;
	size_t error_size;
};

static int fail(struct parser *parser, const char *what, struct span value)
{
	char quoted[QUOTE_MAX + 1];

	log_printable(quoted, sizeof(quoted), value.text, value.length);
	snprintf(parser->error, parser->error_size, "line %zu: %s \"%s\"", parser->line, what,
		 quoted);
	return -1;
}

static int read_version(struct parser *parser, struct span value)
{
	if (parser->has_version)
		return 0;
	parser->has_version = true;
	return span_is(value, "STSv1") ? 0 : fail(parser, "unknown version", value);
}

static int read_mode(struct parser *parser, struct span value)
{
	if (parser->has_mode)
		return 0;
	parser->has_mode = true;
	for (size_t i = 0; i < MODES; i++) {
		if (!span_is(value, mode_names[i]))
			continue;
		parser->policy->mode = (enum sts_mode)i;
		return 0;
	}
	return fail(parser, "unknown mode", value);
}

static int read_max_age(struct parser *parser, struct span value)
{
	int64_t seconds = 0;

	if (parser->has_max_age)
		return 0;
	parser->has_max_age = true;
	if (value.length == 0 || value.length > MAX_AGE_DIGITS)
		return fail(parser, "max_age is no number of seconds:", value);
	for (size_t i = 0; i < value.length; i++) {
		if (!ascii_is_digit(value.text[i]))
			return fail(parser, "max_age is no number of seconds:", value);
		seconds = seconds * 10 + (value.text[i] - '0');
	}
	if (seconds > STS_MAX_AGE_MAX)
		return fail(parser, "max_age is more than 31557600 seconds:", value);
	parser->policy->max_age_s = seconds;
	return 0;
}

/* RFC 5321 4.1.2: sub-domain *("." sub-domain) */
static bool is_domain(struct span span)
{
	size_t label = 0;

	for (size_t i = 0; i < span.length; i++) {
		char c = span.text[i];

		if (c == '.' ? label == 0 || span.text[i - 1] == '-' :
			       !ascii_is_alnum(c) && (c != '-' || label == 0))
			return false;
		label = c == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return false;
	}
	return label > 0 && span.text[span.length - 1] != '-';
}

bool sts_pattern_is_valid(const char *pattern, size_t length)
{
	struct span domain = { pattern, length };

	if (length > SMTP_DOMAIN_MAX)
		return false;
	if (length > 2 && memcmp(pattern, "*.", 2) == 0)
		domain = (struct span){ pattern + 2, length - 2 };
	return is_domain(domain);
}

int sts_policy_add_mx(struct sts_policy *policy, const char *pattern, size_t length)
{
	char(*mx)[SMTP_DOMAIN_MAX + 1];

	if (policy->mx_count >= STS_MX_MAX || !sts_pattern_is_valid(pattern, length))
		return -1;
	mx = realloc(policy->mx, (policy->mx_count + 1) * sizeof(*mx));
	if (mx == NULL)
		return -1;
	policy->mx = mx;
	for (size_t i = 0; i < length; i++)
		mx[policy->mx_count][i] = ascii_lower(pattern[i]);
	mx[policy->mx_count++][length] = '\0';
	return 0;
}

static int read_mx(struct parser *parser, struct span value)
{
	if (!sts_pattern_is_valid(value.text, value.length))
		return fail(parser, "mx is no host name or pattern:", value);
	if (parser->policy->mx_count >= STS_MX_MAX)
		return fail(parser, "too many mx, the first one beyond the bound is", value);
	if (sts_policy_add_mx(parser->policy, value.text, value.length) < 0)
		return fail(parser, "out of memory at", value);
	return 0;
}

/* Is it UTF-8 without control characters? */
static bool is_text(struct span span)
{
	for (size_t at = 0, octets; at < span.length; at += octets) {
		uint32_t code_point = 0;

		octets = utf8_read(&code_point, span.text + at, span.length - at);
		if (octets == 0 || (code_point < ' ' && code_point != '\t') || code_point == 0x7f)
			return false;
	}
	return true;
}

static int read_field(struct parser *parser, struct span line)
{
	const char *colon = memchr(line.text, ':', line.length);
	struct span key = { line.text, colon != NULL ? (size_t)(colon - line.text) : 0 }, value;

	if (colon == NULL || !sts_name_is_valid(key.text, key.length))
		return fail(parser, "not \"key: value\":", line);
	value = (struct span){ colon + 1, line.length - key.length - 1 };
	while (value.length > 0 && is_wsp(value.text[0]))
		value = (struct span){ value.text + 1, value.length - 1 };
	if (!is_text(value))
		return fail(parser, "a control character, or not UTF-8:", line);
	if (span_is(key, "version"))
		return read_version(parser, value);
	if (span_is(key, "mode"))
		return read_mode(parser, value);
	if (span_is(key, "max_age"))
		return read_max_age(parser, value);
	return span_is(key, "mx") ? read_mx(parser, value) : 0;
}

static int read_lines(struct parser *parser, struct span text)
{
	while (text.length > 0) {
		const char *end = memchr(text.text, '\n', text.length);
		struct span line = { text.text,
				     end != NULL ? (size_t)(end - text.text) : text.length };
		size_t whole = line.length + (end != NULL ? 1 : 0);

		parser->line++;
		if (end != NULL && line.length > 0 && line.text[line.length - 1] == '\r')
			line.length--;
		while (line.length > 0 && is_wsp(line.text[line.length - 1]))
			line.length--;
		if (line.length > 0 && read_field(parser, line) < 0)
			return -1;
		text = (struct span){ text.text + whole, text.length - whole };
	}
	return 0;
}

static const char *missing(const struct parser *parser)
{
	if (!parser->has_version)
		return "no version";
	if (!parser->has_mode)
		return "no mode";
	if (!parser->has_max_age)
		return "no max_age";
	if (parser->policy->mode != STS_MODE_NONE && parser->policy->mx_count == 0)
		return "no mx";
	return NULL;
}

int sts_policy_parse(struct sts_policy *policy, const char *text, size_t length, char *error,
		     size_t error_size)
{
	struct parser parser = { .policy = policy, .error = error, .error_size = error_size };

	*policy = (struct sts_policy){ 0 };
	if (length > STS_POLICY_BYTES_MAX) {
		snprintf(error, error_size, "more than %d bytes", STS_POLICY_BYTES_MAX);
		return -1;
	}
	if (read_lines(&parser, (struct span){ text, length }) == 0) {
		if (missing(&parser) == NULL)
			return 0;
		snprintf(error, error_size, "%s", missing(&parser));
	}
	sts_policy_wipe(policy);
	return -1;
}

int sts_policy_copy(struct sts_policy *out, const struct sts_policy *policy)
{
	*out = *policy;
	out->mx = NULL;
	if (policy->mx_count == 0)
		return 0;
	out->mx = malloc(policy->mx_count * sizeof(*out->mx));
	if (out->mx == NULL) {
		*out = (struct sts_policy){ 0 };
		return -1;
	}
	memcpy(out->mx, policy->mx, policy->mx_count * sizeof(*out->mx));
	return 0;
}

void sts_policy_wipe(struct sts_policy *policy)
{
	free(policy->mx);
	*policy = (struct sts_policy){ 0 };
}

/* ---- which hosts (4.1) ---- */

static bool matches(const char *pattern, const char *exchange)
{
	if (pattern[0] == '*') {
		size_t label = strcspn(exchange, ".");

		if (label == 0 || exchange[label] == '\0')
			return false;
		pattern += 1;
		exchange += label;
	}
	return ascii_is_word(exchange, strlen(exchange), pattern);
}

bool sts_policy_allows(const struct sts_policy *policy, const char *exchange)
{
	for (size_t i = 0; i < policy->mx_count; i++)
		if (matches(policy->mx[i], exchange))
			return true;
	return false;
}
