/*
 * The right-hand side of a line of `senders`: what somebody may use. postern-senders(5):
 *
 *	list  = item *(WSP item)		; commas count as white space
 *	item  = ["envelope:" / "from:"] what / "default=" address
 *	what  = address			; also with any extension, if recipient_delimiter is set
 *	      / local "+*@" domain	; with any extension, not without ("+" stands for what is set)
 *	      / "@" domain / domain	; every address there; without "@" it must have a dot
 *	      / "." domain		; every address in its subdomains
 *	      / "self"			; the login, if it is an address
 *	      / "<>"			; the null reverse-path, whatever null_sender_classes says
 *	      / "*"
 *
 * Without prefix an item holds for the envelope and for From. Once there is an item with a prefix,
 * nothing changes for the others: the prefix only narrows its own item. default= is an item "from:"
 * too.
 */
#ifndef SENDER_LIST_H
#define SENDER_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "sender_address.h"

enum sender_use { SENDER_IN_ENVELOPE, SENDER_IN_FROM };

struct sender_list;

/* NULL with a reason that quotes the bad item. `delimiter`: recipient_delimiter, "" or NULL for none. */
struct sender_list *sender_list_parse(const char *value, const char *delimiter, char *reason, size_t reason_size);
struct sender_list *sender_list_acquire(struct sender_list *list);	/* counted; thread-safe */
void sender_list_release(struct sender_list *list);

/* `self`: the login in the form of sender_address, or NULL. */
bool sender_list_allows(const struct sender_list *list, enum sender_use use, const struct sender_address *address,
			const struct sender_address *self);
bool sender_list_allows_null(const struct sender_list *list);
/* default= as written, for From fields that are repaired; NULL if there is none. */
const char *sender_list_default_from(const struct sender_list *list);

#endif
