/*
 *	field-name = 1*ftext						; RFC 5322 3.6.8
 *	ftext      = %d33-57 / %d59-126					; no colon, no space
 *
 * A value is taken as the milter client gave it: lines of a folded field end in LF or CRLF, and the
 * next begins with a space or a tab (2.2.3). Lines have at most 998 octets without their CRLF
 * (2.1.1). A folded line that is blank (obs-FWS, 4.2) is no fault.
 *
 * A value that begins with a colon is none either: "Subject: :-)" has one. Postfix takes the white
 * space of "From : x" away before it keeps the message, so what milters and recipients see is
 * "From: x"; a client that does not is caught by the name, which then ends in white space.
 */
#include "header_soundness.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "field_tally.h"
#include "lib/utf8.h"
#include "subject_length.h"

#define LINE_OCTETS_MAX 998
#define STRINGIFY(number) #number
#define NUMBER_TEXT(number) STRINGIFY(number)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef bool field_is_bad_fn(const struct message *message, const struct header_field *field);

static bool has_bad_name(const struct message *message, const struct header_field *field)
{
	const char *at = field->name;

	(void)message;
	while (*at > ' ' && *at <= '~' && *at != ':')
		at++;
	return *at != '\0' || at == field->name;
}

static bool is_control(unsigned char byte)
{
	return (byte < ' ' && byte != '\t') || byte == 0x7f;
}

static bool has_control_character(const struct message *message, const struct header_field *field)
{
	(void)message;
	for (const char *at = field->value; *at != '\0'; at++) {
		if (at[0] == '\r' && at[1] == '\n')
			at++;
		if (at[0] == '\n' && (at[1] == ' ' || at[1] == '\t'))
			continue;
		if (is_control((unsigned char)*at))
			return true;
	}
	return false;
}

static bool is_ascii(const char *text)
{
	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

static bool is_utf8(const char *text)
{
	size_t left = strlen(text), octets;

	for (; left > 0; text += octets, left -= octets) {
		octets = utf8_read(NULL, text, left);
		if (octets == 0)
			return false;
	}
	return true;
}

static bool has_raw_8bit(const struct message *message, const struct header_field *field)
{
	if (message->is_smtputf8)
		return !is_utf8(field->value) || !is_utf8(field->name);
	return !is_ascii(field->value) || !is_ascii(field->name);
}

static bool has_long_line(const struct message *message, const struct header_field *field)
{
	size_t before = strlen(field->name) + strlen(": "), length;
	const char *at = field->value;

	(void)message;
	for (;; at += length + 1, before = 0) {
		length = strcspn(at, "\n");
		if (before + length - (length > 0 && at[length - 1] == '\r') > LINE_OCTETS_MAX)
			return true;
		if (at[length] == '\0')
			return false;
	}
}

static void check_fields(struct findings *findings, const struct milter_conf *conf, const struct message *message,
			 enum rule rule, field_is_bad_fn *is_bad, const char *what)
{
	enum rule_action action = milter_conf_action(conf, rule);
	struct field_tally tally = { 0 };

	if (action == RULE_OFF)
		return;
	for (size_t i = 0; i < message->field_count; i++)
		if (is_bad(message, &message->fields[i]))
			field_tally_add(&tally, &message->fields[i]);
	field_tally_tell(&tally, findings, rule, action, what);
}

/* From is a rule of its own, for everybody sees it. */
static void check_once_only(struct findings *findings, const struct milter_conf *conf, const struct message *message)
{
	static const char *const once[] = {
		"Date", "Sender", "Reply-To", "To", "Cc", "Message-ID", "In-Reply-To", "References", "Subject",
		"MIME-Version", "Content-Type", "Content-Transfer-Encoding",	/* RFC 2045 */
	};
	enum rule_action action = milter_conf_action(conf, RULE_ONCE_ONLY);
	char names[200] = "";

	for (size_t i = 0; i < COUNT(once); i++) {
		if (message_field_count(message, once[i]) < 2)
			continue;
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", names[0] != '\0' ? ", " : "",
			 once[i]);
	}
	if (names[0] != '\0')
		findings_add(findings, RULE_ONCE_ONLY, action, "%s: more than one, where one is allowed (rule %s)",
			     names, rule_name(RULE_ONCE_ONLY));
}

static void check_subject_length(struct findings *findings, const struct milter_conf *conf,
				 const struct message *message)
{
	enum rule_action action = milter_conf_action(conf, RULE_SUBJECT_LENGTH);
	const struct header_field *field;
	size_t longest = 0;

	if (conf->subject_length_limit == 0)
		return;
	for (size_t i = 1; (field = message_field(message, "Subject", i)) != NULL; i++) {
		size_t length = subject_length(field->value);

		if (length > longest)
			longest = length;
	}
	if (longest > (size_t)conf->subject_length_limit)
		findings_add(findings, RULE_SUBJECT_LENGTH, action,
			     "Subject: %zu characters where %" PRId64 " are allowed (rule %s)", longest,
			     conf->subject_length_limit, rule_name(RULE_SUBJECT_LENGTH));
}

void header_soundness_check(struct findings *findings, const struct milter_conf *conf, const struct message *message)
{
	check_fields(findings, conf, message, RULE_FIELD_NAME, has_bad_name,
		     "not a field name, which has no white space, colon, control or 8-bit character");
	check_fields(findings, conf, message, RULE_CONTROL_CHARACTER, has_control_character,
		     "a control character, or a line break that is no folding");
	check_fields(findings, conf, message, RULE_RAW_8BIT, has_raw_8bit,
		     message->is_smtputf8 ? "characters that are not UTF-8" :
					    "characters beyond ASCII, neither encoded nor announced by SMTPUTF8");
	check_fields(findings, conf, message, RULE_LINE_LENGTH, has_long_line,
		     "a line of more than " NUMBER_TEXT(LINE_OCTETS_MAX) " octets");
	check_once_only(findings, conf, message);
	check_subject_length(findings, conf, message);
}
