/*
 * RFC 5322 3.4, read as strictly as the most naive reader needs: a field is accepted only if those
 * that split it in any of the usual ways find the same addresses in it.
 *
 *	address-list = address *("," address)
 *	address      = mailbox / group
 *	group        = phrase ":" [mailbox *("," mailbox)] ";"	; followed by "," at once, or by the end
 *	mailbox      = [phrase] [CFWS] "<" addr-spec ">" [CFWS] / [CFWS] addr-spec [CFWS]
 *	phrase       = word *([CFWS] word)
 *	word         = 1*(atext / "." / UTF8-non-ascii) / quoted-string	; the first without a leading "."
 *	addr-spec    = Mailbox of RFC 5321		; by mailbox_parse()
 *	CFWS         = *(FWS / comment)
 *
 * The parser proper sees the unfolded value. Refused though the grammar has it, for readers differ:
 *   - a folded line of white space alone (obs-FWS), which ends the header section for some;
 *   - CFWS inside angle brackets or an addr-spec, routes, empty list elements (obs- forms);
 *   - a quoted local part or an address literal without angle brackets, and a local part that needs
 *     its quotes;
 *   - quotes, angle brackets and backslashes in comments, "@" in nested ones;
 *   - "@" and angle brackets, or "@" and a backslash, inside the same quoted string;
 *   - ";" and backslashes in the quoted strings and comments of a group;
 *   - a dot directly before "<" or ":", a backslash (in its pair) directly before a closing quote;
 *   - malformed encoded words (RFC 2047), those in an addr-spec, and those in which, once decoded, a reader that
 *     decodes before it parses would find syntax.
 * Accepted though it is obsolete, for it is harmless: dots in a phrase.
 *
 * No recursion; the time is linear in the length of the value.
 */
#include "address_list.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "field_value.h"
#include "lib/ascii.h"
#include "lib/buffer.h"
#include "lib/log.h"
#include "visible_text.h"

struct parser {
	const char *at, *end;		/* of the unfolded value */
	bool allow_utf8;
	bool is_in_group;
	struct address_list *list;
	struct buffer name, remarks;	/* of the address that is being read */
	struct buffer group;		/* what remarks begin with inside a group */
	char *reason;
	size_t reason_size;
};

