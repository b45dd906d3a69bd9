/*
 * RFC 7208 7.1:
 *
 *	macro-string  = *( macro-expand / macro-literal )
 *	macro-expand  = "%{" macro-letter *DIGIT [ "r" ] *delimiter "}" / "%%" / "%_" / "%-"
 *	macro-literal = %x21-24 / %x26-7E
 *	macro-letter  = "s" / "l" / "o" / "d" / "i" / "p" / "h" / "c" / "r" / "t" / "v"
 *	delimiter     = "." / "-" / "+" / "," / "/" / "_" / "="
 *	toplabel      = ( *alphanum ALPHA *alphanum )
 *	              / ( 1*alphanum "-" *( alphanum / "-" ) alphanum )
 *
 * c, r and t only in explanations. A capital letter means that the value is escaped as in a URL
 * (7.3).
 */
#include "spf_macro.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "dns/dns_lookup.h"
#include "lib/endpoint.h"

#define DELIMITERS ".-+,/_="
#define PARTS_MAX 128
/* RFC 1035 2.3.4, as text */
#define DOMAIN_TEXT_MAX 253

struct macro {
	char letter; /* small */
	bool is_escaped, is_reversed;
	unsigned long parts; /* 0: all */
	char delimiters[sizeof(DELIMITERS)];
};

/* "%{...}" at the text. Its length, or 0. */
static size_t parse_braces(const char *text, struct macro *macro)
{
	const char *at = text + 2;
	size_t used = 0;
	char *end;

	*macro = (struct macro){ .letter = (char)tolower((unsigned char)*at),
				 .is_escaped = isupper((unsigned char)*at) };
	if (*at == '\0' || strchr("slodiphcrtv", macro->letter) == NULL)
		return 0;
	at++;
	if (isdigit((unsigned char)*at)) {
		macro->parts = strtoul(at, &end, 10);
		at = end;
		if (macro->parts == 0)
			return 0;
	}
	if (*at == 'r' || *at == 'R') {
		macro->is_reversed = true;
		at++;
	}
	for (; *at != '\0' && strchr(DELIMITERS, *at) != NULL; at++)
		if (strchr(macro->delimiters, *at) == NULL && used + 1 < sizeof(macro->delimiters))
			macro->delimiters[used++] = *at;
	if (used == 0)
		macro->delimiters[0] = '.';
	return *at == '}' ? (size_t)(at + 1 - text) : 0;
}

/* The length of the macro-expand at the text, 0 if there is none. */
static size_t expand_length(const char *text, bool is_explanation)
{
	struct macro macro;
	size_t length;

	if (text[0] != '%')
		return 0;
	if (text[1] == '%' || text[1] == '_' || text[1] == '-')
		return 2;
	if (text[1] != '{')
		return 0;
	length = parse_braces(text, &macro);
	return length > 0 && (is_explanation || strchr("crt", macro.letter) == NULL) ? length : 0;
}

/* *last: where the last macro-expand ends, if it ends the text; else NULL. */
static bool is_string(const char *text, bool is_explanation, const char **last)
{
	*last = NULL;
	while (*text != '\0') {
		size_t length = expand_length(text, is_explanation);

		if (length > 0) {
			text += length;
			*last = text;
			continue;
		}
		if (*text == '%' || (unsigned char)*text > '~' ||
		    (unsigned char)*text < (is_explanation ? ' ' : '!'))
			return false;
		text++;
		*last = NULL;
	}
	return true;
}

bool spf_macro_is_string(const char *text, bool is_explanation)
{
	const char *last;

	return is_string(text, is_explanation, &last);
}

static bool is_toplabel(const char *text, size_t length)
{
	bool has_letter = false;

	for (size_t i = 0; i < length; i++) {
		if (!isalnum((unsigned char)text[i]) && text[i] != '-')
			return false;
		has_letter = has_letter || !isdigit((unsigned char)text[i]);
	}
	return length > 0 && has_letter && text[0] != '-' && text[length - 1] != '-';
}

bool spf_macro_is_domain_spec(const char *text)
{
	size_t length = strlen(text), start;
	const char *last;

	if (!is_string(text, false, &last))
		return false;
	if (last != NULL)
		return true;
	if (length > 0 && text[length - 1] == '.')
		length--;
	for (start = length; start > 0 && text[start - 1] != '.'; start--)
		;
	return start > 0 && is_toplabel(text + start, length - start);
}

bool spf_macro_is_full_name(const char *domain)
{
	size_t length = strlen(domain);
	char text[DNS_NAME_MAX + 3];

	if (length == 0 || length > DNS_NAME_MAX)
		return false;
	for (const char *at = domain;; at++) {
		size_t label = strcspn(at, ".");

		if (label > 63 || (label == 0 && at[label + (at[label] != '\0')] != '\0'))
			return false;
		at += label;
		if (*at == '\0')
			break;
	}
	snprintf(text, sizeof(text), "%s", domain);
	/* What is no macro there is a literal. */
	for (char *at = text; *at != '\0'; at++)
		if (*at == '%')
			*at = 'x';
	return spf_macro_is_domain_spec(text);
}

