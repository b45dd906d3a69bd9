/*
 * RFC 8460 3:
 *
 *   tlsrpt-record    = tlsrpt-version 1*(field-delim tlsrpt-field) [field-delim]
 *   field-delim      = *WSP ";" *WSP
 *   tlsrpt-field     = tlsrpt-rua / tlsrpt-extension
 *   tlsrpt-version   = %s"v=TLSRPTv1"
 *   tlsrpt-rua       = %s"rua=" tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri)
 *   tlsrpt-uri       = URI   ; "," "!" ";" in it are percent-encoded
 *
 * Records that do not begin with "v=TLSRPTv1;" are none of ours; if there is not exactly one left,
 * nothing is asked for. Fields that we do not know are passed over, as are URIs of other schemes.
 */
#include "tlsrpt_record.h"

#include <stdio.h>
#include <string.h>

#include "ascii.h"

#define VERSION "v=TLSRPTv1;"
#define MAILTO "mailto:"
#define HTTPS "https://"

/* The one TLSRPT record, or NULL with a reason. */
static const char *choose(char *const *txt, size_t count, char *reason, size_t reason_size)
{
	const char *found = NULL;
	size_t ours = 0;

	for (size_t i = 0; i < count; i++)
		if (strncmp(txt[i], VERSION, strlen(VERSION)) == 0) {
			found = txt[i];
			ours++;
		}
	if (ours == 1)
		return found;
	snprintf(reason, reason_size,
		 ours == 0 ? "no TLSRPT record" : "more than one TLSRPT record");
	return NULL;
}

static bool has_scheme(const char *uri, size_t length, const char *scheme)
{
	return length > strlen(scheme) && ascii_is_word(uri, strlen(scheme), scheme);
}

/* One that we keep: of a scheme that is known, and visible characters only. */
static bool is_uri(const char *uri, size_t length)
{
	if (!has_scheme(uri, length, MAILTO) && !has_scheme(uri, length, HTTPS))
		return false;
	for (size_t i = 0; i < length; i++)
		if (uri[i] <= ' ' || uri[i] > '~' || uri[i] == ',' || uri[i] == ';')
			return false;
	return true;
}

/* Cuts white space from both ends. */
static const char *trim(const char *text, size_t *length)
{
	while (*length > 0 && strchr(" \t", text[0]) != NULL) {
		text++;
		--*length;
	}
	while (*length > 0 && strchr(" \t", text[*length - 1]) != NULL)
		--*length;
	return text;
}

/* The value of rua=, up to the end of the field; into `rua` what we keep of it. */
static void collect(const char *value, size_t length, char rua[TLSRPT_RUA_MAX + 1])
{
	const char *end = value + length;
	size_t used = 0, uris = 0;

	rua[0] = '\0';
	while (value < end && uris < TLSRPT_URIS_MAX) {
		const char *comma = memchr(value, ',', (size_t)(end - value));
		size_t uri_length = (size_t)((comma != NULL ? comma : end) - value);
		const char *next = value + uri_length + 1, *uri = trim(value, &uri_length);

		if (is_uri(uri, uri_length) && used + 1 + uri_length <= TLSRPT_RUA_MAX) {
			used += (size_t)snprintf(rua + used, TLSRPT_RUA_MAX + 1 - used, "%s%.*s",
						 used > 0 ? "," : "", (int)uri_length, uri);
			uris++;
		}
		value = comma != NULL ? next : end;
	}
}

bool tlsrpt_record_parse(char *const *txt, size_t count, char rua[TLSRPT_RUA_MAX + 1], char *reason,
			 size_t reason_size)
{
	const char *record = choose(txt, count, reason, reason_size);

	rua[0] = '\0';
	if (record == NULL)
		return false;
	for (const char *at = record + strlen(VERSION); *at != '\0' && rua[0] == '\0';) {
		size_t length = strcspn(at, ";");
		size_t field_length = length;
		const char *field = trim(at, &field_length);

		if (field_length > 4 && strncmp(field, "rua=", 4) == 0)
			collect(field + 4, field_length - 4, rua);
		at += length;
		at += *at == ';';
	}
	if (rua[0] != '\0')
		return true;
	snprintf(reason, reason_size, "no mailto: or https: address in rua=");
	return false;
}

size_t tlsrpt_uri_length(const char *rua)
{
	return strcspn(rua, ",");
}

bool tlsrpt_rua_is_valid(const char *rua)
{
	size_t uris = 0, length;

	if (strlen(rua) > TLSRPT_RUA_MAX)
		return false;
	for (;; rua += length + 1) {
		length = tlsrpt_uri_length(rua);
		if (!is_uri(rua, length) || ++uris > TLSRPT_URIS_MAX)
			return false;
		if (rua[length] == '\0')
			return true;
	}
}

bool tlsrpt_uri_is_mailto(const char *uri, size_t length)
{
	return has_scheme(uri, length, MAILTO);
}

/* RFC 3986 2.1. Returns the length, or -1 for a broken escape or one of what is not visible ASCII.
 */
static int decode(char *out, size_t size, const char *text, size_t length)
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		int c = text[i];

		if (c == '%' && length - i < 3)
			return -1;
		if (c == '%') {
			int high = ascii_hex_value(text[i + 1]), low = ascii_hex_value(text[i + 2]);

			c = high < 0 || low < 0 ? 0 : high * 16 + low;
			i += 2;
		}
		if (c <= ' ' || c > '~' || used >= size)
			return -1;
		out[used++] = (char)c;
	}
	return (int)used;
}

int tlsrpt_mailto_parse(struct mailbox *mailbox, const char *uri, size_t length, char *error,
			size_t error_size)
{
	char address[MAILBOX_TEXT_MAX];
	const char *why = NULL;
	int decoded = -1;

	if (!has_scheme(uri, length, MAILTO))
		why = "not a mailto: URI";
	else if (memchr(uri, '?', length) != NULL)
		why = "header fields behind the address";
	else
		decoded = decode(address, sizeof(address), uri + strlen(MAILTO),
				 length - strlen(MAILTO));
	if (why == NULL && decoded < 0)
		why = "too long, or a bad percent-encoding";
	if (why == NULL &&
	    mailbox_parse(mailbox, address, (size_t)decoded, false, error, error_size) < 0)
		return -1;
	if (why == NULL && mailbox->is_literal)
		why = "an address literal instead of a domain";
	if (why == NULL && mailbox->local_part[0] == '"')
		why = "a quoted local part";
	if (why == NULL)
		return 0;
	snprintf(error, error_size, "%s", why);
	return -1;
}