static bool refuse(struct parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(struct parser *parser, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(parser->reason, parser->reason_size, format, arguments);
	va_end(arguments);
	return false;
}

static bool put(struct parser *parser, struct buffer *buffer, const char *text, size_t length)
{
	return length == 0 || buffer_put(buffer, text, length) == 0 || refuse(parser, "out of memory");
}

static bool is_end(const struct parser *parser)
{
	return parser->at == parser->end;
}

static bool is_next(const struct parser *parser, char c)
{
	return !is_end(parser) && *parser->at == c;
}

static bool skip(struct parser *parser, char c)
{
	if (!is_next(parser, c))
		return false;
	parser->at++;
	return true;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool skip_space(struct parser *parser)
{
	const char *start = parser->at;

	while (!is_end(parser) && is_space(*parser->at))
		parser->at++;
	return parser->at > start;
}

/* What a phrase may have outside quotes: atext, ".", and UTF-8, which field_value_unfold() has looked at. */
static bool is_word_char(char c)
{
	return ascii_is_alnum(c) || (unsigned char)c >= 0x80 || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

/* A phrase or a comment as a reader has it that decodes it before it parses the field. */
static bool check_decoded(struct parser *parser, const char *text, size_t length)
{
	struct visible_text seen;
	bool is_malformed;

	if (length == 0 || (memmem(text, length, "=?", 2) == NULL && memmem(text, length, "?=", 2) == NULL))
		return true;
	if (visible_text_look_decoded(&seen, text, length, &is_malformed) != 0)
		return refuse(parser, "out of memory");
	if (is_malformed)
		return refuse(parser, "malformed encoded word");
	if (seen.has_control)
		return refuse(parser, "encoded word with a control character in it");
	if (seen.has_angle)
		return refuse(parser, "encoded word with an angle bracket in it");
	if (seen.has_address && seen.has_syntax)
		return refuse(parser, "encoded word with an address and punctuation in it");
	return true;
}

/* ---- words ---- */

static bool check_comment(struct parser *parser, const char *text, size_t length, bool is_nested)
{
	struct visible_text seen;

	visible_text_look(&seen, text, length);
	if (seen.has_angle || memchr(text, '"', length) != NULL || memchr(text, '\\', length) != NULL)
		return refuse(parser, "comment with an angle bracket, a quote or a backslash in it");
	if ((seen.has_at && is_nested) || (seen.has_address && seen.has_syntax))
		return refuse(parser, "comment with an address and punctuation in it");
	if (parser->is_in_group && memchr(text, ';', length) != NULL)
		return refuse(parser, "comment with a semicolon in it inside a group");
	return check_decoded(parser, text, length);
}

/* At "(". */
static bool parse_comment(struct parser *parser)
{
	const char *start = ++parser->at;
	size_t depth = 1;
	bool is_nested = false;

	for (; !is_end(parser); parser->at++) {
		if (is_next(parser, '('))
			depth++;
		else if (is_next(parser, ')') && --depth == 0)
			break;
		is_nested |= depth > 1;
	}
	if (is_end(parser))
		return refuse(parser, "comment without its closing parenthesis");
	parser->at++;
	return check_comment(parser, start, (size_t)(parser->at - 1 - start), is_nested) &&
	       (buffer_length(&parser->remarks) == 0 || put(parser, &parser->remarks, " ", 1)) &&
	       put(parser, &parser->remarks, start, (size_t)(parser->at - 1 - start));
}

static bool parse_cfws(struct parser *parser)
{
	for (;;) {
		skip_space(parser);
		if (!is_next(parser, '('))
			return true;
		if (!parse_comment(parser))
			return false;
	}
}

/* At the opening quote. */
static bool parse_quoted_string(struct parser *parser)
{
	const char *start = ++parser->at;
	bool has_backslash = false;
	struct visible_text seen;
	size_t length;

	for (; !is_end(parser) && !is_next(parser, '"'); parser->at++)
		if (skip(parser, '\\')) {
			has_backslash = true;
			if (is_end(parser))
				break;
		}
	if (is_end(parser))
		return refuse(parser, "quoted string without its closing quote");
	length = (size_t)(parser->at++ - start);
	if (length > 0 && start[length - 1] == '\\')
		return refuse(parser, "quoted string that ends in a backslash");
	visible_text_look(&seen, start, length);
	if (seen.has_at && seen.has_angle)
		return refuse(parser, "address in angle brackets inside a quoted string");
	if (has_backslash && (seen.has_at || seen.has_angle))
		return refuse(parser, "backslash and address in the same quoted string");
	if (parser->is_in_group && (has_backslash || memchr(start, ';', length) != NULL))
		return refuse(parser, "quoted string with a semicolon or a backslash in it inside a group");
	return true;
}

/* The words of a name, with one space where there was CFWS, to parser->name. */
static bool parse_phrase(struct parser *parser)
{
	if (is_next(parser, '.'))
		return refuse(parser, "name that begins with a dot");
	while (!is_end(parser) && (is_next(parser, '"') || is_word_char(*parser->at))) {
		const char *start = parser->at;

		if (is_next(parser, '"')) {
			if (!parse_quoted_string(parser))
				return false;
		} else {
			while (!is_end(parser) && is_word_char(*parser->at))
				parser->at++;
		}
		if (!put(parser, &parser->name, start, (size_t)(parser->at - start)))
			return false;
		start = parser->at;
		if (!parse_cfws(parser) || (parser->at > start && !put(parser, &parser->name, " ", 1)))
			return false;
	}
	return check_decoded(parser, (const char *)buffer_data(&parser->name), buffer_length(&parser->name));
}

/* ---- addresses ---- */

static char *take_text(struct buffer *buffer)
{
	const char *text = (const char *)buffer_data(buffer);
	size_t length = buffer_length(buffer);
	char *copy;

	while (length > 0 && text[length - 1] == ' ')
		length--;
	copy = calloc(1, length + 1);
	if (copy != NULL && length > 0)
		memcpy(copy, text, length);
	return copy;
}

static bool add_item(struct parser *parser, const struct address_list_item *parsed)
{
	struct address_list *list = parser->list;
	struct address_list_item *item, *items;

	if (list->count == ADDRESS_LIST_MAX)
		return refuse(parser, "more than %d addresses", ADDRESS_LIST_MAX);
	items = realloc(list->items, (list->count + 1) * sizeof(*items));
	if (items == NULL)
		return refuse(parser, "out of memory");
	list->items = items;
	item = &items[list->count];
	*item = *parsed;
	item->display_name = take_text(&parser->name);
	item->remarks = take_text(&parser->remarks);
	list->count++;
	/* The items may have moved, and each address points into itself. */
	for (size_t i = 0; i < list->count; i++)
		items[i].address.domain = strrchr(items[i].address.text, '@') + 1;
	return (item->display_name != NULL && item->remarks != NULL) || refuse(parser, "out of memory");
}

static bool parse_addr_spec(struct parser *parser, struct address_list_item *item, const char *text, size_t length)
{
	char why[200], printable[100];

	log_printable(printable, sizeof(printable), text, length);
	if (length == 0)
		return refuse(parser, "empty angle brackets");
	if (text[0] == '@')
		return refuse(parser, "source route: <%s>", printable);
	if (memchr(text, ' ', length) != NULL || memchr(text, '\t', length) != NULL || memchr(text, '(', length) != NULL)
		return refuse(parser, "white space or a comment inside an address: \"%s\"", printable);
	if (mailbox_parse(&item->mailbox, text, length, parser->allow_utf8, why, sizeof(why)) != 0)
		return refuse(parser, "%s: \"%s\"", why, printable);
	if (strstr(item->mailbox.local_part, "=?") != NULL)
		return refuse(parser, "encoded word inside an address: \"%s\"", printable);
	if (item->mailbox.is_literal && !item->has_brackets)
		return refuse(parser, "address literal without angle brackets: \"%s\"", printable);
	if (sender_address_from_mailbox(&item->address, &item->mailbox, why, sizeof(why)) != 0)
		return refuse(parser, "%s", why);
	if (item->address.text[0] == '"' || strchr(item->mailbox.local_part, '\\') != NULL)
		return refuse(parser, "local part that needs its quotes: \"%s\"", printable);
	return true;
}

/* At "<". */
static bool parse_brackets(struct parser *parser, struct address_list_item *item)
{
	const char *start = ++parser->at;
	const char *closing = memchr(start, '>', (size_t)(parser->end - start));

	if (closing == NULL)
		return refuse(parser, "\"<\" without \">\"");
	parser->at = closing + 1;
	item->has_brackets = true;
	return parse_addr_spec(parser, item, start, (size_t)(closing - start));
}

/* Does an addr-spec without brackets begin here? Then *end_out is where it ends. */
static bool is_addr_spec(const struct parser *parser, const char **end_out)
{
	const char *at = parser->at;

	while (at < parser->end && is_word_char(*at))
		at++;
	if (at == parser->end || at == parser->at || *at != '@')
		return false;
	while (at < parser->end && !is_space(*at) && strchr(",;(", *at) == NULL)
		at++;
	*end_out = at;
	return true;
}

static bool refuse_after_phrase(struct parser *parser)
{
	if (is_end(parser) || is_next(parser, ',') || is_next(parser, ';'))
		return refuse(parser, buffer_length(&parser->name) > 0 ? "name without an address, or address without a domain"
								       : "empty place in the list of addresses");
	if (is_next(parser, '@'))
		return refuse(parser, "\"@\" where a name or \"<\" should be; what is no address needs quotes");
	return refuse(parser, "\"%c\" where a name or \"<\" should be; names with punctuation need quotes", *parser->at);
}

static bool parse_mailbox_after_phrase(struct parser *parser)
{
	struct address_list_item item = { .is_in_group = parser->is_in_group };

	return (is_next(parser, '<') || refuse_after_phrase(parser)) && parse_brackets(parser, &item) &&
	       parse_cfws(parser) && add_item(parser, &item);
}

static bool parse_plain_address(struct parser *parser, const char *end)
{
	struct address_list_item item = { .is_in_group = parser->is_in_group };
	const char *start = parser->at;

	parser->at = end;
	return parse_addr_spec(parser, &item, start, (size_t)(end - start)) && parse_cfws(parser) &&
	       (!is_next(parser, '<') || refuse(parser, "address where the name of another should be; it needs quotes")) &&
	       add_item(parser, &item);
}

/* [CFWS] mailbox, or only the name of a group and its ":"; *is_group says which. */
static bool parse_mailbox_or_name(struct parser *parser, bool *is_group)
{
	const char *end;

	*is_group = false;
	buffer_reset(&parser->name);
	buffer_reset(&parser->remarks);
	if (parser->is_in_group && !put(parser, &parser->remarks, (const char *)buffer_data(&parser->group),
					buffer_length(&parser->group)))
		return false;
	if (!parse_cfws(parser))
		return false;
	if (is_addr_spec(parser, &end))
		return parse_plain_address(parser, end);
	if (!is_next(parser, '<') && !parse_phrase(parser))
		return false;
	if (buffer_length(&parser->name) > 0 && parser->at[-1] == '.')
		return refuse(parser, "name that ends in a dot without white space behind it");
	*is_group = is_next(parser, ':') && buffer_length(&parser->name) > 0 && !parser->is_in_group;
	return *is_group || parse_mailbox_after_phrase(parser);
}

/* At ":", with the name in parser->name. */
static bool parse_group(struct parser *parser)
{
	bool ignored, is_good = true;

	parser->at++;
	buffer_reset(&parser->group);
	if (!put(parser, &parser->group, (const char *)buffer_data(&parser->name), buffer_length(&parser->name)) ||
	    !put(parser, &parser->group, " ", 1) ||
	    !put(parser, &parser->group, (const char *)buffer_data(&parser->remarks), buffer_length(&parser->remarks)))
		return false;
	parser->is_in_group = true;
	skip_space(parser);
	if (!is_next(parser, ';')) {
		do
			is_good = parse_mailbox_or_name(parser, &ignored);
		while (is_good && skip(parser, ','));
	}
	parser->is_in_group = false;
	parser->list->groups++;
	if (!is_good)
		return false;
	if (!skip(parser, ';'))
		return refuse(parser, "group without its closing semicolon, or text after an address in it");
	return !skip_space(parser) || !is_next(parser, ',') || refuse(parser, "white space between a group and a comma");
}

static bool parse_list(struct parser *parser)
{
	bool is_group;

	skip_space(parser);
	if (is_end(parser))
		return refuse(parser, "empty");
	do {
		if (!parse_mailbox_or_name(parser, &is_group) || (is_group && !parse_group(parser)))
			return false;
	} while (skip(parser, ','));
	if (is_next(parser, ';'))
		return refuse(parser, "semicolon outside a group");
	return is_end(parser) || refuse(parser, "text after an address");
}

int address_list_parse(struct address_list *list, const char *value, size_t length, bool allow_utf8, char *reason,
		       size_t reason_size)
{
	struct parser parser = {
		.list = list, .allow_utf8 = allow_utf8, .reason = reason, .reason_size = reason_size,
	};
	struct buffer unfolded;
	bool is_good;

	*list = (struct address_list){ .count = 0 };
	buffer_init(&unfolded, length + 1);
	buffer_init(&parser.name, length + 1);
	buffer_init(&parser.remarks, 3 * length + 3);
	buffer_init(&parser.group, 2 * length + 2);
	is_good = field_value_unfold(&unfolded, value, length, allow_utf8, reason, reason_size) == 0;
	if (is_good) {
		parser.at = buffer_length(&unfolded) > 0 ? (const char *)buffer_data(&unfolded) : "";
		parser.end = parser.at + buffer_length(&unfolded);
		is_good = parse_list(&parser);
	}
	buffer_wipe(&unfolded);
	buffer_wipe(&parser.name);
	buffer_wipe(&parser.remarks);
	buffer_wipe(&parser.group);
	if (!is_good)
		address_list_wipe(list);
	return is_good ? 0 : -1;
}

void address_list_wipe(struct address_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].display_name);
		free(list->items[i].remarks);
	}
	free(list->items);
	*list = (struct address_list){ .count = 0 };
}
