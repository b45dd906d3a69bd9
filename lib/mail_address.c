/*
 * Paths and mailboxes, RFC 5321 4.1.2 with the UTF-8 of RFC 6531 3.3. One function per rule of the
 * grammar; each moves the cursor over what it matched or says why it does not match.
 *
 *   Reverse-path   = Path / "<>"
 *   Forward-path   = Path
 *   Path           = "<" [ A-d-l ":" ] Mailbox ">"
 *   A-d-l          = At-domain *( "," At-domain )         ; accepted, ignored (appendix C)
 *   At-domain      = "@" Domain
 *   Mailbox        = Local-part "@" ( Domain / address-literal )
 *   Local-part     = Dot-string / Quoted-string
 *   Dot-string     = Atom *( "." Atom )
 *   Atom           = 1*( atext / UTF8-non-ascii )
 *   Quoted-string  = DQUOTE *( qtextSMTP / quoted-pairSMTP / UTF8-non-ascii ) DQUOTE
 *   Domain         = sub-domain *( "." sub-domain )
 *   sub-domain     = LDH label, or U-label    ; "_" is taken too: real hosts have it
 *   address-literal = "[" ( IPv4 / "IPv6:" IPv6 ) "]"
 *
 * Refuses comments, white space, obsolete forms, general address literals, the final dot of a
 * domain, and anything of more than the lengths of RFC 5321 4.5.3.1. Whether a U-label is one that
 * IDNA allows is for the DNS side to say.
 */
#include "mail_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ascii.h"
#include "utf8.h"

/* RFC 1035 2.3.4: octets; for a U-label characters, of which its A-label has more. */
#define LABEL_MAX 63

struct cursor {
	const char *at, *end;
	bool allow_utf8;
	bool saw_utf8;
	const char *why;	/* set by the rule that did not match */
};

static bool fail(struct cursor *cursor, const char *why)
{
	cursor->why = why;
	return false;
}

static bool is_at_end(const struct cursor *cursor)
{
	return cursor->at == cursor->end;
}

static bool is_next(const struct cursor *cursor, char c)
{
	return cursor->at < cursor->end && *cursor->at == c;
}

static bool skip(struct cursor *cursor, char c)
{
	if (!is_next(cursor, c))
		return false;
	cursor->at++;
	return true;
}

