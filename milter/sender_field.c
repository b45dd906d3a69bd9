/* What address_list.c read, as rules ask for it. */
#include "sender_field.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sender_field_parse(struct sender_field *field, const char *value, bool allow_utf8)
{
	memset(field, 0, sizeof(*field));
	field->is_parsed = address_list_parse(&field->addresses, value, strlen(value), allow_utf8, field->reason,
					      sizeof(field->reason)) == 0;
}

void sender_field_wipe(struct sender_field *field)
{
	if (field->is_parsed)
		address_list_wipe(&field->addresses);
	memset(field, 0, sizeof(*field));
}

const struct sender_address *sender_field_forbidden(const struct sender_field *field, const struct sender_list *list,
						    const struct sender_address *self)
{
	for (size_t i = 0; i < field->addresses.count; i++)
		if (!sender_list_allows(list, SENDER_IN_FROM, &field->addresses.items[i].address, self))
			return &field->addresses.items[i].address;
	return NULL;
}

bool sender_field_is_in_domain(const struct sender_field *field, const char *domain)
{
	for (size_t i = 0; i < field->addresses.count; i++)
		if (strcmp(field->addresses.items[i].address.domain, domain) != 0)
			return false;
	return field->addresses.count > 0;
}

char *sender_field_print_address(char *out, size_t size, const char *text)
{
	bool needs_brackets = text[0] == '"' || text[strlen(text) - 1] == ']';

	snprintf(out, size, "%s%s%s", needs_brackets ? "<" : "", text, needs_brackets ? ">" : "");
	return out;
}

char *sender_field_print_bare(const struct sender_field *field)
{
	static const char separator[] = ",\n ";
	char *out = calloc(field->addresses.count + 1, SENDER_FIELD_ADDRESS_MAX + sizeof(separator)), *end = out;
	char text[MAILBOX_TEXT_MAX];

	for (size_t i = 0; out != NULL && i < field->addresses.count; i++) {
		if (i > 0)
			end = stpcpy(end, separator);
		mailbox_print(&field->addresses.items[i].mailbox, text, sizeof(text));
		sender_field_print_address(end, SENDER_FIELD_ADDRESS_MAX, text);
		end += strlen(end);
	}
	return out;
}
