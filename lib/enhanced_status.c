/*
 * Enhanced mail system status codes (RFC 3463 2, RFC 2034 4): the three numbers after a reply code.
 *
 *   status-code = class "." subject "." detail
 *   class       = "2" / "4" / "5"
 *   subject     = 1*3digit
 *   detail      = 1*3digit
 *
 * Numbers have no leading zeros (RFC 3463 2). Text that merely looks similar ("5.1.1.", "5.1.1foo",
 * an IP address) is not a status.
 */
#include "enhanced_status.h"

#include <stdio.h>

/*
 * Reads 1*3digit without leading zero at text[at]; returns the digits used, 0 if there is no such
 * number.
 */
static size_t parse_number(uint16_t *out, const char *text, size_t length, size_t at)
{
	size_t digits = 0;
	uint16_t value = 0;

	while (digits < 3 && at + digits < length && text[at + digits] >= '0' &&
	       text[at + digits] <= '9')
		value = (uint16_t)(value * 10 + (text[at + digits++] - '0'));
	if (digits > 1 && text[at] == '0')
		return 0;
	*out = value;
	return digits;
}

static bool is_dot(const char *text, size_t length, size_t at)
{
	return at < length && text[at] == '.';
}

size_t enhanced_status_parse(struct enhanced_status *status, const char *text, size_t length)
{
	struct enhanced_status parsed;
	size_t at = 1, digits;

	if (length < 5 || (text[0] != '2' && text[0] != '4' && text[0] != '5') ||
	    !is_dot(text, length, at++))
		return 0;
	parsed.class = (uint8_t)(text[0] - '0');
	digits = parse_number(&parsed.subject, text, length, at);
	at += digits;
	if (digits == 0 || !is_dot(text, length, at++))
		return 0;
	digits = parse_number(&parsed.detail, text, length, at);
	at += digits;
	if (digits == 0 || (at < length && text[at] != ' ' && text[at] != '\t'))
		return 0;
	*status = parsed;
	return at;
}

char *enhanced_status_print(struct enhanced_status status, char *out, size_t size)
{
	snprintf(out, size, "%u.%u.%u", status.class % 10u, status.subject % 1000u,
		 status.detail % 1000u);
	return out;
}

bool enhanced_status_is_given(struct enhanced_status status)
{
	return status.class != 0;
}

struct enhanced_status enhanced_status_for_code(struct enhanced_status status, int code)
{
	int class = code / 100;

	if (class != 2 && class != 4 && class != 5)
		return ENHANCED_STATUS_NONE;
	if (!enhanced_status_is_given(status))
		return ENHANCED_STATUS((uint8_t)class, 0, 0);
	status.class = (uint8_t)class;
	return status;
}
