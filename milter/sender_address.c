/*
 * The form in which rights are compared. Two addresses that any reader could take for one another
 * must not come out different by accident, and two that are different must never come out equal.
 *
 * Domain: strict IDNA2008 (RFC 5891 5, non-transitional), without the mapping of UTS #46. What
 * needs mapping (capitals beyond ASCII, full-width letters, other dots, what is not NFC) is
 * refused, and so are the four characters that IDNA2003 maps away and IDNA2008 does not (RFC 5894
 * 7.2): old software takes one domain for another there. Both may be written as A-labels instead.
 * An A-label must be that of a U-label. ASCII labels stay as they are, "_" and all.
 *
 * Local part: only ASCII letters are folded (RFC 6530 knows no other case); quotes go if a
 * dot-string is in them (RFC 5321 4.1.2), otherwise only the backslashes that say nothing.
 */
#include "sender_address.h"

#include <idn2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/ascii.h"
#include "lib/log.h"
#include "lib/utf8.h"
#include "visible_character.h"

static int refuse(char *reason, size_t size, const char *what, const char *text)
{
	char printable[SMTP_DOMAIN_MAX + 1];

	snprintf(reason, size, "%s: \"%s\"", what,
		 log_printable(printable, sizeof(printable), text, strlen(text)));
	return -1;
}

/* Sharp s, final sigma, zero-width non-joiner and joiner. */
static bool is_deviation(uint32_t c)
{
	return c == 0xdf || c == 0x3c2 || c == 0x200c || c == 0x200d;
}

static bool has_deviation(const char *domain)
{
	size_t left = strlen(domain), octets;
	uint32_t c;

	for (; (octets = utf8_read(&c, domain, left)) > 0; domain += octets, left -= octets)
		if (is_deviation(c))
			return true;
	return false;
}

/* Is there anything in it that IDNA has a say in? */
static bool is_internationalised(const char *domain)
{
	for (const char *c = domain; *c != '\0'; c++)
		if ((unsigned char)*c >= 0x80 || ((c == domain || c[-1] == '.') && strncmp(c, "xn--", 4) == 0))
			return true;
	return false;
}

int sender_address_fold_domain(char *out, size_t size, const char *domain, char *reason, size_t reason_size)
{
	char lower[SMTP_DOMAIN_MAX + 1];
	char *a_labels = NULL;
	size_t length = strlen(domain);
	int result;

	if (length == 0 || length >= sizeof(lower) || length >= size)
		return refuse(reason, reason_size, "empty or longer than 255 octets", domain);
	for (size_t i = 0; i <= length; i++)
		lower[i] = ascii_lower(domain[i]);
	if (lower[0] == '[' || !is_internationalised(lower)) {
		memcpy(out, lower, length + 1);
		return 0;
	}
	if (has_deviation(lower))
		return refuse(reason, reason_size,
			      "old software takes this for another domain; write it in A-labels (xn--...)", domain);
	if (idn2_lookup_u8((const uint8_t *)lower, (uint8_t **)&a_labels, IDN2_NO_TR46 | IDN2_ALABEL_ROUNDTRIP) != IDN2_OK)
		return refuse(reason, reason_size, "no domain that IDNA2008 allows", domain);
	length = strlen(a_labels);
	result = length <= SMTP_DOMAIN_MAX && length < size ? 0 : -1;
	if (result == 0)
		memcpy(out, a_labels, length + 1);
	idn2_free(a_labels);
	return result == 0 ? 0 : refuse(reason, reason_size, "longer than 255 octets in A-labels", domain);
}

static bool is_plain(const char *local_part)
{
	size_t left = strlen(local_part), octets;
	uint32_t c;

	for (; (octets = utf8_read(&c, local_part, left)) > 0; local_part += octets, left -= octets)
		if (visible_character_fold(c) != c || visible_character_is_control(c))
			return false;
	return left == 0;
}

/* Does it need no quotes? Asked of the parser that knows; what is written there cannot end the local part. */
static bool is_dot_string(const char *unquoted, size_t length)
{
	char text[sizeof(((struct mailbox *)0)->local_part) + 4], error[100];
	struct mailbox mailbox;

	snprintf(text, sizeof(text), "%.*s@d", (int)length, unquoted);
	return unquoted[0] != '"' && memchr(unquoted, '@', length) == NULL &&
	       mailbox_parse(&mailbox, text, length + 2, true, error, sizeof(error)) == 0;
}

/* `local_part` in quotes: without them if that means the same, otherwise with as few backslashes as can be. */
static void fold_quoted(char *out, const char *local_part)
{
	char unquoted[sizeof(((struct mailbox *)0)->local_part)];
	size_t length = 0;

	for (const char *c = local_part + 1; c[0] != '\0' && c[1] != '\0'; c++) {
		if (*c == '\\' && c[1] != '\0')
			c++;
		unquoted[length++] = ascii_lower(*c);
	}
	unquoted[length] = '\0';
	if (is_dot_string(unquoted, length)) {
		memcpy(out, unquoted, length + 1);
		return;
	}
	*out++ = '"';
	for (size_t i = 0; i < length; i++) {
		if (unquoted[i] == '"' || unquoted[i] == '\\')
			*out++ = '\\';
		*out++ = unquoted[i];
	}
	memcpy(out, "\"", 2);
}

int sender_address_from_mailbox(struct sender_address *address, const struct mailbox *mailbox, char *reason,
				size_t reason_size)
{
	char domain[SMTP_DOMAIN_MAX + 1];
	struct mailbox folded;
	size_t length;

	if (!is_plain(mailbox->local_part))
		return refuse(reason, reason_size, "local part with characters that look like others or are not seen",
			      mailbox->local_part);
	if (sender_address_fold_domain(domain, sizeof(domain), mailbox->domain, reason, reason_size) != 0)
		return -1;
	if (mailbox->local_part[0] == '"')
		fold_quoted(folded.local_part, mailbox->local_part);
	else
		for (size_t i = 0; i == 0 || mailbox->local_part[i - 1] != '\0'; i++)
			folded.local_part[i] = ascii_lower(mailbox->local_part[i]);
	length = strlen(folded.local_part);
	snprintf(address->text, sizeof(address->text), "%s@%s", folded.local_part, domain);
	address->domain = address->text + length + 1;
	return 0;
}

void sender_address_copy(struct sender_address *to, const struct sender_address *from)
{
	memcpy(to->text, from->text, sizeof(to->text));
	to->domain = to->text + (from->domain - from->text);
}
