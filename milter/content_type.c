/*
 *	content   = "Content-Type" ":" type "/" subtype *(";" parameter)	; RFC 2045 5.1
 *	parameter = attribute "=" value
 *	value     = token / quoted-string
 *
 * Comments and white space may stand between any of these. A ";" at the end is let pass, as many
 * programs write it. Parameters in pieces or with a charset (RFC 2231) are other names here:
 * report-type has no need of them.
 */
#include "content_type.h"

#include <strings.h>

#include "structured_field.h"

/* A boundary has 70 characters at most; a longer value than this is no report's. */
#define VALUE_MAX 256

static bool take_separator(struct structured_field *field, char separator)
{
	return structured_field_skip(field) == 0 && structured_field_take(field, separator) &&
	       structured_field_skip(field) == 0;
}

static bool take_type(struct structured_field *field, char *type, char *subtype, size_t size)
{
	return structured_field_skip(field) == 0 && structured_field_token(field, type, size) == 0 &&
	       take_separator(field, '/') && structured_field_token(field, subtype, size) == 0 &&
	       structured_field_skip(field) == 0;
}

/* One parameter, from its name to the white space behind its value. */
static bool take_parameter(struct structured_field *field, char *name, char *value, size_t size)
{
	return structured_field_token(field, name, size) == 0 && take_separator(field, '=') &&
	       structured_field_word(field, value, size) == 0 && structured_field_skip(field) == 0;
}

bool content_type_is_report(const char *value, const char *report_type)
{
	struct structured_field field = { .at = value };
	char name[VALUE_MAX], text[VALUE_MAX];
	int named = 0, matched = 0;

	if (!take_type(&field, name, text, sizeof(text)) || strcasecmp(name, "multipart") != 0 ||
	    strcasecmp(text, "report") != 0)
		return false;
	while (!structured_field_is_at_end(&field)) {
		if (!take_separator(&field, ';'))
			return false;
		if (structured_field_is_at_end(&field))
			break;
		if (!take_parameter(&field, name, text, sizeof(text)))
			return false;
		if (strcasecmp(name, "report-type") == 0) {
			named++;
			matched += strcasecmp(text, report_type) == 0;
		}
	}
	return named == 1 && matched == 1;
}
