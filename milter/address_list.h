/*
 * The value of From, Sender, Reply-To and their Resent- kin as RFC 5322 3.4 has it, and as every
 * reader would see it: what two readers could take for different addresses is refused with a
 * reason. Pure; encoded words are decoded to be looked at, but nothing decoded is kept.
 *
 *	address-list = address *("," address)		; empty elements (obs-addr-list) are refused
 *	address      = mailbox / group
 *	group        = display-name ":" [mailbox-list] ";"
 *	mailbox      = [display-name] "<" addr-spec ">" / addr-spec
 *
 * Comments and folding white space are allowed where the grammar has CFWS, except inside angle
 * brackets and between the parts of an addr-spec, where readers disagree. Routes (obs-route) are
 * refused; what else is, address_list.c says.
 */
#ifndef ADDRESS_LIST_H
#define ADDRESS_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "sender_address.h"

#define ADDRESS_LIST_MAX 100		/* addresses of one field */

struct address_list_item {
	struct mailbox mailbox;
	struct sender_address address;
	char *display_name;		/* as written, unfolded, quotes and encoded words kept; "" if none */
	char *remarks;			/* comments and the name of its group, which readers may show instead; "" if none */
	bool has_brackets;
	bool is_in_group;
};

struct address_list {
	struct address_list_item *items;
	size_t count;
	size_t groups;			/* an empty group has no items */
};

/*
 * Parses a field's value (what follows the colon; folded lines as "\n " or "\r\n "). 0, or -1 with
 * a reason in words an author of a program understands, and nothing to wipe. A value without an
 * address, such as an empty group, is parsed: count is 0. `allow_utf8`: RFC 6532.
 */
int address_list_parse(struct address_list *list, const char *value, size_t length, bool allow_utf8, char *reason,
		       size_t reason_size);
void address_list_wipe(struct address_list *list);

#endif
