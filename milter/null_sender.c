/*
 *	auto-submitted-field = "Auto-Submitted:" [CFWS] auto-submitted [CFWS] CRLF	; RFC 3834 5
 *	auto-submitted       = ( "no" / "auto-generated" / "auto-replied" / extension )
 *	extension            = token
 *	with opt-parameter-list = *( [CFWS] ";" [CFWS] parameter )
 *
 * A field that is there twice says nothing for sure, so it makes no class.
 */
#include "null_sender.h"

#include <string.h>
#include <strings.h>

#include "content_type.h"
#include "structured_field.h"

static const char *only_value(const struct message *message, const char *name)
{
	return message_field_count(message, name) == 1 ? message_field(message, name, 1)->value : NULL;
}

static bool is_report(const struct message *message, const char *report_type)
{
	const char *value = only_value(message, "Content-Type");

	return value != NULL && content_type_is_report(value, report_type);
}

static bool is_auto_submitted(const struct message *message)
{
	const char *value = only_value(message, "Auto-Submitted");
	struct structured_field field = { .at = value };
	char keyword[100];

	if (value == NULL || structured_field_skip(&field) < 0 ||
	    structured_field_token(&field, keyword, sizeof(keyword)) < 0 || structured_field_skip(&field) < 0)
		return false;
	return (structured_field_is_at_end(&field) || structured_field_take(&field, ';')) &&
	       strcasecmp(keyword, "no") != 0;
}

bool null_sender_is_class(const struct message *message, const char *class)
{
	if (strcmp(class, "bounce") == 0)
		return is_report(message, "delivery-status");
	if (strcmp(class, "disposition-notification") == 0)
		return is_report(message, "disposition-notification");
	if (strcmp(class, "auto-reply") == 0)
		return is_auto_submitted(message);
	return strcmp(class, "any") == 0;
}
