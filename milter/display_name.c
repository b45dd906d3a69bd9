/*
 * Mail programs on small screens show the name and hide the address. So what stands beside the
 * address is read as its reader sees it: quotes and backslashes taken away, encoded words (RFC
 * 2047) decoded, white space between them dropped, invisible characters dropped, full-width and
 * other look-alikes of "@" and "." folded. What then looks like
 *
 *	address = 1*visible *space "@" 1*visible "." 1*visible / 1*visible "@" *space 1*visible "." 1*visible
 *
 * must be the item's own address, in U-labels or A-labels. "Alice @ Work" and "@alice" are no
 * addresses. Nothing is said of names that pretend to be persons.
 */
#include "display_name.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "encoded_word.h"
#include "lib/ascii.h"
#include "lib/buffer.h"
#include "lib/log.h"
#include "lib/utf8.h"
#include "visible_character.h"

static bool blame(char *reason, size_t size, const char *what)
{
	snprintf(reason, size, "%s", what);
	return true;
}

static bool is_delimiter(char c)
{
	return (unsigned char)c <= ' ' || strchr("@<>()[]{},;:\"|/", c) != NULL;
}

/* Quotes and the backslashes of quoted pairs go. -1: no memory. */
static int put_unquoted(struct buffer *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"')
			continue;
		if (*text == '\\' && text[1] != '\0')
			text++;
		if (buffer_put_u8(out, (uint8_t)*text) != 0)
			return -1;
	}
	return 0;
}

/* As UTF-8; it never grows. */
static void put_character(struct buffer *out, uint32_t folded, const char *raw, size_t octets)
{
	if (folded != 0 && folded < 0x80)
		buffer_put_u8(out, (uint8_t)ascii_lower((char)folded));
	else if (folded != 0)
		buffer_put(out, raw, octets);
}

/* True if something in it cannot be shown honestly at all. */
static bool fold(struct buffer *out, const struct buffer *decoded, char *reason, size_t size)
{
	const char *at = (const char *)buffer_data(decoded);
	size_t left = buffer_length(decoded), octets;
	uint32_t c;

	for (; left > 0; at += octets, left -= octets) {
		octets = utf8_read(&c, at, left);
		if (octets == 0)
			return blame(reason, size, "name that cannot be decoded: malformed UTF-8");
		if (visible_character_is_bidi_control(c))
			return blame(reason, size, "name with bidirectional controls");
		if (visible_character_is_control(c) && c != '\t')
			return blame(reason, size, "name with control characters");
		put_character(out, visible_character_fold(c), at, octets);
	}
	return false;
}

/* Is it the item's own address, in U-labels or A-labels, whichever of them the item has? */
static bool is_own(const struct address_list_item *item, const char *text, size_t length)
{
	struct sender_address address;
	struct mailbox mailbox;
	char why[200];

	return mailbox_parse(&mailbox, text, length, true, why, sizeof(why)) == 0 &&
	       sender_address_from_mailbox(&address, &mailbox, why, sizeof(why)) == 0 &&
	       strcmp(address.text, item->address.text) == 0;
}

/* "ceo @bank.example", "ceo@ bank.example": for some parsers that is one word. "Alice @ work.example" is not. */
static bool is_spaced_left(const char *start, const char *at, const char *end)
{
	return at > start && at[-1] == ' ' && at + 1 < end && at[1] != ' ';
}

static bool is_spaced_right(const char *start, const char *at, const char *end)
{
	return at > start && at[-1] != ' ' && at + 1 < end && at[1] == ' ';
}

/* Around the "@" at `at`: what looks like an address there, quotes of the apostrophe kind taken away. */
static size_t address_around(const char **start_out, const char *start, const char *at, const char *end)
{
	const char *from = at, *to = at + 1, *domain;

	while (is_spaced_left(start, at, end) && from > start && from[-1] == ' ')
		from--;
	while (is_spaced_right(start, at, end) && to < end && *to == ' ')
		to++;
	domain = to;
	while (from > start && !is_delimiter(from[-1]))
		from--;
	while (from < at && strchr("'`.*_", *from) != NULL)
		from++;
	while (to < end && !is_delimiter(*to))
		to++;
	while (to > domain && strchr("'`.*_!?", to[-1]) != NULL)
		to--;
	*start_out = from;
	return from < at && *from != ' ' && memchr(domain, '.', (size_t)(to - domain)) != NULL && *domain != '.'
		       ? (size_t)(to - from) : 0;
}

/* In folded text. */
static bool has_other_address(const struct address_list_item *item, const char *text, size_t length, char *reason,
			      size_t size)
{
	char own[sizeof(item->address.text)], printable[200];

	for (const char *at = text; (at = memchr(at, '@', length - (size_t)(at - text))) != NULL; at++) {
		const char *start;
		size_t found = address_around(&start, text, at, text + length);

		if (found == 0 || is_own(item, start, found))
			continue;
		snprintf(reason, size, "name that shows another address than <%s>: \"%s\"",
			 log_printable(own, sizeof(own), item->address.text, strlen(item->address.text)),
			 log_printable(printable, sizeof(printable), start, found));
		return true;
	}
	return false;
}

static bool text_misleads(const struct address_list_item *item, const char *text, char *reason, size_t size)
{
	struct buffer unquoted, decoded, folded;
	enum encoded_word_fault fault;
	bool misleads = true;

	buffer_init(&unquoted, strlen(text));
	buffer_init(&decoded, ENCODED_WORD_GROWTH * strlen(text));
	buffer_init(&folded, ENCODED_WORD_GROWTH * strlen(text));
	if (put_unquoted(&unquoted, text) != 0 ||
	    encoded_word_decode(&decoded, (const char *)buffer_data(&unquoted), buffer_length(&unquoted), &fault) != 0)
		blame(reason, size, "name that cannot be looked at: out of memory");
	else if (fault != ENCODED_WORD_FINE)
		blame(reason, size, "name with an encoded word that cannot be decoded");
	else
		misleads = fold(&folded, &decoded, reason, size) ||
			   (buffer_length(&folded) > 0 &&
			    has_other_address(item, (const char *)buffer_data(&folded), buffer_length(&folded), reason, size));
	buffer_wipe(&unquoted);
	buffer_wipe(&decoded);
	buffer_wipe(&folded);
	return misleads;
}

bool display_name_misleads(const struct address_list_item *item, char *reason, size_t reason_size)
{
	return (item->display_name[0] != '\0' && text_misleads(item, item->display_name, reason, reason_size)) ||
	       (item->remarks[0] != '\0' && text_misleads(item, item->remarks, reason, reason_size));
}
