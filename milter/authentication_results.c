/*
 *	authres-header-field = "Authentication-Results:" authres-payload	; RFC 8601 2.2
 *	authres-payload      = [CFWS] authserv-id [ CFWS authres-version ]
 *			       ( no-result / 1*resinfo ) [CFWS] CRLF
 *	authserv-id          = value						; token or quoted-string
 *	authres-version      = 1*DIGIT [CFWS]
 *	no-result            = [CFWS] ";" [CFWS] "none"
 *
 * Only what stands before the first ";" is read. Names are compared without regard to case. A name
 * beyond ASCII may be ours in another form (RFC 8601 5 leaves U-labels to the reader), so it counts
 * as ours; so does everything that departs from the grammar.
 */
#include "authentication_results.h"

#include <string.h>
#include <strings.h>

#include "lib/ascii.h"
#include "lib/smtp_limits.h"
#include "structured_field.h"

static bool is_ascii(const char *text)
{
	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

static int skip_version(struct structured_field *field)
{
	while (ascii_is_digit(*field->at))
		field->at++;
	return structured_field_skip(field);
}

bool authentication_results_is_from(const char *value, const char *authserv_id)
{
	struct structured_field field = { .at = value };
	char id[SMTP_DOMAIN_MAX + 1];

	if (structured_field_skip(&field) < 0 || structured_field_word(&field, id, sizeof(id)) < 0 ||
	    structured_field_skip(&field) < 0 || skip_version(&field) < 0)
		return true;
	if (!structured_field_take(&field, ';') && !structured_field_is_at_end(&field))
		return true;
	return !is_ascii(id) || strcasecmp(id, authserv_id) == 0;
}
