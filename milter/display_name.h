/*
 * Does the name that a mail program shows pretend to be another address? "ceo@bank.example"
 * <me@example.com>, also as an encoded word (RFC 2047), with full-width letters or invisible
 * characters in between. Decoding happens for looking only.
 */
#ifndef DISPLAY_NAME_H
#define DISPLAY_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "address_list.h"

/*
 * True if the display name (or a comment that readers show instead) contains an address that is not
 * the item's own, or cannot be decoded, or holds bidirectional controls; `reason` then says which, printable.
 */
bool display_name_misleads(const struct address_list_item *item, char *reason, size_t reason_size);

#endif