/* atext, RFC 5322 3.2.3 */
static bool is_atext(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Moves over one UTF8-non-ascii. */
static bool skip_utf8(struct cursor *cursor)
{
	size_t length;

	if (!cursor->allow_utf8)
		return fail(cursor, "non-ASCII address without SMTPUTF8");
	length = utf8_read(NULL, cursor->at, (size_t)(cursor->end - cursor->at));
	if (length == 0)
		return fail(cursor, "malformed UTF-8");
	cursor->at += length;
	cursor->saw_utf8 = true;
	return true;
}

static bool is_utf8_byte(const struct cursor *cursor)
{
	return cursor->at < cursor->end && (unsigned char)*cursor->at >= 0x80;
}

static bool parse_atom(struct cursor *cursor)
{
	const char *start = cursor->at;

	for (;;) {
		if (is_utf8_byte(cursor)) {
			if (!skip_utf8(cursor))
				return false;
		} else if (!is_at_end(cursor) && is_atext(*cursor->at)) {
			cursor->at++;
		} else {
			break;
		}
	}
	return cursor->at > start || fail(cursor, "empty or malformed local part");
}

static bool parse_dot_string(struct cursor *cursor)
{
	const char *start = cursor->at;

	do {
		if (!parse_atom(cursor))
			return false;
	} while (skip(cursor, '.'));
	if (cursor->at - start > SMTP_LOCAL_PART_MAX)
		return fail(cursor, "local part longer than 64 octets");
	return true;
}

static bool is_quoted_char(char c)
{
	return c >= ' ' && c < 0x7f;
}

/*
 * The limit of 64 counts the octets that are meant, not the quotes and backslashes that they are
 * written with.
 */
static bool parse_quoted_string(struct cursor *cursor)
{
	const char *start;
	size_t escapes = 0;

	cursor->at++;
	start = cursor->at;
	while (!is_at_end(cursor) && !is_next(cursor, '"')) {
		if (is_utf8_byte(cursor)) {
			if (!skip_utf8(cursor))
				return false;
			continue;
		}
		if (skip(cursor, '\\'))
			escapes++;
		if (is_at_end(cursor) || !is_quoted_char(*cursor->at))
			return fail(cursor, "malformed quoted local part");
		cursor->at++;
	}
	if ((size_t)(cursor->at - start) - escapes > SMTP_LOCAL_PART_MAX)
		return fail(cursor, "local part longer than 64 octets");
	return skip(cursor, '"') || fail(cursor, "local part without its closing quote");
}

static bool parse_sub_domain(struct cursor *cursor)
{
	const char *start = cursor->at;
	size_t characters = 0;

	for (;; characters++) {
		if (is_utf8_byte(cursor)) {
			if (!skip_utf8(cursor))
				return false;
		} else if (!is_at_end(cursor) && (ascii_is_alnum(*cursor->at) ||
						  *cursor->at == '-' || *cursor->at == '_')) {
			cursor->at++;
		} else {
			break;
		}
	}
	if (characters == 0)
		return fail(cursor, "empty label or bad character in domain");
	if (characters > LABEL_MAX)
		return fail(cursor, "domain label longer than 63 octets");
	if (start[0] == '-' || cursor->at[-1] == '-')
		return fail(cursor, "domain label begins or ends with a hyphen");
	return true;
}

static bool parse_domain(struct cursor *cursor)
{
	const char *start = cursor->at;

	do {
		if (!parse_sub_domain(cursor))
			return false;
	} while (skip(cursor, '.'));
	if (cursor->at - start > SMTP_DOMAIN_MAX)
		return fail(cursor, "domain longer than 255 octets");
	return true;
}

/* "192.0.2.1" or "IPv6:2001:db8::1" to its plain text form in `out`; -1 if it is neither. */
static int literal_address(const char *text, size_t length, char *out, size_t size)
{
	static const char tag[] = "IPv6:";
	unsigned char address[sizeof(struct in6_addr)];
	char plain[INET6_ADDRSTRLEN];
	int family = AF_INET;

	if (length >= strlen(tag) && ascii_is_word(text, strlen(tag), tag)) {
		text += strlen(tag);
		length -= strlen(tag);
		family = AF_INET6;
	}
	if (length >= sizeof(plain) || length >= size || memchr(text, '\0', length) != NULL)
		return -1;
	memcpy(plain, text, length);
	plain[length] = '\0';
	if (inet_pton(family, plain, address) != 1)
		return -1;
	memcpy(out, plain, length + 1);
	return 0;
}

static bool parse_address_literal(struct cursor *cursor)
{
	const char *start = ++cursor->at;
	char address[INET6_ADDRSTRLEN];

	while (!is_at_end(cursor) && !is_next(cursor, ']'))
		cursor->at++;
	if (literal_address(start, (size_t)(cursor->at - start), address, sizeof(address)) != 0)
		return fail(cursor, "malformed address literal");
	return skip(cursor, ']') || fail(cursor, "address literal without its closing bracket");
}

static void copy_span(char *out, const char *start, const char *end)
{
	memcpy(out, start, (size_t)(end - start));
	out[end - start] = '\0';
}

/* Fills *mailbox, whose members have room for the longest that the rules let through. */
static bool parse_mailbox(struct cursor *cursor, struct mailbox *mailbox)
{
	const char *start = cursor->at;

	cursor->saw_utf8 = false;
	if (is_next(cursor, '"') ? !parse_quoted_string(cursor) : !parse_dot_string(cursor))
		return false;
	copy_span(mailbox->local_part, start, cursor->at);
	if (!skip(cursor, '@'))
		return fail(cursor, is_at_end(cursor) || is_next(cursor, '>')
					    ? "address without a domain"
					    : "bad character in local part");
	start = cursor->at;
	mailbox->is_literal = is_next(cursor, '[');
	if (mailbox->is_literal ? !parse_address_literal(cursor) : !parse_domain(cursor))
		return false;
	copy_span(mailbox->domain, start, cursor->at);
	mailbox->is_utf8 = cursor->saw_utf8;
	return true;
}

/* [ A-d-l ":" ]: only its form is looked at. */
static bool parse_source_route(struct cursor *cursor)
{
	if (!is_next(cursor, '@'))
		return true;
	do {
		if (!skip(cursor, '@'))
			return fail(cursor, "malformed source route");
		if (!parse_domain(cursor))
			return false;
	} while (skip(cursor, ','));
	return skip(cursor, ':') || fail(cursor, "malformed source route");
}

static bool parse_path(struct cursor *cursor, struct mailbox *mailbox)
{
	if (!skip(cursor, '<'))
		return fail(cursor, "address is not in angle brackets");
	if (!parse_source_route(cursor) || !parse_mailbox(cursor, mailbox))
		return false;
	return skip(cursor, '>') || fail(cursor, "bad character in domain");
}

/* Parses all of the text with one rule, into a copy: *mailbox changes only on success. */
static int parse_whole(bool (*rule)(struct cursor *, struct mailbox *), struct mailbox *mailbox,
		       const char *text, size_t length, bool allow_utf8, char *error,
		       size_t error_size)
{
	struct cursor cursor = { .at = text,
				 .end = length > 0 ? text + length : text,
				 .allow_utf8 = allow_utf8 };
	struct mailbox parsed = { .is_utf8 = false };

	if (!rule(&cursor, &parsed) ||
	    (!is_at_end(&cursor) && !fail(&cursor, "text after the address"))) {
		snprintf(error, error_size, "%s", cursor.why);
		return -1;
	}
	*mailbox = parsed;
	return 0;
}

int mailbox_parse(struct mailbox *mailbox, const char *text, size_t length, bool allow_utf8,
		  char *error, size_t error_size)
{
	return parse_whole(parse_mailbox, mailbox, text, length, allow_utf8, error, error_size);
}

int forward_path_parse(struct mailbox *mailbox, const char *text, size_t length, bool allow_utf8,
		       char *error, size_t error_size)
{
	return parse_whole(parse_path, mailbox, text, length, allow_utf8, error, error_size);
}

int reverse_path_parse(struct reverse_path *path, const char *text, size_t length, bool allow_utf8,
		       char *error, size_t error_size)
{
	if (length == 2 && memcmp(text, "<>", 2) == 0) {
		*path = (struct reverse_path){ .is_null = true };
		return 0;
	}
	if (forward_path_parse(&path->mailbox, text, length, allow_utf8, error, error_size) != 0)
		return -1;
	path->is_null = false;
	return 0;
}

char *mailbox_print(const struct mailbox *mailbox, char *out, size_t size)
{
	snprintf(out, size, "%s@%s", mailbox->local_part, mailbox->domain);
	return out;
}

char *reverse_path_print(const struct reverse_path *path, char *out, size_t size)
{
	if (!path->is_null)
		return mailbox_print(&path->mailbox, out, size);
	if (size > 0)
		out[0] = '\0';
	return out;
}

bool mailbox_is_same(const struct mailbox *a, const struct mailbox *b)
{
	return strcmp(a->local_part, b->local_part) == 0 &&
	       ascii_is_word(a->domain, strlen(a->domain), b->domain);
}

int mailbox_literal_address(const struct mailbox *mailbox, char *out, size_t size)
{
	size_t length = strlen(mailbox->domain);

	if (!mailbox->is_literal || length < 2 || mailbox->domain[0] != '[' ||
	    mailbox->domain[length - 1] != ']')
		return -1;
	return literal_address(mailbox->domain + 1, length - 2, out, size);
}
