/*
 * xtext (RFC 3461 4), which carries ENVID and ORCPT, and the forms of ORCPT's utf-8 address type
 * (RFC 6533 3).
 */
#ifndef XTEXT_H
#define XTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * xtext to bytes; returns the length or -1 for bad xtext or no room. Adds a NUL; the bytes may
 * contain NUL as well.
 */
ssize_t xtext_decode(char *out, size_t size, const char *text, size_t length);
/* Bytes to xtext; returns the length or -1 for no room. Adds a NUL. */
ssize_t xtext_encode(char *out, size_t size, const char *bytes, size_t length);
bool xtext_is_valid(const char *text, size_t length);

/*
 * Is it a utf-8-enc-addr? `allow_utf8`: the unitext form, with UTF-8 as it is, may be used because
 * SMTPUTF8 was asked for; without it only the ASCII form.
 */
bool xtext_utf8_address_is_valid(const char *text, size_t length, bool allow_utf8);
/*
 * A valid utf-8-enc-addr to its ASCII form; returns the length or -1 for no room or an invalid one.
 * Adds a NUL.
 */
ssize_t xtext_utf8_address_to_ascii(char *out, size_t size, const char *text, size_t length);

#endif
