/*
 *	token         = 1*<any CHAR except SPACE, CTLs, or tspecials>		; RFC 2045 5.1
 *	tspecials     = "(" / ")" / "<" / ">" / "@" / "," / ";" / ":" / "\" / <"> /
 *			"/" / "[" / "]" / "?" / "="
 *	quoted-string = DQUOTE *(qcontent / FWS) DQUOTE				; RFC 5322 3.2.4
 *	comment       = "(" *(ctext / quoted-pair / comment / FWS) ")"		; RFC 5322 3.2.2
 *
 * Bytes beyond ASCII are letters (RFC 6532). Comments are counted, not recursed into, so that depth
 * costs nothing. Nothing is repaired: who calls decides what a value that cannot be read means.
 */
#include "structured_field.h"

#include <string.h>

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_token_char(char c)
{
	unsigned char byte = (unsigned char)c;

	return byte > ' ' && byte != 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static int skip_comment(struct structured_field *field)
{
	size_t depth = 0;

	do {
		if (*field->at == '\\' && field->at[1] != '\0')
			field->at++;
		else if (*field->at == '(')
			depth++;
		else if (*field->at == ')')
			depth--;
		else if (*field->at == '\0')
			return -1;
		field->at++;
	} while (depth > 0);
	return 0;
}

int structured_field_skip(struct structured_field *field)
{
	while (is_white(*field->at) || *field->at == '(') {
		if (*field->at != '(')
			field->at++;
		else if (skip_comment(field) < 0)
			return -1;
	}
	return 0;
}

bool structured_field_take(struct structured_field *field, char c)
{
	if (*field->at != c)
		return false;
	field->at++;
	return true;
}

bool structured_field_is_at_end(const struct structured_field *field)
{
	return *field->at == '\0';
}

int structured_field_token(struct structured_field *field, char *out, size_t size)
{
	size_t length = 0;

	while (is_token_char(field->at[length]))
		length++;
	if (length == 0 || length >= size)
		return -1;
	memcpy(out, field->at, length);
	out[length] = '\0';
	field->at += length;
	return 0;
}

static int take_quoted(struct structured_field *field, char *out, size_t size)
{
	size_t length = 0;

	for (field->at++; *field->at != '"'; field->at++) {
		if (*field->at == '\r' || *field->at == '\n')
			continue;
		if (*field->at == '\\')
			field->at++;
		if (*field->at == '\0' || length + 1 >= size)
			return -1;
		out[length++] = *field->at;
	}
	out[length] = '\0';
	field->at++;
	return 0;
}

int structured_field_word(struct structured_field *field, char *out, size_t size)
{
	return *field->at == '"' ? take_quoted(field, out, size) : structured_field_token(field, out, size);
}
