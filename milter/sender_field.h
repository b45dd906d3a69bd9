/*
 * One field with addresses, and whether somebody may use all of them. What cannot be read cannot be
 * allowed: a field that no parser is sure of is never passed over.
 */
#ifndef SENDER_FIELD_H
#define SENDER_FIELD_H

#include <stdbool.h>

#include "address_list.h"
#include "message.h"
#include "sender_list.h"

struct sender_field {
	struct address_list addresses;
	bool is_parsed;
	char reason[200];		/* why it is not, in words for its author */
};

/* `allow_utf8`: RFC 6532. */
void sender_field_parse(struct sender_field *field, const char *value, bool allow_utf8);
void sender_field_wipe(struct sender_field *field);

/* The first address that `list` does not allow in fields, or NULL. */
const struct sender_address *sender_field_forbidden(const struct sender_field *field, const struct sender_list *list,
						    const struct sender_address *self);
/* Are there addresses, all in this domain (A-labels, lower case)? */
bool sender_field_is_in_domain(const struct sender_field *field, const char *domain);
/*
 * An address as a field's value, in angle brackets where address_list_parse() wants them (a quoted
 * local part, a literal). `text` is shorter than MAILBOX_TEXT_MAX. Returns out.
 */
#define SENDER_FIELD_ADDRESS_MAX (MAILBOX_TEXT_MAX + 2)
char *sender_field_print_address(char *out, size_t size, const char *text);
/* All addresses so, without names, one a line; heap, or NULL. */
char *sender_field_print_bare(const struct sender_field *field);

#endif