/* i: the address with a dot between its parts, the hexadecimal digits of IPv6. */
static void print_dotted(char *out, size_t size, const struct sockaddr_storage *address)
{
	const uint8_t *bytes;
	size_t used = 0;

	if (address->ss_family == AF_INET) {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, out,
			  (socklen_t)size);
		return;
	}
	bytes = ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr;
	for (size_t i = 0; i < 16; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%X.%X", i > 0 ? "." : "",
					 bytes[i] >> 4, bytes[i] & 15);
}

static void print_value(char *out, size_t size, char letter, const struct spf_macro_values *values)
{
	switch (letter) {
	case 's':
		snprintf(out, size, "%s@%s", values->local_part, values->sender_domain);
		return;
	case 'l':
		snprintf(out, size, "%s", values->local_part);
		return;
	case 'o':
		snprintf(out, size, "%s", values->sender_domain);
		return;
	case 'd':
		snprintf(out, size, "%s", values->domain);
		return;
	case 'i':
		print_dotted(out, size, values->address);
		return;
	case 'p':
		snprintf(out, size, "%s", values->validated_name(values->context, values->domain));
		return;
	case 'h':
		snprintf(out, size, "%s", values->hello);
		return;
	case 'c':
		endpoint_print_address((const struct sockaddr *)values->address, out, size);
		return;
	case 'r':
		snprintf(out, size, "%s", values->receiver);
		return;
	case 't':
		snprintf(out, size, "%lld", (long long)time(NULL));
		return;
	case 'v':
		snprintf(out, size, "%s",
			 values->address->ss_family == AF_INET ? "in-addr" : "ip6");
		return;
	}
	out[0] = '\0';
}

struct writer {
	char *out;
	size_t size, used;
	bool is_cut;
};

static void put(struct writer *writer, char byte)
{
	if (writer->used + 1 >= writer->size) {
		writer->is_cut = true;
		return;
	}
	writer->out[writer->used++] = byte;
	writer->out[writer->used] = '\0';
}

/* RFC 3986 2.3: unreserved bytes stay. */
static void put_text(struct writer *writer, const char *text, bool is_escaped)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (!is_escaped || isalnum(byte) || strchr("-._~", byte) != NULL) {
			put(writer, *text);
			continue;
		}
		put(writer, '%');
		put(writer, digits[byte >> 4]);
		put(writer, digits[byte & 15]);
	}
}

/* Splits, reverses, takes the last ones, joins with dots. */
static void put_macro(struct writer *writer, const struct macro *macro,
		      const struct spf_macro_values *values)
{
	char value[SPF_MACRO_TEXT_MAX], *parts[PARTS_MAX], *at = value;
	size_t count = 0, first;

	print_value(value, sizeof(value), macro->letter, values);
	do {
		parts[count++] = at;
		at += strcspn(at, macro->delimiters);
		if (*at == '\0')
			break;
		*at++ = '\0';
	} while (count < PARTS_MAX);
	for (size_t i = 0; macro->is_reversed && i < count / 2; i++) {
		char *other = parts[count - 1 - i];

		parts[count - 1 - i] = parts[i];
		parts[i] = other;
	}
	first = macro->parts > 0 && macro->parts < count ? count - macro->parts : 0;
	for (size_t i = first; i < count; i++) {
		if (i > first)
			put(writer, '.');
		put_text(writer, parts[i], macro->is_escaped);
	}
}

bool spf_macro_expand(char *out, size_t size, const char *text,
		      const struct spf_macro_values *values)
{
	struct writer writer = { .out = out, .size = size };
	struct macro macro;

	out[0] = '\0';
	while (*text != '\0') {
		if (text[0] != '%' || text[1] == '\0') {
			put(&writer, *text++);
		} else if (text[1] == '{') {
			size_t length = parse_braces(text, &macro);

			if (length == 0)
				return false;
			put_macro(&writer, &macro, values);
			text += length;
		} else {
			put_text(&writer,
				 text[1] == '%'	  ? "%"
				 : text[1] == '_' ? " "
						  : "%20",
				 false);
			text += 2;
		}
	}
	return !writer.is_cut;
}

bool spf_macro_expand_domain(char out[SPF_MACRO_TEXT_MAX], const char *text,
			     const struct spf_macro_values *values)
{
	char whole[16 * SPF_MACRO_TEXT_MAX];
	const char *name = whole;
	size_t length;

	if (!spf_macro_expand(whole, sizeof(whole), text, values))
		return false;
	length = strlen(whole);
	if (length > 0 && whole[length - 1] == '.')
		whole[--length] = '\0';
	while (strlen(name) > DOMAIN_TEXT_MAX) {
		name = strchr(name, '.');
		if (name == NULL)
			return false;
		name++;
	}
	memcpy(out, name, strlen(name) + 1);
	return true;
}
